"""`padding_leak` asked in every wrong way, and of models that are hard to ask.

Each case is one kind of question that a simpler instrument answers with 0, with *leaks*, or
with a traceback. The right value stands beside it.
"""

import math
from collections import UserDict, namedtuple

from maskprobe import Leak, padding_leak

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

POST = np.array([[3, 1, 2, 4, 7], [5, 6, 0, 0, 0], [2, 2, 9, 0, 0]])
FULL = np.array([[3, 1, 2, 4, 7], [5, 6, 1, 8, 2]])
TENSOR = tf.constant(POST)
ONES = np.array([[5, 4, 1, 1], [3, 2, 6, 7], [9, 1, 1, 1]])  # padded with 1

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not support masking.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1:UserWarning"),
]


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(7)


def embed(mask_zero=True, size=12):
    normal = keras.initializers.RandomNormal(stddev=1.0)
    return layers.Embedding(size, 8, mask_zero=mask_zero, embeddings_initializer=normal)


def lstm_model(mask_zero=True, **options):
    return keras.Sequential([embed(mask_zero), layers.LSTM(4, **options)])


def features(seed=0, shape=(3, 5, 4)):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# ---------------------------------------------------------------- the answer


def test_the_answer_is_an_array_that_knows_more():
    leak = padding_leak(lstm_model(), POST)
    assert isinstance(leak, Leak) and leak.shape == (3,)
    for derived in (leak.round(3), leak[:2], leak * 2, leak.copy(), leak.astype("float32")):
        assert type(derived) is np.ndarray
    assert type(np.asarray(leak)) is np.ndarray
    assert leak.max() < 1e-5 and np.ndim(leak.max()) == 0
    assert leak.sound is True and not leak.rows_depend and not leak.constant
    assert leak.tolerance == pytest.approx(1e-5 * np.abs(lstm_model()(POST)).max(), rel=20)


def test_the_sentence_says_what_was_compared():
    sound = padding_leak(lstm_model(), POST)
    assert sound.sentence.startswith("3 sequences, 5 padded steps taken away, largest change ")
    assert sound.sentence.endswith(": sound")
    assert f"tolerance {sound.tolerance:.0e}"[:-2] in sound.sentence.replace("e-0", "e-")
    leaking = padding_leak(lambda x: x.sum(1, keepdims=True) - 3.0 * x.shape[1], POST)
    assert "largest change 9, tolerance 5e-5: not sound" in leaking.sentence
    assert repr(leaking) == f"{np.asarray(leaking)!r}\n{leaking.sentence}"


# ---------------------------------------------------------------- the wrong pad value


@pytest.mark.parametrize("lengths", [None, [2, 4, 1]])
def test_a_batch_padded_with_another_value(lengths):
    """The ids 1 at the end are padding, which no step with id 0 tells."""
    model = lstm_model()
    if lengths is None:
        with pytest.raises(ValueError, match=r"ows \[0, 2\] end in a repeated 1.*pad_value=1"):
            padding_leak(model, ONES)
    leak = padding_leak(model, ONES, lengths=lengths, pad_value=0 if lengths else 1)
    assert (leak[[0, 2]] > 1e-3).all() and leak[1] < 1e-6 and not leak.sound


def test_features_scaled_after_they_were_padded():
    x = features()
    x[POST == 0] = -99.9
    model = keras.Sequential([layers.Masking(-99.9), layers.LSTM(4)])
    assert padding_leak(model, x, pad_value=-99.9).sound
    scaled = x / 50
    with pytest.raises(ValueError, match=r"value -99.9,.*ows \[1, 2\] end.*pad_value=-1.998;"):
        padding_leak(model, scaled, pad_value=-99.9)
    assert not padding_leak(model, scaled, lengths=[5, 2, 3]).sound


def test_a_forgotten_pad_value_is_not_a_leak():
    x = features(shape=(3, 6, 2))
    x[0, 4:] = x[2, 3:] = -1
    model = keras.Sequential([layers.Masking(-1.0), layers.LSTM(4)])
    with pytest.raises(ValueError, match=r"ows \[0, 2\] end in .*pad_value=-1.0;"):
        padding_leak(model, x)
    assert padding_leak(model, x, pad_value=-1).sound
    assert padding_leak(model, x, pad_value=[-1.0, -1.0]).sound


