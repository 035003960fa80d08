import warnings

from helpers import padding_leak

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

SENTENCES = [[83, 91, 1, 645, 1253, 927], [73, 8, 3215, 55, 927], [711, 632, 71]]
AFTER = keras.utils.pad_sequences(SENTENCES, padding="post")
BEFORE = keras.utils.pad_sequences(SENTENCES, padding="pre")


def add_start(inputs):
    return ops.concatenate([ops.ones_like(inputs[:, :1]), inputs], axis=1)


def start(compute_mask, call=add_start):
    """`AddStart` with this `compute_mask(mask)`."""

    class AddStart(layers.Layer):
        def call(self, inputs):
            return call(inputs)

    AddStart.compute_mask = lambda self, inputs, mask=None: compute_mask(mask)
    return AddStart


def unless_none(function):
    return lambda mask: None if mask is None else function(mask)


def joined(column, axis=1):
    """A mask with a column before it."""
    return unless_none(lambda mask: ops.concatenate([column(mask), mask], axis=axis))


def true(mask):
    return ops.ones_like(mask[:, :1])


def wrong_when_symbolic(mask):
    return mask if isinstance(mask, keras.KerasTensor) else joined(true)(mask)


def by_counting(mask):
    """Takes the padding to stand after the words."""
    count = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
    return ops.arange(ops.shape(mask)[1] + 1)[None] < count + 1


def in_python(mask):
    return np.array([[True, *row] for row in np.asarray(mask)])


class FromInputs(layers.Layer):
    """Makes the mask anew, from the features."""

    def call(self, inputs):
        return add_start(inputs)

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else ops.any(ops.not_equal(add_start(inputs), 0), axis=-1)


class FromItsCall(layers.Layer):
    """Keeps the mask from `call`."""

    def call(self, inputs, mask=None):
        self.mask = mask
        return add_start(inputs)

    def compute_mask(self, inputs, mask=None):
        return joined(true)(self.mask)


