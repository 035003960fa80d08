"""What a reader does in JupyterLab: solve an exercise, break a function, hold a key, run again."""

import re
import time

from tests import notebooks
from tests.browser.lab import Explorer, Notebook, jupyterlab

import pytest

LONG = """
import numpy as np
from helpers import Mask, explore

def compute(shift=0):
    {guard}
    return Mask(np.tril(np.ones((16, 16)), shift - 40), axes=("query", "key"))

explore(compute, shift=(0, 80), caption="The shift is {{shift}}.")
"""
MEMORY = "print('RSS', open('/proc/self/status').read().split('VmRSS:')[1].split()[0])"


@pytest.fixture(scope="module")
def notebook(browser, lab):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    notebook = Notebook(page, lab.format("01_padding.ipynb"))
    notebook.run_all()
    yield notebook
    notebook.close()


def test_an_exercise_is_refused_with_a_reason_and_then_solved(notebook):
    path = next(p for p in notebooks.PATHS if p.stem == "01_padding")
    exercise = notebooks.exercises(notebooks.read(path))[0]
    verdict = notebook.cell(exercise.check).locator("[role=status]")
    assert "not attempted" in verdict.inner_text()
    wrong = exercise.solution.replace("<", ">=")
    notebook.edit_and_run(exercise.stub, wrong)
    notebook.run(exercise.check)
    verdict = notebook.cell(exercise.check).locator("[role=status]")
    assert "not yet" in verdict.inner_text()
    assert "polarity is flipped" in verdict.inner_text()
    picture = notebook.cell(exercise.check).locator(".jp-OutputArea-output img")
    assert picture.evaluate("i => i.naturalWidth") > 200
    assert "18 steps differ" in picture.get_attribute("alt")
    notebook.edit_and_run(exercise.stub, exercise.solution)
    notebook.run(exercise.check)
    verdict = notebook.cell(exercise.check).locator("[role=status]")
    assert re.match(r"✓ Exercise 1.1: correct\.", verdict.inner_text())


def test_an_error_in_compute_is_read_under_the_controls_and_the_picture_stays(notebook):
    guard = "assert shift != 2, 'two is <b>too much</b>'"
    explorer = notebook.new_explorer(LONG.format(guard=guard))
    for expected in ("The shift is 1.", None, "The shift is 3."):
        before = explorer.picture()
        explorer.slider().focus()
        notebook.page.keyboard.press("ArrowRight")
        explorer.settle(notebook)
        if expected is None:
            assert "two is <b>too much</b>" in explorer.problem.inner_text()
            assert explorer.picture() == before
        else:
            assert explorer.sentence.inner_text() == expected
            assert explorer.problem.count() == 0


def test_a_held_key_is_followed_and_nothing_queues_up(notebook):
    explorer = notebook.new_explorer(LONG.format(guard="pass"))
    before = notebook.printed(MEMORY)
    explorer.cell.scroll_into_view_if_needed()
    explorer.slider().focus()
    pictures, start, presses = set(), time.monotonic(), 0
    while time.monotonic() - start < 10:  # thirty presses a second, up and down the slider
        notebook.page.keyboard.press("ArrowRight" if presses // 80 % 2 == 0 else "ArrowLeft")
        presses += 1
        if presses % 10 == 0:
            pictures.add(explorer.image.get_attribute("src"))
        time.sleep(max(0.0, start + presses / 30 - time.monotonic()))
    last = explorer.readout()
    released = time.monotonic()
    explorer.wait_for_sentence(f"The shift is {last}.", seconds=2)
    late = time.monotonic() - released
    assert presses > 150 and len(pictures) > 10, "the picture follows while the key is held"
    assert late < 1.0, f"the last value came {late:.1f} s after the key was released"
    grown = int(notebook.printed(MEMORY).split()[1]) - int(before.split()[1])
    assert grown < 30_000, f"the kernel grew by {grown} kB"


def test_restart_and_run_all_from_the_middle(notebook):
    notebook.cell(len(notebook.cells()) // 2)  # the active cell
    notebook.restart_and_run_all()
    assert notebook.errors() == []
    explorer = Explorer(notebook.cell(notebook.find("explore(")))
    assert explorer.sentence.inner_text()


def test_without_the_widgets_extension_picture_and_sentence_still_show(browser, tmp_path):
    disabled = ["@jupyter-widgets/jupyterlab-manager"]
    with jupyterlab(tmp_path, disabled=disabled) as url:
        notebook = Notebook(browser.new_page(), url.format("00_start_here.ipynb"))
        notebook.run_all()
        assert notebook.errors() == []
        cell = notebook.cell(notebook.find("explore("))
        picture = cell.locator(".jp-OutputArea-output img")
        assert picture.evaluate("i => i.naturalWidth") > 200
        assert cell.locator(".widget-slider").count() == 0
        data = notebook.cells()[notebook.find("explore(")]["outputs"][0]["data"]
        assert "3 of 8 steps are kept" in "".join(data["text/plain"])
        notebook.close()
