"""Every check against wrong answers that have a name, and against right ones written otherwise."""

import functools
import re

from helpers import check
from helpers.exercises import notebook_00
from helpers.exercises.engine import NotYet, call, call_layer, compare_mask, id_batches
from tests import notebooks
from tests.answers import RIGHT, WRONG

import numpy as np
import pytest

POST = np.array([[83, 91, 1, 645, 1253, 927], [73, 8, 3215, 55, 927, 0], [711, 632, 71, 0, 0, 0]])


def padding_mask(function):
    """A judge to try the engine with; notebooks may change theirs."""
    got = call(function, POST, shown="padding_mask(ids)")
    compare_mask(got, POST != 0, {}, shown="padding_mask(ids)")


@pytest.fixture(autouse=True)
def exercise_of_the_tests(monkeypatch):
    monkeypatch.setitem(notebook_00.JUDGES, "0.0", padding_mask)


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
def test_a_stub_is_not_attempted(number):
    verdict = check(number, ...)
    assert verdict.outcome == "not attempted" and not verdict and verdict.score == 0


def test_a_verdict_serves_in_a_condition():
    right, wrong = check("0.0", lambda ids: ids != 0), check("0.0", lambda ids: ids == 0)
    assert right and right.score == 1
    assert not wrong and wrong.score == 0


def test_none_is_what_print_returns_and_no_stub():
    assert "`print(…)`" in check("0.0", None).message
    assert "what `print` returns" in check("0.0", print).message
    assert check("0.0", functools.partial(print)).outcome == "not yet"


def test_a_call_without_its_parts_is_told_in_words():
    assert 'check("0.0", …)' in check("0.0").message
    assert "exercise comes first" in check(lambda ids: ids != 0, "0.0").message
    strange = check("<b>1.1</b>", 1)
    assert "<b>1.1" not in strange._repr_mimebundle_()["text/html"]


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize("error", [Mute, GeneratorExit, SystemExit, RecursionError])
def test_no_error_comes_out_of_a_check(error):
    def answer(ids):
        raise error

    assert error.__name__ in check("0.0", answer).message


def test_but_the_readers_own_interrupt_does():
    def answer(ids):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("0.0", answer)


def test_messages_have_an_end_and_prints_are_swallowed(capsys):
    def answer(ids):
        print("here")
        raise ValueError("x y " * 10**6)

    assert len(check("0.0", answer).message) < 1000
    assert len(check("0.0", lambda ids: "x" * 10**7).message) < 1000
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("policy", "which"), [("mixed_float16", 0), ("mixed_bfloat16", -1)])
def test_the_dtype_policy_of_the_reader_does_not_count_and_stays(policy, which):
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        for number in NUMBERS:
            name, answer = list(RIGHT[number].items())[which]
            assert check(number, answer), f"{number}, {name}"
        assert keras.config.dtype_policy().name == policy
    finally:
        keras.config.set_dtype_policy(before)


def test_a_layer_that_forgets_its_return_leaves_keras_whole():
    import keras
    from keras.src.backend import get_keras_mask

    class Forgets(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, inputs):
            2 * inputs

    masked = keras.layers.Embedding(5, 2, mask_zero=True)(np.array([[1, 0]]))
    with pytest.raises(NotYet, match=r"`call` returned None, for Forgets\(\)\(x\)"):
        call_layer(Forgets(), masked, shown="Forgets()(x)")
    with pytest.raises(TypeError):  # what a reader meets who runs it by hand
        Forgets()(masked)
    assert check("0.0", lambda ids: ids != 0)
    assert get_keras_mask(None) is None
    layer = keras.layers.Dense(2)
    assert call_layer(layer, masked, shown="Dense(2)(x)").shape == (1, 2, 2)
    assert layer.call.__self__ is layer, "the layer is as it was"


def test_the_batches_to_try_are_of_every_kind():
    batches = id_batches(largest=9, empty_rows=True)
    shapes = {ids.shape for ids in batches.values()}
    assert any(rows == 1 for rows, _ in shapes) and any(rows == steps for rows, steps in shapes)
    assert {ids.dtype for ids in batches.values()} == {np.dtype("int32")}
    assert max(ids.max() for ids in batches.values()) <= 9
    assert (batches.pop("a sentence without words") == 0).all(axis=1).any()
    assert all((ids != 0).any(axis=1).all() for ids in batches.values())
    assert 256 in id_batches()["padding after the words"], "0 in an int8"


def returns_ellipsis(*_):
    return ...


def is_a_stub(ids): ...


def forgets_to_return(ids):
    ids != 0  # noqa: B015


def test_a_function_that_is_still_a_stub_is_not_attempted():
    assert check("0.0", returns_ellipsis).outcome == "not attempted"
    assert check("0.0", is_a_stub).outcome == "not attempted"
    verdict = check("0.0", forgets_to_return)
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
    verdict = check("0.0", lambda ids: ids == 0)
    data = verdict._repr_mimebundle_()
    assert "polarity is flipped" in data["text/html"]
    assert "data:image/png;base64," in data["text/html"]
    assert "18 steps differ" in data["text/plain"]
    assert check("0.0", lambda ids: (ids != 0)[:, None]).figure is None, "another shape: no picture"


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

    html = check("0.0", answer)._repr_mimebundle_()["text/html"]
    assert "2 * 3 * 4 is <em>not</em> 25" in html


def test_messages_are_escaped():
    def answer(ids):
        raise ValueError("<script>")

    html = check("0.0", answer)._repr_mimebundle_()["text/html"]
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_the_check_does_not_change_what_it_is_given():
    def answer(ids):
        mask = ids != 0
        ids[:] = 0
        return mask

    assert check("0.0", answer).outcome == "correct"
    assert check("0.0", answer).outcome == "correct", "cases are copies"
