"""The two probes against models whose answers are known beforehand.

Next to each model stands what it must give. Where the answer is exact, a NumPy function is
probed and a slow loop is the oracle.
"""

import subprocess
import sys

from maskprobe import influence, padding_leak

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

VOCABULARY = 12
POST = np.array([[3, 1, 2, 4, 7], [5, 6, 0, 0, 0], [2, 2, 9, 0, 0]])
PRE = np.array([[3, 1, 2, 4, 7], [0, 0, 0, 5, 6], [0, 0, 2, 2, 9]])
FULL = np.array([[3, 1, 2, 4, 7], [5, 6, 1, 8, 2]])
BATCHES = {"post": POST, "pre": PRE, "full": FULL}
SOUND, LEAKING = 1e-5, 1e-3  # everything measured must be below the one or above the other

pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking.*:UserWarning")


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(7)


# ---------------------------------------------------------------- models with known answers


def embed(mask_zero=True):
    # Vectors of order 1: the default, ±0.05, would make every leak look small.
    normal = keras.initializers.RandomNormal(stddev=1.0)
    return layers.Embedding(VOCABULARY, 8, mask_zero=mask_zero, embeddings_initializer=normal)


def functional(build, mask_zero=True):
    ids = keras.Input((None,), dtype="int32")
    return keras.Model(ids, build(embed(mask_zero)(ids)))


class KeepMask(layers.Layer):
    """The attention mask `(B, 1, T)` of ids, for the cure of finding 1."""

    def call(self, ids):
        return ops.expand_dims(ops.not_equal(ids, 0), 1)


class MaskedMean(layers.Layer):
    """A masked mean written by hand; `right=False` divides by T, as is often done."""

    def __init__(self, right):
        super().__init__()
        self.right = right

    def call(self, x, mask=None):
        kept = ops.expand_dims(ops.cast(mask, x.dtype), -1)
        count = ops.sum(kept, axis=1) if self.right else ops.shape(x)[1]
        return ops.sum(x * kept, axis=1) / ops.cast(count, x.dtype)


class Subclassed(keras.Model):
    """Embedding and LSTM; hands the mask on by hand, or does not."""

    def __init__(self, masked):
        super().__init__()
        self.masked, self.embedding, self.lstm = masked, embed(), layers.LSTM(6)

    def call(self, ids):
        x = self.embedding(ids)
        return self.lstm(x + 0.0, mask=self.embedding.compute_mask(ids) if self.masked else None)


def transformer(blocks, cured=False, causal=False, width=8):
    """Blocks of `MultiHeadAttention` + `Add`: from the second on padding leaks (finding 1)."""
    ids = keras.Input((None,), dtype="int32")
    x = embed()(ids)
    mask = KeepMask()(ids) if cured else None
    for _ in range(blocks):
        attention = layers.MultiHeadAttention(2, width // 2)
        seen = attention(x, x, attention_mask=mask, use_causal_mask=causal)
        x = layers.LayerNormalization()(layers.Add()([x, seen]))
        wide = layers.Dense(2 * width, activation="relu")(x)
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(width)(wide)]))
    return keras.Model(ids, x)


def lstm(x):
    return layers.LSTM(6, return_sequences=True)(x)


def two_embeddings(merge):
    """`merge` of two embeddings of the same ids, the second with a mask or not, then an LSTM."""

    def build(second_masked):
        ids = keras.Input((None,), dtype="int32")
        return keras.Model(ids, lstm(merge([embed()(ids), embed(second_masked)(ids)])))

    return build


def added(tensors):
    return tensors[0] + tensors[1]