@pytest.mark.parametrize(
    ("inputs", "options", "match"),
    [
        (FULL, {}, "no step holds the pad value 0.*lengths=.*add_pads=3"),
        ([[1, 0, 2]], {}, "no row ends or starts with the pad value 0"),
        (FULL, dict(lengths=[5, 5]), "lengths= says that every step is real.*add_pads=3"),
        (FULL, dict(wanted=np.ones((2, 5), bool)), "wanted= says that every step is real"),
        (POST, dict(add_pads=2), r"padding of its own, in rows \[1, 2\]: leave add_pads= away"),
        (POST, dict(pad_value=""), "no step holds the pad value ''"),
        (POST, dict(wanted=np.ones((2, 5), bool)), r"wanted as a mask of shape \(3, 5\)"),
        (POST, dict(lengths=[5, -2, 3]), "expected 3 whole lengths from 1 to 5"),
        (POST, dict(lengths=[5, 2, 9]), "expected 3 whole lengths from 1 to 5"),
        (POST, dict(lengths=[5, 0, 3]), r"rows \[1\] are all padding"),
        ([[0, 1, 2], [1, 2, 0]], {}, r"end of rows \[1\] and at the start of rows \[0\].*wanted="),
    ],
)
def test_nothing_to_take_away(inputs, options, match):
    with pytest.raises(ValueError, match=match):
        padding_leak(lambda x: x, inputs, **options)


def test_rows_that_may_be_padded_with_something_else_are_named():
    batch = np.array([[3, 2, 8, 0], [5, 1, 1, 1], [7, 4, 1, 1]])  # the 0 may be a real word
    with pytest.warns(UserWarning, match="taken for real: if it is padding, say pad_value=1"):
        leak = padding_leak(lstm_model(), batch)
    assert "rows [1, 2] end in a repeated 1, which was taken for real" in leak.sentence


def test_added_pads_are_asked_for_by_name():
    leak = padding_leak(lstm_model(), FULL, add_pads=4)
    assert leak.sound and "8 padded steps added" in leak.sentence
    assert padding_leak(lstm_model(False), FULL, add_pads=4, side="pre").min() > 1e-3


def test_the_side_is_found():
    pre = keras.utils.pad_sequences([[3, 1], [4, 5, 6]], padding="pre")
    look_back = lstm_model(False, return_sequences=True)
    leak = padding_leak(look_back, pre)
    assert leak[0, 0] == 0 and (leak[0, 1:] > 1e-3).all()
    assert padding_leak(look_back, pre[:, ::-1]).sound
    assert padding_leak(look_back, pre, lengths=[2, 3])[0, 2] > 1e-3  # the pad value tells


def test_pads_anywhere():
    wanted = np.array([[1, 0, 1, 1, 0], [1, 1, 1, 1, 1]], bool)
    batch = np.where(wanted, 4, 0)
    assert padding_leak(lstm_model(return_sequences=True), batch, wanted=wanted).sound
    leak = padding_leak(lstm_model(False, return_sequences=True), batch, wanted=wanted)
    np.testing.assert_array_equal(leak[0] > 1e-3, [0, 0, 1, 1, 0])


# ---------------------------------------------------------------- tolerance


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_tolerance_follows_the_dtype(dtype):
    def model(masked):
        # The default, orthogonal matrices, does not exist in bfloat16.
        gru = layers.GRU(8, return_sequences=True, recurrent_initializer="glorot_uniform")
        bidirectional = layers.Bidirectional(gru)
        return keras.Sequential([embed(masked), bidirectional, layers.Dense(6)])

    with_policy = keras.dtype_policies.DTypePolicy(dtype)
    keras.config.set_dtype_policy(with_policy)
    try:
        sound, leaking = model(True), model(False)
        assert padding_leak(sound, POST).sound
        assert not padding_leak(leaking, POST).sound
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("scale", [1e-8, 1.0, 2e3, 1e8])
def test_tolerance_follows_the_scale(scale):
    for masked in (True, False):
        model = lstm_model(masked)
        leak = padding_leak(lambda x, model=model: model(x) * scale, POST)
        assert leak.sound == masked
        assert leak.sound == bool(leak.max() <= leak.tolerance)


