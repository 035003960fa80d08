"""From a stored notebook to the notebook that Sphinx turns into a page.

Nothing is run. Explorers and predictions become HTML that moves in the page, every picture gets
its text, links lead to pages, and exercises say how to run them.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import os
import posixpath
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from helpers import states
from tests import notebooks
from tools.explorer_pages import explorer_html, prediction_html
from tools.site_words import WORDS

import nbformat
from PIL import Image

ROOT = Path(__file__).parent.parent
MINUTES = re.compile(r"(\d+)\s*(?:minutes|分钟)")
# The repository as `owner/name` on GitHub. Without it the pages have no links that need one.
REPOSITORY = os.environ.get("MASKS_REPOSITORY", "").strip("/")
# A link to a file, or code, in which nothing is a link.
_LINK = re.compile(
    r"^```.*?^```|(?<!!)\[(?P<words>(?:`[^`\n]*`|[^\[\]`])*)\]"
    r"\((?P<file>[^)\s:#]+)(?P<anchor>#[^)\s]*)?\)|`[^`\n]+`",
    re.M | re.S,
)

_FOLDED_TABLE = re.compile(
    r"<details><summary>([^<]*)</summary><table[^>]*><thead>(.*?)</thead>"
    r"<tbody>(.*?)</tbody></table></details>",
    re.S,
)


@dataclass(frozen=True)
class Edition:
    """The series in one language: its notebooks and where its pages are."""

    language: str

    @property
    def folder(self) -> Path:
        """Where its notebooks are."""
        return notebooks.FOLDER / ("" if self.language == "en" else self.language)

    @property
    def paths(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9][0-9]_*.ipynb"))

    @property
    def words(self) -> dict[str, str]:
        return WORDS[self.language]

    def page_of(self, file: str) -> str | None:
        """The page that shows a file of the repository, if any does: its path in the source."""
        folder, name = posixpath.split(file)
        if file == "README.md":
            return "index.md"
        if (ROOT / folder) == self.folder and (ROOT / file).is_file():
            return name
        page = self.language == "en" and folder == "docs" and file.endswith(".md")
        if page and (ROOT / file).is_file():
            return file
        return None


def anchor(title: str) -> str:
    """The anchor of a heading as Jupyter and GitHub's notebooks have it."""
    return re.sub(r"\s", "-", title.strip())


def dated(text: str) -> str:
    """A page of `docs/`: where a heading that it points to is gone, it points to the notebook.

    Such a page says what was found on a day; the notebooks go on.
    """

    def replaced(match: re.Match) -> str:
        path = notebooks.FOLDER / match["file"]
        there = path.is_file() and match["anchor"] in {
            anchor(title.replace("`", ""))
            for cell in notebooks.read(path).cells
            if cell.cell_type == "markdown"
            for title in re.findall(r"^#+ (.+)$", cell.source, re.M)
        }
        return match[0] if there else f"(../notebooks/{match['file']})"

    pattern = r"\(\.\./notebooks/(?P<file>[\w.-]+\.ipynb)#(?P<anchor>[^)\s]*)\)"
    return re.sub(pattern, replaced, text)


def links(text: str, here: Path, edition: Edition) -> str:
    """`text` of the file `here`, its links leading to pages instead of files.

    A link to a file without a page leads to the repository, where one is named; else its words
    stay and the link goes.
    """

    def replaced(match: re.Match) -> str:
        words, target, fragment = match["words"], match["file"], match["anchor"] or ""
        if not target:
            return match[0]
        start = here.parent.relative_to(ROOT).as_posix()
        file = posixpath.normpath(posixpath.join(start, target))
        page = edition.page_of(file)
        if page == "index.md":  # which has other parts than the README
            fragment = "#run" if fragment == "#start" else ""
        if page is not None:
            place = posixpath.dirname(edition.page_of(here.relative_to(ROOT).as_posix()) or "")
            return f"[{words}]({posixpath.relpath(page, place or '.')}{fragment})"
        if REPOSITORY:
            return f"[{words}](https://github.com/{REPOSITORY}/blob/HEAD/{file}{fragment})"
        return words

    return _LINK.sub(replaced, text)


def page(path: Path, edition: Edition, pictures: Path) -> nbformat.NotebookNode:
    """A notebook as the site shows it.

    Args:
        path: The stored notebook.
        edition: The edition that it belongs to.
        pictures: The folder for its pictures.
    """
    notebook = copy.deepcopy(notebooks.read(path))
    words, number, cells = edition.words, 0, []
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = links(cell.source, path, edition)
        elif cell.cell_type == "code":
            tags = cell.metadata.setdefault("tags", [])
            if "exercise" in tags:
                cells.append(_note(words["to_solve"], path, edition))
            if notebooks.is_hidden(cell):
                _fold(cell, "hide-output", words["answer"], words["close_answer"])
            for output in cell.outputs:
                if states.MIME in output.get("data", {}):
                    _fold(cell, "hide-input", words["code"], words["close_code"])
                    number += 1
                move(output, words, number, pictures)
        cells.append(cell)
        if place == 0:
            cells.append(_note(f"{words['moves']} {words['to_run']}", path, edition))
    notebook.cells = cells
    return notebook


