"""The words that code cells write into pictures: titles, captions, labels, names of controls.

Code is the same in every language, so its words are translated where they are drawn. They are
found by two rules: what is given as a title, a caption, axes or a scale; and any other literal
that a stored picture shows as its label or in its sentence. An f-string is a template with
placeholders.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

from helpers import states

import nbformat

DRAWN = {"title", "caption", "axes", "scale"}  # arguments whose texts are drawn
_NOT_DRAWN = {"print", "check", "check_all"}


def messages(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """The words in pictures that a notebook's code holds: (id of the cell, message), in order."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    trees = {cell.id: ast.parse(cell.source) for cell in code}
    labels = {label for cell in code for label in _labels(cell)}
    titled = {
        node.name: [arg.arg for arg in node.args.args]
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    found: dict[str, str] = {}
    for cell in code:
        tree, sentences = trees[cell.id], "\n".join(_sentences(cell))
        given = {id(n) for part in _given(tree, titled) for n in ast.walk(part)}
        for node in _literals(tree):
            pattern = _pattern(node)
            if (
                id(node) in given
                or re.search(rf"(?<!\w){pattern}(?!\w)", sentences)
                or any(re.fullmatch(pattern, label) for label in labels)
            ):
                found.setdefault(template(node), cell.id)
        for stored in _explorers(cell):
            for control in stored["controls"]:
                found.setdefault(control["label"], cell.id)
    return [(cell, message) for message, cell in found.items() if not _is_code(message)]


def template(node: ast.expr) -> str:
    """A literal as a message; an f-string as one with placeholders."""
    if isinstance(node, ast.Constant):
        return node.value
    texts, names = [], []
    for part in node.values:
        if isinstance(part, ast.Constant):
            texts.append(part.value.replace("{", "{{").replace("}", "}}"))
        else:
            name = part.value.id if isinstance(part.value, ast.Name) else f"v{len(names) + 1}"
            names.append(name)
            texts.append(f"{{{name}}}")
    return "".join(texts)


def _literals(tree: ast.AST) -> Iterator[ast.expr]:
    """The strings of a cell, in order, but for docstrings, what is printed, and keys to look up."""
    if isinstance(tree, ast.JoinedStr):
        yield tree
        tree = ast.Tuple([v.value for v in tree.values if isinstance(v, ast.FormattedValue)])
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree
    skipped: list[ast.AST] = []
    if isinstance(tree, ast.Call) and getattr(tree.func, "id", "") in _NOT_DRAWN:
        return
    if isinstance(tree, ast.Subscript) and isinstance(tree.ctx, ast.Load):
        skipped = [tree.slice]
    elif isinstance(tree, ast.Compare):
        skipped = [n for n in (tree.left, *tree.comparators) if isinstance(n, ast.Constant)]
    elif isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return
    for child in ast.iter_child_nodes(tree):
        if child not in skipped:
            yield from _literals(child)


def _given(tree: ast.AST, titled: dict[str, list[str]]) -> Iterator[ast.AST]:
    """What is given as a title and so on: by name, by place, in a dict of options, to a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            names = titled.get(getattr(node.func, "id", ""), [])
            yield from (k.value for k in node.keywords if k.arg in DRAWN)
            yield from (value for name, value in zip(names, node.args) if name in DRAWN)
        elif isinstance(node, ast.Dict):
            keys = (getattr(key, "value", None) for key in node.keys)
            yield from (value for key, value in zip(keys, node.values) if key in DRAWN)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in DRAWN:
            yield node.value


def _pattern(node: ast.expr) -> str:
    """What finds a literal in the text of a picture; the values of an f-string may be any."""
    parts = [node] if isinstance(node, ast.Constant) else node.values
    return "".join(
        re.escape(part.value) if isinstance(part, ast.Constant) else ".+?" for part in parts
    )


def _explorers(cell: nbformat.NotebookNode) -> Iterator[dict]:
    for output in cell.outputs:
        stored = output.get("data", {}).get(states.MIME)
        if stored:
            yield json.loads(stored) if isinstance(stored, str) else stored


def _sentences(cell: nbformat.NotebookNode) -> Iterator[str]:
    for stored in _explorers(cell):
        yield from stored["sentences"]


def _labels(cell: nbformat.NotebookNode) -> Iterator[str]:
    """The titles and names in a cell's stored pictures; a title ends where a colon stands."""
    for output in cell.outputs:
        alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
        yield from (re.split(": | · ", paragraph)[0] for paragraph in alt.split("\n\n"))
    for stored in _explorers(cell):
        for control in stored["controls"]:
            yield from control["values"]
        for layout in stored["layouts"]:
            yield from (layout["title"].split(" · ")[0], *layout["axes"], layout["scale"])
            yield from layout["rows"] if not layout["axes"][0] else ()


def _is_code(text: str) -> bool:
    """Whether nothing but names in code, numbers and placeholders stands in a text."""
    plain = re.sub(r"\{\w+\}", " ", text)
    code = r"\S*(?:[_=()…]|[a-z][A-Z]|[A-Z]{2}|\w\.\w)\S*"
    try:
        body = ast.parse(plain.strip(), mode="eval").body
        words = body.elts if isinstance(body, ast.Tuple) else [body]  # "padded, declared"
        if not all(isinstance(word, ast.Name) for word in words):
            return True
    except SyntaxError:
        pass
    return not re.search(r"[^\W\d_]{2}", re.sub(code, " ", plain))