MODELS = {  # name: (build, sides on which it is sound, sides on which it leaks)
    "lstm": (lambda: functional(lstm), "post pre full", ""),
    "lstm without mask_zero": (lambda: functional(layers.LSTM(6), mask_zero=False), "", "post pre"),
    "causal layers only look back": (lambda: functional(lstm, mask_zero=False), "post", "pre"),
    "bidirectional": (
        lambda: functional(layers.Bidirectional(layers.LSTM(4))),
        "post pre full",
        "",
    ),
    "bidirectional without mask_zero": (
        lambda: functional(layers.Bidirectional(layers.GRU(4, return_sequences=True)), False),
        "",
        "post pre full",
    ),
    "stacked": (lambda: functional(lambda x: layers.GRU(5)(lstm(x))), "post pre full", ""),
    "sequential": (lambda: keras.Sequential([embed(), layers.LSTM(6)]), "post pre full", ""),
    "subclassed": (lambda: Subclassed(True), "post pre full", ""),
    "subclassed, mask forgotten": (lambda: Subclassed(False), "", "post pre full"),
    "tf.function": (lambda: tf.function(functional(lstm)), "post pre full", ""),
    "conv same": (
        lambda: functional(layers.Conv1D(4, 3, padding="same", bias_initializer="ones")),
        "",
        "post pre full",
    ),
    "conv causal": (lambda: functional(layers.Conv1D(4, 3, padding="causal")), "post", "pre"),
    "global max": (lambda: functional(layers.GlobalMaxPooling1D()), "", "post pre full"),
    "global average": (lambda: functional(layers.GlobalAveragePooling1D()), "post pre full", ""),
    "masked mean by hand": (lambda: functional(MaskedMean(True)), "post pre full", ""),
    "masked mean over T": (lambda: functional(MaskedMean(False)), "", "post pre full"),
    "Add": (lambda: two_embeddings(layers.Add())(True), "post pre full", ""),
    "Add, one input unmasked": (lambda: two_embeddings(layers.Add())(False), "post", "pre"),
    "x + y": (lambda: two_embeddings(added)(True), "post", "pre"),
    "slice": (lambda: functional(lambda x: layers.LSTM(6)(x[:, :, :4])), "", "post pre full"),
    "one block": (lambda: transformer(1), "post pre full", ""),
    "two blocks": (lambda: transformer(2), "", "post pre full"),
    "two blocks, cured": (lambda: transformer(2, cured=True), "post pre full", ""),
}


@pytest.mark.parametrize("name", MODELS)
def test_padding_leak_of_known_models(name):
    build, sound, leaking = MODELS[name]
    model = build()
    for side in sound.split() + leaking.split():
        batch = BATCHES[side]
        leak = padding_leak(model, batch, add_pads=3 if side == "full" else 0)
        assert leak.shape in (batch.shape, batch.shape[:1])
        if side in sound.split():
            assert leak.max() < SOUND, side
        else:
            assert leak.max() > LEAKING, side
        if leak.ndim == 2:
            assert not leak[batch == 0].any()


def test_padding_leak_says_where():
    """`Conv1D(3, padding="same")` sees one step ahead: only the last real step moves."""
    leak = padding_leak(functional(layers.Conv1D(4, 3, padding="same")), POST)
    moved = np.zeros(POST.shape, bool)
    moved[1, 1] = moved[2, 2] = True
    np.testing.assert_array_equal(leak > LEAKING, moved)
    leak = padding_leak(functional(layers.Conv1D(4, 3, padding="same")), PRE, side="pre")
    np.testing.assert_array_equal(leak > LEAKING, moved[:, ::-1])


def test_or_of_two_masks_is_as_long_as_the_longer():
    """Finding 9: `Add` ORs masks, so ids padded beyond the other input's steps leak."""
    short, long = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    model = keras.Model(
        [short, long], layers.LSTM(6)(layers.Add()([embed()(short), embed()(long)]))
    )
    longer = np.array([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 0, 0]])
    leak = padding_leak(model, [POST, longer], which=(0, 1))
    assert leak[[0, 2]].max() < SOUND
    assert leak[1] > LEAKING


