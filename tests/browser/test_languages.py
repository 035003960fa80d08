"""Another language in the browser: the helpers speak it, and the site finds its words."""

import re

from tests.browser.lab import Explorer, Notebook

import pytest

CHINESE = re.compile(r"[\u4e00-\u9fff]")


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


@pytest.mark.parametrize("words", ["掩码", "填充掩码", "泄漏", "Embedding"])
def test_search_finds_chinese_words(browser, site, words):
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    search = (site / "zh" / "search.html").as_uri()
    page.goto(f"{search}?q={words}")
    page.wait_for_selector("#search-results li a", timeout=10_000)
    assert problems == []
    page.goto(f"{search}?q=斑马")
    page.wait_for_timeout(1000)
    assert page.locator("#search-results li").count() == 0
    page.close()


def test_the_other_language_is_one_click_away_and_moves_too(browser, site):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "04_propagation.html").as_uri())
    page.get_by_role("link", name="中文").first.click()
    page.wait_for_url("**/zh/04_propagation.html")
    explorer = page.locator(".masks-explorer").first
    before = explorer.inner_text()
    assert CHINESE.search(before)
    explorer.locator("select").first.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "([node, text]) => node.innerText !== text", arg=[explorer.element_handle(), before]
    )
    page.get_by_role("link", name="English").first.click()
    page.wait_for_url("**/site/04_propagation.html")
    page.close()
