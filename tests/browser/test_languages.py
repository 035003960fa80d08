"""Another language in the browser: the helpers speak it, and the site finds its words."""

import re

from tests.browser.lab import ROOT, Explorer, Notebook

import pytest

CHINESE = re.compile(r"[\u4e00-\u9fff]")
NOTEBOOK = ROOT / "notebooks" / "zh" / "00_start_here.ipynb"
SEARCH = ROOT / "build" / "site" / "zh" / "search.html"


@pytest.mark.skipif(not NOTEBOOK.exists(), reason="there is no Chinese edition")
def test_a_chinese_notebook_is_answered_in_chinese(browser, lab):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    notebook = Notebook(page, lab.format("zh/00_start_here.ipynb"))
    notebook.run_all()
    assert notebook.errors() == []
    said = [o for cell in notebook.cells() for o in cell.get("outputs", [])]
    assert not [o for o in said if o.get("name") == "stderr"], "such as a missing glyph"

    cell = notebook.cell(notebook.find("explore("))
    explorer = Explorer(cell)
    before = explorer.sentence.inner_text()
    assert CHINESE.search(before)
    assert CHINESE.search(cell.locator(".widget-label").first.inner_text())
    explorer.slider().focus()
    page.keyboard.press("ArrowRight")
    explorer.wait_for_sentence(before.replace("3", "4"), seconds=20)

    for answer, outcome in {"[True] * 6": "还不对", "[True] * 4 + [False] * 2": "正确"}.items():
        notebook.edit_and_run(notebook.find("my_mask ="), f"my_mask = {answer}")
        check = notebook.find('check("0.1"')
        notebook.run(check)
        assert outcome in notebook.cell(check).inner_text()
    page.close()


@pytest.mark.skipif(not SEARCH.exists(), reason="make site has not been run with a Chinese edition")
@pytest.mark.parametrize("words", ["掩码", "填充掩码", "泄漏", "Embedding"])
def test_search_finds_chinese_words(browser, words):
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{SEARCH.as_uri()}?q={words}")
    page.wait_for_selector("#search-results li a", timeout=10_000)
    assert problems == []
    page.goto(f"{SEARCH.as_uri()}?q=斑马")
    page.wait_for_timeout(1000)
    assert page.locator("#search-results li").count() == 0
    page.close()
