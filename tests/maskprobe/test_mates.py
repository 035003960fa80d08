"""Rows that depend on their batch, and rows that do not; NumPy only."""

from maskprobe import batch_mates

import numpy as np
import pytest

IDS = np.array([[3, 1, 2, 4], [5, 6, 0, 0], [7, 0, 0, 0], [2, 2, 9, 0]])
TABLE = np.random.default_rng(0).normal(size=(10, 3))


def scrambled(ids):
    """A mask reshaped where a transpose is meant, as in a published model."""
    mask = (ids != 0).reshape(ids.shape[1], ids.shape[0]).T
    return (TABLE[ids] * mask[..., None]).sum(axis=1)


def transposed(ids):
    return (TABLE[ids] * (ids != 0).T.T[..., None]).sum(axis=1)


def test_a_reshape_where_a_transpose_is_meant():
    mates = batch_mates(scrambled, IDS)
    assert mates.rows_depend and not mates.sound and mates.shape == (4,)
    assert "depend on the others" in mates.sentence
    assert batch_mates(transposed, IDS).sound


@pytest.mark.parametrize(
    "model",
    [
        lambda x: x - x.mean(axis=0),
        lambda x: x / (1 + x.std(axis=0)),
        lambda x: x * (np.arange(len(x)) < 2)[:, None],  # a capacity: the first two rows only
        lambda x: np.sort(x, axis=0),
    ],
)
def test_rows_that_depend_on_their_batch(model):
    assert not batch_mates(model, np.random.default_rng(1).normal(size=(3, 5))).sound


@pytest.mark.parametrize(
    "model", [lambda x: x * 2, lambda x: x.sum(axis=1), lambda x: np.cumsum(x, axis=1)]
)
def test_rows_that_do_not(model):
    mates = batch_mates(model, np.random.default_rng(1).normal(size=(3, 5)))
    assert mates.sound and not mates.rows_depend and "do not depend" in mates.sentence


def test_padded_steps_are_not_compared():
    def noisy_at_pads(ids):
        out = TABLE[ids].copy()
        out[ids == 0] = len(ids)  # differs with the number of rows, at padded steps only
        return out

    assert batch_mates(noisy_at_pads, IDS).sound
    assert not batch_mates(noisy_at_pads, IDS, pad_value=None).sound


def test_a_model_for_one_number_of_rows_is_filled_up():
    def four_rows(ids):
        assert len(ids) == 4
        return TABLE[ids]

    assert batch_mates(four_rows, IDS).sound


def test_another_order_is_tried_where_no_row_runs_alone():
    def by_place(ids):
        assert len(np.unique(ids, axis=0)) == 4, "four different rows"
        return TABLE[ids] * np.arange(1, 5)[:, None, None]

    assert not batch_mates(by_place, IDS).sound
    assert batch_mates(lambda ids: by_place(ids) / np.arange(1, 5)[:, None, None], IDS).sound


def test_bad_questions_get_no_answer():
    with pytest.raises(ValueError, match="two rows"):
        batch_mates(transposed, IDS[:1])
    with pytest.raises(ValueError, match="NaN"):
        batch_mates(lambda ids: np.full(ids.shape, np.nan), IDS)
    with pytest.raises(RuntimeError, match="Nothing was changed yet"):
        batch_mates(lambda ids: 1 / 0, IDS)
    draw = np.random.default_rng(0)
    with pytest.raises(RuntimeError, match=r"outputs .* apart"):
        batch_mates(lambda ids: TABLE[ids] + draw.normal(size=3), IDS)