@pytest.mark.parametrize("by_hand", [False, True])
def test_initial_state_makes_an_lstm_deaf_to_its_mask(by_hand):
    """Finding 3: with `initial_state` the automatic mask is ignored; `mask=` by hand is not."""
    ids, h, c = keras.Input((None,), dtype="int32"), keras.Input((6,)), keras.Input((6,))
    embedding = embed()
    mask = {"mask": ops.not_equal(ids, 0)} if by_hand else {}
    state = layers.LSTM(6)(embedding(ids), initial_state=[h, c], **mask)
    model = keras.Model([ids, h, c], state)
    states = np.random.default_rng(0).normal(size=(2, 3, 6)).astype("float32")
    leak = padding_leak(model, [POST, *states], which=0)
    assert leak.shape == (3,)
    assert leak[0] < SOUND
    assert (leak[1:] < SOUND).all() if by_hand else (leak[1:] > LEAKING).all()


@pytest.mark.parametrize("masked", [True, False])
def test_padded_encoder_is_seen_at_every_decoder_step(masked):
    source, target = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    seen = layers.MultiHeadAttention(2, 4)(embed(False)(target), embed(masked)(source))
    model = keras.Model({"source": source, "target": target}, seen)
    for steps in (4, POST.shape[1]):  # as many decoder as encoder steps must not confuse it
        target = 1 + np.arange(3 * steps).reshape(3, steps) % (VOCABULARY - 1)
        leak = padding_leak(model, {"source": POST, "target": target}, which="source")
        assert leak.shape == (3, steps)
        assert leak[0].max() < SOUND
        assert leak.max() < SOUND if masked else leak[1:].min() > LEAKING


@pytest.mark.parametrize("which", [("ids", "mask"), ["mask", "ids"]])
def test_ids_and_mask_are_cut_together(which):
    ids, mask = (
        keras.Input((None,), dtype="int32", name="ids"),
        keras.Input((None,), dtype="bool", name="mask"),
    )
    model = keras.Model({"ids": ids, "mask": mask}, layers.LSTM(6)(embed(False)(ids), mask=mask))
    for batch in (POST, FULL):  # the pads added to FULL are False in the mask
        inputs, pads = {"ids": batch, "mask": batch != 0}, 3 if batch is FULL else 0
        assert padding_leak(model, inputs, which=which, add_pads=pads).max() < SOUND
    with pytest.raises(RuntimeError, match="named together"):
        padding_leak(lambda x: x["ids"] * x["mask"], {"ids": POST, "mask": POST > 0}, which="ids")


@pytest.mark.parametrize("mask_value", [0.0, -99.9, np.nan])
def test_float_features(mask_value):
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    x[POST == 0] = mask_value
    x[0, 1, 0] = np.nan_to_num(mask_value)  # one feature alone is not padding
    # A bias, for from zeros to zeros an LSTM with none goes on without leaving its state.
    lstm = layers.LSTM(6, return_sequences=True, bias_initializer="ones")
    if np.isnan(mask_value):  # never equal to itself, so `Masking` never sees it
        model = keras.Sequential([layers.Masking(mask_value), lstm])
        assert padding_leak(model, x, pad_value=mask_value).max() < SOUND  # an LSTM looks back
        backwards = keras.Sequential([layers.LSTM(6, go_backwards=True)])
        with pytest.raises(ValueError, match="NaN at row 1 in the padded batch"):
            padding_leak(backwards, x, pad_value=mask_value)
        return
    model = keras.Sequential([layers.Masking(mask_value), layers.Bidirectional(lstm)])
    assert padding_leak(model, x, pad_value=mask_value).max() < SOUND
    unmasked = keras.Sequential([layers.Bidirectional(lstm)])
    assert padding_leak(unmasked, x, pad_value=mask_value).max() > LEAKING


