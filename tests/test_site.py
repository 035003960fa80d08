"""What the published pages are made of, without Sphinx and without a browser."""

import json
import re
import subprocess
import sys

from helpers import states
from tests import notebooks
from tools import explorer_pages, site_pages
from tools.site_pages import Edition, anchor, contents, links
from tools.site_words import WORDS
from tools.used_styles import used_rules

import pytest

ENGLISH = Edition("en")
HERE = notebooks.FOLDER / "01_padding.ipynb"


def test_pages_need_no_tensorflow():
    code = "import sys, tools.site_pages; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=site_pages.ROOT).returncode == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](02_embedding_masks.ipynb)", "[a](02_embedding_masks.ipynb)"),
        ("[a](00_start_here.ipynb#The-series)", "[a](00_start_here.ipynb#The-series)"),
        ("[a](../README.md)", "[a](index.md)"),
        ("[a](../README.md#start)", "[a](index.md#run)"),
        ("[a](../README.md#teach-with-it)", "[a](index.md)"),
        ("[a](#Here)", "[a](#Here)"),
        ("[a](https://keras.io/api#x)", "[a](https://keras.io/api#x)"),
        ("the [`pyproject`](../pyproject.toml)!", "the `pyproject`!"),
        ("`[a](../LICENSE)`", "`[a](../LICENSE)`"),
        ("```\n[a](../LICENSE)\n```", "```\n[a](../LICENSE)\n```"),
    ],
)
def test_links_lead_to_pages_and_dead_ones_go(text, expected, monkeypatch):
    monkeypatch.setattr(site_pages, "REPOSITORY", "")
    assert links(text, HERE, ENGLISH) == expected


def test_docs_lead_to_pages_and_to_headings_that_are_still_there():
    here = site_pages.ROOT / "docs" / "keras_3_16.md"
    there = "[a](../notebooks/00_start_here.ipynb#The-series)"
    assert links(site_pages.dated(there), here, ENGLISH) == there.replace("notebooks/", "")
    gone = "[a](../notebooks/00_start_here.ipynb#A-heading-of-old)"
    assert links(site_pages.dated(gone), here, ENGLISH) == "[a](../00_start_here.ipynb)"
    docs = sorted((site_pages.ROOT / "docs").glob("*.md"))
    assert here in docs
    for path in docs:
        assert ENGLISH.page_of(path.relative_to(site_pages.ROOT).as_posix()) == f"docs/{path.name}"


def test_only_texts_of_the_docs_are_pages(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    for name in ("report.md", "report.json"):
        (tmp_path / "docs" / name).write_text("{}", encoding="utf-8")
    monkeypatch.setattr(site_pages, "ROOT", tmp_path)
    assert ENGLISH.page_of("docs/report.md") == "docs/report.md"
    assert ENGLISH.page_of("docs/report.json") is None


def test_a_named_repository_shows_its_files_and_launches_notebooks(monkeypatch):
    assert all("binder" not in url for _, url, _ in site_pages.ways(HERE, ENGLISH))
    monkeypatch.setattr(site_pages, "REPOSITORY", "owner/name")
    shown = links("[a](../LICENSE)", HERE, ENGLISH)
    assert shown == "[a](https://github.com/owner/name/blob/HEAD/LICENSE)"
    address = "https://mybinder.org/v2/gh/owner/name/HEAD?urlpath=lab/tree/notebooks/"
    assert site_pages.ways(HERE, ENGLISH)[0][1] == address + HERE.name


def test_anchors_are_jupyters():
    assert anchor("Three masks") == "Three-masks"
    assert anchor("Exercise 2.2: bug hunt") == "Exercise-2.2:-bug-hunt"


def test_contents_name_every_notebook_and_its_minutes():
    table = contents(ENGLISH)
    for path in notebooks.PATHS:
        minutes = re.search(r"About (\d+)", notebooks.read(path).cells[0].source)[1]
        assert re.search(rf"\]\({path.name}\) \| .+ \| {minutes} \|$", table, re.M)


def test_every_language_says_the_same_with_the_same_names():
    for words in WORDS.values():
        assert words.keys() == WORDS["en"].keys()
        for name, text in words.items():
            named = [sorted(re.findall(r"\{\w+\}", t)) for t in (text, WORDS["en"][name])]
            assert named[0] == named[1], name


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_a_page_has_what_its_notebook_stores(path, tmp_path):
    stored = notebooks.read(path)
    page = site_pages.page(path, ENGLISH, tmp_path / "pictures")
    tags = [tag for cell in page.cells for tag in cell.metadata.get("tags", [])]
    assert tags.count("hide-output") == sum(map(notebooks.is_hidden, stored.cells))
    outputs = [o for cell in stored.cells for o in cell.get("outputs", []) if "data" in o]
    html = "".join(
        o.data.get("text/html", "") for c in page.cells for o in c.get("outputs", []) if "data" in o
    )
    explorers = [o for o in outputs if states.MIME in o.data]
    grids = [o for o in outputs if states.PREDICTION_MIME in o.data]
    pictures = [o for o in outputs if "image/png" in o.data and o not in explorers + grids]
    assert html.count("<figure") == len(explorers)
    assert html.count("data-answer") == len(grids)
    assert html.count('class="masks-plot"') == len(pictures) + len(explorers)
    assert 'alt=""' not in html
    assert all((tmp_path / p).is_file() for p in re.findall(r'src="(pictures/[^"]+)"', html))
    assert "image/png" not in {
        k for c in page.cells for o in c.get("outputs", []) for k in o.get("data", {})
    }


def stored_explorer() -> dict:
    for cell in notebooks.read(notebooks.FOLDER / "02_embedding_masks.ipynb").cells:
        for output in cell.get("outputs", []):
            if states.MIME in output.get("data", {}):
                return json.loads(json.dumps(output.data[states.MIME]))
    raise AssertionError("02 stores no Explorer")


def moving(data: dict) -> dict:
    html = explorer_pages.explorer_html(data, "", 1, WORDS["en"])
    return json.loads(re.search(r"<script[^>]*>(.*)</script>", html, re.S)[1])


def test_an_explorer_shows_the_cells_that_are_stored():
    data = stored_explorer()
    shown = moving(data)
    assert shown["states"] == data["states"] and shown["palette"] == data["palette"]
    for (scene, panels), picture in zip(shown["pictures"], data["pictures"], strict=True):
        assert 0 <= scene < len(shown["scenes"])
        assert [p[1:] for p in panels] == [data["panels"][i][2:] for i in picture]
        for (texts, cells, _), box in zip(panels, shown["scenes"][scene]["boxes"], strict=True):
            rows, columns = box[4:]
            assert len(shown["texts"][texts]) == rows * columns == len(cells) // 2
    assert len({tuple(s["size"]) for s in shown["scenes"]}) == 1, "the page does not jump"


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_panels_have_all_that_is_stored_of_their_layout(path):
    for cell in notebooks.read(path).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {}).get(states.MIME)
            shown = explorer_pages.panels_of(data) if data else []
            for panels, picture in zip(shown, data["pictures"] if data else [], strict=True):
                for panel, place in zip(panels, picture, strict=True):
                    stored = data["layouts"][data["panels"][place][0]]
                    found = {name: getattr(panel, name) for name in stored}
                    assert found == {k: _tuple(v) for k, v in stored.items()}


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value