class TakesMore(layers.Layer):
    """A right one with a constructor and an argument more."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, training=None):
        return add_start(inputs)

    def compute_mask(self, inputs, previous_mask=None):
        return joined(true)(previous_mask)


def softmax(call, passes_on=True):
    """A time softmax with this `call(scores, mask)`."""

    class TimeSoftmax(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = passes_on

        def call(self, scores, mask=None):
            return call(scores, mask)

    return TimeSoftmax


def at(mask, scores):
    """The mask as factors for scores."""
    return ops.cast(mask, scores.dtype)[..., None]


def hidden(scores, mask, low=-3e4):
    return scores if mask is None else ops.where(mask[..., None], scores, low)


def cleaned(call):
    """`call(scores, mask)`, and 0 at the masked steps."""

    def weights(scores, mask):
        result = call(scores, mask)
        return result if mask is None else ops.where(mask[..., None], result, 0)

    return weights


def shares(scores, mask):
    """Exponentials of the kept scores."""
    return ops.exp(scores) * at(mask, scores)


def shifted(scores, mask):
    """By hand: the largest kept score subtracted."""
    if mask is None:
        mask = ops.ones_like(scores[..., 0], dtype="bool")
    low = hidden(scores, mask)
    exp = ops.exp(low - ops.max(low, axis=1, keepdims=True)) * at(mask, scores)
    total = ops.sum(exp, axis=1, keepdims=True)
    return exp / ops.where(total > 0, total, 1)


def no_softmax_without_mask(scores, mask):
    return (
        scores
        if mask is None
        else cleaned(lambda s, m: ops.softmax(hidden(s, m), axis=1))(scores, mask)
    )


def with_axis_more():
    class AxisMore(softmax(cleaned(lambda s, m: ops.softmax(hidden(s, m), axis=1)))):
        def compute_mask(self, inputs, mask=None):
            return None if mask is None else mask[..., None]

    return AxisMore


def with_own_mask():
    class Own(layers.Layer):
        def call(self, scores, mask=None):
            return cleaned(lambda s, m: ops.softmax(hidden(s, m), axis=1))(scores, mask)

        def compute_mask(self, inputs, mask=None):
            return mask

    return Own


def squeezed(scores, mask):
    """In two dimensions, and back."""
    flat = scores[..., 0]
    if mask is None:
        return ops.softmax(flat, axis=1)[..., None]
    weights = ops.softmax(ops.where(mask, flat, -3e4), axis=-1)
    return (weights * ops.cast(mask, weights.dtype))[..., None]


class Mean(layers.Layer):
    def call(self, inputs, mask=None):
        kept = ops.cast(mask, inputs.dtype)[..., None]
        return ops.sum(inputs * kept, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1)

    def compute_mask(self, inputs, mask=None):
        return None


def trusting(layer, x):
    """The mean of the steps that the mask behind `layer` keeps: of all, if there is none."""
    output = layer(x)
    mask = getattr(output, "_keras_mask", None)
    return Mean()(output, mask=ops.ones(output.shape[:2], "bool") if mask is None else mask)


def leak(layer, *, behind=trusting, ids=AFTER):
    embed = layers.Embedding(5000, 8, "random_normal", mask_zero=True)
    return padding_leak(lambda x: behind(layer, embed(x)), ids, side=side_of(ids))


def side_of(ids):
    return "pre" if ids is BEFORE else "post"


def both(judge):
    """A verdict `judge(layer, ids)` for padding on either side."""
    return lambda layer: all(judge(layer, ids) for ids in (AFTER, BEFORE))


def alone_or_together(layer, ids):
    """By hand: each sentence alone, without its padding, is what it is in the batch."""
    embed = layers.Embedding(5000, 8, "random_normal", mask_zero=True)
    together = trusting(layer, embed(ids))
    for row in range(len(ids)):
        alone = trusting(layer, embed(ids[row : row + 1, ids[row] != 0]))
        if not np.allclose(alone[0], together[row], atol=1e-5):
            return False
    return True


def more_pads(layer, ids):
    """Compares a padded batch with one that is padded further."""
    embed = layers.Embedding(5000, 8, "random_normal", mask_zero=True)
    one, three = ((1, 0), (3, 0)) if ids is BEFORE else ((0, 1), (0, 3))
    ids = np.pad(ids, [(0, 0), one])  # no sentence without a pad
    longer = np.pad(ids, [(0, 0), three])
    moved = trusting(layer, embed(ids)) - trusting(layer, embed(longer))
    return bool(np.abs(moved).max() < 1e-5)


def other_pads(layer, ids):
    """Puts other vectors at the padded steps, and holds the mask."""
    mask, random = ids != 0, np.random.default_rng(0)
    x = random.normal(size=(*ids.shape, 8)).astype("float32")
    outputs = []
    for _ in range(2):
        x[~mask] = random.normal(size=(8,))
        tensor = tf.constant(x)
        tensor._keras_mask = tf.constant(mask)
        outputs.append(trusting(layer, tensor))
    return bool(np.abs(outputs[0] - outputs[1]).max() < 1e-5)


def says(mask_is_good):
    """Looks at the mask only."""

    def verdict(layer):
        embed = layers.Embedding(5000, 8, mask_zero=True)
        mask = getattr(layer(embed(AFTER)), "_keras_mask", None)
        return bool(mask is not None and mask_is_good(np.asarray(mask)))

    return verdict


def goes_by_warnings(layer):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        leak(layer)
    return not caught


def inside_and_mask(layer):
    """The layer's own steps, and whether a mask that is not all True comes out."""
    embed = layers.Embedding(5000, 8, mask_zero=True)
    mask = getattr(layer(embed(AFTER)), "_keras_mask", None)
    if mask is None or np.all(mask):
        return False
    sides = [leak(layer, behind=lambda layer, x: layer(x), ids=ids) for ids in (AFTER, BEFORE)]
    return bool(max(found.max() for found in sides) < 1e-5)


def with_an_lstm(layer, ids):
    lstm = layers.LSTM(4, kernel_initializer=keras.initializers.RandomNormal(stddev=1.0))
    return leak(layer, behind=lambda layer, x: lstm(layer(x)), ids=ids).max() < 1e-5


def from_features(layer, ids):
    features = np.random.default_rng(0).normal(size=(*ids.shape, 4)).astype("float32")
    features[ids == 0] = 0
    masking = layers.Masking()
    found = padding_leak(lambda x: trusting(layer, masking(x)), features, side=side_of(ids))
    return bool((found < 1e-5).all())


