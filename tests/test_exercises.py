"""Every check against wrong answers that have a name, and against right ones written otherwise."""

import re

from helpers import check
from helpers.exercises.engine import NotYet, compare_mask
from tests import notebooks
from tests.answers import RIGHT, WRONG

import numpy as np
import pytest

NUMBERS = [e.number for path in notebooks.PATHS for e in notebooks.exercises(notebooks.read(path))]


def test_every_exercise_is_tried():
    assert sorted(WRONG) == sorted(RIGHT) == sorted(NUMBERS)
    for number in NUMBERS:
        assert len(WRONG[number]) >= 4, f"{number}: four named misconceptions at least"
        assert len(RIGHT[number]) >= 2, f"{number}: two right answers at least"


@pytest.mark.parametrize(
    ("number", "name"), [(number, name) for number in WRONG for name in WRONG[number]]
)
def test_a_wrong_answer_is_refused_with_its_own_message(number, name):
    answer, message = WRONG[number][name]
    verdict = check(number, answer)
    assert verdict.outcome == "not yet", str(verdict)
    assert re.search(message, verdict.message), verdict.message


@pytest.mark.parametrize(
    ("number", "name"), [(number, name) for number in RIGHT for name in RIGHT[number]]
)
def test_a_right_answer_is_accepted_however_it_is_written(number, name):
    verdict = check(number, RIGHT[number][name])
    assert verdict.outcome == "correct", str(verdict)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("answer", [..., None])
def test_a_stub_is_not_attempted(number, answer):
    assert check(number, answer).outcome == "not attempted"


def returns_ellipsis(*_):
    return ...


def is_a_stub(ids): ...


def forgets_to_return(ids):
    ids != 0  # noqa: B015


def test_a_function_that_is_still_a_stub_is_not_attempted():
    assert check("1.1", returns_ellipsis).outcome == "not attempted"
    assert check("1.1", is_a_stub).outcome == "not attempted"
    verdict = check("1.1", forgets_to_return)
    assert verdict.outcome == "not yet" and "`return` missing" in verdict.message


class Hostile:
    """An answer for which every question is an error."""

    def __getattr__(self, name):
        raise RuntimeError("no")

    def __array__(self, *_, **__):
        raise RuntimeError("no")

    def __call__(self, *_, **__):
        raise ZeroDivisionError("no")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "answer",
    [
        Hostile(),
        lambda *a: exit(),
        [True, ...],
        3,
        "text",
        [],
        {},
        object(),
        np.nan,
        lambda: 1,
        lambda *a: 1 / 0,
        np.zeros((0, 3)),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_whatever_the_answer_nothing_is_raised(number, answer):
    verdict = check(number, answer)
    assert verdict.outcome == "not yet"
    assert verdict.message
    verdict._repr_mimebundle_()


@pytest.mark.parametrize("number", ["9.9", "1.99", "one", "", "1", 1.1, None])
def test_an_unknown_exercise_is_told_in_words(number):
    verdict = check(number, lambda ids: ids)
    if number == 1.1:  # a number that was meant as text
        assert verdict.outcome == "not yet" and "no exercise" not in verdict.message
    else:
        assert "There is no exercise" in verdict.message


def test_a_wrong_mask_is_drawn_with_the_steps_that_differ():
    verdict = check("1.1", lambda ids: ids == 0)
    data = verdict._repr_mimebundle_()
    assert "polarity is flipped" in data["text/html"]
    assert "data:image/png;base64," in data["text/html"]
    assert "18 steps differ" in data["text/plain"]
    assert check("1.1", lambda ids: (ids != 0)[:, None]).figure is None, "another shape: no picture"


def test_of_a_batch_of_attention_masks_the_first_wrong_sentence_is_drawn():
    right = np.tile(np.tri(3, dtype=bool), (2, 1, 1))
    wrong = right.copy()
    wrong[1, 0, 2] = True
    with pytest.raises(NotYet, match="1 of 18 steps differ") as caught:
        compare_mask(wrong, right, {}, shown="mask")
    assert "Your mask of sequence 1: 1 step differs" in caught.value.figure.words
    assert "3 queries × 3 keys" in caught.value.figure.words


def test_a_product_is_not_taken_for_emphasis():
    def answer(ids):
        raise ValueError("2 * 3 * 4 is *not* 25")

    html = check("1.1", answer)._repr_mimebundle_()["text/html"]
    assert "2 * 3 * 4 is <em>not</em> 25" in html


def test_messages_are_escaped():
    def answer(ids):
        raise ValueError("<script>")

    html = check("1.1", answer)._repr_mimebundle_()["text/html"]
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_the_check_does_not_change_what_it_is_given():
    def answer(ids):
        mask = ids != 0
        ids[:] = 0
        return mask

    assert check("1.1", answer).outcome == "correct"
    assert check("1.1", answer).outcome == "correct", "cases are copies"
