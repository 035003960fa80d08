"""Reading notebooks, for the tests: cells, tags, exercises and their published solutions."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))

_SOLUTION = re.compile(
    r"<details><summary>Solution (\d+\.\d+)</summary>\n\n```python\n(.*?)\n```\n\n</details>", re.S
)
_CHECK = re.compile(r'^check\("(\d+\.\d+)", (\w+)\)$', re.M)


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook: where its stub is, and the solution given below it."""

    number: str
    stub: int  # index of the stub's cell
    check: int  # index of the cell that checks it
    solution: str


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def is_hidden(cell: nbformat.NotebookNode) -> bool:
    """Whether the stored output of a cell is collapsed until the cell is run."""
    return bool(cell.metadata.get("jupyter", {}).get("outputs_hidden"))


def predictions(notebook: nbformat.NotebookNode) -> list[tuple[int, int]]:
    """For each *Predict*: the index of its question and of the code cell that answers it."""
    result = []
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and "**Predict.**" in cell.source:
            answers = (
                j
                for j, after in enumerate(notebook.cells[i + 1 :], start=i + 1)
                if after.cell_type == "code"
                and after.outputs
                and "predict_mask(" not in after.source
            )
            result.append((i, next(answers)))
    return result


def minutes(notebook: nbformat.NotebookNode) -> float:
    """How long a reader is busy, by the rule of thumb that the series uses.

    200 words a minute, half a minute for a code cell, two for a Predict and an Explorer, five for
    an exercise. What is folded counts where it is read on the way (*What you see*), not where it
    is looked up (hints, solutions, answers, *In depth*).
    """
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    prose = re.sub(r"<details>\s*<summary>(?!What you see).*?</details>", "", prose, flags=re.S)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    count = len(exercises(notebook))
    explorers = sum("explore(" in c.source for c in code)
    return (
        len(prose.split()) / 200
        + 0.5 * (len(code) - 2 * count)
        + 2 * (prose.count("**Predict.**") + explorers)
        + 5 * count
    )


def exercises(notebook: nbformat.NotebookNode) -> list[Exercise]:
    """The exercises of a notebook, in order.

    Raises:
        ValueError: if a stub has no check after it, or a check no solution.
    """
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    solutions = dict(_SOLUTION.findall(prose))
    result = []
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    for here, after in zip(code, [*code[1:], None]):
        if "exercise" not in notebook.cells[here].metadata.get("tags", []):
            continue
        match = None if after is None else _CHECK.search(notebook.cells[after].source)
        if match is None:
            raise ValueError(f"cell {here} is an exercise, but no check follows it")
        number = match.group(1)
        if number not in solutions:
            raise ValueError(f"exercise {number} has no solution")
        result.append(Exercise(number, here, after, solutions.pop(number)))
    if solutions:
        raise ValueError(f"solutions without an exercise: {', '.join(solutions)}")
    return result


def cells_for(notebook: nbformat.NotebookNode, wanted: list[int]) -> list[int]:
    """The code cells that the cells `wanted` need, in order: those that define what they use."""
    chosen, names = set(), set()
    for i in reversed(range(len(notebook.cells))):
        cell = notebook.cells[i]
        if cell.cell_type != "code":
            continue
        nodes = list(ast.walk(ast.parse(cell.source)))
        used = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        used -= {n.arg for n in nodes if isinstance(n, ast.arg)}  # a parameter hides it
        made = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        made |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        made |= {(n.asname or n.name).split(".")[0] for n in nodes if isinstance(n, ast.alias)}
        if i in wanted or made & names:
            chosen.add(i)
            names |= used
    return sorted(chosen)
