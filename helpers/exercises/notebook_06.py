"""The exercises of notebook 06: attention masks."""

from typing import Any

from helpers.exercises.engine import NotYet, as_array, call, compare_mask, compare_values

import numpy as np

IDS = np.array([[711, 632, 71, 0, 0], [73, 8, 3215, 55, 927], [0, 711, 632, 71, 0]])
EARLIER = np.tri(5, dtype=bool)


def _decoder_mask(function: Any) -> str:
    shown = "decoder_mask(ids)"
    for ids in (IDS, IDS[:2], IDS[:, :4]):
        steps = ids.shape[1]
        kept, earlier = ids != 0, np.tri(steps, dtype=bool)
        keys, queries = kept[:, None, :], kept[:, :, None]
        right = keys & earlier
        mistakes = {
            "That is the older tutorial's polarity, 1 = masked; True must mean *keep*.": ~right,
            "The look-ahead part is missing: later keys are seen.": keys & np.ones_like(right),
            "The padding part is missing: padded keys are seen.": earlier & np.ones_like(right),
            "`|` allows a pair if *one* of the masks does; both must allow it.": keys | earlier,
            "The wrong triangle: queries see *later* keys and not earlier ones.": keys & earlier.T,
            "Off by one: a query must see itself, too.": keys & np.tri(steps, k=-1, dtype=bool),
            "Off by one: a query sees one step ahead.": keys & np.tri(steps, k=1, dtype=bool),
            "The padding mask lies along the queries: it belongs to the *keys*, the last "
            "axis.": queries & earlier,
            "Rows of padded queries are masked, too. Nobody reads them, and then they have nothing "
            "to attend to: leave them.": keys & queries & earlier,
            "That has an axis for heads; `(batch, queries, keys)` is asked for.": right[:, None],
            "That is a mask to *add*, 0 and −1e9. Keras reads it the wrong way round: True must "
            "mean *keep*.": np.where(right, 0, -1e9),
            "Padding need not stand *behind* the words: look where the zeros are, not how many "
            "there are.": (np.arange(steps) < kept.sum(axis=1)[:, None])[:, None, :] & earlier,
            "That is the padding mask; a row for each query is asked for.": kept,
            "That is the look-ahead mask alone: each sentence needs its own.": earlier,
        }
        got = call(function, ids, shown=shown)
        compare_mask(got, right, mistakes, shown=shown)
    return "Both must allow a pair. This is what `use_causal_mask=True` does for you."


class _Layer:
    """A `MultiHeadAttention` that survives being copied, and takes its mask as given."""

    def __init__(self, layer: Any):
        self.layer = layer

    def __call__(self, *args, **kwargs):
        return self.layer(*args, **kwargs)

    def __deepcopy__(self, memo):
        return self


def _attend_causally(function: Any) -> str:
    import keras

    shown = "attend_causally(layer, x, ids)"
    x = np.random.default_rng(6).normal(size=(3, 5, 8)).astype("float32")
    normal = keras.initializers.RandomNormal(stddev=0.5, seed=6)
    layer = keras.layers.MultiHeadAttention(2, 4, kernel_initializer=normal)
    keys = (IDS != 0)[:, None, :]
    # At padded queries anything goes, and a query that sees padding only has nothing to say.
    read = (IDS != 0)[..., None]

    def output(mask):
        return np.asarray(layer(x, x, attention_mask=mask)) * read

    right = keys & EARLIER
    mistakes = {
        "That is the published code: where Keras shall keep it masks, and the reverse.": ~right,
        "Half of it: the padding part is still inverted.": ~keys & EARLIER,
        "Half of it: the look-ahead part is still inverted.": keys & ~EARLIER,
        "Inverted before `maximum`: now *one* of the masks is enough. Both must allow a pair.": keys
        | EARLIER,
        "Later keys are still used: where is the look-ahead mask?": keys & np.ones_like(right),
        "Padded keys are still used: where is the padding mask?": EARLIER[None],
        "No mask reaches the layer.": np.ones_like(right),
        "The wrong triangle: later keys are used and earlier ones are not.": keys & EARLIER.T,
    }
    got = as_array(call(function, _Layer(layer), x, IDS, shown=shown), shown)
    if got.shape != x.shape:
        raise NotYet(f"`{shown}` has shape {got.shape}; expected {x.shape}, as `x`.")
    wrong = {message: output(mask) for message, mask in mistakes.items()}
    compare_values(np.where(read, got, 0), output(right), wrong, shown=shown, tolerance=1e-5)
    return "Both parts, and True = keep. The 100 % accuracy is gone, as it should be."