@pytest.mark.parametrize("sound", [True, False])
def test_a_wide_head_and_a_large_regressor(sound):
    """Sound ones move by 4e-4, outputs being of order 1e3."""
    wide = keras.initializers.RandomNormal(stddev=300.0)
    steps = layers.Bidirectional(layers.LSTM(16, return_sequences=True))
    model = keras.Sequential([embed(sound), steps, layers.Dense(40, kernel_initializer=wide)])
    assert padding_leak(model, POST).sound == sound
    mean = layers.GlobalAveragePooling1D()
    regressor = keras.Sequential([embed(sound), mean, layers.Dense(1, kernel_initializer=wide)])
    assert padding_leak(regressor, POST).sound == sound


def test_a_float32_head_on_layers_of_a_coarser_type_rounds_as_they_do():
    mixed = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    gru = layers.GRU(8, return_sequences=True, dtype=mixed)
    head = layers.Dense(4, dtype="float32")
    model = keras.Sequential([embed(), layers.Bidirectional(gru, dtype=mixed), head])
    leak = padding_leak(model, POST)
    assert leak.sound and leak.tolerance > 1e-3


def test_what_coarse_types_cannot_tell_is_said():
    shift = lambda x: tf.cast(x + 0.1 * x.shape[1], "bfloat16")  # noqa: E731
    sentence = padding_leak(shift, POST.astype("float32")).sentence
    assert "or else many layers of bfloat16 rounding: measure the model in float32" in sentence


@pytest.mark.parametrize(
    ("dtype", "sound", "leaking"),
    [
        ("float64", 2e-11, 3e-10),
        ("float32", 2e-6, 3e-5),
        ("float16", 3e-3, 2e-2),
        ("bfloat16", 1e-2, 6e-2),
    ],
)
def test_small_leaks_are_told_from_rounding(dtype, sound, leaking):
    """Outputs of size 0.9 … 1.1, padded rows moved by a known share of that."""

    def model(share):
        def run(x):
            out = tf.constant(0.85 + x[:, :1] / 20.123 + share * (x == 0).any(1, keepdims=True))
            return tf.cast(out, dtype)

        return run

    assert padding_leak(model(sound), POST).sound
    assert not padding_leak(model(leaking), POST).sound


def test_one_large_feature_hides_no_leak_in_another():
    model = lstm_model(False)

    def two_units(x):
        return tf.concat([model(x), tf.ones((len(x), 1)) * -1e9], axis=1)

    leak = padding_leak(two_units, POST)
    assert not leak.sound and leak.max() > leak.tolerance


def test_a_tolerance_of_ones_own():
    noisy = lambda x: (x != 0).sum(1) + 1e-3 * x.shape[1]  # noqa: E731
    assert not padding_leak(noisy, POST).sound
    assert padding_leak(noisy, POST, tolerance=0.1).tolerance == 0.1
    assert padding_leak(noisy, POST, tolerance=0.1).constant  # no real step moves it
    assert not padding_leak(lambda x: x.argmax(1) * x.shape[1], POST).sound  # integers: no rounding


# ---------------------------------------------------------------- rows, chance, constants


def shared_capacity(x):
    """Six places for the batch, first come, first served, as an expert layer has them."""
    taken = np.cumsum(x != 0).reshape(x.shape) <= 6
    return x * taken


def scrambled(x):
    """A mask `(T, B)` by reshape where a transpose is meant."""
    mask = (x != 0).reshape(x.shape[1], x.shape[0]).T
    return (x * mask).sum(1, keepdims=True) + 0.0 * x


@pytest.mark.parametrize("model", [shared_capacity, scrambled])
def test_rows_that_depend_on_each_other_are_not_blamed_on_padding(model):
    leak = padding_leak(model, POST)
    assert leak.rows_depend and not leak.sound
    assert "rows depend on their batch" in leak.sentence
    assert padding_leak(model, POST[1:2]).rows_depend is False


