"""`measured_mask` against models of which it is known which steps they read."""

from maskprobe import measured_mask

import keras
import numpy as np
import pytest
from keras import layers, ops

POST = np.array([[3, 1, 2, 4, 7], [5, 6, 0, 0, 0], [2, 2, 9, 0, 0]])
REAL = POST != 0

pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking.*:UserWarning")


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(7)


def embed(mask_zero=True):
    normal = keras.initializers.RandomNormal(stddev=1.0)
    return layers.Embedding(12, 8, mask_zero=mask_zero, embeddings_initializer=normal)


def lstm_model(mask_zero=True, **options):
    return keras.Sequential([embed(mask_zero), layers.LSTM(4, **options)])


KNOWN = {  # name: (model, padded steps that move the output, as (row, step))
    "masked sum": (lambda x: x.sum(1), []),
    "a sum of ones": (lambda x: (x * 0 + 1.0).sum(1) + x.sum(1), "all"),
    "each step alone": (lambda x: x, []),
    "one step ahead": (lambda x: x + np.pad(x + 1.5, ((0, 0), (0, 1)))[:, 1:], [(1, 2), (2, 3)]),
    "the number of steps": (lambda x: x.sum(1) + 0.1 * x.shape[1], "all"),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("side", ["post", "pre"])
def test_functions_with_known_answers(name, side):
    function, leaking = KNOWN[name]
    expected = REAL.copy()
    if leaking == "all":
        expected[:] = True
    else:
        for cell in leaking:
            expected[cell] = True
    batch = POST
    if side == "pre":  # everything mirrored, what the function does, too
        batch, expected = POST[:, ::-1], expected[:, ::-1]
        mirrored = function
        function = lambda x: mirrored(x[:, ::-1])[:, ::-1] if mirrored(x).ndim > 1 else mirrored(x)  # noqa: E731
    mask = measured_mask(function, batch)
    assert mask.dtype == bool and mask.shape == batch.shape
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("return_sequences", [True, False])
def test_of_sound_models_it_is_the_wanted_mask(return_sequences):
    options = dict(return_sequences=return_sequences)
    np.testing.assert_array_equal(measured_mask(lstm_model(**options), POST), REAL)
    pre = keras.utils.pad_sequences([[3, 1, 4], [5]], padding="pre")
    np.testing.assert_array_equal(measured_mask(lstm_model(**options), pre), pre != 0)


def test_of_leaking_models_it_is_more():
    assert measured_mask(lstm_model(False), POST).all()
    conv = keras.Sequential([embed(False), layers.Conv1D(4, 3, padding="same")])
    expected = REAL.copy()
    expected[1, 2] = expected[2, 3] = True
    np.testing.assert_array_equal(measured_mask(conv, POST), expected)
    pooled = keras.Sequential([embed(False), layers.GlobalMaxPooling1D()])
    mask = measured_mask(pooled, POST)
    assert mask[1, 2] and mask[2, 3]  # of equal pads the last to go tells


def test_of_deaf_models_it_is_less():
    first = lambda x: x[:, 0]  # noqa: E731
    np.testing.assert_array_equal(measured_mask(first, POST), [[1, 0, 0, 0, 0]] * 3)
    assert not measured_mask(np.ones_like, POST).any()


def test_real_steps_that_hold_the_pad_value():
    """An unknown word with id 0 is masked with the padding; another id there would not be."""
    unknown = np.array([[3, 0, 2, 4], [0, 6, 2, 0], [5, 5, 0, 5]])
    wanted = np.ones((3, 4), bool)
    wanted[1, 3] = False
    masked = measured_mask(lstm_model(), unknown, wanted=wanted)
    np.testing.assert_array_equal(masked, unknown != 0)
    np.testing.assert_array_equal(measured_mask(lstm_model(), unknown, lengths=[4, 3, 4]), masked)
    everything = measured_mask(lambda x: np.cumsum(x + 1, axis=1), unknown, wanted=wanted)
    np.testing.assert_array_equal(everything, wanted)
    mean = measured_mask(lambda x: x.mean(1), unknown, wanted=wanted)
    assert mean.all()  # a mean over all steps counts the pads


def test_a_real_reading_of_zero():
    x = np.random.default_rng(0).normal(size=(2, 4, 2)).astype("float32")
    x[0, 1], x[1, 2:] = 0, 0
    model = keras.Sequential([layers.Masking(0.0), layers.LSTM(3)])
    np.testing.assert_array_equal(measured_mask(model, x), [[1, 0, 1, 1], [1, 1, 0, 0]])
    unmasked = keras.Sequential([layers.LSTM(3, bias_initializer="ones")])
    assert measured_mask(unmasked, x).all()


def test_pads_in_the_middle():
    wanted = np.array([[1, 0, 1, 1, 0], [1, 1, 1, 0, 1]], bool)
    batch = np.where(wanted, 4, 0)
    model = lstm_model(return_sequences=True)
    np.testing.assert_array_equal(measured_mask(model, batch, wanted=wanted), wanted)
    mask = measured_mask(lstm_model(False, return_sequences=True), batch, wanted=wanted)
    np.testing.assert_array_equal(mask, [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]])