def test_lengths_and_inner_pads():
    def count(x):
        return np.repeat((x != -1).sum(1, keepdims=True), x.shape[1], 1)

    inner = np.array([[3, 0, 0, 7], [0, 2, 0, 0]])  # 0 inside, and first, is a real step
    np.testing.assert_array_equal(padding_leak(count, inner), [[0, 0, 0, 0], [2, 2, 0, 0]])
    # With lengths given it matters not what the padded steps hold.
    leak = padding_leak(count, np.ones((2, 4), int), lengths=[3, 4])
    np.testing.assert_array_equal(leak, [[1, 1, 1, 0], [0, 0, 0, 0]])
    leak = padding_leak(count, np.ones((2, 4), int), lengths=[3, 4], side="pre")
    np.testing.assert_array_equal(leak, [[0, 1, 1, 1], [0, 0, 0, 0]])


def test_pooled_output_as_wide_as_the_sequence_is_still_pooled():
    def pooled(x):
        return np.repeat(x.sum(1, keepdims=True), 5, axis=1)

    assert padding_leak(pooled, POST).shape == (3,)
    assert padding_leak(lambda x: x.sum(1), POST).shape == (3,)
    assert padding_leak(lambda x: x, POST).shape == (3, 5)


def test_infinite_outputs_that_stay_do_not_move():
    assert padding_leak(lambda x: np.full(x.shape, -np.inf), POST).max() == 0


def test_nan_at_padded_steps_is_no_matter():
    assert padding_leak(lambda x: np.where(x == 0, np.nan, x), POST).max() == 0


def test_one_forward_pass_per_length_plus_one_and_a_control():
    shapes = []

    def model(x):
        shapes.append(x.shape)
        return x

    padding_leak(model, POST)
    assert shapes == [(3, 5), (1, 2), (1, 3), (1, 5), (3, 5)]
    shapes.clear()
    padding_leak(model, FULL, side="pre", add_pads=3)
    assert shapes == [(2, 8), (2, 5), (2, 8)]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    side=st.sampled_from(["post", "pre"]),
    pad_value=st.sampled_from([0, -1]),
    spare=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_padding_leak_equals_a_slow_loop(lengths, side, pad_value, spare, seed):
    rng = np.random.default_rng(seed)
    steps = max(lengths) + spare
    sequences = [rng.integers(1, 9, n) for n in lengths]

    def pad(n_steps):
        batch = np.full((len(lengths), n_steps), pad_value)
        for row, sequence in enumerate(sequences):
            where = slice(0, len(sequence)) if side == "post" else slice(-len(sequence), None)
            batch[row, where] = sequence
        return batch

    def model(x):  # every step sees its neighbours, the first step, the mean and its place
        wide = np.pad(x, ((0, 0), (1, 1)))
        place = np.arange(x.shape[1])
        y = wide[:, :-2] + 2.0 * wide[:, 2:] + x[:, :1] * place
        return np.stack([y, y * x.mean(1, keepdims=True)], axis=-1)

    needs_pads = all(n == steps for n in lengths)
    padded = model(pad(steps + 3 if needs_pads else steps))
    expected = np.zeros((len(lengths), steps))
    for row, sequence in enumerate(sequences):
        alone = model(sequence[None])[0]
        for step in range(len(sequence)):
            at = step if side == "post" else step - len(sequence)
            expected[row, at] = max(abs(padded[row, at] - alone[step]))
    leak = padding_leak(
        model, pad(steps), side=side, pad_value=pad_value, add_pads=3 if needs_pads else 0
    )
    np.testing.assert_allclose(leak, expected)


# ---------------------------------------------------------------- influence


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: np.cumsum(x, axis=1), np.tril(np.ones((4, 4)))),
        (lambda x: x[:, ::-1], np.eye(4)[::-1]),
        (lambda x: x * 2, np.eye(4)),
        (lambda x: x[:, 1:, None], np.eye(4)[1:]),
        (lambda x: x - x.mean(1, keepdims=True), np.ones((4, 4))),
        (lambda x: x * 0, np.zeros((4, 4))),
        (lambda x: x[:, 2], np.eye(4)[2]),
        (lambda x: x[:, :3].sum(1, keepdims=True), [1, 1, 1, 0]),
        (lambda x: tf.reverse(x, [1]), np.eye(4)[::-1]),
        (tf.function(lambda x: tf.cumsum(x, axis=1)), np.tril(np.ones((4, 4)))),
    ],
)
@pytest.mark.parametrize("x", [[4, 2, 7, 1], np.array([[0.5, 2.0, -1.0, 3.0]])])
def test_influence_of_functions_with_known_answers(function, expected, x):
    np.testing.assert_array_equal(influence(function, x) > 0, np.array(expected, bool))