def test_batch_normalization_in_training_mode():
    model = keras.Sequential([embed(), layers.BatchNormalization(), layers.LSTM(4)])
    assert padding_leak(model, POST).sound
    leak = padding_leak(lambda x: model(x, training=True), POST)
    assert "batch normalisation in training mode" in leak.sentence


@pytest.mark.parametrize("model", [np.ones_like, lambda x: np.ones((len(x), 2)), lambda x: x * 0])
def test_a_constant_output_is_not_sound(model):
    leak = padding_leak(model, POST)
    assert leak.max() == 0 and leak.constant and not leak.sound
    assert "the output is constant: no change of a real step moves it" in leak.sentence


def test_a_softmax_over_the_wrong_axis_is_not_sound():
    """The published `TemporalSoftmax`: over one feature, it gives 1 everywhere."""
    head = layers.Lambda(lambda x: ops.softmax(x, axis=-1))
    model = keras.Sequential(
        [embed(), layers.LSTM(4, return_sequences=True), layers.Dense(1), head]
    )
    assert padding_leak(model, POST).constant


def test_an_output_that_only_counts_steps_is_constant():
    assert padding_leak(lambda x: (x != 0).sum(1), POST).constant


# ---------------------------------------------------------------- outputs with steps of their own


def seq2seq(masked=True):
    source, target = (keras.Input((None,), dtype="int32", name=n) for n in ("src", "tgt"))
    attention = layers.MultiHeadAttention(2, 4)
    seen = attention(query=embed()(target), value=embed(masked)(source))
    return keras.Model({"src": source, "tgt": target}, seen)


def test_padded_target_steps_are_left_out():
    target = np.array([[4, 5, 6, 1], [4, 5, 0, 0], [7, 0, 0, 0]])
    batch = {"src": POST, "tgt": target}
    leak = padding_leak(seq2seq(), batch, which="src")
    assert leak.sound and "output steps where input 'tgt' is padded were left out" in leak.sentence
    assert not padding_leak(seq2seq(False), batch, which="src").sound
    every = padding_leak(seq2seq(), batch, which="src", output_mask=np.ones((3, 4), bool))
    assert (every > 1e-3).sum() == 5 and not (every > 1e-3)[target != 0].any()
    assert padding_leak(seq2seq(), batch, which="src", output_lengths=[4, 2, 1]).sound


def strided(kernel, padding):
    return keras.Sequential([embed(), layers.Conv1D(3, kernel, strides=4, padding=padding)])


def test_a_length_map_for_strided_outputs():
    ids = np.zeros((3, 12), int)
    ids[0, :12], ids[1, :8], ids[2, :4] = 3, 4, 5
    leak = padding_leak(strided(4, "valid"), ids, output_lengths=lambda n: n // 4)
    assert leak.shape == (3, 3) and leak.sound
    wider = padding_leak(strided(5, "same"), ids, output_lengths=lambda n: math.ceil(n / 4))
    assert not wider.sound
    with pytest.raises(ValueError, match=r"output_lengths=lambda n"):
        padding_leak(strided(4, "valid"), ids)
    with pytest.raises(ValueError, match=r"output_lengths says .*4: 4"):
        padding_leak(strided(4, "valid"), ids, output_lengths=lambda n: n)


@pytest.mark.parametrize("masked", [True, False])
def test_outputs_in_reversed_order(masked):
    model = lstm_model(masked, go_backwards=True, return_sequences=True)
    leak = padding_leak(model, POST)
    assert leak.sound == masked
    assert ("reversed order" in leak.sentence) == masked


# ---------------------------------------------------------------- inputs of other kinds


def test_a_mask_input_where_true_means_ignore():
    ids, ignore = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="bool")
    keep = ops.logical_not(ignore)
    pooled = layers.GlobalAveragePooling1D()(embed(False)(ids), mask=keep)
    model = keras.Model([ids, ignore], pooled)
    assert padding_leak(model, [POST, POST == 0], which=(0, 1)).sound
    leak = padding_leak(model, [FULL, FULL == 0], which=(0, 1), add_pads=3)
    assert leak.sound and "pads added to input 1 hold True" in leak.sentence
    wrong = {0: 0, 1: False}
    assert not padding_leak(
        model, [FULL, FULL == 0], which=(0, 1), add_pads=3, pad_value=wrong
    ).sound