WRONG = {
    "5.1": {
        "hands the mask on": (start(lambda mask: mask), "as it came"),
        "start is masked": (
            start(joined(lambda mask: ops.zeros_like(mask[:, :1]))),
            "new step is real",
        ),
        "copies the first step": (start(joined(lambda mask: mask[:, :1])), "always real"),
        "at the end": (
            start(unless_none(lambda mask: ops.concatenate([mask, true(mask)], axis=1))),
            "stands at the end",
        ),
        "wrong axis": (
            start(joined(lambda mask: ops.ones_like(mask[:1]), axis=0)),
            "along the batch",
        ),
        "flipped polarity": (
            start(unless_none(lambda mask: ~ops.concatenate([true(mask), mask], axis=1))),
            "polarity is flipped",
        ),
        "wrong dtype": (
            start(unless_none(lambda mask: ops.cast(joined(true)(mask), "float32"))),
            "dtype float32",
        ),
        "no mask": (start(lambda mask: None), "no mask"),
        "no mask arrives": (
            start(lambda mask: ops.concatenate([true(mask), mask], axis=1)),
            "without a mask",
        ),
        "all kept": (
            start(unless_none(lambda mask: ops.ones_like(joined(true)(mask)))),
            "steps differ",
        ),
        "TensorFlow function": (
            start(unless_none(lambda mask: tf.concat([tf.ones_like(mask[:, :1]), mask], axis=1))),
            "symbolic x",
        ),
        "an instance": (start(joined(true))(), "without `\\(\\)`"),
        "three sentences": (
            start(joined(lambda mask: ops.ones((3, 1), "bool"))),
            "padding before the words|a batch of one|between the words|no padding",
        ),
        "as many as there are, of an unknown batch": (
            start(joined(lambda mask: ops.ones((mask.shape[0], 1), "bool"))),
            "batch size is None",
        ),
        "symbolic mask as it came": (start(wrong_when_symbolic), "in a Functional model"),
        "by counting": (start(unless_none(by_counting)), "steps differ"),
        "in Python": (start(unless_none(in_python)), "symbolic"),
        "kept from its call": (FromItsCall, "in a Functional model"),
        "from the features": (FromInputs, "in a Functional model|steps differ"),
        "call without return": (
            start(joined(true), lambda inputs: print("forgotten")),
            "`call` returned None",
        ),
        "call that zeroes the start": (
            start(
                joined(true),
                lambda x: ops.concatenate([ops.zeros_like(x[:, :1]), x], axis=1),
            ),
            "leave `call` as it stands",
        ),
        "call that adds nothing": (
            start(lambda mask: mask, lambda inputs: 1 * inputs),
            "leave `call` as it stands",
        ),
        "two steps": (
            start(joined(lambda mask: ops.concatenate([true(mask), true(mask)], axis=1))),
            "shape",
        ),
        "an axis more": (
            start(unless_none(lambda mask: joined(true)(mask)[..., None])),
            "shape",
        ),
        "a list": (start(unless_none(lambda mask: [true(mask), mask])), "shape|as it came|differ"),
        "real if any step is": (
            start(joined(lambda mask: ops.any(mask, axis=1, keepdims=True))),
            "sentence without words",
        ),
        "a function": (lambda mask: joined(true)(mask), "Hand over the class"),
    },
    "5.2": {
        "published": (
            softmax(lambda s, m: shares(s, m) / ops.sum(shares(s, m), axis=-1, keepdims=True)),
            "layer of the guide",
        ),
        "wrong axis": (softmax(lambda s, m: ops.softmax(hidden(s, m))), "last axis"),
        "over the batch": (
            softmax(lambda s, m: shares(s, m) / ops.sum(shares(s, m), axis=0, keepdims=True)),
            "\\*one\\* sequence",
        ),
        "mask not used": (softmax(lambda s, m: ops.softmax(s, axis=1)), "not used"),
        "scores set to 0": (
            softmax(lambda s, m: ops.softmax(s * at(m, s), axis=1)),
            "score of 0",
        ),
        "weights set to 0": (
            softmax(lambda s, m: ops.softmax(s, axis=1) * at(m, s)),
            "do not sum to 1",
        ),
        "flipped polarity": (
            softmax(lambda s, m: ops.softmax(ops.where(m[..., None], -1e9, s), axis=1)),
            "polarity is flipped",
        ),
        "missing broadcast axis": (
            softmax(lambda s, m: ops.softmax(ops.where(m, s, -1e9), axis=1)),
            "raised",
        ),
        "sum of scores": (
            softmax(lambda s, m: shares(s, m) / ops.sum(s * at(m, s), axis=1, keepdims=True)),
            "exponentials",
        ),
        "drops the mask": (
            softmax(cleaned(lambda s, m: ops.softmax(hidden(s, m), axis=1)), passes_on=False),
            "mask ends here",
        ),
        "a layer inside that masks": (
            softmax(
                lambda s, m: layers.Softmax(axis=1)(s, mask=None if m is None else m[..., None])
            ),
            "shape `\\(batch, timesteps, 1\\)`.*inside yours",
        ),
        "own mask with an axis more": (with_axis_more(), "your `compute_mask`"),
        "needs a mask": (
            softmax(
                lambda s, m: ops.softmax(ops.where(m[..., None], s, -3e4), axis=1) * at(m, s),
            ),
            "without a mask",
        ),
        "no softmax without a mask": (softmax(no_softmax_without_mask), "without a mask"),
        "an equal share of nothing": (
            softmax(lambda s, m: ops.softmax(hidden(s, m), axis=1)),
            "masked altogether",
        ),
        "0 / 0": (
            softmax(
                lambda s, m: (
                    ops.softmax(s, axis=1)
                    if m is None
                    else shares(s, m) / ops.sum(shares(s, m), axis=1, keepdims=True)
                )
            ),
            "0 / 0 is NaN",
        ),
        "exp of large scores": (
            softmax(
                lambda s, m: (
                    ops.softmax(s, axis=1)
                    if m is None
                    else shares(s, m)
                    / ops.maximum(ops.sum(shares(s, m), axis=1, keepdims=True), 1e-7)
                )
            ),
            "hundreds.*overflows",
        ),
        "largest score of the padding subtracted": (
            softmax(
                lambda s, m: (
                    ops.softmax(s, axis=1)
                    if m is None
                    else ops.softmax(s, axis=1)
                    * at(m, s)
                    / ops.maximum(
                        ops.sum(ops.softmax(s, axis=1) * at(m, s), axis=1, keepdims=True), 1e-9
                    )
                )
            ),
            "Right for small scores, and wrong for",
        ),
        "−100": (
            softmax(cleaned(lambda s, m: ops.softmax(hidden(s, m, -100.0), axis=1))),
            "Right for small scores, and wrong for",
        ),
        "−1000": (
            softmax(cleaned(lambda s, m: ops.softmax(hidden(s, m, -1000.0), axis=1))),
            "wrong for scores around −1000",
        ),
        "0 / 0 hidden": (
            softmax(
                lambda s, m: (
                    ops.softmax(s, axis=1)
                    if m is None
                    else ops.nan_to_num(shares(s, m) / ops.sum(shares(s, m), 1, keepdims=True))
                )
            ),
            "its gradient is NaN",
        ),
        "the largest only": (
            softmax(
                cleaned(
                    lambda s, m: ops.cast(
                        s == ops.max(hidden(s, m), axis=1, keepdims=True), s.dtype
                    )
                )
            ),
            "expected",
        ),
        "logarithms": (
            softmax(cleaned(lambda s, m: ops.log_softmax(hidden(s, m), axis=1))),
            "expected",
        ),
        "subtracts 1000": (
            softmax(
                cleaned(
                    lambda s, m: ops.softmax(s if m is None else s - 1000 * (1 - at(m, s)), axis=1)
                )
            ),
            "largest at the padding",
        ),
        "clipped": (
            softmax(
                cleaned(lambda s, m: ops.softmax(hidden(ops.clip(s, -50, 50), m), axis=1)),
            ),
            "hundreds",
        ),
        "no gradient": (
            softmax(
                lambda s, m: ops.stop_gradient(
                    cleaned(lambda s, m: ops.softmax(hidden(s, m), axis=1))(s, m)
                )
            ),
            "no gradient",
        ),
        "NumPy": (softmax(lambda s, m: np.asarray(s) * 0), "NumPy array"),
        "two outputs": (
            softmax(lambda s, m: (cleaned(lambda s, m: ops.softmax(hidden(s, m), 1))(s, m), m)),
            "returns 2 things",
        ),
        "no return": (softmax(lambda s, m: print(end="")), "`call` returned None"),
        "three sentences": (
            softmax(
                lambda s, m: ops.reshape(
                    cleaned(lambda s, m: ops.softmax(hidden(s, m), axis=1))(s, m), (3, 6, 1)
                )
            ),
            "raised",
        ),
        "lengths for masks": (
            softmax(
                lambda s, m: (
                    ops.softmax(s, axis=1)
                    if m is None
                    else cleaned(lambda s, m: ops.softmax(hidden(s, m), axis=1))(
                        s,
                        ops.arange(ops.shape(m)[1])[None]
                        < ops.sum(ops.cast(m, "int32"), axis=1, keepdims=True),
                    )
                )
            ),
            "before the words",
        ),
    },
    "5.3": {
        "nothing behind": (
            both(lambda layer, ids: leak(layer, behind=lambda f, x: f(x), ids=ids).max() < 1e-5),
            "drops the mask.*only behind",
        ),
        "flipped polarity": (
            lambda layer: not both(lambda layer, ids: leak(layer, ids=ids).max() < 1e-5)(layer),
            "polarity is flipped",
        ),
        "smallest leak": (lambda layer: leak(layer).min() < 1e-5, "True of"),
        "first sentence only": (lambda layer: leak(layer)[0] < 1e-5, "True of"),
        "limit too high": (
            both(lambda layer, ids: leak(layer, ids=ids).max() < 1e-3),
            "A small leak",
        ),
        "limit of 1e-4": (
            both(lambda layer, ids: leak(layer, ids=ids).max() < 1e-4),
            "A small leak",
        ),
        "limit too low": (
            both(lambda layer, ids: leak(layer, ids=ids).max() < 1e-10),
            "False of",
        ),
        "more pads": (both(more_pads), "convolution.*more pads"),
        "other pads": (both(other_pads), "It says True of"),
        "goes by warnings": (goes_by_warnings, "adds the mean"),
        "asks the layer": (lambda layer: layer.supports_masking, "dense layer|adds the mean"),
        "the leak itself": (lambda layer: leak(layer), "one boolean"),
        "a number": (lambda layer: float(leak(layer).max()), "one boolean"),
        "padding after only": (
            lambda layer: bool(leak(layer).max() < 1e-5),
            "causal convolution.*before",
        ),
        "padding before only": (
            lambda layer: bool(leak(layer, ids=BEFORE).max() < 1e-5),
            "it.*(stands after|more pads)|after the words|more pads",
        ),
        "by hand, after only": (lambda layer: alone_or_together(layer, AFTER), "before"),
        "an LSTM behind, after only": (lambda layer: with_an_lstm(layer, AFTER), "before"),
        "either side": (
            lambda layer: any(leak(layer, ids=ids).max() < 1e-5 for ids in (AFTER, BEFORE)),
            "It says True of",
        ),
        "there is a mask": (says(lambda mask: True), "It says True of"),
        "not None and not all True": (says(lambda mask: not mask.all()), "It says True of"),
        "the mask has the shape": (says(lambda mask: mask.shape == (3, 6)), "It says True of"),
        "the mask is right": (says(lambda mask: (mask == (AFTER != 0)).all()), "adds the mean"),
        "inside, and not all True": (inside_and_mask, "flips its mask"),
        "max pooling behind": (
            both(
                lambda layer, ids: (
                    leak(
                        layer, behind=lambda f, x: layers.GlobalMaxPooling1D()(f(x)), ids=ids
                    ).max()
                    < 1e-5
                )
            ),
            "does what you put behind|Does what you put behind|False of",
        ),
        "a word": (lambda layer: "sound", "holds text"),
        "two verdicts": (
            lambda layer: [bool(leak(layer, ids=ids).max() < 1e-5) for ids in (AFTER, BEFORE)],
            "one boolean",
        ),
        "always True": (lambda layer: True, "True of every layer"),
        "always False": (lambda layer: False, "False of every layer"),
    },
}