def test_influence_is_the_largest_change():
    # From 5, with ids 1 … 5, the farthest is 1; with all of them tried, 2 * 4 = 8.
    result = influence(lambda x: 2 * x, [5, 5], samples=60)
    np.testing.assert_array_equal(result, [[8, 0], [0, 8]])
    result = influence(lambda x: 2 * x, [5, 5], samples=60, vocabulary=[5, 6])
    np.testing.assert_array_equal(result, [[2, 0], [0, 2]])


@settings(max_examples=40, deadline=None)
@given(
    t_out=st.integers(1, 5),
    t_in=st.integers(1, 5),
    features=st.integers(1, 3),
    batch_size=st.sampled_from([9, 11, 1024]),
    seed=st.integers(0, 999),
)
def test_influence_of_a_linear_map_is_its_sparsity(t_out, t_in, features, batch_size, seed):
    rng = np.random.default_rng(seed)
    allowed = rng.random((t_out, t_in)) < 0.5
    weights = rng.normal(size=(t_out, t_in)) * allowed
    x = rng.normal(size=(1, t_in, features))
    linear = lambda x: np.einsum("os,bsf->bof", weights, x)  # noqa: E731
    result = influence(linear, x, batch_size=batch_size)
    np.testing.assert_array_equal(result > 1e-12, allowed)
    if t_in > 1:  # (1, F) would be read as (1, T)
        alone = influence(linear, x[0], batch_size=batch_size)
        np.testing.assert_array_equal(alone, result)


@pytest.mark.parametrize("causal", [False, True])
def test_influence_of_attention_is_its_mask(causal):
    model = transformer(2, cured=True, causal=causal)
    allowed = np.tril(np.ones((5, 5), bool)) if causal else np.ones((5, 5), bool)
    np.testing.assert_array_equal(influence(model, FULL[0]) > 1e-5, allowed)
    result = influence(model, POST[2], vocabulary=VOCABULARY)
    assert np.isnan(result[:, 3:]).all()  # pads: not measured
    np.testing.assert_array_equal(result[:3, :3] > 1e-5, allowed[:3, :3])


@pytest.mark.parametrize("cured", [False, True])
def test_influence_of_pads_when_the_mask_is_held_fixed(cured):
    """The padded columns light up in the leaking Transformer, and stay dark in the cured one."""
    vectors, mask = keras.Input((None, 8)), keras.Input((None,), dtype="bool")
    attention = layers.MultiHeadAttention(2, 4)
    given = ops.expand_dims(mask, 1) if cured else None
    model = keras.Model([vectors, mask], attention(vectors, vectors, attention_mask=given))
    x = np.random.default_rng(0).normal(size=(1, 4, 8)).astype("float32")
    inputs = [x, np.array([[True, True, False, False]])]
    moved = influence(model, inputs, which=0, pad_value=None) > 1e-5
    np.testing.assert_array_equal(moved[:2, :2], True)
    np.testing.assert_array_equal(moved[:2, 2:], not cured)  # real queries, padded keys


def test_influence_of_recurrent_layers():
    looks_back = influence(functional(lstm), FULL[0]) > 1e-6
    np.testing.assert_array_equal(looks_back, np.tril(np.ones((5, 5), bool)))
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True))
    assert (influence(functional(both), FULL[0]) > 1e-6).all()
    pooled = influence(functional(layers.LSTM(6)), POST, row=1, vocabulary=VOCABULARY)
    assert pooled.shape == (5,)
    np.testing.assert_array_equal(pooled > 1e-6, POST[1] != 0)