def _masked_softmax(function: Any) -> str:
    import tensorflow as tf

    shown = "masked_softmax(scores, mask)"
    scores = np.array([[[2, 1, 3, 0.5]] * 3, [[0, -1, 4, 2]] * 3], "float32")
    scores += np.arange(3)[:, None] * [0, 0.5, 1, -1]
    some = np.array([[[1, 1, 0, 1]], [[1, 0, 0, 0]]], bool)
    empty = np.array([[[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1]]], bool)

    def softmax(s, axis=-1):
        with np.errstate(invalid="ignore"):
            e = np.exp(s - s.max(axis=axis, keepdims=True))
            return e / e.sum(axis=axis, keepdims=True)

    for mask, dtype in (
        (some, "float32"),
        (empty, "float32"),
        (some, "float16"),
        (empty, "float16"),
    ):
        full = np.broadcast_to(mask, scores.shape)
        with np.errstate(invalid="ignore"):
            nan_rows = softmax(np.where(full, scores, -np.inf))
        right = np.nan_to_num(nan_rows)
        least = np.where(full, scores, -6e4)
        where = f"`{shown}`, {dtype}" + ", a query without keys" * (mask is empty)
        mistakes = {
            f"{where}: NaN where a query has no key.": nan_rows,
            f"{where}: its weight is spread over all keys. It must be zeros.": softmax(least),
            "The polarity is flipped: True must mean *keep*.": np.nan_to_num(
                softmax(np.where(full, -np.inf, scores))
            ),
            "The softmax runs over the queries; it must run over the keys, the last "
            "axis.": np.where(full, softmax(least, axis=1), 0),
            "The softmax runs over the sentences; it must run over the keys, the last "
            "axis.": np.where(full, softmax(least, axis=0), 0),
            "Masked *after* the softmax: the rows no longer sum to 1.": softmax(scores) * full,
            "A masked score of 0 is not *no* score: its weight is not 0.": softmax(scores * full),
            "That is the softmax without a mask.": softmax(scores),
        }
        given = tf.constant(scores, dtype)
        result = call(function, given, tf.constant(mask), shown=shown)
        values = as_array(result, shown)
        keyed = full.any(axis=-1, keepdims=True)
        if values.shape == right.shape and (np.isnan(values) & keyed).any():
            raise NotYet(
                f"{where}: NaN where there are keys. 0 × −inf is NaN, and in float16 −1e9 is −inf. "
                "Choose with `tf.where`, do not add."
            )
        tolerance = 1e-5 if dtype == "float32" else 5e-3
        compare_values(result, right, mistakes, shown=shown, tolerance=tolerance)
        if values.dtype != dtype:
            raise NotYet(f"The weights are right; their dtype must be that of the scores, {dtype}.")
        if not tf.is_tensor(result):
            raise NotYet(
                "The weights are right. Compute them in TensorFlow: training needs a gradient."
            )
        with tf.GradientTape() as tape:
            tape.watch(given)
            read = tf.reduce_sum(function(given, tf.constant(mask))[..., :2])
        gradient = tape.gradient(read, given)
        if gradient is None or np.isnan(gradient).any():
            raise NotYet(
                f"{where}: the weights are right, but their gradient is NaN. Choose "
                "with `tf.where` before the softmax instead of adding −inf."
            )
    large = call(function, tf.constant(scores + 20, "float16"), tf.constant(some), shown=shown)
    if not np.isfinite(as_array(large, shown)).all():
        raise NotYet(
            f"`{shown}`, float16: NaN for scores about 20, because exp(20) is too large a number. "
            "`tf.nn.softmax` takes care of that."
        )
    return "Safe in both precisions, with or without a key."


JUDGES = {"6.1": _decoder_mask, "6.2": _attend_causally, "6.3": _masked_softmax}
