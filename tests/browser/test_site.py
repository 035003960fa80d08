"""The published pages in a browser without a network: built once by `make site`."""

import io
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

from helpers import states
from helpers.heatmaps import Heatmaps
from tests import notebooks
from tests.browser.lab import ROOT
from tools.explorer_pages import first_state, panels_of
from tools.site_pages import Edition
from tools.site_words import ENGLISH, SPHINX

import numpy as np
import pytest
from PIL import Image

SITE = ROOT / "build" / "site"
AXE = ROOT / "tests" / "browser" / "axe"
FRAME = 16.7  # ms, at 60 pictures a second
EDITIONS = [edition for edition in map(Edition, SPHINX) if edition.paths]


def pages() -> list[str]:
    """All pages, as paths in the site, without the ending."""
    result = []
    for edition in EDITIONS:
        place = "" if edition.language == "en" else f"{edition.language}/"
        result += [f"{place}{p.stem}" for p in edition.paths] + [f"{place}index"]
        result += [f"{place}search"]
    return result + [f"docs/{p.stem}" for p in sorted((ROOT / "docs").glob("*.md"))]


PAGES = pages()
EXPLORERS = {
    path.stem: [
        output.data[states.MIME]
        for cell in notebooks.read(path).cells
        for output in cell.get("outputs", [])
        if states.MIME in output.get("data", {})
    ]
    for path in notebooks.PATHS
}
WITH_EXPLORER = [stem for stem, found in EXPLORERS.items() if found]


@pytest.fixture
def open_page(browser, site):
    """Open a page offline; `page.asked` lists what it loads, `page.problems` what goes wrong."""
    contexts = []

    def opened(name: str, *, width=1280, height=900, theme="light", **options):
        viewport = {"width": width, "height": height}
        context = browser.new_context(offline=True, viewport=viewport, **options)
        contexts.append(context)
        context.add_init_script(
            f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');"
        )
        page = context.new_page()
        page.asked, page.problems = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))
        page.goto(f"{(site / name).as_uri()}.html", wait_until="load")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_from_a_folder_asks_no_other_host_and_is_small(open_page, name):
    page = open_page(name)
    page.wait_for_timeout(200)
    assert page.problems == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    files = {unquote(urlsplit(url).path) for url in page.asked if url.startswith("file:")}
    size = sum(Path(file).stat().st_size for file in files)
    print(f"{name}: {Path(SITE, f'{name}.html').stat().st_size} and in all {size} bytes in", end="")
    print(f" {len(files)} files")
    assert size < 1_000_000, "with style, scripts, fonts and pictures"


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.anchors = [], {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given.get("id"), given.get("name") if tag == "a" else None}
        self.links += [given[key] for key in ("href", "src", "action") if given.get(key)]


def test_no_link_is_dead(site):
    found = {
        path.resolve(): Links(path) for path in site.rglob("*.html") if "_static" not in path.parts
    }
    assert len(found) == len(PAGES)
    dead, checked = [], 0
    for path, page in found.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("data:"):
                assert parts.scheme in ("https", "data", "mailto"), link
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            checked += 1
            anchors = found[target].anchors if target in found else {""}
            if not target.is_file() or unquote(parts.fragment) not in anchors:
                dead.append(f"{path.name}: {link}")
    assert dead == []
    assert checked > 100
    text = (site / "01_padding.html").read_text(encoding="utf-8")
    assert 'href="00_start_here.html#' in text, "an anchor of Jupyter's is one of the page's"


def test_notebooks_are_offered_as_they_are_stored(site):
    for edition in EDITIONS:
        place = site if edition.language == "en" else site / edition.language
        for path in edition.paths:
            assert (place / "notebooks" / path.name).read_bytes() == path.read_bytes()
            assert f'href="notebooks/{path.name}"' in (place / f"{path.stem}.html").read_text(
                "utf-8"
            )