def test_influence_on_float_features_and_layers():
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    x[4] = 0  # padded: the noise leaves it alone
    for inputs in (x, x[None], tf.constant(x)):
        result = influence(layers.Conv1D(2, 3, padding="same"), inputs)
        near = np.abs(np.subtract.outer(range(5), range(5))) <= 1
        near[:, 4] = False
        np.testing.assert_array_equal(result > 1e-6, near)
        assert np.isnan(result[:, 4]).all()


def test_influence_of_one_input_of_a_decoder():
    def model(inputs):
        return inputs["target"][:, :, None] + inputs["source"].sum(1)[:, None, None]

    inputs = {"source": np.array([[1, 2, 3]]), "target": np.array([[4, 5]])}
    assert (influence(model, inputs, which="source") > 0).tolist() == [[True] * 3] * 2
    assert (influence(model, inputs, which="target") > 0).tolist() == np.eye(2, dtype=bool).tolist()


def test_influence_pooled_says_what_rank_two_means():
    def square(x):
        return x @ np.tri(3)

    x = np.ones((1, 3))
    with pytest.raises(ValueError, match=r"3 may be steps.*pooled=True or pooled=False"):
        influence(square, x)
    assert influence(square, x, pooled=False).shape == (3, 3)
    assert influence(square, x, pooled=True).shape == (3,)
    assert influence(lambda x: x[:, :2], x).shape == (3,)
    assert influence(lambda x: x[:, :2], x, pooled=False).shape == (2, 3)


def test_influence_is_one_call_between_two_looks_and_never_puts_in_a_pad_or_an_unknown_id():
    seen = []

    def model(x):
        seen.append(np.array(x))
        return x

    influence(model, POST, row=2, samples=50)
    # As given, one step less (is the output pooled?), and all the changed copies.
    assert [x.shape for x in seen] == [(1, 5), (1, 4), (158, 5)]
    assert set(np.unique(seen[2][:, :3])) == set(range(1, 10))  # 9 is the largest id given
    assert not seen[2][:, 3:].any()
    assert ((seen[2] != POST[2]).sum(1) <= 1).all()
    seen.clear()
    influence(model, POST, row=2, samples=50, vocabulary=VOCABULARY, batch_size=58)
    assert [len(batch) for batch in seen[2:]] == [58, 58, 58]
    assert np.concatenate(seen[2:])[:, :3].max() == VOCABULARY - 1


