"""The grid to click: what is asked, what is judged, and what is said."""

import base64

from helpers import predict_mask, states, words
from helpers.panels import KEEP, MASKED

import numpy as np
import pytest

IDS = np.array([[83, 91, 1], [711, 632, 0]])


@pytest.fixture
def prediction():
    return predict_mask(IDS != 0, tokens=words(IDS))


def test_all_cells_start_as_kept_and_a_click_masks_one(prediction):
    assert [c.description for c in prediction.cells] == [
        "the",
        "weather",
        "will",
        "hello",
        "world",
        "·",
    ]
    assert {c.style.button_color for c in prediction.cells} == {KEEP}
    prediction.cells[5].click()
    assert prediction.cells[5].style.button_color == MASKED
    assert prediction.cells[5].tooltip == "sequence 1, timestep 2: you say masked"
    prediction.cells[5].click()
    assert prediction.cells[5].style.button_color == KEEP


def test_the_right_cells_are_right(prediction):
    prediction.cells[5].click()
    prediction.check.click()
    assert prediction.verdict == "6 of 6 right. That is the mask."
    assert all(c.description.startswith("✓") for c in prediction.cells)
    assert "6 of 6" in prediction._words.value


def test_wrong_cells_are_marked_and_the_first_is_named(prediction):
    prediction.cells[0].click()
    prediction.check.click()
    assert prediction.verdict == (
        "4 of 6 right. Look again at sequence 0, timestep 0, “the”: it is not masked."
    )
    marks = [c.description[0] for c in prediction.cells]
    assert marks == ["✗", "✓", "✓", "✓", "✓", "✗"]
    prediction.cells[0].click()
    assert prediction.cells[0].description == "the", "a mark goes with the next click"


def test_without_a_kernel_the_question_shows_and_the_answer_does_not(prediction):
    data, metadata = prediction._repr_mimebundle_()
    before = data["image/png"]
    assert data["text/plain"].splitlines()[1:] == ["the weather will", "hello world ·"]
    assert metadata["image/png"]["alt"].startswith("Click the cells")
    blank = predict_mask(np.ones((2, 3)), tokens=words(IDS))._repr_mimebundle_()[0]["image/png"]
    assert before == blank, "the picture must not depend on the answer"
    assert base64.b64decode(before).startswith(b"\x89PNG")


def test_tokens_are_text_not_markup():
    prediction = predict_mask([[1, 0]], tokens=[["<b>x</b>", "$y$"]])
    prediction.check.click()
    assert "&lt;b&gt;" not in prediction.cells[0].description, "a button shows plain text"
    prediction.cells[0].click()
    prediction.check.click()
    assert "&lt;b&gt;x" in prediction._words.value


def test_a_query_by_key_grid_and_a_single_row():
    grid = predict_mask(np.tril(np.ones((3, 3))), tokens=list("abc"), axes=("query", "key"))
    assert grid.cells[1].tooltip.startswith("query a, key b")
    assert len(predict_mask([1, 1, 0]).cells) == 3
    assert len(predict_mask(np.ones((1, 1, 2, 2))).cells) == 4
    column = predict_mask([[1], [1], [0]])
    column.check.click()
    assert "sequence 2, timestep 0" in column.verdict


def test_a_verdict_goes_with_the_next_click(prediction):
    prediction.check.click()
    assert prediction.verdict
    prediction.cells[5].click()
    assert prediction.verdict == "" and "press Check" in prediction._words.value


@pytest.mark.parametrize(
    ("answer", "tokens", "message"),
    [
        (np.ones((13, 13)), None, "at most 144 cells"),
        (np.ones((2, 3, 3)), None, "rows and columns"),
        ([[1, 0]], ["a"], "1 given for 2"),
        ([[2, 0]], None, "True and False"),
        ([], None, "empty"),
    ],
)
def test_bad_masks_are_refused_in_words(answer, tokens, message):
    with pytest.raises(ValueError, match=message):
        predict_mask(answer, tokens=tokens)


def test_the_answer_is_stored_for_pages_without_a_kernel(monkeypatch):
    prediction = predict_mask([[1, 1, 0]], tokens=["how", "are", ""])
    monkeypatch.delenv(states.VARIABLE, raising=False)
    assert states.PREDICTION_MIME not in prediction._repr_mimebundle_()[0]
    monkeypatch.setenv(states.VARIABLE, "1")
    data = prediction._repr_mimebundle_()[0][states.PREDICTION_MIME]
    assert data["answer"] == "110" and data["columns"] == ["how", "are", ""]
