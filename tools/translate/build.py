"""A notebook or a document in another language: the English one, its messages translated."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tools.translate import prose

import nbformat

ROOT = Path(__file__).parent.parent.parent
# Code, in which nothing is a link; or the target of a link, of a picture, of a tag.
_LINK = re.compile(
    r"^```.*?^```|`[^`\n]+`|(?P<before>\]\(|(?:src|href)=\")"
    r"(?P<file>[^)\s:#\"]*)(?P<anchor>#[^)\s\"]*)?(?P<after>[)\"])",
    re.M | re.S,
)


@dataclass(frozen=True)
class Builder:
    """What is translated into a language, and how.

    Args:
        language: Its name.
        words: From the English files to their translations, message by message.
    """

    language: str
    words: Mapping[Path, Mapping[str, str]]

    def place(self, path: Path) -> Path:
        """Where the translation of an English file belongs in the repository."""
        if path.suffix == ".ipynb":
            return path.parent / self.language / path.name
        return path.with_name(f"{path.stem}.{self.language}{path.suffix}")

    def notebook(self, path: Path, stored: Path) -> nbformat.NotebookNode:
        """The notebook at `path` in this language.

        The outputs that are stored at `stored` stay with their cells, if all code is the same.
        """
        notebook = copy.deepcopy(nbformat.read(path, as_version=4))
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self.text(cell.source, path)
        old = nbformat.read(stored, as_version=4).cells if stored.exists() else []
        ran = [cell for cell in old if cell.cell_type == "code"]
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        same = [cell.source for cell in ran] == [cell.source for cell in code]
        for place, cell in enumerate(code):
            cell.outputs = ran[place].outputs if same else []
            cell.execution_count = ran[place].execution_count if same else None
        return notebook

    def text(self, source: str, path: Path) -> str:
        """Markdown of the English file `path` in this language, its links leading to pages of it.

        A message without a translation stays English.
        """
        text = prose.translated(source, self._say(path), comments=path.suffix == ".md")
        folder, here = self.place(path).parent, self.place(path)

        def replaced(match: re.Match) -> str:
            file, fragment = match["file"], match["anchor"] or ""
            if match["before"] is None or not (file or fragment):
                return match[0]
            target = Path(os.path.normpath(path.parent / file)) if file else path
            if target in self.words:
                if fragment:
                    fragment = "#" + self._anchors(target).get(fragment[1:], fragment[1:])
                target = self.place(target)
            elif target == here:  # the English page's link to this one: the way back
                target = path
            if file:
                file = Path(os.path.relpath(target, folder)).as_posix()
            return f"{match['before']}{file}{fragment}{match['after']}"

        text = _LINK.sub(replaced, text)
        if path.suffix == ".md":  # commands that open a notebook
            for english in self.words:
                one, other = (
                    p.relative_to(ROOT).as_posix() for p in (english, self.place(english))
                )
                text = text.replace(f" {one}\n", f" {other}\n")
        return text

    def _say(self, path: Path) -> Callable[[str], str]:
        return lambda message: self.words[path].get(message) or message

    def _anchors(self, path: Path) -> dict[str, str]:
        """From the anchors of an English file to those of its translation."""
        say = self._say(path)
        return {anchor(heading): anchor(say(heading)) for heading in self._headings[path]}

    @cached_property
    def _headings(self) -> dict[Path, list[str]]:
        return {path: [h for s in sources(path) for h in prose.headings(s)] for path in self.words}


def sources(path: Path) -> list[str]:
    """The Markdown of a notebook, cell by cell, or of a document."""
    return [source for _, source in cells(path)]


def cells(path: Path) -> list[tuple[str, str]]:
    """The Markdown cells of a notebook, as place and source; a document is one cell."""
    if path.suffix != ".ipynb":
        return [(path.name, path.read_text(encoding="utf-8"))]
    notebook = nbformat.read(path, as_version=4)
    return [
        (f"{path.name}#{cell.id}", cell.source)
        for cell in notebook.cells
        if cell.cell_type == "markdown"
    ]


def anchor(heading: str) -> str:
    """The anchor of a heading as Jupyter has it."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", heading)
    return re.sub(r"\s", "-", shown.strip())