def test_influence_is_seeded():
    model = functional(lstm)
    results = [influence(model, FULL[0], seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


def test_influence_of_strings():
    np.testing.assert_array_equal(
        influence(lambda x: x == "b", ["a", "b", ""], pad_value="") > 0,
        [[True, False, False], [False, True, False], [False, False, False]],
    )


# ---------------------------------------------------------------- what both owe the caller

BOTH = pytest.mark.parametrize(
    "probe", [padding_leak, lambda model, x, **kw: influence(model, x, row=0, **kw)]
)


@BOTH
@pytest.mark.parametrize("convert", [np.array, tf.constant, tf.Variable, np.ndarray.tolist])
def test_inputs_come_back_as_they_were(probe, convert):
    def careless(x):  # changes its argument, and leaves a mask on it as Keras may
        if isinstance(x, np.ndarray):
            x += 1
        else:
            x._keras_mask = x
        return np.asarray(x)

    x = convert(POST)
    before = np.asarray(x).copy()
    keras_model = functional(lstm)
    attach = lambda x: keras_model(x, mask=np.ones(np.shape(x), bool))  # noqa: E731
    for model in (careless, keras_model, attach):
        probe(model, x)
        np.testing.assert_array_equal(np.asarray(x), before)
        assert getattr(x, "_keras_mask", None) is None


@BOTH
def test_tensors_are_given_tensors_and_arrays_arrays(probe):
    kinds = []

    def model(x):
        kinds.append(tf.is_tensor(x))
        return x

    probe(model, tf.constant(POST))
    assert all(kinds)
    kinds.clear()
    probe(model, POST)
    assert not any(kinds)


@BOTH
def test_model_and_random_state_come_back_as_they_were(probe):
    batch_norm = layers.BatchNormalization()
    model = functional(lambda x: layers.Dropout(0.5)(batch_norm(lstm(x))))
    weights = [variable.numpy() for variable in model.variables]
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    probe(model, POST)
    for before, variable in zip(weights, model.variables, strict=True):
        np.testing.assert_array_equal(before, variable.numpy())
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert model.built and batch_norm.trainable


@BOTH
def test_several_outputs(probe):
    several = functional(lambda x: layers.LSTM(6, return_sequences=True, return_state=True)(x))
    with pytest.raises(ValueError, match=r"choose with output= one of \[0, 1, 2\], got None"):
        probe(several, POST)
    np.testing.assert_array_equal(probe(several, POST, output=1).ndim, 1)
    named = lambda x: {"a": x, "b": x.sum(1)}  # noqa: E731
    assert probe(named, POST, output="b").ndim == 1
    with pytest.raises(ValueError, match=r"one of \['a', 'b'\], got 'c'"):
        probe(named, POST, output="c")
    assert probe(lambda x: [x], POST).ndim == 2


@BOTH
def test_random_models_are_refused(probe):
    model = functional(lambda x: layers.Dropout(0.5)(lstm(x)))
    rng = np.random.default_rng(0)
    for random in (lambda x: model(x, training=True), lambda x: rng.normal(size=x.shape)):
        with pytest.raises(RuntimeError, match=r"the same input gave outputs .* apart: dropout"):
            probe(random, POST)
    probe(model, POST)


def test_a_model_that_remembers_is_refused():
    memory = []

    def model(x):
        memory.append(x)
        return x + len(memory)

    with pytest.raises(RuntimeError, match="state is kept between calls"):
        padding_leak(model, POST)


def ragged():
    return tf.ragged.constant([[1, 2], [3]])


def masked():
    return embed()(POST)


@BOTH
@pytest.mark.parametrize(
    ("model", "inputs", "error", "match"),
    [
        ("model", POST, TypeError, "expected a callable model, got str"),
        (lambda x: x, [[1, 2], [3]], ValueError, "input 0 is ragged: pad it"),
        (lambda x: x, ragged, ValueError, r"a RaggedTensor.*x\.to_tensor\(\)"),
        (lambda x: x, masked, ValueError, "input 0 carries a Keras mask"),
        (lambda x: x, np.zeros((0, 3)), ValueError, r"got shape \(0, 3\)"),
        (lambda x: x, np.zeros((3, 0), int), ValueError, r"got shape \(3, 0\)"),
        (lambda x: x, 3, ValueError, r"expected .*\(B, T\).* got shape \(\)"),
        (lambda x: x, np.zeros((2, 3), int), ValueError, "all padding|every position holds"),
        (lambda x: x, [POST, POST], ValueError, r"which= .* of \[0, 1\]; got None"),
        (lambda x: x.sum(), POST, ValueError, r"expected \d+ rows in the output, got shape \(\)"),
        (lambda x: x[:1], POST, ValueError, r"expected \d+ rows in the output, got shape \(1, 5\)"),
        (lambda x: x.T, POST, ValueError, r"expected \d+ rows in the output, got shape \(5, "),
        (lambda x: "text", POST, TypeError, "no array of numbers: str"),
        (lambda x: x + np.nan, POST, ValueError, "the output is NaN at row 0, step 0"),
        (lambda x: x.sum(1) + np.nan, POST, ValueError, "the output is NaN at row 0 "),
    ],
)
def test_errors_common_to_both(probe, model, inputs, error, match):
    with pytest.raises(error, match=match):
        probe(model, inputs() if callable(inputs) else inputs)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (dict(inputs=POST, side="left"), ValueError, "side must be .*, got 'left'"),
        (dict(inputs=POST[0]), ValueError, r"input 0 as \(B, T\).*got shape \(5,\)"),
        (
            dict(inputs=PRE, side="post"),
            ValueError,
            "side='post', but all runs of the pad value 0 stand",
        ),
        (dict(inputs=POST, side="pre"), ValueError, "side='pre', but all runs"),
        (dict(inputs=[[1, 2], [0, 0]]), ValueError, r"rows \[1\] are all padding"),
        (dict(inputs=POST, lengths=[5, 2]), ValueError, r"expected 3 whole lengths.*\[5, 2\]"),
        (dict(inputs=POST, lengths=[5, 2, 6]), ValueError, "whole lengths from 1 to 5"),
        (dict(inputs=POST, lengths=[5, 2, 1.5]), ValueError, "whole lengths from 1 to 5"),
        (dict(inputs=POST, lengths=[5, 0, 1]), ValueError, r"rows \[1\] are all padding"),
        (dict(inputs=[POST, POST[:2]], which=0), ValueError, "expected 3 rows in input 1"),
        (dict(inputs=[POST, POST[:, 1:]], which=(0, 1)), ValueError, "with others probed"),
        (dict(inputs={"a": POST}, which="b"), ValueError, r"of \['a'\]; got 'b'"),
    ],
)
def test_padding_leak_refuses(call, error, match):
    with pytest.raises(error, match=match):
        padding_leak(lambda x: x, **call)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (dict(inputs=POST), "influence takes one sequence: got 3 rows and row=None"),
        (dict(inputs=POST, row=3), "got 3 rows and row=3"),
        (dict(inputs=[5, 5, 0], vocabulary=[5, 0]), "position 0 holds 5 and no other id"),
        (dict(inputs=[1, 1]), "pass vocabulary="),
        (dict(inputs=[0, 0]), "every position holds the pad value 0"),
        (dict(inputs=[1, 2], samples=0), "expected samples >= 1"),
        (dict(inputs=[1, 2], batch_size=8), "batch_size > 8"),
        (dict(inputs=[np.ones((1, 2)), np.ones((1, 2))], which=(0, 1)), "changes one input"),
        (dict(inputs=[np.ones(2), np.ones(2)], which=0), r"got shape \(2,\)"),
    ],
)
def test_influence_refuses(call, match):
    with pytest.raises(ValueError, match=match):
        influence(lambda x: x, **call)


