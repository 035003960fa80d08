"""Every notebook in JupyterLab: run it, move it, look at its pictures, at two widths."""

from tests import notebooks
from tests.browser.lab import Explorer, Notebook

import pytest
from playwright.sync_api import expect

SIZES = {"wide": (1280, 1000), "narrow": (1024, 768)}


@pytest.fixture(scope="module", params=notebooks.PATHS, ids=lambda path: path.stem)
def notebook(request, browser, lab):
    """The notebook, open and run from top to bottom; it keeps a list of all hosts it asked."""
    width, height = SIZES["wide"]
    page = browser.new_page(viewport={"width": width, "height": height})
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    notebook = Notebook(page, lab.format(request.param.name))
    notebook.asked = asked
    notebook.predictions = notebooks.predictions(notebooks.read(request.param))
    notebook.seen_first = [in_sight(notebook, answer) for _, answer in notebook.predictions]
    notebook.run_all()
    yield notebook
    notebook.close()


def in_sight(notebook: Notebook, answer: int) -> dict:
    """What a reader sees of the answer to a prediction: pictures, words, and the explanation."""
    cell = notebook.cell(answer)
    see = "all => all.filter(e => e.checkVisibility()).map(e => e.innerText)"
    seen = {
        "outputs": cell.locator(".jp-OutputArea-child").evaluate_all(see),
        "first line": cell.locator(".jp-OutputPlaceholder").evaluate_all(see),
    }
    below = notebook.cell(answer + 1)
    folded = below.locator("details").first
    words = folded.locator(":scope > :not(summary)") if folded.count() else below.locator("p")
    return seen | {"explanation": words.evaluate_all(see)}


def explorers(notebook: Notebook) -> list[int]:
    return notebook.all("explore(")


def test_runs_without_an_error(notebook):
    assert notebook.errors() == []
    code = [cell for cell in notebook.cells() if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)


def test_no_answer_is_in_sight_before_its_cell_is_run(notebook):
    assert notebook.predictions
    for (question, answer), seen in zip(notebook.predictions, notebook.seen_first, strict=True):
        assert seen["outputs"] == [], f"the answer to cell {question} is visible"
        assert not any("What you see" in text for text in seen["explanation"])
        after = in_sight(notebook, answer)
        assert after["outputs"], f"cell {answer} was run and shows nothing"


def test_an_explorer_is_seen_as_a_whole_on_a_small_screen(notebook):
    notebook.page.set_viewport_size({"width": 1280, "height": 720})
    try:
        for index in explorers(notebook):
            output = notebook.cell(index).locator(".jp-OutputArea-output").last
            panel = notebook.page.locator(".jp-NotebookPanel:visible .jp-WindowedPanel-outer")
            room = panel.first.evaluate("p => p.clientHeight")
            assert output.bounding_box()["height"] <= room, f"cell {index} is higher than {room} px"
    finally:
        notebook.page.set_viewport_size(dict(zip(("width", "height"), SIZES["wide"])))


def test_asks_no_other_host(notebook):
    hosts = {url.split("/")[2] for url in notebook.asked if url.startswith(("http", "ws"))}
    assert len(hosts) == 1 and hosts.pop().startswith("127.0.0.1:")


def test_every_explorer_shows_its_picture_in_natural_size(notebook):
    assert explorers(notebook)
    for index in explorers(notebook):
        explorer = Explorer(notebook.cell(index))
        natural, shown, room = explorer.image.evaluate(
            "i => [i.naturalWidth, i.clientWidth, i.closest('.jp-OutputArea-output').clientWidth]"
        )
        assert natural >= 200
        assert abs(shown - min(natural, room)) <= 2
        assert explorer.sentence.inner_text().strip()
        assert explorer.problem.count() == 0


def test_every_still_picture_has_an_alternative_text(notebook):
    for index in notebook.all("plot_"):
        pictures = notebook.cell(index).locator(".jp-OutputArea-output img")
        for i in range(pictures.count()):
            assert pictures.nth(i).get_attribute("alt"), f"cell {index}"