RIGHT = {
    "5.1": {
        "joined": start(joined(true)),
        "padded": start(
            unless_none(lambda mask: ops.pad(mask, [[0, 0], [1, 0]], "constant", True))
        ),
        "by or": start(
            joined(lambda mask: ops.logical_or(mask[:, :1], ops.logical_not(mask[:, :1])))
        ),
        "other names": TakesMore,
        "full": start(joined(lambda mask: ops.full_like(mask[:, :1], True))),
        "two steps and a cut": start(
            unless_none(lambda mask: ops.concatenate([true(mask), true(mask), mask], axis=1)[:, 1:])
        ),
        "compared": start(joined(lambda mask: ops.equal(mask[:, :1], mask[:, :1]))),
    },
    "5.2": {
        "where": softmax(cleaned(lambda s, m: ops.softmax(hidden(s, m), axis=1))),
        "−1e9": softmax(cleaned(lambda s, m: ops.softmax(hidden(s, m, -1e9), axis=1))),
        "−inf": softmax(cleaned(lambda s, m: ops.softmax(hidden(s, m, -np.inf), axis=1))),
        "times the mask": softmax(
            lambda s, m: (
                ops.softmax(s, axis=1) if m is None else ops.softmax(hidden(s, m), 1) * at(m, s)
            )
        ),
        "the largest subtracted": softmax(shifted),
        "in two dimensions": softmax(squeezed),
        "own compute_mask": with_own_mask(),
        "logarithms": softmax(
            cleaned(
                lambda s, m: ops.exp(
                    hidden(s, m) - ops.logsumexp(hidden(s, m), axis=1, keepdims=True)
                )
            )
        ),
    },
    "5.3": {
        "both sides": both(lambda layer, ids: leak(layer, ids=ids).sound),
        "by hand": both(alone_or_together),
        "an LSTM behind": both(with_an_lstm),
        "features": both(from_features),
    },
}
