import numpy as np
import tensorflow as tf

INF = float("inf")


def keys(ids):
    return (ids != 0)[:, np.newaxis, :]


def tri(ids, k=0):
    return np.tri(ids.shape[1], k=k, dtype=bool)


def older(ids):
    """The published masks: 1 = masked, `(batch, 1, queries, keys)`."""
    padding = tf.cast(ids == 0, tf.float32)[:, np.newaxis, np.newaxis, :]
    return tf.maximum(padding, look_ahead(ids))


def look_ahead(ids):
    size = ids.shape[1]
    return 1 - tf.linalg.band_part(tf.ones((size, size)), -1, 0)


def with_mask(make):
    return lambda layer, x, ids: layer(x, x, attention_mask=make(ids))


def then_softmax(change, axis=-1):
    return lambda scores, mask: tf.nn.softmax(change(scores, mask), axis=axis)


def chosen(scores, mask):
    return tf.where(mask, scores, scores.dtype.min)


def zeroed(weights, mask):
    return tf.where(mask, weights, tf.zeros_like(weights))


def added_and_cleaned(scores, mask):
    weights = tf.nn.softmax(scores + tf.where(mask, scores * 0, -INF))
    return tf.where(tf.math.is_nan(weights), tf.zeros_like(weights), weights)


def by_exponentials(scores, mask):
    kept = tf.cast(mask, scores.dtype)
    e = tf.exp(scores - tf.reduce_max(scores, axis=-1, keepdims=True)) * kept
    return tf.math.divide_no_nan(e, tf.reduce_sum(e, axis=-1, keepdims=True))


def chosen_and_cleaned(scores, mask):
    weights = tf.nn.softmax(tf.where(mask, scores, -INF))
    return tf.where(tf.math.is_nan(weights), tf.zeros_like(weights), weights)


def behind(ids):
    """Wrong: takes it that all padding stands behind the words."""
    return (np.arange(ids.shape[1]) < (ids != 0).sum(axis=1)[:, np.newaxis])[:, np.newaxis, :]


def overflowing(scores, mask):
    e = tf.exp(scores) * tf.cast(mask, scores.dtype)
    return tf.math.divide_no_nan(e, tf.reduce_sum(e, axis=-1, keepdims=True))


def loop(ids):
    batch, steps = ids.shape
    mask = np.zeros((batch, steps, steps), bool)
    for b in range(batch):
        for query in range(steps):
            for key in range(query + 1):
                mask[b, query, key] = ids[b, key] != 0
    return mask