def test_the_start_page_lists_all_notebooks_with_their_minutes(open_page):
    page = open_page("index")
    rows = page.locator("#contents table tbody tr").all_inner_texts()
    assert len(rows) == len(notebooks.PATHS)
    for row, path in zip(rows, notebooks.PATHS):
        first = notebooks.read(path).cells[0].source
        minutes = re.search(r"About (\d+) minutes", first)[1]
        assert row.startswith(path.name[:2]) and row.split()[-1] == minutes, row
    hook = page.locator(".masks-explorer")
    before = hook.locator("[role=status]").inner_text()
    hook.locator("input[type=checkbox]").check()
    assert hook.locator("[role=status]").inner_text() != before


# All states, from the data

DRIVE = """(nth) => {
    const figure = document.querySelectorAll('.masks-explorer')[nth];
    const explorer = figure.explorer, form = figure.querySelector('form');
    const set = (state) => {
        for (let i = explorer.fields.length - 1; i >= 0; i--) {
            const field = explorer.fields[i], size = explorer.data.sizes[i];
            const value = state % size;
            state = (state - value) / size;
            if (field.type === 'checkbox') field.checked = Boolean(value);
            else if (field.type === 'range') field.value = value;
            else field.selectedIndex = value;
        }
        const start = performance.now();
        form.dispatchEvent(new Event('input'));
        figure.getBoundingClientRect();
        return performance.now() - start;
    };
    const seen = [];
    for (let state = 0; state < explorer.data.states.length; state++) {
        let ms = set(state);
        for (let again = 0; again < 40 && ms > 16; again++) {  // another process had the processor
            explorer.scenes.fill(null);
            set((state + 1) % explorer.data.states.length);
            explorer.scenes.fill(null);
            ms = Math.min(ms, set(state));
        }
        const svg = explorer.shown.svg;
        const cells = [...svg.querySelectorAll(':scope > g[text-anchor]')].map((group) => [
            [...group.querySelectorAll('rect')].map((rect) => rect.getAttribute('fill')),
            [...group.querySelectorAll('text')].map((text) => text.textContent),
        ]);
        const words = figure.querySelector('[role=status]').textContent;
        seen.push([ms, words, svg.getAttribute('aria-label'), cells]);
    }
    return seen;
}"""


@pytest.mark.parametrize("stem", WITH_EXPLORER)
def test_every_state_of_every_explorer_is_shown_within_a_frame(open_page, stem):
    page = open_page(stem)
    times = []
    for nth, data in enumerate(EXPLORERS[stem]):
        seen = page.evaluate(DRIVE, nth)
        drawn = panels_of(data)
        assert len(seen) == len(data["states"])
        for (ms, words, alt, cells), (picture, sentence) in zip(seen, data["states"]):
            times.append(ms)
            assert words == alt == data["sentences"][sentence]
            assert len(cells) == len(drawn[picture])
            for (fills, texts), panel in zip(cells, drawn[picture]):
                faces = panel.faces.reshape(-1, 4)
                assert fills == [f"#{bytes(f[:3]).hex()}" if f[3] else "none" for f in faces]
                for text, whole in zip(texts, panel.texts, strict=True):
                    assert text in ("", "·", whole) or whole.startswith(text.removesuffix("…"))
    print(f"{stem}: {len(times)} states, median {median(times):.1f} ms, worst {max(times):.1f} ms")
    assert max(times) < FRAME


# The same picture as in the notebook


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


