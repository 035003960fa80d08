import numpy as np
import tensorflow as tf
from keras.utils import pad_sequences


def by_length(ids):
    """Takes for granted that the padding stands after the words."""
    return np.arange(ids.shape[1]) < (ids != 0).sum(axis=1, keepdims=True)


def padded(**options):
    return lambda series: pad_sequences(series, **options)


def by_hand(series):
    out = np.zeros((len(series), max(map(len, series))), np.float32)
    for row, values in zip(out, series):
        row[: len(values)] = values
    return out


WRONG = {
    "1.1": {
        "flipped polarity": (lambda ids: ids == 0, "polarity is flipped"),
        "wrong dtype": (lambda ids: (ids != 0).astype("int32"), "dtype int32"),
        "id 1 taken for padding": (lambda ids: ids > 1, "Id 1 is a word"),
        "only padding after": (by_length, "stand \\*before\\*"),
        "wrong axis": (lambda ids: (ids != 0).all(axis=1), "one for each step"),
        "wrong axis, any": (lambda ids: (ids != 0).any(axis=1), "about any of its steps"),
        "one axis too many": (lambda ids: (ids != 0)[..., None], "last axis is too much"),
        "attention mask": (lambda ids: (ids != 0)[:, None, None, :], "notebook 06"),
        "transposed": (lambda ids: (ids != 0).T, r"shape \(6, 3\)"),
        "the ids themselves": (lambda ids: ids, "steps differ"),
        "raises": (lambda ids: ids.padding, "raised AttributeError"),
    },
    "1.2": {
        "first words": (dict(maxlen=4, padding="post", truncating="post"), r"\*first\* four"),
        "padding before": (
            dict(maxlen=4, padding="pre", truncating="pre"),
            "padding stands before",
        ),
        "both sides swapped": (dict(maxlen=4, padding="pre", truncating="post"), "wrong way round"),
        "nothing cut": (dict(maxlen=6, padding="post", truncating="pre"), "Nothing is cut off"),
        "off by one": (dict(maxlen=3, padding="post", truncating="pre"), r"shape \(3, 3\)"),
        "one left out": (dict(maxlen=4, padding="post"), "missing: truncating"),
        "another word for it": (
            dict(maxlen=4, padding="right", truncating="left"),
            "raised ValueError",
        ),
        "half filled": (dict(maxlen=4, padding="post", truncating=...), "Still to fill in: trunc"),
        "a tuple": ((4, "post", "pre"), "A dict"),
    },
    "1.3": {
        "published": (padded(maxlen=4, padding="post", truncating="post"), "published line"),
        "decimals still lost": (padded(padding="post"), "decimals are still lost"),
        "last values still cut": (
            padded(maxlen=4, padding="post", truncating="post", dtype="float32"),
            "last values are still cut",
        ),
        "first values cut": (
            padded(maxlen=4, padding="post", dtype="float32"),
            "first values are still cut",
        ),
        "cut and padded before": (
            padded(maxlen=4, truncating="post", dtype="float32"),
            "the padding stands before the others",
        ),
        "rounded first": (
            lambda series: by_hand([np.round(row) for row in series]),
            "rounded",
        ),
        "default side": (padded(dtype="float32"), "padding stands before"),
        "default side and type": (padded(), "Decimals lost, and the padding"),
        "half precision": (padded(padding="post", dtype="float16"), "float16"),
        "double precision": (padded(padding="post", dtype="float64"), "dtype is float64"),
    },
}

RIGHT = {
    "1.1": {
        "NumPy": lambda ids: np.not_equal(ids, 0),
        "TensorFlow": lambda ids: tf.math.not_equal(ids, 0),
        "a cast": lambda ids: tf.cast(ids, tf.bool),
        "as a type": lambda ids: ids.astype(bool),
        "lists": lambda ids: [[token != 0 for token in row] for row in ids],
        "the other way round": lambda ids: ~(ids == 0),
    },
    "1.2": {
        "in another order": dict(truncating="pre", padding="post", maxlen=4),
        "with more said": dict(maxlen=4, padding="post", truncating="pre", value=0, dtype="int64"),
    },
    "1.3": {
        "NumPy by hand": by_hand,
        "maxlen from the data": lambda series: pad_sequences(
            series, maxlen=max(map(len, series)), padding="post", dtype=np.float32
        ),
        "ragged tensor": lambda series: tf.ragged.constant(series, dtype="float32").to_tensor(),
    },
}
