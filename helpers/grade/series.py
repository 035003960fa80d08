"""Which notebook of the series a submission is, and where its answers are to be judged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from helpers.language import _

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
_CHECK = re.compile(r'^check\("(\d+\.\d+)", (\w+)\)$', re.M)
_ENOUGH = 3  # cells in common: fewer could be chance
# What takes the interpreter apart, to get at what judges an answer. No answer needs it.
_TAKES_APART = set(
    "get_objects get_referrers get_referents ctypes inspect exec eval __import__ _getframe "
    "_current_frames f_back f_locals f_globals tb_frame gi_frame cr_frame ag_frame "
    "cell_contents __closure__ __code__ __traceback__ __subclasses__ addaudithook settrace "
    "setprofile".split()
)


class NoSubmission(Exception):
    """The file cannot be marked; the message says why."""


@dataclass(frozen=True)
class Exercise:
    """An exercise of an original: its number, what it asks for by name, and its two cells."""

    number: str
    name: str
    stub: str  # cell ids
    check: str


@dataclass(frozen=True)
class Original:
    """A notebook of the series."""

    name: str
    exercises: tuple[Exercise, ...]
    sources: dict[str, str]  # by cell id

    @property
    def chapter(self) -> str:
        return self.name[:2]


@dataclass(frozen=True)
class Submission:
    """A submitted notebook, and what of it belongs to which exercise of its original."""

    original: Original
    cells: list[nbformat.NotebookNode]

    def judged_after(self, exercise: Exercise) -> int:
        """The place of the exercise's check cell; after the last cell, if that is lost."""
        places = [i for i, cell in enumerate(self.cells) if cell.get("id") == exercise.check]
        places += [i for i, c in enumerate(self.cells) if list(_handed_over(c, exercise.number))]
        return places[0] if places else len(self.cells) - 1

    def names(self, exercise: Exercise) -> list[str]:
        """Where the answer may be: under the name asked for, else what was handed to `check`."""
        handed = (n for cell in self.cells for n in _handed_over(cell, exercise.number))
        return list(dict.fromkeys([exercise.name, *handed]))

    def is_ours(self, cell: nbformat.NotebookNode) -> bool:
        """Whether a cell is as it stands in the original."""
        return self.original.sources.get(cell.get("id")) == cell.source

    def takes_apart(self) -> str:
        """In words, what in the cells no answer needs and a cheater might; `""` if nothing."""
        for i, cell in enumerate(self.cells, start=1):
            if cell.cell_type == "code" and not self.is_ours(cell):
                found = sorted(_TAKES_APART.intersection(re.findall(r"\w+", cell.source)))
                if found:
                    return _("cell {i} uses `{word}`, which no answer needs", i=i, word=found[0])
        return ""


def originals(folder: Path = NOTEBOOKS) -> list[Original]:
    """The notebooks of the series that have exercises.

    Raises:
        FileNotFoundError: if there are none in `folder`.
    """
    found = []
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        exercises = [
            Exercise(*match.groups(), stub=stub.id, check=check.id)
            for stub, check in pairwise(code)
            if (match := _CHECK.search(check.source))
        ]
        sources = {cell.id: cell.source for cell in cells}
        found.append(Original(path.stem, tuple(exercises), sources))
    if not found:
        raise FileNotFoundError(
            _(
                "The notebooks of the series are not in {folder}: run this in a clone of the "
                "project, or name their folder with --originals.",
                folder=folder,
            )
        )
    return found


def submission(path: Path, series: list[Original]) -> Submission:
    """Read a submitted notebook. Its file name does not count, its cells do.

    Raises:
        NoSubmission: if it is no notebook, or none of the series.
    """
    try:
        cells = nbformat.read(path, as_version=4).cells
        sources = {cell.source.strip() for cell in cells}
        ids = {cell.get("id") for cell in cells}
    except Exception as error:
        why = " ".join(str(error).split())[:100]
        raise NoSubmission(_("This file is no notebook: {why}", why=why)) from error

    def shared(original: Original) -> int:
        return sum(i in ids or s.strip() in sources for i, s in original.sources.items())

    best = max(series, key=shared)
    if shared(best) < _ENOUGH:
        raise NoSubmission(_("This is no notebook of the series: it shares no cells with one."))
    return Submission(best, cells)


def _handed_over(cell: nbformat.NotebookNode, number: str) -> Iterator[str]:
    """The names that a cell hands over, as in `check("2.1", name)`."""
    if cell.cell_type != "code" or "check(" not in cell.source:
        return
    try:
        nodes = list(ast.walk(ast.parse(cell.source)))
    except (SyntaxError, ValueError):
        return
    for node in nodes:
        match node:
            case ast.Call(
                func=ast.Name(id="check"), args=[ast.Constant(value=v), ast.Name(id=name)]
            ) if v == number:
                yield name