def test_every_picture_has_a_sentence_that_is_announced_and_every_control_a_label(notebook):
    for index in explorers(notebook):
        explorer = Explorer(notebook.cell(index))
        assert explorer.sentence.count() == 1, "role=status: screen readers speak each change"
        below = "s => s.getBoundingClientRect().top"
        assert explorer.sentence.evaluate(below) >= explorer.image.bounding_box()["y"]
        labels = explorer.cell.locator(".jupyter-widgets.widget-inline-hbox .widget-label")
        controls = explorer.cell.locator(
            ".noUi-handle, select, .widget-checkbox input[type=checkbox]"
        )
        assert labels.count() >= controls.count() >= 1
        assert all(text.strip() for text in labels.all_inner_texts()[: controls.count()])


def test_a_slider_moves_by_keyboard_and_the_picture_and_the_sentence_follow(notebook):
    for index in explorers(notebook):
        explorer = Explorer(notebook.cell(index))
        if explorer.slider().count() == 0:
            continue
        changed = False
        for nth in range(explorer.sliders()):
            for key, back in (("ArrowRight", "ArrowLeft"), ("ArrowLeft", "ArrowRight")):
                before, words = explorer.picture(), explorer.sentence.inner_text()
                readout = explorer.readout(nth)
                explorer.slider(nth).focus()
                notebook.page.keyboard.press(key)
                explorer.settle(notebook)
                moved = explorer.readout(nth) != readout
                same_words = explorer.sentence.inner_text() == words
                if moved and explorer.picture() != before and not same_words:
                    changed = True
                if moved:
                    notebook.page.keyboard.press(back)
                    explorer.settle(notebook)
                    assert explorer.readout(nth) == readout
                    if len(explorer.picture()) == len(before):  # a picture may grow, once
                        assert explorer.picture() == before, "back where it was"
                    assert explorer.sentence.inner_text() == words
                    break
        assert changed, f"no slider of cell {index} changes both picture and sentence"


def test_a_drop_down_changes_the_picture(notebook):
    for index in explorers(notebook):
        explorer = Explorer(notebook.cell(index))
        changes = []
        for nth in range(explorer.cell.locator("select").count()):
            select = explorer.cell.locator("select").nth(nth)
            first = select.input_value()
            options = select.locator("option").all_inner_texts()
            seen = set()
            for option in options:
                select.select_option(label=option)
                explorer.settle(notebook)
                assert explorer.problem.count() == 0, f"{option}: {explorer.cell.inner_text()}"
                seen.add((tuple(explorer.picture()), explorer.sentence.inner_text()))
            select.select_option(value=first)
            explorer.settle(notebook)
            changes.append(len(seen) > 1)
        assert not changes or any(changes), f"no drop-down of cell {index} changes anything"


def test_a_prediction_is_judged(notebook):
    for index in notebook.all("predict_mask("):
        cell = notebook.cell(index)
        buttons = cell.locator(".widget-gridbox button")
        buttons.first.wait_for(timeout=10_000)
        check = cell.get_by_role("button", name="Check", exact=True)
        verdict = cell.locator("[role=status]")
        check.click()
        expect(verdict).to_contain_text(" right.")
        wrong = [i for i in range(buttons.count()) if "✗" in buttons.nth(i).inner_text()]
        assert wrong, "with no cell clicked not everything is right"
        assert f"{buttons.count() - len(wrong)} of {buttons.count()} right." in verdict.inner_text()
        for i in wrong:  # keyboard only: a button has the focus, Space presses it
            buttons.nth(i).focus()
            notebook.page.keyboard.press("Space")
        check.focus()
        notebook.page.keyboard.press("Enter")
        expect(verdict).to_contain_text("That is the mask.")


def test_everything_fits_a_narrow_window(notebook):
    notebook.page.set_viewport_size(dict(zip(("width", "height"), SIZES["narrow"])))
    try:
        for index in explorers(notebook) + notebook.all("predict_mask("):
            cell = notebook.cell(index)
            output = cell.locator(".jp-OutputArea-output").last
            width, room = output.evaluate("o => [o.scrollWidth, o.clientWidth]")
            assert width <= room + 1, f"cell {index} is wider than its place"
    finally:
        notebook.page.set_viewport_size(dict(zip(("width", "height"), SIZES["wide"])))