@pytest.mark.parametrize("kind", ["(B, T, T)", "(B, 1, 1, T)", "additive"])
def test_attention_masks_as_inputs_are_cut_in_all_their_steps(kind):
    vectors = embed(False)
    attention = layers.MultiHeadAttention(2, 4)

    def model(x):
        ids, mask = x
        mask = mask > -1 if mask.dtype.kind == "f" else mask
        mask = mask[:, 0] if mask.ndim == 4 else mask
        out = vectors(ids)
        return attention(out, out, attention_mask=mask)

    keep = POST != 0
    mask = {"(B, T, T)": keep[:, None, :] & keep[:, :, None], "(B, 1, 1, T)": keep[:, None, None]}
    mask = mask.get(kind, np.where(keep[:, None, :] & np.ones((5, 1), bool), 0.0, -1e9))
    if kind == "additive":
        with pytest.raises(ValueError, match=r"5 may be steps or features.*axes=\{1: \(1, 2\)\}"):
            padding_leak(model, (POST, mask), which=(0, 1))
    axes = {1: (1, 2)} if kind == "additive" else None
    assert padding_leak(model, (POST, mask), which=(0, 1), axes=axes).sound
    mask[:] = True if mask.dtype == bool else 0.0
    assert not padding_leak(model, (POST, mask), which=(0, 1), axes=axes).sound


def test_a_one_hot_pad():
    x = np.eye(4, dtype="float32")[[[1, 2, 1, 3], [2, 1, 3, 3]]]  # the last letter is the pad
    gru = layers.GRU(3)
    space = [0, 0, 0, 1]
    with pytest.raises(ValueError, match=r"no step holds the pad value 0.*add_pads"):
        padding_leak(gru, x)
    assert padding_leak(gru, x, pad_value=space).max() > 1e-3
    masked = keras.Sequential(
        [layers.Lambda(lambda x: x, mask=lambda x, _: ops.not_equal(x[:, :, 3], 1)), gru]
    )
    assert padding_leak(masked, x, pad_value=space).sound
    with pytest.raises(ValueError, match=r"pad_value has shape \(3,\), one step has \(4,\)"):
        padding_leak(gru, x, pad_value=[0, 0, 1])


Pair = namedtuple("Pair", "ids mask")


@pytest.mark.parametrize("kind", [dict, UserDict, Pair, list, tuple])
def test_containers_come_to_the_model_as_they_were_given(kind):
    def model(x):
        assert type(x) is kind
        ids, mask = (
            (x.ids, x.mask)
            if kind is Pair
            else ((x[0], x[1]) if kind in (list, tuple) else (x["ids"], x["mask"]))
        )
        return (ids * mask).sum(1)

    parts = {"ids": POST, "mask": POST != 0}
    given = {dict: parts, UserDict: UserDict(parts), Pair: Pair(**parts)}
    inputs = given.get(kind) or kind(parts.values())
    which = tuple(parts) if kind in (dict, UserDict) else (0, 1)
    assert padding_leak(model, inputs, which=which).sound


def test_strings():
    words = np.array([["a", "b", "c"], ["b", "", ""]])
    lookup = layers.StringLookup(vocabulary=["a", "b", "c"], mask_token="", oov_token="?")
    model = keras.Sequential([lookup, lstm_model()])
    for inputs in (words, tf.constant(words), words.astype(object)):
        assert padding_leak(lambda x: model(tf.convert_to_tensor(x)), inputs, pad_value="").sound
    with pytest.raises(ValueError, match="pad_value="):
        padding_leak(model, tf.constant(words))


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (None, "input 0 is None"),
        (lambda: tf.ragged.constant([[1, 2], [3]]), r"RaggedTensor.*to_tensor\(\)"),
        (lambda: tf.data.Dataset.from_tensors(POST).batch(2), r"not a batch.*next\(iter"),
        (lambda: iter([POST]), "not a batch"),
        (lambda: tf.sparse.from_dense(POST), "SparseTensor.*to_dense"),
        (lambda: keras.Input((3,)), "symbolic"),
        ("words", "one string"),
        ({}, "the inputs are empty"),
        ({"ids": None}, "input 'ids' is None"),
        ([[None, 1], [2, 3]], "no array of numbers or strings"),
    ],
)
def test_what_is_no_batch_is_refused_in_words(inputs, match):
    inputs = inputs() if callable(inputs) else inputs
    with pytest.raises(ValueError, match=match):
        padding_leak(lambda x: x, inputs)