def blurred(image: np.ndarray, size: int = 18) -> np.ndarray:
    """Means of squares of `size` pixels: strokes may be a pixel aside, areas may not."""
    height, width = (n // size * size for n in image.shape[:2])
    squares = image[:height, :width].reshape(height // size, size, width // size, size, 3)
    return squares.mean(axis=(1, 3))


@pytest.mark.parametrize("stem", WITH_EXPLORER)
def test_the_picture_is_that_of_the_notebook(open_page, stem, tmp_path):
    page = open_page(stem)
    # Both at 100 dots an inch; a CSS pixel is 1/96 of an inch.
    bare = open_page("search", width=1000, height=900, device_scale_factor=100 / 96)
    for nth, data in enumerate(EXPLORERS[stem]):
        drawn = panels_of(data)
        size = np.max([Heatmaps(panels).figure.get_size_inches() for panels in drawn], axis=0)
        count = len(data["states"])
        for state in {0, first_state(data), count // 3, 2 * count // 3, count - 1}:
            svg = page.evaluate(
                """([nth, picture]) => {
                    const explorer = document.querySelectorAll('.masks-explorer')[nth].explorer;
                    explorer.draw(explorer.data.pictures[picture], '');
                    return explorer.shown.svg.outerHTML;
                }""",
                [nth, data["states"][state][0]],
            )
            bare.set_content(f"<style>{STYLE}</style>{svg}")
            bare.locator("svg").evaluate(
                "(svg, [w, h]) => Object.assign(svg.style,"
                " {width: `${w}in`, maxWidth: 'none', height: `${h}in`})",
                list(size),
            )
            shot = bare.locator("svg").screenshot()
            panels = drawn[data["states"][state][0]]
            wanted = Heatmaps(panels, size=size).png(panels)
            (tmp_path / f"{stem}-{nth}-{state}-page.png").write_bytes(shot)
            (tmp_path / f"{stem}-{nth}-{state}-notebook.png").write_bytes(wanted)
            here, there = pixels(shot), pixels(wanted)
            assert np.abs(np.subtract(here.shape, there.shape)).max() <= 2
            height, width = np.minimum(here.shape, there.shape)[:2]
            apart = np.abs(blurred(here[:height, :width]) - blurred(there[:height, :width]))
            print(f"{stem} {nth} state {state}: mean {apart.mean():.1f}, most {apart.max():.0f}")
            assert apart.mean() < 4 and apart.max() < 30, f"state {state}: see {tmp_path}"


STYLE = "body{margin:0} svg{display:block;font-family:'DejaVu Sans',Verdana,sans-serif}"


# By hand


@pytest.mark.parametrize("stem", ["00_start_here", "01_padding", "06_attention_masks"])
def test_an_explorer_moves_by_keyboard(open_page, stem):
    page = open_page(stem)
    figure, data = page.locator(".masks-explorer").first, EXPLORERS[stem][0]
    place = next(i for i, c in enumerate(data["controls"]) if c["kind"] == "slider")
    sizes = [len(c["values"]) for c in data["controls"]]
    values = [c["first"] for c in data["controls"]]
    slider = figure.get_by_role("slider").first
    slider.focus()
    for key, step in [("Home", None), *[("ArrowRight", 1)] * 3, ("ArrowLeft", -1)]:
        page.keyboard.press(key)
        values[place] = 0 if step is None else values[place] + step
        state = int(np.ravel_multi_index(values, sizes))
        sentence = data["sentences"][data["states"][state][1]]
        assert figure.locator("[role=status]").inner_text() == sentence
        assert figure.get_by_role("img").get_attribute("aria-label") == sentence
        label = data["controls"][place]["values"][values[place]]
        assert slider.get_attribute("aria-valuetext") == label


def test_an_explorer_moves_by_mouse_and_by_touch(open_page):
    page = open_page("00_start_here")
    figure = page.locator(".masks-explorer").first
    figure.get_by_role("slider").scroll_into_view_if_needed()
    box = figure.get_by_role("slider").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert figure.locator("[role=status]").inner_text().startswith("8 of 8")
    phone = open_page("00_start_here", width=360, height=740, has_touch=True, is_mobile=True)
    slider = phone.locator(".masks-explorer").first.get_by_role("slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    phone.touchscreen.tap(box["x"] + 3, box["y"] + box["height"] / 2)
    sentence = phone.locator(".masks-explorer [role=status]").first
    assert sentence.inner_text().startswith("0 of 8")


def test_a_prediction_is_clicked_and_judged(open_page):
    page = open_page("00_start_here")
    grid = page.locator(".masks-prediction").first
    cells, verdict = grid.locator("td button"), grid.locator("[role=status]")
    answer = grid.get_attribute("data-answer")
    grid.locator(".masks-check").click()
    right = answer.count("1")
    assert verdict.inner_text().startswith(f"{right} of {len(answer)} right. Look again at ")
    assert verdict.inner_text().endswith("it is not kept.")
    first = answer.index("0")
    cells.nth(first - 1).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert cells.nth(first).get_attribute("aria-pressed") == "true"
    assert cells.nth(first).get_attribute("aria-label").endswith("you say masked")
    assert verdict.inner_text() == ENGLISH["predict"], "the verdict was about another prediction"
    for i, kept in enumerate(answer):
        if kept == "0" and i != first:
            cells.nth(i).click()
    grid.locator(".masks-check").click()
    assert verdict.inner_text() == f"{len(answer)} of {len(answer)} right. That is the mask."


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_answers_are_folded_until_they_are_opened(open_page, path):
    page = open_page(path.stem)
    hidden = sum(notebooks.is_hidden(cell) for cell in notebooks.read(path).cells)
    folds = page.locator("details.hide", has_text=ENGLISH["answer"])
    assert folds.count() == hidden
    assert page.locator("article details[open]").count() == 0
    for fold in folds.all():
        assert not fold.locator(".cell_output").is_visible()
        fold.locator("summary").click()
        assert fold.locator(".cell_output").is_visible()
    exercises = notebooks.exercises(notebooks.read(path))
    notes = page.locator(".masks-how", has_text=ENGLISH["to_solve"])
    assert notes.count() == len(exercises)


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_without_scripts_the_stored_pictures_remain(open_page, path):
    page = open_page(path.stem, java_script_enabled=False)
    shown = page.locator("article img")
    stored = [
        output
        for cell in notebooks.read(path).cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    grids = sum(states.PREDICTION_MIME in output.data for output in stored)
    assert shown.count() == len(stored) - grids
    assert all(shown.evaluate_all("all => all.map(i => i.naturalWidth > 100 && i.alt !== '')"))
    assert page.locator(".masks-controls").filter(visible=True).count() == 0


def test_search_finds_from_a_folder(open_page):
    page = open_page("01_padding")
    page.keyboard.press("Control+k")
    page.keyboard.type("look-ahead")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html*")
    results = page.locator("#search-results li a")
    results.first.wait_for(timeout=10_000)
    assert any("06_attention" in a.get_attribute("href") for a in results.all())
    results.first.click()
    page.wait_for_load_state()
    assert "search.html" not in page.url and page.problems == []


def test_dark_mode_is_a_button(open_page):
    page = open_page("00_start_here", theme="light")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Color mode").filter(visible=True).click()
    page.get_by_role("button", name="Dark").filter(visible=True).click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(ground) != light
    assert (
        page.locator(".masks-picture").first.evaluate("e => getComputedStyle(e).backgroundColor")
        == "rgb(255, 255, 255)"
    ), "pictures keep the ground that they are made for"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(open_page, name, width):
    page = open_page(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate(
        """(width) => [...document.querySelectorAll('article *')].filter((e) =>
            e.getBoundingClientRect().right > width + 1
            && !e.closest('.masks-wide, .masks-picture, .masks-scroll, pre, table')
        ).map((e) => e.outerHTML.slice(0, 120))""",
        width,
    )
    assert wide == []


# Paper

PAPER = {"A4": (210 - 30) / 25.4 * 96, "Letter": 8.5 * 96 - 30 / 25.4 * 96}  # within the margins


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("paper", PAPER)
def test_on_paper_answers_stand_at_the_end_and_nothing_is_cut(open_page, path, paper):
    page = open_page(path.stem, width=int(PAPER[paper]))
    page.emulate_media(media="print")

    def written() -> str:  # but for what may be scrolled, which follows the width
        return re.sub(r' tabindex="-?\d"', "", page.locator("article").inner_html())

    before = written()
    folds = page.locator("article details:not(.above-input)").count()
    grids = page.locator(".masks-prediction").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("article details[open]").count() == folds
    assert page.locator(".masks-answers details").count() == folds
    assert page.locator(".masks-at-the-end").count() == folds + grids
    for grid in page.locator(".masks-answers .masks-prediction").all():
        pressed = [b.get_attribute("aria-pressed") for b in grid.locator("td button").all()]
        answer = grid.get_attribute("data-answer")
        assert pressed == ["true" if kept == "0" else "false" for kept in answer]
    cut = page.evaluate(
        """(width) => [...document.querySelectorAll('article pre, article table, article img')]
        .filter(e => e.scrollWidth > e.clientWidth + 1 && e.matches('pre')
            || e.getBoundingClientRect().right > width + 1).map(e => e.outerHTML.slice(0, 120))""",
        int(PAPER[paper]),
    )
    assert cut == []
    dead = ".bd-sidebar-primary, .masks-check, .masks-controls, .masks-filter, .above-input"
    assert page.locator(dead).filter(visible=True).count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert written() == before


def test_a_notebook_prints(open_page):
    page = open_page("02_embedding_masks")
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") > 5


# Tables that can be filtered and sorted

TABLE = """<table class="masks-table" data-choices='["merges", "reads"]'>
<thead><tr><th>layer</th><th>leaks</th></tr></thead><tbody>
<tr data-choices="1"><td>GRU</td><td>10</td></tr><tr data-choices="0"><td>Add</td><td>9</td></tr>
<tr data-choices="1"><td>LSTM</td><td>0</td></tr></tbody></table>"""


def test_a_table_is_filtered_and_sorted(open_page, site):
    page = open_page("index")
    words = page.evaluate("JSON.stringify(MASKS_WORDS)")
    page.set_content(f"<html lang=en><script>const MASKS_WORDS = {words};</script>{TABLE}")
    page.add_script_tag(path=site / "_static" / "masks.js")
    page.evaluate("document.dispatchEvent(new Event('DOMContentLoaded'))")
    names = page.locator("tbody tr:visible td:first-child")
    assert names.all_inner_texts() == ["GRU", "Add", "LSTM"]
    page.get_by_role("button", name="leaks").click()
    assert names.all_inner_texts() == ["LSTM", "Add", "GRU"], "numbers are sorted as numbers"
    assert page.locator("th").nth(1).get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="leaks").click()
    assert names.all_inner_texts() == ["GRU", "Add", "LSTM"]
    page.get_by_label(ENGLISH["choose"]).select_option("reads")
    assert names.all_inner_texts() == ["GRU", "LSTM"]
    page.get_by_label(ENGLISH["filter"]).fill("st")
    assert names.all_inner_texts() == ["LSTM"]
    assert page.locator("[role=status]").inner_text() == "1 of 3 rows"


def test_the_atlas_is_one_table(open_page):
    page = open_page("10_layer_atlas")
    rows, count = page.locator(".masks-table tbody tr"), page.locator(".masks-filter [role=status]")
    total = rows.count()
    assert total > 50 and count.inner_text() == f"{total} of {total} rows"
    page.get_by_label(ENGLISH["choose"]).select_option(index=1)
    first = rows.filter(visible=True).count()
    assert 0 < first < total and count.inner_text() == f"{first} of {total} rows"


# For everybody


@pytest.fixture(scope="session")
def axe() -> Path:
    """axe-core, installed by npm from the lock beside this file into the build folder."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: axe cannot look at the pages")
    folder = ROOT / "build" / "axe"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(AXE / name, folder)
        subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True
        )
    return script


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("theme", "width"), list(itertools.product(["light", "dark"], [360, 1280]))
)
def test_axe_finds_nothing(open_page, axe, name, theme, width):
    page = open_page(name, theme=theme, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    page.wait_for_timeout(100)
    page.add_script_tag(path=axe)
    found = page.evaluate(
        """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(
            (v) => `${v.id} (${v.nodes.length}): ${v.nodes.slice(0, 3).map(
                (n) => n.html.slice(0, 200) + ' | ' + n.any.concat(n.all, n.none).map(
                    (c) => c.message).join(' ').slice(0, 200)).join('\\n    ')}`)"""
    )
    assert found == [], "\n".join(found)
