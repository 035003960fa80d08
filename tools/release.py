"""Copies of the notebooks to hand out: for students without solutions, for the teacher with all.

`make release OUT=folder` writes `folder/students` and `folder/teacher`. Outputs stay as they are
stored, hints stay, and the answers to predictions are collapsed. The folders below are those of
the project, since a notebook in `notebooks/zh` is answered in Chinese.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from tests import notebooks

import nbformat

ROOT = Path(__file__).parent.parent
_DETAILS = re.compile(r"<details>\s*<summary>(.*?)</summary>.*?</details>\n*", re.S)
_SOLUTION = re.compile(r"Solution \d+\.\d+")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
FOR_TEACHERS = ("TEACHING*.md", "docs/hub*.md")
FOR_ALL = ("LICENSE-CC-BY-4.0.txt",)


def release(out: Path, root: Path = ROOT) -> list[Path]:
    """Write both copies of every edition of the series.

    Args:
        out: A folder that does not exist yet, or is empty.
        root: The project.

    Returns:
        The notebooks that were written, for students and for the teacher.

    Raises:
        FileExistsError: if there is something in `out`: what is old must not stay among the new.
        ValueError: if a solution cannot be found in another language, by the place of its English.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: name a new folder, or empty this one.")
    written = []
    english = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    others = sorted((root / "notebooks").glob("[!.]*/[0-9][0-9]_*.ipynb"))
    for path in (*english, *others):
        solutions = solutions_of(notebooks.read(root / "notebooks" / path.name))
        for copy in ("students", "teacher"):
            notebook = notebooks.read(path)
            collapse_answers(notebook)
            if copy == "students":
                take_out(solutions, notebook)
            target = out / copy / path.relative_to(root)
            unlink_the_absent(notebook, path, root)
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, target)
            written.append(target)
    for copy, patterns in {"students": FOR_ALL, "teacher": FOR_ALL + FOR_TEACHERS}.items():
        for path in (path for pattern in patterns for path in root.glob(pattern)):
            target = out / copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return written


def solutions_of(notebook: nbformat.NotebookNode) -> dict[str, list[int]]:
    """By cell id: which of the cell's `<details>` hold a solution."""
    found = {}
    for cell in notebook.cells:
        summaries = _DETAILS.findall(cell.source) if cell.cell_type == "markdown" else []
        places = [i for i, text in enumerate(summaries) if _SOLUTION.fullmatch(text)]
        if places:
            found[cell.id] = places
    return found


def take_out(solutions: dict[str, list[int]], notebook: nbformat.NotebookNode) -> None:
    """Remove the solutions from a notebook, in place; it may be in another language."""
    cells = {cell.id: cell for cell in notebook.cells}
    for id_, places in solutions.items():
        source = cells[id_].source if id_ in cells else ""
        blocks = list(_DETAILS.finditer(source))
        if len(blocks) <= max(places):
            raise ValueError(f"cell {id_}: its solution is not where it is in English.")
        for place in reversed(places):
            if "```python" not in blocks[place].group():
                raise ValueError(f"cell {id_}: no code where English has its solution.")
            source = source[: blocks[place].start()] + source[blocks[place].end() :]
        cells[id_].source = source.strip()
    notebook.cells = [c for c in notebook.cells if c.source or c.cell_type == "code"]


def collapse_answers(notebook: nbformat.NotebookNode) -> None:
    """Hide the outputs that answer a prediction, should a run have opened them."""
    for _, answer in notebooks.predictions(notebook):
        notebook.cells[answer].metadata.setdefault("jupyter", {})["outputs_hidden"] = True


def unlink_the_absent(notebook: nbformat.NotebookNode, path: Path, root: Path) -> None:
    """Make links out of the notebooks' folder plain text: what they lead to is not handed out."""
    folder = root / "notebooks"

    def kept(link: re.Match) -> str:
        target = (path.parent / link[2]).resolve()
        return link[0] if target.is_relative_to(folder.resolve()) else link[1]

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(kept, cell.source)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tools.release", description=__doc__)
    parser.add_argument("out", type=Path, help="a new folder")
    try:
        written = release(parser.parse_args(arguments).out)
    except (FileExistsError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
