"""A notebook in another language: the English cells, with the translations of their messages."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.translate import prose

import nbformat

# Code, in which nothing is a link; or the target of a link, of a picture, of a tag.
_LINK = re.compile(
    r"^```.*?^```|`[^`\n]+`|(?P<before>\]\(|(?:src|href)=\")"
    r"(?P<file>[^)\s:#\"]*)(?P<anchor>#[^)\s\"]*)?(?P<after>[)\"])",
    re.M | re.S,
)

Say = Callable[[str], str]
Words = Mapping[str, Mapping[str, str]]  # of notebooks' names: their translations


def sayer(translations: Mapping[str, str]) -> Say:
    """From a message to its translation; a message that has none stays English."""
    return lambda message: translations.get(message) or message


def built(path: Path, words: Words, target: Path) -> nbformat.NotebookNode:
    """The notebook at `path` in another language.

    Args:
        path: The English notebook.
        words: From the names of the edition's notebooks to their translations.
        target: Where it will be stored. Outputs that are stored there stay with their cells, as
            long as the code is the same and nothing before it has changed.
    """
    notebook = copy.deepcopy(nbformat.read(path, as_version=4))
    say = sayer(words[path.name])
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = prose.translated(cell.source, say)
            cell.source = _linked(text, path, target, words)
    _take_outputs(notebook, target)
    return notebook


def _take_outputs(notebook: nbformat.NotebookNode, target: Path) -> None:
    stored = nbformat.read(target, as_version=4).cells if target.exists() else []
    ran = [cell for cell in stored if cell.cell_type == "code"]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    same = [cell.source for cell in ran] == [cell.source for cell in code]
    for place, cell in enumerate(code):
        cell.outputs = ran[place].outputs if same else []
        cell.execution_count = ran[place].execution_count if same else None


def anchor(heading: str) -> str:
    """The anchor of a heading as Jupyter has it."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", heading)
    return re.sub(r"\s", "-", shown.strip())


def _linked(text: str, path: Path, target: Path, words: Words) -> str:
    """`text`, its links leading to pages of this language where there are any."""

    def replaced(match: re.Match) -> str:
        if match["before"] is None or not (match["file"] or match["anchor"]):
            return match[0]
        file, fragment = match["file"], match["anchor"] or ""
        name = file or path.name
        leads_to = path.parent / name
        if fragment and leads_to.suffix == ".ipynb" and leads_to.name in words:
            fragment = "#" + _anchors(leads_to, words).get(fragment[1:], fragment[1:])
        if file and leads_to.name not in words:
            leads_to = _in_language(leads_to, target.parent.name)
            file = Path(os.path.relpath(leads_to, target.parent)).as_posix()
        return f"{match['before']}{file}{fragment}{match['after']}"

    return _LINK.sub(replaced, text)


def _in_language(file: Path, language: str) -> Path:
    """`README.zh.md` for `README.md`, where there is one."""
    other = file.with_name(f"{file.stem}.{language}{file.suffix}")
    return other if other.exists() else file


def _anchors(path: Path, words: Words) -> dict[str, str]:
    """From the anchors of an English notebook to those of its translation."""
    say = sayer(words[path.name])
    return {
        anchor(heading): anchor(say(heading))
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
        for heading in prose.headings(cell.source)
    }
