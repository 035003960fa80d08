"""What happens in the kernel: an assertion that fails is written down, and the cell goes on.

So what a cell shows below an assertion is seen, too, and the cells after it find their names.
"""

from __future__ import annotations

import ast
import reprlib
from typing import Any

MIME = "application/vnd.masks-you-can-see.assertion+json"
NAME = "__hold__"
_short = reprlib.Repr()
_short.maxset, _short.maxlist, _short.maxtuple, _short.maxstring, _short.maxother = (
    12,
    12,
    12,
    120,
    200,
)


class Soften(ast.NodeTransformer):
    """Turn the assertions of a cell into calls; those in functions and classes stay."""

    def visit_FunctionDef(self, node: ast.AST) -> ast.AST:
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        source = ast.unparse(node)
        call = ast.parse(f"{NAME}(None, {source!r}, {_operands(node.test)!r})").body[0]
        call.value.args[0] = node.test
        return ast.fix_missing_locations(ast.copy_location(call, node))


def _operands(test: ast.expr) -> list[str]:
    """What a reader would look at to see why a condition is false."""
    if isinstance(test, ast.Compare):
        parts = [test.left, *test.comparators]
    elif isinstance(test, ast.Call):
        parts = [*test.args, *([test.func.value] if isinstance(test.func, ast.Attribute) else [])]
    else:
        parts = [*(child for child in ast.iter_child_nodes(test) if isinstance(child, ast.expr))]
    return [ast.unparse(part) for part in parts if not isinstance(part, ast.Constant)]


def told(values: dict[str, Any]) -> dict[str, str]:
    """Values in few words; of two sets, what only one of them has."""
    if len(values) == 2 and all(isinstance(value, set) for value in values.values()):
        a, b = values.values()
        values = dict(zip(values, (a - b, b - a)))
        return {f"only in {name}": _short.repr(value) for name, value in values.items()}
    return {name: " ".join(_short.repr(value).split())[:300] for name, value in values.items()}


def install(shell: Any, patch: str = "") -> None:
    """Prepare the kernel of `shell`; `patch` is the path of a file to run before anything else."""
    from IPython.display import display

    def hold(condition: Any, source: str, operands: list[str]) -> None:
        if not condition:
            values = {}
            for operand in operands:
                try:
                    values[operand] = eval(operand, shell.user_ns)
                except Exception as error:
                    values[operand] = error
            display({MIME: {"source": source, "values": told(values)}}, raw=True)

    shell.user_ns[NAME] = hold
    shell.ast_transformers.append(Soften())
    if patch:
        with open(patch, encoding="utf-8") as file:  # noqa: PTH123 (in the kernel: few imports)
            exec(compile(file.read(), patch, "exec"), {"__name__": "patch"})
