"""The ward of notebook 08: its patients have what their truth says, and the probes find it.

A slow loop over rows is the oracle for the first half. The second half holds the probes against
the truth, for as many patients as time allows; `python -m tests.ward` takes 300, anew each time.
"""

import random
import subprocess
import sys

from helpers.patients import patient
from tests import ward

import keras
import numpy as np
import pytest

ROUND = range(27)  # each kind of fault once, and six sound patients


@pytest.fixture(scope="module")
def patients():
    return [patient(n) for n in ROUND]


def alone(compute, one, row):
    """What a row gives without the others and without padding, `(…)`."""
    inputs = one.inputs[row][one.wanted[row]][None]
    return np.asarray(compute(inputs, np.ones(inputs.shape[:2], bool)))[0]


def largest_move(compute, one):
    """By how much the answers move when each row is taken out of its padded batch, `(B,)`."""
    together = np.asarray(compute(one.inputs, one.wanted))
    moves = []
    for row, kept in enumerate(one.wanted):
        answer = together[row] if together.ndim == 2 else together[row][kept]
        moves.append(np.abs(answer - alone(compute, one, row)).max())
    return np.array(moves)


def test_a_round_holds_every_kind(patients):
    truths = [one.reveal() for one in patients]
    kinds = {truth.kind for truth in truths}
    assert len(kinds) == 22 and sum(not truth.differ for truth in truths) == 6
    assert {one.form for one in patients} == {"Sequential", "Functional", "subclassed"}
    assert {one.side for one in patients} == {"post", "pre"}
    assert {one.inputs.ndim for one in patients} == {2, 3}
    assert {truth.differ for truth in truths} == {
        (),
        ("wanted", "declared"),
        ("declared", "measured"),
        ("rows",),
    }


@pytest.mark.parametrize("n", ROUND)
def test_padding_moves_the_answers_if_the_truth_says_so_and_never_those_of_the_cure(n, patients):
    one, truth = patients[n], patients[n].reveal()
    moves = largest_move(lambda inputs, mask: one.model(inputs), one)
    assert moves.max() > 1e-3 if truth.leaks else moves.max() < 1e-5
    full = moves[one.wanted.all(axis=1)]
    assert full.max() > 1e-3 if truth.differ == ("rows",) else full.max() < 1e-5
    assert largest_move(one.cured, one).max() < 1e-5


@pytest.mark.parametrize("n", ROUND)
def test_a_cure_leaves_answers_on_unpadded_input_as_they_were(n, patients):
    one, truth = patients[n], patients[n].reveal()
    inputs, wanted = one.draw(1, lengths=[5], disputed=False)
    before, after = one.model(inputs), one.cured(inputs, wanted)
    # These masks are wrong without padding, too.
    keeps = "polarity" not in truth.kind and "look-ahead" not in truth.kind
    assert np.allclose(before, after, atol=1e-5) == keeps


def test_the_same_number_is_the_same_patient():
    one, again = patient(31), patient(31)
    assert (one.story, one.code, one.form) == (again.story, again.code, again.form)
    assert np.array_equal(one.inputs, again.inputs) and np.array_equal(one.wanted, again.wanted)
    assert np.array_equal(one.model(one.inputs), again.model(again.inputs))
    assert one.story != patient(32).story


def test_a_patient_leaves_the_random_numbers_of_others_alone():
    keras.utils.set_random_seed(1)
    expected = random.random(), np.array(keras.random.normal((2,)))
    keras.utils.set_random_seed(1)
    patient(7)
    assert random.random() == expected[0]
    assert np.array_equal(keras.random.normal((2,)), expected[1])


def test_stories_are_short_and_keep_the_secret(patients):
    stories = [one.story for one in patients]
    assert len(set(stories)) > 20
    for story in stories:
        assert len(story.split()) < 45
        assert not any(word in story for word in ("polarity", "mask_zero", "Concatenate", "leak"))
    for one in patients:
        assert one.reveal().explanation not in f"{one!r}{one.code}"
        assert "kind" not in repr(one) and one.story[:20] in repr(one)


def test_the_code_shown_is_the_code_that_ran(patients):
    for one in patients:
        assert "def forward(parts, inputs):" in one.code
        namespace = {"keras": None, "ops": None, "tf": None}
        exec("import keras\nimport tensorflow as tf\nfrom keras import ops", namespace)
        exec(one.code, namespace)
        got = namespace["forward"](one.parts, one.inputs)
        assert np.allclose(got, one.model(one.inputs), atol=1e-5)


def test_a_drawn_batch_is_padded_as_asked_for(patients):
    for one in patients:
        for side in ("post", "pre"):
            inputs, wanted = one.draw(4, lengths=[2, 6, 4], side=side)
            assert inputs.shape[:2] == wanted.shape == (3, 6)
            assert wanted.sum(axis=1).tolist() == [2, 6, 4]
            assert wanted[:, 0 if side == "post" else -1].all()
            assert np.allclose(inputs[~wanted], one.pad_value)
            assert inputs.dtype == one.inputs.dtype


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (-1, ValueError, "from 0 on; got -1"),
        (1.5, TypeError, "whole numbers.*got float"),
        ("3", TypeError, "whole numbers.*got str"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_a_number_that_is_none_is_told_in_words(n, error, message):
    with pytest.raises(error, match=message):
        patient(n)


def test_a_number_may_come_from_numpy():
    assert patient(np.int64(2)).number == 2


def test_importing_the_ward_does_not_import_keras():
    code = "import sys, helpers.patients; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("n", ROUND)
def test_the_probes_agree_with_the_truth(n):
    assert ward.disagreements(n) == []
