"""The decks in a browser without a network: built once by `make slides`."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from helpers import states
from tests import notebooks
from tests.browser.lab import ROOT
from tools.explorer_pages import first_state
from tools.site_pages import Edition
from tools.site_words import SPHINX

import numpy as np
import pytest

DECKS = ROOT / "build" / "slides"
PATHS = [
    pytest.param(path, f"{place}{path.stem}", id=f"{place}{path.stem}")
    for edition in map(Edition, SPHINX)
    for path in edition.paths
    for place in ["" if edition.language == "en" else f"{edition.language}/"]
]
# What a deck shows of a notebook does not depend on its language.
ENGLISH = [pytest.param(path, id=path.stem) for path in notebooks.PATHS]
WIDTH, HEIGHT = 1280, 720


# Which slide is shown.
PLACE = "document.querySelector('.reveal').deck.getIndices().h"


@pytest.fixture(scope="session")
def decks() -> Path:
    subprocess.run(["make", "--silent", "slides"], cwd=ROOT, check=True, timeout=600)
    return DECKS


@pytest.fixture(scope="module")
def open_deck(browser, decks):
    """Open a deck offline, each once; `page.asked` lists what it loads, `page.problems` errors."""
    context = browser.new_context(offline=True, viewport={"width": WIDTH, "height": HEIGHT})
    opened = {}

    def open_deck(name: str, slide: str = ""):
        if name not in opened:
            page = opened[name] = context.new_page()
            page.asked, page.problems = [], []
            page.on("request", lambda request: page.asked.append(request.url))
            page.on("pageerror", lambda error: page.problems.append(str(error)))
            page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))
        page = opened[name]
        page.bring_to_front()
        page.goto("about:blank")
        page.goto(f"{(decks / name).as_uri()}.html{slide}")
        page.wait_for_selector("body[data-ready]", timeout=30_000)
        return page

    yield open_deck
    context.close()


def outputs(path: Path) -> list[dict]:
    cells = notebooks.read(path).cells
    return [o.data for cell in cells for o in cell.get("outputs", []) if "data" in o]


# All slides, one after another, with all that a key press brings.
LOOK = """() => {
    const { deck } = document.querySelector('.reveal');
    const seen = [];
    const outside = (e, [width, height]) => {
        const box = e.getBoundingClientRect();
        return box.right > width + 1 || box.bottom > height + 1 || box.left < 0 || box.top < 0;
    };
    for (const [i, section] of deck.getSlides().entries()) {
        deck.slide(i);
        section.querySelectorAll('.fragment').forEach((e) => e.classList.add('visible'));
        const slide = section.firstElementChild;
        const scrolls = 'pre, .masks-picture, .masks-scroll, .masks-wide';
        const all = [slide, ...slide.querySelectorAll('*:not(script, style, .scroll *)')];
        const cut = all.filter((e) => outside(e, [innerWidth, innerHeight])
            || e.matches(scrolls) && e.scrollWidth > e.clientWidth + 1);
        seen.push({
            height: slide.offsetHeight,
            cut: cut.map((e) => e.outerHTML.slice(0, 150)),
            scrolls: slide.querySelectorAll('.scroll').length,
            zoom: Math.min(1, ...[...slide.querySelectorAll('[style]')]
                .map((e) => Number(e.style.zoom)).filter(Boolean)),
            empty: slide.childElementCount < 2,
        });
    }
    return seen;
}"""


@pytest.mark.parametrize(("path", "name"), PATHS)
def test_every_slide_fits_and_a_deck_asks_no_other_host(open_deck, path, name):
    page = open_deck(name)
    assert page.problems == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "about:"))] == []
    seen = page.evaluate(LOOK)
    print(f"{name}: {len(seen)} slides, smallest zoom {min(s['zoom'] for s in seen):.2f}")
    assert len(seen) == int(page.locator("body").get_attribute("data-ready")) > 10
    for number, slide in enumerate(seen, start=1):
        assert slide["height"] <= HEIGHT and slide["cut"] == [], f"slide {number}: {slide}"
        assert not slide["empty"] and slide["zoom"] >= 0.74, f"slide {number}: {slide}"
    long_tables = sum(d.get("text/html", "").count("<tr") > 50 for d in outputs(path))
    assert sum(slide["scrolls"] for slide in seen) <= long_tables


@pytest.mark.parametrize("path", ENGLISH)
def test_a_deck_has_what_its_notebook_has_but_no_solutions(open_deck, path):
    page, notebook = open_deck(path.stem), notebooks.read(path)
    data = outputs(path)
    assert page.locator(".masks-explorer").count() == sum(states.MIME in d for d in data)
    grids = sum(states.PREDICTION_MIME in d for d in data)
    assert page.locator(".masks-prediction").count() == grids
    code = [re.sub(r"\s+", "", text) for text in page.locator("pre.code").all_text_contents()]
    exercises = notebooks.exercises(notebook)
    checks = {e.check for e in exercises}
    cells = [(i, c) for i, c in enumerate(notebook.cells) if c.cell_type == "code"]
    for i, cell in cells[1:]:
        moves = any(states.MIME in o.get("data", {}) for o in cell.outputs)
        shown = re.sub(r"\s+", "", cell.source) in code
        assert shown == (i not in checks and not moves), cell.source
    words = re.sub(r"\s+", " ", page.locator(".slides").text_content())
    for exercise in exercises:
        assert exercise.number in words
        assert re.sub(r"\s+", " ", exercise.solution) not in words
    # An answer is not in sight before its question: it comes later, or the slide is turned.
    for _, cell in cells:
        if notebooks.is_hidden(cell):
            source = re.sub(r"\s+", "", cell.source)
            later = page.evaluate(
                """(source) => {
                    const all = [...document.querySelectorAll('.slide > *')];
                    const place = all.findIndex((e) => e.matches('pre.code')
                        && e.textContent.replace(/\\s+/g, '') === source);
                    const next = all[place + 1];
                    return Boolean(next) && (next.matches('.fragment, .again')
                        || next.querySelector('.masks-prediction') !== null
                        || all[place].parentElement !== next.parentElement);
                }""",
                source,
            )
            assert later, cell.source


EVERY_STATE = """(nth) => {
    const figure = document.querySelectorAll('.masks-explorer')[nth];
    const { deck } = document.querySelector('.reveal');
    const section = figure.closest('section');
    deck.slide(deck.getSlides().indexOf(section));
    section.querySelectorAll('.fragment').forEach((e) => e.classList.add('visible'));
    const heights = new Set();
    for (const [picture, sentence] of figure.explorer.data.states) {
        figure.explorer.sentence.textContent = figure.explorer.data.sentences[sentence];
        heights.add(section.firstElementChild.offsetHeight);
    }
    figure.explorer.show();
    return [...heights];
}"""


@pytest.mark.parametrize("path", ENGLISH)
def test_explorers_move_by_keyboard_and_their_slide_does_not_jump(open_deck, path):
    stored = [d[states.MIME] for d in outputs(path) if states.MIME in d]
    if not stored:
        pytest.skip("no Explorer")
    page = open_deck(path.stem)
    for nth, data in enumerate(stored):
        heights = page.evaluate(EVERY_STATE, nth)
        assert len(heights) == 1 and heights[0] <= HEIGHT, heights
        figure = page.locator(".masks-explorer").nth(nth)
        place = next((i for i, c in enumerate(data["controls"]) if c["kind"] != "checkbox"), None)
        control = data["controls"][place]
        field = figure.locator(f"[id$='-{control['name']}']")
        here, before = page.evaluate(PLACE), control["first"]
        field.focus()
        down = control["kind"] == "select"
        last = len(control["values"]) - 1
        forward, back = ("ArrowDown", "ArrowUp") if down else ("ArrowRight", "ArrowLeft")
        page.keyboard.press(forward if before < last else back)
        values = [c["first"] for c in data["controls"]]
        values[place] += 1 if before < last else -1
        sizes = [len(c["values"]) for c in data["controls"]]
        state = int(np.ravel_multi_index(values, sizes))
        assert state != first_state(data)
        sentence = data["sentences"][data["states"][state][1]]
        assert figure.locator("[role=status]").inner_text() == sentence
        assert page.evaluate(PLACE) == here, "the slide is not turned by a key for the control"
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement === document.body")
    field.focus()
    page.keyboard.press("PageDown")
    assert page.evaluate(PLACE) != here, "a presenter's remote control turns the slide"


def test_an_answer_comes_at_a_key_press(open_deck):
    page = open_deck("00_start_here")
    page.evaluate(
        """() => {
            const { deck } = document.querySelector('.reveal');
            const place = deck.getSlides().findIndex((s) => s.querySelector('.fragment'));
            deck.slide(place);
        }"""
    )
    fragment = page.locator("section.present .fragment").first
    here = page.evaluate(PLACE)
    assert fragment.evaluate("e => getComputedStyle(e).visibility") == "hidden"
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert page.evaluate(PLACE) == here
    assert fragment.evaluate("e => getComputedStyle(e).visibility") == "visible"


def test_a_prediction_is_clicked_and_judged_in_a_deck(open_deck):
    page = open_deck("00_start_here")
    grid = page.locator(".masks-prediction").first
    page.evaluate(
        """() => {
            const { deck } = document.querySelector('.reveal');
            const place = (s) => s.querySelector('.masks-prediction');
            deck.slide(deck.getSlides().findIndex(place));
        }"""
    )
    answer = grid.get_attribute("data-answer")
    for i, kept in enumerate(answer):
        if kept == "0":
            grid.locator("td button").nth(i).click()
    grid.locator(".masks-check").press("Space")
    assert grid.locator("[role=status]").inner_text().startswith(f"{len(answer)} of {len(answer)}")


def test_links_lead_to_decks_and_to_their_slides(open_deck, decks):
    page = open_deck("01_padding", "#/What-padding-costs")
    assert page.locator("section.present").inner_text().startswith("What padding costs")
    checked = 0
    for html in decks.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"]*)"', html.read_text(encoding="utf-8")):
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme == "https" and "<script" not in link, link
                continue
            target = (html.parent / unquote(parts.path)) if parts.path else html
            assert target.is_file(), f"{html.name}: {link}"
            if parts.fragment:
                name = f'data-name="{unquote(parts.fragment).removeprefix("/")}"'
                assert name in target.read_text(encoding="utf-8"), f"{html.name}: {link}"
            checked += 1
    assert checked > 100


def test_without_scripts_a_deck_is_a_page(browser, decks):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((decks / "00_start_here.html").as_uri())
    assert page.locator("h2").count() > 4
    assert all(page.locator("img").evaluate_all("all => all.map((i) => i.naturalWidth > 100)"))
    context.close()