WRONG = {
    "6.1": {
        "flipped polarity": (lambda ids: ~(keys(ids) & tri(ids)), "older tutorial's polarity"),
        "published masks": (lambda ids: older(ids)[:, 0], "older tutorial's polarity"),
        "with an axis for heads": (lambda ids: (keys(ids) & tri(ids))[:, None], "axis for heads"),
        "wrong dtype": (lambda ids: (keys(ids) & tri(ids)).astype("float32"), "dtype float32"),
        "or for and": (lambda ids: keys(ids) | tri(ids), r"`\|` allows"),
        "wrong triangle": (lambda ids: keys(ids) & tri(ids).T, "wrong triangle"),
        "off by one, without itself": (lambda ids: keys(ids) & tri(ids, -1), "must see itself"),
        "off by one, one ahead": (lambda ids: keys(ids) & tri(ids, 1), "one step ahead"),
        "wrong axis": (lambda ids: (ids != 0)[:, :, None] & tri(ids), "belongs to the \\*keys"),
        "queries masked, too": (
            lambda ids: keys(ids) & (ids != 0)[:, :, None] & tri(ids),
            "Rows of padded queries",
        ),
        "no look-ahead": (
            lambda ids: np.repeat(keys(ids), ids.shape[1], axis=1),
            "look-ahead part is missing",
        ),
        "no padding": (lambda ids: np.stack([tri(ids)] * len(ids)), "padding part is missing"),
        "padding mask alone": (lambda ids: ids != 0, "That is the padding mask"),
        "to be added": (lambda ids: np.where(keys(ids) & tri(ids), 0, -1e9), r"mask to \*add"),
        "padding counted, not looked for": (lambda ids: behind(ids) & tri(ids), "need not stand"),
        "missing axis": (lambda ids: (ids != 0) & tri(ids)[: len(ids)], "has shape|steps differ"),
    },
    "6.2": {
        "published": (with_mask(older), "published code"),
        "to be added": (with_mask(lambda ids: older(ids) * -1e9), "published code"),
        "half, as the tutorial's warning has it": (
            with_mask(lambda ids: (ids == 0)[:, None, :] & tri(ids)),
            "padding part is still inverted",
        ),
        "the other half": (
            with_mask(lambda ids: keys(ids) & ~tri(ids)),
            "look-ahead part is still inverted",
        ),
        "inverted, and still maximum": (with_mask(lambda ids: keys(ids) | tri(ids)), "is enough"),
        "no look-ahead": (with_mask(keys), "where is the look-ahead mask"),
        "no padding": (
            lambda layer, x, ids: layer(x, x, use_causal_mask=True),
            "where is the padding mask",
        ),
        "no mask": (lambda layer, x, ids: layer(x, x), "No mask reaches"),
        "wrong triangle": (with_mask(lambda ids: keys(ids) & tri(ids).T), "wrong triangle"),
        "missing axis": (with_mask(lambda ids: ids != 0), "raised InvalidArgumentError"),
        "the mask for the output": (lambda layer, x, ids: keys(ids) & tri(ids), "has shape"),
    },
    "6.3": {
        "-1e9 added": (
            lambda s, m: zeroed(tf.nn.softmax(s + (1 - tf.cast(m, s.dtype)) * -1e9), m),
            "float16: NaN where there are keys",
        ),
        "-1e9 added, rows left": (
            then_softmax(lambda s, m: s + (1 - tf.cast(m, s.dtype)) * -1e9),
            "float32, a query without keys: its weight is spread",
        ),
        "-inf times 0": (
            then_softmax(lambda s, m: s + (1 - tf.cast(m, s.dtype)) * -INF),
            "float32: NaN where there are keys",
        ),
        "-inf chosen": (
            then_softmax(lambda s, m: tf.where(m, s, -INF)),
            "query has no key",
        ),
        "least number chosen": (then_softmax(chosen), "spread over all keys"),
        "NaN cleaned from the weights only": (added_and_cleaned, "gradient is NaN"),
        "flipped polarity": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(s, ~m)), ~m),
            "polarity is flipped",
        ),
        "wrong axis": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(s, m), axis=1), m),
            "over the queries",
        ),
        "masked after the softmax": (
            lambda s, m: zeroed(tf.nn.softmax(s), m),
            r"\*after\* the softmax",
        ),
        "scores times mask": (
            then_softmax(lambda s, m: s * tf.cast(m, s.dtype)),
            "A masked score of 0",
        ),
        "mask forgotten": (then_softmax(lambda s, m: s), "without a mask"),
        "exponentials of large scores": (overflowing, "exp\\(20\\) is too large"),
        "NumPy": (lambda s, m: zeroed(tf.nn.softmax(chosen(s, m)), m).numpy(), "in TensorFlow"),
        "always float32": (
            lambda s, m: tf.cast(zeroed(tf.nn.softmax(chosen(s, m)), m), "float32"),
            "dtype must be that of the scores",
        ),
    },
}

RIGHT = {
    "6.1": {
        "NumPy": lambda ids: np.logical_and(keys(ids), tri(ids)),
        "TensorFlow": lambda ids: older(ids)[:, 0] == 0,
        "a slow loop": loop,
        "lists": lambda ids: loop(ids).tolist(),
    },
    "6.2": {
        "built as in 6.1": with_mask(lambda ids: keys(ids) & tri(ids)),
        "all inverted": with_mask(lambda ids: older(ids) == 0),
        "inverted in numbers": with_mask(lambda ids: 1 - older(ids)),
        "inverted and minimum": with_mask(
            lambda ids: tf.minimum(tf.cast(keys(ids), tf.float32), 1 - look_ahead(ids))
        ),
        "as a mask of the values": lambda layer, x, ids: layer(
            x, x, value_mask=ids != 0, use_causal_mask=True
        ),
    },
    "6.3": {
        "chosen, then zeroed": lambda s, m: zeroed(tf.nn.softmax(chosen(s, m)), m),
        "by exponentials": by_exponentials,
        "-inf chosen, then cleaned": chosen_and_cleaned,
        "times the mask": lambda s, m: tf.nn.softmax(chosen(s, m)) * tf.cast(m, s.dtype),
    },
}