def test_text_that_users_supply_is_data():
    data = stored_explorer()
    evil = "</script><img src=x onerror=alert(1)>"
    data["sentences"] = [evil] * len(data["sentences"])
    data["controls"][0]["label"] = evil
    html = explorer_pages.explorer_html(data, "", 1, WORDS["en"])
    assert html.count("</script>") == 1 and "<img src=x" not in html.split("<script")[0]
    grid = {"version": 1, "axes": ["", evil], "rows": [evil], "columns": [evil]}
    grid |= {"texts": [evil], "answer": "1"}
    assert "<img" not in explorer_pages.prediction_html(grid, WORDS["en"])


def test_folded_tables_become_one_whose_rows_know_where_they_were():
    head = "<thead><tr><th>layer</th></tr></thead>"
    rows = {name: f"<tr><td>{name}</td></tr>" for name in ("LSTM", "Add")}
    html = "".join(
        f"<details><summary>{words}</summary><table>{head}<tbody>{body}</tbody></table></details>"
        for words, body in {"reads: 1": rows["LSTM"], "leaks: 2": "".join(rows.values())}.items()
    )
    table = site_pages.one_table(html)
    assert table.count("<table") == 1 and table.count("<thead") == 1
    assert '<tr data-choices="0 1"><td>LSTM</td></tr>' in table
    assert '<tr data-choices="1"><td>Add</td></tr>' in table
    for other in (html + "<p>more</p>", "<p>text</p>", html.split("</details>")[0] + "</details>"):
        assert site_pages.one_table(other) == other


def test_style_sheets_keep_what_a_page_may_use():
    css = (
        "/* note */.a,.gone .a{x:1}@media print{.gone{y:2}}@media (min-width:1px){.b:hover{z:3}}"
        ".a:not(.gone,.other){x:4}table td{x:5}.gone>b{x:6}@font-face{src:url(a.b)}a::after{x:'.c'}"
    )
    kept = (
        ".a{x:1}@media (min-width:1px){.b:hover{z:3}}"
        ".a:not(.gone,.other){x:4}table td{x:5}@font-face{src:url(a.b)}a::after{x:'.c'}"
    )
    assert used_rules(css, {"a", "b"}) == kept


def test_the_lock_of_the_site_has_hashes_no_address_and_no_tensorflow():
    lock = (site_pages.ROOT / "requirements-site.lock").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock.split("make lock", 1)[1], flags=re.M)[1:]
    assert len(blocks) > 50 and all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|--index-url|^(tensorflow|keras|jupyterlab)=", lock, re.M)


def test_a_grid_to_click_names_its_axes_in_the_language_of_the_page(monkeypatch):
    grid = {"axes": ["sequence", "timestep"], "rows": ["0"], "columns": ["0", "1"]}
    grid |= {"texts": ["", ""], "answer": "01"}
    assert "timestep" in explorer_pages.prediction_html(grid, WORDS["en"])
    monkeypatch.setenv("MASKS_LANGUAGE", "zh")
    chinese = explorer_pages.prediction_html(grid, WORDS["zh"])
    assert "序列 0" in chinese and "时间步" in chinese
    assert "timestep" not in chinese and "sequence" not in chinese