def contents(edition: Edition) -> str:
    """The series as a table: its notebooks, what they find out, their minutes."""
    words, total = edition.words, 0
    rows = [f"| {words['notebook']} | {words['finds']} | {words['minutes']} |", "|---|---|---|"]
    for path in edition.paths:
        first = notebooks.read(path).cells[0].source
        title, minutes = first.splitlines()[0].removeprefix("# "), int(MINUTES.search(first)[1])
        question = re.search(r"^\*\*(?:The question|问题)[:：]\*\*\s*(.+)$", first, re.M)
        asks = question[1] if question else first.split("\n\n")[1].replace("\n", " ")
        asks = asks[:1].upper() + asks[1:]
        rows.append(f"| [{title}]({path.name}) | {links(asks, path, edition)} | {minutes} |")
        total += minutes
    hours = f"{total / 60:.0f}" if total % 60 < 8 else f"{total / 60:.1f}"
    return "\n".join(rows) + f"\n\n{words['all_minutes'].format(hours=hours)}\n"


def explorer(path: Path, edition: Edition, pictures: Path) -> str:
    """The first Explorer of a notebook, as HTML."""
    for cell in notebooks.read(path).cells:
        for output in cell.get("outputs", []):
            if states.MIME in output.get("data", {}):
                move(output, edition.words, 1, pictures)
                return output.data["text/html"]
    raise ValueError(f"{path.name} stores no Explorer: run `make refresh` on it.")


def ways(path: Path, edition: Edition) -> list[tuple[str, str, str]]:
    """How to run a notebook: words, address and further attributes of each link."""
    words = edition.words
    result = [(words["download"], f"notebooks/{path.name}", " download")]
    result.append((words["local"], "index.html#run", ""))
    if REPOSITORY:
        lab = f"lab/tree/{path.relative_to(ROOT).as_posix()}"
        address = f"https://mybinder.org/v2/gh/{REPOSITORY}/HEAD?urlpath={lab}"
        result.insert(0, (words["binder"], address, ""))
    return result


def _note(text: str, path: Path, edition: Edition) -> nbformat.NotebookNode:
    shown = " · ".join(
        f'<a href="{escape(url, quote=True)}"{more}>{words}</a>'
        for words, url, more in ways(path, edition)
    )
    source = f'<p class="masks-how">{text} {shown}</p>'
    return nbformat.v4.new_markdown_cell(source)


def _fold(cell: nbformat.NotebookNode, tag: str, show: str, hide: str) -> None:
    cell.metadata.tags.append(tag)
    cell.metadata["mystnb"] = {"code_prompt_show": show, "code_prompt_hide": hide}


def move(output: nbformat.NotebookNode, words: dict[str, str], number: int, pictures: Path) -> None:
    """Make an output what the page shows: moving, or a picture that has its text."""
    data = output.get("data", {})
    alt = " ".join(output.get("metadata", {}).get("image/png", {}).get("alt", "").split())
    if states.PREDICTION_MIME in data:
        html = prediction_html(data[states.PREDICTION_MIME], words)
    elif "image/png" in data:
        html = _picture(base64.b64decode(data["image/png"]), alt, pictures)
        if states.MIME in data:
            html = explorer_html(data[states.MIME], html, number, words)
    elif "text/html" in data:
        html = one_table(data["text/html"])
        if "<table" in html:  # which may be wider than a phone
            html = f'<div class="masks-wide">{html}</div>'
    else:
        return
    output["data"] = {"text/html": html}


def one_table(html: str) -> str:
    """Several folded tables of the same columns as one, whose rows know in which they were.

    A drop-down in the page (`site/_static/masks.js`) brings each of them back. Any other HTML
    stays as it is.
    """
    folds = _FOLDED_TABLE.findall(html)
    heads = {head for _, head, _ in folds}
    if len(folds) < 2 or len(heads) > 1 or _FOLDED_TABLE.sub("", html).strip():
        return html
    rows: dict[str, list[str]] = {}
    for place, (_, _, body) in enumerate(folds):
        for row in re.findall(r"<tr>.*?</tr>", body, re.S):
            rows.setdefault(row, []).append(str(place))
    choices = escape(json.dumps([words for words, _, _ in folds]), quote=True)
    body = "".join(
        f'<tr data-choices="{" ".join(places)}">{row.removeprefix("<tr>")}'
        for row, places in rows.items()
    )
    return (
        f'<table class="masks-table" data-choices="{choices}"><thead>{heads.pop()}</thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _picture(png: bytes, alt: str, pictures: Path) -> str:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    colours = image.getcolors(256)
    if colours:  # few, as in most pictures: a third of the bytes, and every pixel as it was
        image = image.quantize(len(colours), dither=Image.Dither.NONE)
    name = f"{hashlib.sha256(png).hexdigest()[:16]}.png"
    pictures.mkdir(parents=True, exist_ok=True)
    image.save(pictures / name, optimize=True)
    return (
        f'<img class="masks-plot" src="{pictures.name}/{name}" width="{image.width}" '
        f'height="{image.height}" alt="{escape(alt, quote=True)}">'
    )
