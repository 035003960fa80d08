import warnings

from helpers import padding_leak

import keras
import numpy as np
import tensorflow as tf
from keras import ops

IDS = np.array([[83, 91, 1, 645, 1253, 927], [73, 8, 3215, 55, 927, 0], [711, 632, 71, 0, 0, 0]])


def start(compute_mask):
    """`AddStart` with this `compute_mask(mask)`."""

    class AddStart(keras.layers.Layer):
        def call(self, inputs):
            return ops.concatenate([ops.ones_like(inputs[:, :1]), inputs], axis=1)

    AddStart.compute_mask = lambda self, inputs, mask=None: compute_mask(mask)
    return AddStart


def unless_none(function):
    return lambda mask: None if mask is None else function(mask)


def joined(column, axis=1):
    """A mask with a column before it."""
    return unless_none(lambda mask: ops.concatenate([column(mask), mask], axis=axis))


def true(mask):
    return ops.ones_like(mask[:, :1])


def softmax(call, passes_on=True):
    """A time softmax with this `call(scores, mask)`."""

    class TimeSoftmax(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = passes_on

        def call(self, scores, mask=None):
            return call(scores, mask)

    return TimeSoftmax


def hidden(scores, mask):
    return scores if mask is None else ops.where(mask[..., None], scores, -1e9)


def shares(scores, mask):
    """Exponentials of the kept scores."""
    return ops.exp(scores) * ops.cast(mask, "float32")[..., None]


def embedding(call, base=None):
    """An embedding with this `call(table, ids)`."""

    class FixedEmbedding(keras.layers.Layer):
        def __init__(self, input_dim, output_dim, mask_zero=False, **kwargs):
            super().__init__(**kwargs)
            self.shape, self.mask_zero = (input_dim, output_dim), mask_zero

        def build(self, input_shape):
            self.embeddings = self.add_weight(self.shape, "random_normal")

        def call(self, inputs):
            return call(self.embeddings, inputs)

        def compute_mask(self, inputs, mask=None):
            return ops.not_equal(inputs, 0) if self.mask_zero else None

    return FixedEmbedding


def no_mask():
    class Lost(embedding(lambda table, ids: ops.take(table, ids, axis=0))):
        def compute_mask(self, inputs, mask=None):
            return None

    return Lost


def leak(layer, *, behind=True, ids=IDS):
    embed = keras.layers.Embedding(5000, 8, mask_zero=True)
    pool = keras.layers.GlobalAveragePooling1D()
    return padding_leak(lambda x: pool(layer(embed(x))) if behind else layer(embed(x)), ids)


def more_pads(layer):
    """Compares a padded batch with one that is padded further."""
    embed = keras.layers.Embedding(5000, 8, mask_zero=True)
    pool = keras.layers.GlobalAveragePooling1D()
    ids = np.pad(IDS, [(0, 0), (0, 1)])
    longer = np.pad(ids, [(0, 0), (0, 3)])
    moved = pool(layer(embed(ids))) - pool(layer(embed(longer)))
    return bool(np.abs(moved).max() < 1e-5)


def goes_by_warnings(layer):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        leak(layer)
    return not caught


def by_hand(layer):
    embed = keras.layers.Embedding(5000, 8, mask_zero=True)
    pool = keras.layers.GlobalAveragePooling1D()
    together = pool(layer(embed(IDS)))
    for row, length in enumerate([6, 5, 3]):
        alone = pool(layer(embed(IDS[row : row + 1, :length])))
        if not np.allclose(alone[0], together[row], atol=1e-5):
            return False
    return True


def with_an_lstm(layer):
    embed, lstm = keras.layers.Embedding(5000, 8, mask_zero=True), keras.layers.LSTM(4)
    return padding_leak(lambda x: lstm(layer(embed(x))), IDS).max() < 1e-5


def from_features(layer):
    features = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
    features[IDS == 0] = 0
    masking, pool = keras.layers.Masking(), keras.layers.GlobalAveragePooling1D()
    return bool((padding_leak(lambda x: pool(layer(masking(x))), features) < 1e-5).all())


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
            softmax(lambda s, m: ops.softmax(s * ops.cast(m, s.dtype)[..., None], axis=1)),
            "score of 0",
        ),
        "weights set to 0": (
            softmax(lambda s, m: ops.softmax(s, axis=1) * ops.cast(m, s.dtype)[..., None]),
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
            softmax(
                lambda s, m: (
                    shares(s, m)
                    / ops.sum(s * ops.cast(m, s.dtype)[..., None], axis=1, keepdims=True)
                )
            ),
            "exponentials",
        ),
        "drops the mask": (
            softmax(lambda s, m: ops.softmax(hidden(s, m), axis=1), passes_on=False),
            "mask ends here, with a warning",
        ),
        "a layer inside that masks": (
            softmax(lambda s, m: keras.layers.Softmax(axis=1)(s, mask=m[..., None])),
            "shape `\\(batch, timesteps, 1\\)`",
        ),
        "needs a mask": (
            softmax(lambda s, m: ops.softmax(ops.where(m[..., None], s, -1e9), axis=1)),
            "without a mask",
        ),
    },
    "5.3": {
        "published": (embedding(lambda table, ids: ops.take(table, ids)), "line of the guide"),
        "wrong axis": (embedding(lambda table, ids: ops.take(table, ids, axis=1)), "raised"),
        "first column": (embedding(lambda table, ids: ops.take(table[:, 0], ids)), "by column"),
        "off by one": (
            embedding(lambda table, ids: ops.take(table, (ids - 1) % 10, axis=0)),
            "id before it",
        ),
        "padded vectors zeroed": (
            embedding(
                lambda table, ids: (
                    ops.take(table, ids, axis=0) * ops.cast(ids != 0, "float32")[..., None]
                )
            ),
            "zeroed",
        ),
        "one vector a sentence": (
            embedding(lambda table, ids: ops.mean(ops.take(table, ids, axis=0), axis=1)),
            "each \\*step\\*",
        ),
        "transposed": (
            embedding(lambda table, ids: ops.swapaxes(ops.take(table, ids, axis=0), 1, 2)),
            "features come before",
        ),
        "mask lost": (no_mask(), "mask is lost"),
    },
    "5.4": {
        "nothing behind": (
            lambda layer: leak(layer, behind=False).max() < 1e-5,
            "drops the mask.*only behind",
        ),
        "flipped polarity": (lambda layer: leak(layer).max() > 1e-5, "polarity is flipped"),
        "smallest leak": (lambda layer: leak(layer).min() < 1e-5, "True of every layer"),
        "first sentence only": (lambda layer: leak(layer)[0] < 1e-5, "True of every layer"),
        "limit too high": (lambda layer: leak(layer).max() < 1e-3, "small leak"),
        "limit too low": (lambda layer: leak(layer).max() < 1e-10, "rounding"),
        "more pads": (more_pads, "convolution.*more pads"),
        "goes by warnings": (goes_by_warnings, "adds the mean"),
        "asks the layer": (lambda layer: layer.supports_masking, "adds the mean"),
        "the leak itself": (lambda layer: leak(layer), "one boolean"),
        "a number": (lambda layer: float(leak(layer).max()), "one boolean"),
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
    },
    "5.2": {
        "where": softmax(lambda s, m: ops.softmax(hidden(s, m), axis=1)),
        "corrected by one word": softmax(
            lambda s, m: (
                ops.softmax(s, axis=1)
                if m is None
                else shares(s, m) / ops.sum(shares(s, m), axis=1, keepdims=True)
            )
        ),
        "largest score subtracted": softmax(
            lambda s, m: ops.exp(hidden(s, m) - ops.logsumexp(hidden(s, m), axis=1, keepdims=True))
        ),
    },
    "5.3": {
        "take": embedding(lambda table, ids: ops.take(table, ids, axis=0)),
        "TensorFlow": embedding(lambda table, ids: tf.nn.embedding_lookup(table, ids)),
        "one-hot": embedding(lambda table, ids: ops.one_hot(ids, 10) @ table),
        "TensorFlow's gather": embedding(lambda table, ids: tf.gather(table, ids)),
    },
    "5.4": {
        "published solution": lambda layer: bool(leak(layer).max() < 1e-5),
        "by hand": by_hand,
        "an LSTM behind": with_an_lstm,
        "features": from_features,
    },
}