# ---------------------------------------------------------------- models that fail


def test_a_fixed_batch_size():
    ids = keras.Input(batch_shape=(3, None), dtype="int32")
    for masked in (True, False):
        model = keras.Model(ids, layers.LSTM(4)(embed(masked)(ids)))
        fixed = tf.function(model, input_signature=[tf.TensorSpec((3, None), tf.int32)])
        assert padding_leak(fixed, tf.constant(POST, tf.int32)).sound == masked


def fixed_length(masked):
    ids, mask = keras.Input((5,), dtype="int32"), keras.Input((5,), dtype="bool")
    x = embed(False)(ids)
    x = x * ops.cast(ops.expand_dims(mask, -1), "float32") if masked else x
    return keras.Model([ids, mask], layers.Dense(2)(layers.Flatten()(x)))


@pytest.mark.parametrize("masked", [True, False])
def test_a_fixed_length_and_the_way_out(masked):
    batch = [POST, POST != 0]
    with pytest.raises(RuntimeError, match=r"built for that number of steps.*replace_pads=True"):
        padding_leak(fixed_length(masked), batch, which=(0, 1))
    leak = padding_leak(fixed_length(masked), batch, which=(0, 1), replace_pads=True)
    assert leak.sound == masked and "5 padded steps replaced" in leak.sentence
    assert leak[0] < 1e-6


def test_replaced_pads_change_a_mask_that_is_made_of_them():
    leak = padding_leak(lstm_model(), POST, replace_pads=True)
    assert not leak.sound and "the mask changed with them" in leak.sentence


@pytest.mark.parametrize("features_too", [False, True])
def test_replaced_features(features_too):
    x = features()
    x[POST == 0] = 0
    keep = (POST != 0)[..., None]
    model = lambda x: (x * keep).sum(1) + features_too * x.sum(1)  # noqa: E731
    assert padding_leak(model, x, replace_pads=True).sound == (not features_too)


def test_a_least_length():
    model = keras.Sequential([embed(), layers.Conv1D(4, 3), layers.GlobalMaxPooling1D()])
    with pytest.raises(RuntimeError, match=r"least length, which 2 steps.*longer rows, \[0, 2\]"):
        padding_leak(model, POST)


def test_a_position_table_that_ends():
    table = np.arange(6)

    def model(x):
        return x + table[np.arange(x.shape[1])]

    with pytest.raises(RuntimeError, match="position table ends there: give fewer pads") as info:
        padding_leak(model, FULL, add_pads=3)
    assert isinstance(info.value.__cause__, IndexError)
    assert padding_leak(model, FULL, add_pads=1).sound


@pytest.mark.parametrize(
    ("model", "inputs", "match"),
    [
        (lambda x: x @ np.ones(3), POST, "before anything was changed"),
        (lambda x: np.arange(99)[x], POST * 1.0, r'astype\("int32"\)'),
        (tf.function(tf.identity, [tf.TensorSpec((None, None), tf.int32)]), TENSOR, "int64"),
        (lambda x: np.arange(5)[x], POST, "an id is too large for a table"),
    ],
)  # fmt: skip
def test_a_model_that_fails_as_given(model, inputs, match):
    with pytest.raises(RuntimeError, match=match) as info:
        padding_leak(model, inputs)
    assert "any number of rows" not in str(info.value)
    assert type(info.value.__cause__).__name__ in str(info.value)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("failed to allocate memory")])
def test_out_of_memory(error):
    def model(x):
        raise error

    with pytest.raises(RuntimeError, match="does not fit in memory: give fewer rows"):
        padding_leak(model, POST)


def test_an_input_that_was_not_named_is():
    with pytest.raises(RuntimeError, match=r"which=\('ids', 'mask'\)"):
        padding_leak(lambda x: x["ids"] * x["mask"], {"ids": POST, "mask": POST > 0}, which="ids")