def test_a_model_of_fixed_size_fails_in_words():
    model = keras.Sequential([keras.Input((5,)), embed(), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(
        RuntimeError, match=r"rows \[1\] alone, 2 steps.*Input\(\(None,\)\)"
    ) as info:
        padding_leak(model, POST)
    assert isinstance(info.value.__cause__, ValueError)
    with pytest.raises(RuntimeError, match=r"8 steps \(3 added\).*batch as given runs, 5 steps"):
        padding_leak(model, FULL, add_pads=3)


@pytest.mark.parametrize("function", [lambda x: x[:, 1:], lambda x: x[:, ::2, None]])
def test_outputs_that_cannot_be_matched_are_refused(function):
    with pytest.raises(ValueError, match="expected an output with one step per input step"):
        padding_leak(function, POST)


def test_nan_says_which_run():
    def only_alone(x):
        return np.where(x.shape[1] == 3, np.nan, x.astype(float))

    with pytest.raises(ValueError, match=r"NaN at row 2, step 0 without padding \(3 places"):
        padding_leak(only_alone, POST)

    def only_padded(x):
        y = x.astype(float)
        y[(x == 5).any(1), 1] = np.nan
        return y if x.shape[1] == 5 else x

    with pytest.raises(ValueError, match="NaN at row 1, step 1 in the padded batch"):
        padding_leak(only_padded, POST)


def test_importing_the_probes_imports_no_tensorflow():
    code = "import sys, maskprobe; print({'keras', 'tensorflow'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