def test_nested_removal_takes_one_pass_a_step():
    shapes = []

    def model(x):
        shapes.append(x.shape)
        return x.mean(1)

    measured_mask(model, POST)
    removals = [shape for shape in shapes if shape[0] <= 3][-4:]
    assert removals == [(2, 5), (2, 4), (2, 3), (1, 2)]


def test_a_batch_without_padding_is_fine():
    full = np.array([[3, 1, 2], [5, 6, 1]])
    assert measured_mask(lstm_model(), full).all()
    np.testing.assert_array_equal(
        measured_mask(lambda x: x[:, 1:, None], full, pad_value=None), [[0, 1, 1]] * 2
    )


def test_a_fixed_length_with_a_mask_of_its_own():
    ids, mask = keras.Input((5,), dtype="int32"), keras.Input((5,), dtype="bool")
    x = embed(False)(ids) * ops.cast(ops.expand_dims(mask, -1), "float32")
    model = keras.Model([ids, mask], layers.Dense(2)(layers.Flatten()(x)))
    batch = [POST, REAL]
    with pytest.raises(RuntimeError, match="replace_pads=True"):
        measured_mask(model, batch, which=(0, 1))
    measured = measured_mask(model, batch, which=(0, 1), replace_pads=True)
    np.testing.assert_array_equal(measured, REAL)
    flat = keras.Model([ids, mask], layers.Dense(2)(layers.Flatten()(embed(False)(ids))))
    assert measured_mask(flat, batch, which=(0, 1), replace_pads=True).all()


def test_seq2seq():
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    for masked in (True, False):
        attention = layers.MultiHeadAttention(2, 4)
        seen = attention(query=embed()(target), value=embed(masked)(source))
        model = keras.Model([source, target], seen)
        batch = [POST, np.array([[4, 5, 6, 1], [4, 5, 0, 0], [7, 0, 0, 0]])]
        mask = measured_mask(model, batch, which=0)
        assert mask[REAL].all() and mask[~REAL].any() == (not masked)


def test_reversed_and_strided_outputs():
    model = lstm_model(go_backwards=True, return_sequences=True)
    np.testing.assert_array_equal(measured_mask(model, POST), REAL)
    ids = np.array([[3, 4, 5, 6], [4, 5, 0, 0]])
    strided = keras.Sequential([embed(), layers.Conv1D(3, 2, strides=2)])
    mask = measured_mask(strided, ids, output_lengths=lambda n: n // 2)
    np.testing.assert_array_equal(mask, ids != 0)


def test_random_models_and_rows_that_depend_on_each_other_are_refused():
    dropout = keras.Sequential([embed(), layers.Dropout(0.5), layers.LSTM(4)])
    with pytest.raises(RuntimeError, match="the same input gave outputs"):
        measured_mask(lambda x: dropout(x, training=True), POST)
    normal = keras.Sequential([embed(), layers.BatchNormalization(), layers.LSTM(4)])
    for batch in (POST, POST[:, :2]):
        with pytest.raises(RuntimeError, match="depend on their batch"):
            measured_mask(lambda x: normal(x, training=True), batch)


def test_bad_questions():
    with pytest.raises(ValueError, match="samples >= 1"):
        measured_mask(lambda x: x, POST, samples=0)
    with pytest.raises(ValueError, match="expected wanted as a mask of shape"):
        measured_mask(lambda x: x, POST, wanted=[1, 1])
    with pytest.raises(RuntimeError, match="Nothing was changed yet"):
        measured_mask(lambda x: x @ np.ones(3), POST[:1])
    with pytest.raises(ValueError, match=r"rows \[0\] are all padding"):
        measured_mask(lambda x: x, [[0, 0], [1, 2]])
