"""Build decks of slides from the stored notebooks, by rule: `make slides`.

There is no second source. A heading starts a part; prose, code, pictures and outputs are its
blocks, and `site/slides/deck.js` packs them into slides of 1280 × 720, in the browser, where it
can be measured what fits. What answers a question comes at the next key press. Explorers and
predictions are those of the site. Left out: the set-up cell, the code of Explorers, checks, hints
and solutions, links between notebooks.

A deck needs no network. reveal.js, which turns the slides, is copied from a package in the lock.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path

from helpers import states
from tests import notebooks
from tools.site_pages import ROOT, Edition, anchor, links, move
from tools.site_words import SPHINX

from markdown_it import MarkdownIt
from markdown_it.token import Token
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TARGET = ROOT / "build" / "slides"
STYLE = "a11y-high-contrast-light"
REVEAL = ["LICENSE", "dist/reveal.css", "dist/reveal.js"]
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
_LEAD = re.compile(r"<p><strong>[^<]*[.。]</strong>")


@dataclass
class Block:
    """What is not torn apart: a paragraph, a cell of code, a picture."""

    html: str
    kind: str  # "text", "predict", "code", "output", "explorer"
    later: bool = False  # shown at the next key press


@dataclass
class Part:
    """A heading and what stands under it."""

    level: int
    heading: str  # HTML
    blocks: list[Block] = field(default_factory=list)


def parts(path: Path, edition: Edition, pictures: Path) -> list[Part]:
    """What a deck shows of a notebook, in order.

    Args:
        path: The stored notebook.
        edition: The edition that it belongs to.
        pictures: The folder for its pictures.
    """
    notebook = notebooks.read(path)
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    stubs = {i for i in code if "exercise" in notebook.cells[i].metadata.get("tags", [])}
    checks = {after for here, after in pairwise(code) if here in stubs}
    result: list[Part] = []
    number = 0
    for i, cell in enumerate(notebook.cells):
        if i in checks or i == code[0]:
            continue
        if cell.cell_type == "code":
            number += any(states.MIME in o.get("data", {}) for o in cell.outputs)
            result[-1].blocks += _code_cell(cell, edition, number, pictures)
        elif cell.cell_type == "markdown":
            before = notebook.cells[i - 1] if i else None
            seen = before is not None and bool(before.get("outputs"))
            text = links(cell.source, path, edition)
            for new in _markdown_cell(text, after_check=i - 1 in checks, after_output=seen):
                if isinstance(new, Part):
                    result.append(new)
                else:
                    result[-1].blocks.append(new)
            if i == 0:  # what follows the promises is for who works alone
                last = max(n for n, block in enumerate(result[-1].blocks) if "<ul>" in block.html)
                del result[-1].blocks[last + 1 :]
    return [part for part in result if part.blocks]


def _code_cell(
    cell: NotebookNode, edition: Edition, number: int, pictures: Path
) -> Iterator[Block]:
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    if states.MIME not in kinds:
        source = re.sub(r"\n{3,}", "\n\n", cell.source)  # a slide has no room for PEP 8's two lines
        html = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
        yield Block(f'<pre class="code">{html}</pre>', "code")
    printed = ""  # since the last picture
    hidden = notebooks.is_hidden(cell)
    for output in cell.outputs:
        data = output.get("data", {})
        kind = "explorer" if states.MIME in data else "output"
        later = hidden and states.PREDICTION_MIME not in data  # which asks
        move(output, edition.words, number, pictures)
        html = output.get("data", {}).get("text/html")
        if html is None:
            printed += _printed(output)
            continue
        yield from _listing(printed, hidden)
        printed = ""
        yield Block(f"<div>{html}</div>", kind, later)
    yield from _listing(printed, hidden)


def _printed(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}\n"
    return output.data.get("text/plain", "")


def _listing(text: str, later: bool) -> Iterator[Block]:
    if text.strip():
        yield Block(f"<pre>{escape(text.rstrip())}</pre>", "output", later)


def _markdown_cell(text: str, *, after_check: bool, after_output: bool) -> Iterator[Part | Block]:
    """The headings and blocks of a cell of prose.

    What is folded after a check, up to the next heading, are hints and solutions, which no deck
    has; anything else that is folded is an answer.
    """
    folded = None  # the words on the fold that is open
    for place, tokens in enumerate(_top_level(_MARKDOWN.parse(text))):
        first = tokens[0]
        html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
        if first.type == "html_block" and re.search("</?details>", html):
            fold = re.search(r"<summary>(.*?)</summary>", html)
            folded = fold[1] if fold and "</details>" not in html else None
        elif first.type == "heading_open":
            after_check = False
            yield Part(int(first.tag[1]), _as_slides(html.strip()))
        elif folded is not None and after_check:
            continue
        elif not _leads_on(tokens):
            kind = "predict" if first.type == "blockquote_open" else "text"
            later = folded is not None or (place == 0 and after_output and bool(_LEAD.match(html)))
            if folded:
                html, folded = f"<p><strong>{folded}</strong></p>{html}", ""
            yield Block(_as_slides(f"<div>{html}</div>"), kind, later)


def _top_level(tokens: list[Token]) -> Iterator[list[Token]]:
    start = 0
    for i, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            yield tokens[start : i + 1]
            start = i + 1


def _leads_on(tokens: list[Token]) -> bool:
    """Whether a paragraph only links to other notebooks."""
    if tokens[0].type != "paragraph_open":
        return False
    inside, links_seen, rest = 0, 0, ""
    for token in tokens[1].children or []:
        inside += {"link_open": 1, "strong_open": 1}.get(token.type, 0)
        inside -= {"link_close": 1, "strong_close": 1}.get(token.type, 0)
        links_seen += token.type == "link_open"
        rest += "" if inside else token.content
    return links_seen > 0 and not re.search(r"\w", rest)


def _as_slides(html: str) -> str:
    """HTML whose links lead to decks."""
    html = re.sub(r'href="(\w+)\.ipynb#([^"]*)"', r'href="\1.html#/\2"', html)
    html = re.sub(r'href="(\w+)\.ipynb"', r'href="\1.html"', html)
    return re.sub(r'<a href="[^"]*\.md[^"]*">(.*?)</a>', r"\1", html)


def deck(found: list[Part], edition: Edition) -> str:
    """A deck as a page. Without scripts it can be read like any other page."""
    title = _text(found[0].heading)
    body = ""
    for part in found:
        name = anchor(_text(part.heading))
        blocks = "".join(
            re.sub(r"^<(\w+)", rf'<\1 data-kind="{b.kind}"{" data-later" * b.later}', b.html)
            for b in part.blocks
        )
        body += (
            f'<section data-name="{escape(name, quote=True)}">{part.heading}{blocks}</section>\n'
        )
    words = json.dumps(edition.words, ensure_ascii=False)
    scripts = f"<script>const MASKS_WORDS = {words};</script>"
    scripts += "".join(
        f'<script src="{name}"></script>' for name in ("masks.js", "reveal.js", "deck.js")
    )
    return _page(title, f"<main>{body}</main>", edition, scripts)


def index(titles: dict[str, str], edition: Edition) -> str:
    """The page that lists the decks."""
    words = edition.words
    rows = "".join(f'<li><a href="{name}.html">{title}</a></li>' for name, title in titles.items())
    body = f"<h1>{escape(words['title'])}</h1><ul>{rows}</ul><p>{escape(words['turn'])}</p>"
    return _page(words["title"], f'<main class="index">{body}</main>', edition, "")


def _page(title: str, body: str, edition: Edition, scripts: str) -> str:
    styles = "".join(
        f'<link rel="stylesheet" href="{name}">' for name in ("reveal.css", "masks.css", "deck.css")
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{SPHINX[edition.language].replace("_", "-")}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title>{styles}{scripts}</head>\n<body>{body}</body></html>\n"
    )


def _text(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html).strip()


def build(edition: Edition, target: Path) -> None:
    """Write an edition's decks, and all that they need, into a folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    titles = {}
    for path in edition.paths:
        found = parts(path, edition, target / "pictures")
        (target / f"{path.stem}.html").write_text(deck(found, edition), encoding="utf-8")
        titles[path.stem] = re.sub(r"</?h\d>", "", found[0].heading)
    (target / "index.html").write_text(index(titles, edition), encoding="utf-8")
    for name in ("_static/masks.js", "_static/masks.css", "slides/deck.js", "slides/deck.css"):
        shutil.copy(ROOT / "site" / name, target)
    colours = HtmlFormatter(style=STYLE).get_style_defs(".code")
    with (target / "deck.css").open("a", encoding="utf-8") as style:
        style.write(colours)
    package = importlib.util.find_spec("sphinx_revealjs")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("sphinx-revealjs, which brings reveal.js, is not installed.")
    reveal = Path(package.origin).parent / "_static" / "revealjs"
    for name in REVEAL:
        shutil.copy(reveal / name, target / Path(name).name.replace("LICENSE", "reveal-LICENSE"))


def main(target: Path = TARGET) -> None:
    for edition in filter(lambda e: e.paths, map(Edition, SPHINX)):
        os.environ["MASKS_LANGUAGE"] = edition.language  # of the pictures, too
        build(edition, target if edition.language == "en" else target / edition.language)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
