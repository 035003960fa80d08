"""`influence`: which kind of matrix, what is put in, memory and progress."""

import sys
from collections import UserDict

from maskprobe import influence
from maskprobe.copies import BUDGET, rows_that_fit

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers


@pytest.mark.parametrize("steps", [7, 8, 9])
@pytest.mark.parametrize("return_sequences", [True, False])
def test_units_as_many_as_steps(steps, return_sequences):
    model = keras.Sequential(
        [layers.Embedding(20, 4), layers.LSTM(8, return_sequences=return_sequences)]
    )
    ids = np.arange(1, 1 + steps)
    expected = (steps, steps) if return_sequences else (steps,)
    assert influence(model, ids).shape == expected


def test_units_as_many_as_steps_beside_another_input():
    model = lambda x: x["ids"] * x["mask"]  # noqa: E731
    inputs = {"ids": np.array([[1, 2, 3]]), "mask": np.ones((1, 3), int)}
    assert influence(model, inputs, which="ids").shape == (3, 3)
    pooled = lambda x: np.repeat((x["ids"] * x["mask"]).sum(1, keepdims=True), 3, 1)  # noqa: E731
    assert influence(pooled, UserDict(inputs), which="ids").shape == (3,)


def table(rows):
    def look_up(x):
        assert x.min() >= 0 and x.max() < rows, x
        return x * 1.0

    return look_up


def test_float_ids_stay_inside_the_ids_seen():
    ids = np.array([[3.0, 9.0, 1.0, 0.0]])
    assert influence(table(10), ids, samples=40).shape == (4, 4)


@pytest.mark.parametrize("pad_value", [None, -1])
def test_zero_is_not_put_in_unless_it_is_named(pad_value):
    seen = []

    def model(x):
        seen.append(x)
        return x

    ids = np.array([3, 0, 5, 2])
    influence(model, ids, pad_value=pad_value, samples=60)
    put_in = np.concatenate(seen[2:])[:, [0, 2, 3]]
    assert set(np.unique(put_in)) == {1, 2, 3, 4, 5}
    seen.clear()
    influence(model, ids, pad_value=pad_value, samples=60, vocabulary=np.int64(7))
    assert set(np.unique(np.concatenate(seen[2:]))) == set(range(7))


def test_tiny_outputs_move_by_tiny_amounts():
    result = influence(lambda x: x * 1e-8, [4, 2, 7])
    assert (np.diag(result) > 1e-9).all() and not result[~np.eye(3, dtype=bool)].any()


def test_strings_and_one_hot_pads():
    lookup = layers.StringLookup(vocabulary=["a", "b"])
    words = tf.constant([["a", "b", ""]])
    result = influence(lookup, words, pad_value="")
    assert np.isnan(result[:, 2]).all() and result[0, 0] > 0
    x = np.eye(3)[None, [0, 1, 2, 2]]
    result = influence(lambda x: np.cumsum(x, 1), x, pad_value=[0, 0, 1])
    assert np.isnan(result[:, 2:]).all() and not np.isnan(result[:, :2]).any()


def test_a_fixed_batch_size():
    ids = np.array([[3, 1, 2], [5, 6, 1]])
    fixed = tf.function(
        lambda x: tf.cumsum(x, axis=1), [tf.TensorSpec((2, None), tf.int64)], autograph=False
    )
    result = influence(fixed, tf.constant(ids), row=1)
    np.testing.assert_array_equal(result > 0, np.tri(3, dtype=bool))
    one = tf.function(lambda x: x * 2, [tf.TensorSpec((1, None), tf.int64)], autograph=False)
    assert influence(one, tf.constant(ids[:1])).shape == (3, 3)


def test_what_is_shared_by_the_batch_is_noticed():
    def capacity(x):
        return x * (np.cumsum(np.ones_like(x)).reshape(x.shape) <= 30)

    with pytest.raises(RuntimeError, match="rows depend on their batch"):
        influence(capacity, [4, 2, 7])


# ---------------------------------------------------------------- memory and time


def test_rows_are_chosen_by_what_they_need():
    out = np.zeros((1, 512, 768), "float32")
    rows = rows_that_fit(512, out)
    assert 8 <= rows <= 16 and rows * 256 * 512**2 <= BUDGET
    assert rows_that_fit(6, out[:, :6, :8]) == 1024
    assert rows_that_fit(128, np.zeros((1, 128, 8000), "float32")) <= 30


def test_out_of_memory_halves_the_passes():
    sizes = []

    def model(x):
        if len(x) > 40:
            raise MemoryError
        sizes.append(len(x))
        return x

    result = influence(model, np.arange(1, 40))
    np.testing.assert_array_equal(result > 0, np.eye(39, dtype=bool))
    assert max(sizes) <= 40

    def never(x):
        if len(x) > 1:
            raise MemoryError
        return x

    with pytest.raises(RuntimeError, match="Out of memory even with"):
        influence(never, [1, 2, 3])


def test_progress_is_for_terminals(capsys, monkeypatch):
    monkeypatch.setattr("maskprobe.copies._PATIENCE", -1.0)
    influence(lambda x: x, [1, 2, 3])
    assert capsys.readouterr() == ("", "")  # as in a notebook
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    influence(lambda x: x, [1, 2, 3])
    assert "12/12" in capsys.readouterr().err
    influence(lambda x: x, [1, 2, 3], progress=False)
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------- failures


def test_failures_name_their_cause():
    with pytest.raises(RuntimeError, match="Nothing was changed yet"):
        influence(lambda x: x @ np.ones(2), [1, 2, 3])
    small_table = lambda x: np.array([0.0, 1.0, 2.0, 3.0])[x]  # noqa: E731
    assert influence(small_table, [1, 3]).shape == (2, 2)  # no id that was not seen
    with pytest.raises(RuntimeError, match="say which ids it knows, vocabulary="):
        influence(small_table, [1, 3], vocabulary=99)


def test_a_row_of_dropout_names_the_batch_too():
    rng = np.random.default_rng(0)
    with pytest.raises(RuntimeError, match="rows depend on their batch"):
        influence(lambda x: x + rng.normal(size=x.shape), [1, 2, 3])
