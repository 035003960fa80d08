import keras
import numpy as np
import tensorflow as tf
from keras import ops

INF = float("inf")


# 6.1


def rating(ids, embed, attend, score, *, keys=None, pool=None, scale=4.0):
    """The model of the exercise, with what an answer puts in the place of its leaks."""
    x = ops.convert_to_tensor(np.asarray(embed(ids))) * scale
    x = x + attend(x, x, attention_mask=keys)
    return score((pool or highest)(x))


def highest(x):
    return ops.max(x, axis=1)


def among(mask, fill=-INF):
    """The largest value among the steps of `mask`."""
    return lambda x: ops.max(ops.where(mask[..., None], x, fill), axis=1)


def mended(make=lambda ids: ids != 0, **options):
    def answer(ids, *layers):
        mask = make(ids)
        return rating(ids, *layers, keys=mask[:, None, :], pool=among(mask), **options)

    return answer


def pooled(pool):
    """The attention is right; `pool(x, mask)` is not."""
    return lambda ids, *layers: rating(
        ids, *layers, keys=(ids != 0)[:, None, :], pool=lambda x: pool(x, ids != 0)
    )


def cut(ids, *layers):
    return rating(ids[:, (ids != 0).any(axis=0)], *layers)


def without_row_0(ids, embed, attend, score):
    table = embed.get_weights()[0]
    table[0] = 0
    embed.set_weights([table])
    return mended()(ids, embed, attend, score)


def retrained(ids, embed, attend, score):
    attend.set_weights([w * 0 for w in attend.get_weights()])
    return mended()(ids, embed, attend, score)


def own_attention(ids, embed, attend, score):
    return mended()(ids, embed, keras.layers.MultiHeadAttention(2, 3), score)


def normalised(ids, embed, attend, score):
    x = keras.layers.LayerNormalization()(embed(ids))
    return score(among(ids != 0)(x + attend(x, x, attention_mask=(ids != 0)[:, None, :])))


def masked_queries(ids, *layers):
    return rating(ids, *layers, keys=(ids != 0)[:, :, None], pool=among(ids != 0))


def twice_masked(ids, embed, attend, score):
    kept = (ids != 0)[..., None]
    x = embed(ids) * 4.0 * kept.astype("float32")
    x = x + attend(x, x)
    return score(ops.max(ops.where(kept, x, -INF), axis=1))


def one_by_one(ids, *layers):
    return ops.concatenate([rating(row[row != 0][None], *layers) for row in ids], axis=0)


def the_first_alone(ids, *layers):
    return ops.concatenate([rating(row[row != 0][None], *layers) for row in ids[:1]], axis=0)


def rescaled(ids, embed, attend, score):
    x = keras.layers.Rescaling(4.0)(embed(ids))
    mask = embed.compute_mask(ids)
    return score(among(mask)(x + attend(x, x)))


def by_value_mask(ids, embed, attend, score):
    x, mask = embed(ids) * 4.0, embed.compute_mask(ids)
    x = x + attend(x, x, value_mask=mask)
    return score(tf.reduce_max(tf.where(mask[:, :, None], x, x.dtype.min), axis=1))


def by_hand_of_keras(ids, embed, attend, score):
    x = embed(ids)
    mask = x._keras_mask
    x = x * 4.0
    x._keras_mask = mask
    x = x + attend(x, x)
    return score(ops.max(x - (1 - ops.cast(mask, "float32"))[..., None] * 1e9, axis=1))


def gathered(ids, *layers):
    """Only words go into the maximum."""
    x = []
    rating(ids, *layers, keys=(ids != 0)[:, None], pool=lambda y: x.append(y) or highest(y))
    rows = [ops.max(row[kept], axis=0) for row, kept in zip(np.asarray(x[0]), ids != 0)]
    return layers[-1](ops.stack(rows))


# 6.2


def keys(ids):
    return (ids != 0)[:, np.newaxis, :]


def tri(ids, k=0):
    return np.tri(ids.shape[1], k=k, dtype=bool)


def padding(ids):
    """The published mask, 1 = masked, `(batch, 1, 1, keys)`."""
    return tf.cast(ids == 0, tf.float32)[:, np.newaxis, np.newaxis, :]


def look_ahead(ids):
    """The published mask, 1 = masked, `(queries, keys)`."""
    size = ids.shape[1]
    return 1 - tf.linalg.band_part(tf.ones((size, size)), -1, 0)


def older(ids):
    return tf.maximum(padding(ids), look_ahead(ids))


def published(ids):
    return tf.maximum(padding(ids), 1 - look_ahead(ids))


def with_mask(make):
    return lambda layer, x, ids: layer(x, x, attention_mask=make(ids))


def behind(ids):
    """Wrong: takes it that all padding stands behind the words."""
    return (np.arange(ids.shape[1]) < (ids != 0).sum(axis=1)[:, np.newaxis])[:, np.newaxis, :]


def with_scores(layer, x, ids):
    return layer(x, x, attention_mask=keys(ids) & tri(ids), return_attention_scores=True)


def for_each_head(layer, x, ids):
    mask = np.repeat((keys(ids) & tri(ids))[:, None], layer.num_heads, axis=1)
    return layer(x, x, attention_mask=mask)


def by_call(layer, x, ids):
    return layer.call(tf.constant(x), tf.constant(x), attention_mask=keys(ids) & tri(ids))


def by_name(layer, x, ids):
    assert isinstance(layer, keras.layers.MultiHeadAttention)
    return layer(query=x, value=x, key=x, attention_mask=tf.constant(keys(ids) & tri(ids)))


def by_masks_of_tensors(layer, x, ids):
    x = tf.constant(x)
    x._keras_mask = tf.constant(ids != 0)
    return layer(x, x, use_causal_mask=True)


def loop(ids):
    batch, steps = ids.shape
    mask = np.zeros((batch, steps, steps), bool)
    for b in range(batch):
        for query in range(steps):
            for key in range(query + 1):
                mask[b, query, key] = ids[b, key] != 0
    return mask


def unread(layer, x, ids):
    """Right at words; padded queries see nothing."""
    return layer(x, x, attention_mask=keys(ids) & tri(ids) & (ids != 0)[:, :, None])


def zero_pads(layer, x, ids):
    """Wrong: the vector of a padded key is zero, and it still gets its share."""
    x = x * (ids != 0)[..., None]
    return layer(x, x, use_causal_mask=True)


# 6.3


def then_softmax(change, axis=-1):
    return lambda scores, mask: tf.nn.softmax(change(scores, mask), axis=axis)


def then_zeroed(change):
    return lambda scores, mask: zeroed(tf.nn.softmax(change(scores, mask)), mask)


def filled(number):
    return then_zeroed(lambda s, m: tf.where(m, s, tf.cast(number, s.dtype)))


def chosen(scores, mask):
    return tf.where(mask, scores, scores.dtype.min)


def zeroed(weights, mask):
    return tf.where(mask, weights, tf.zeros_like(weights))


def added_and_cleaned(scores, mask):
    weights = tf.nn.softmax(scores + tf.where(mask, scores * 0, -INF))
    return tf.where(tf.math.is_nan(weights), tf.zeros_like(weights), weights)


def by_exponentials(scores, mask):
    scores = chosen(scores, mask)
    kept = tf.cast(mask, scores.dtype)
    e = tf.exp(scores - tf.reduce_max(scores, axis=-1, keepdims=True)) * kept
    return tf.math.divide_no_nan(e, tf.reduce_sum(e, axis=-1, keepdims=True))


def by_exponentials_of_all(scores, mask):
    """Wrong: the maximum may be masked."""
    kept = tf.cast(mask, scores.dtype)
    e = tf.exp(scores - tf.reduce_max(scores, axis=-1, keepdims=True)) * kept
    return tf.math.divide_no_nan(e, tf.reduce_sum(e, axis=-1, keepdims=True))


def chosen_and_cleaned(scores, mask):
    weights = tf.nn.softmax(tf.where(mask, scores, -INF))
    return tf.where(tf.math.is_nan(weights), tf.zeros_like(weights), weights)


def overflowing(scores, mask):
    e = tf.exp(scores) * tf.cast(mask, scores.dtype)
    return tf.math.divide_no_nan(e, tf.reduce_sum(e, axis=-1, keepdims=True))


def renormalised(scores, mask):
    weights = tf.nn.softmax(scores) * tf.cast(mask, scores.dtype)
    return tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=-1, keepdims=True))


def clipped(scores, mask):
    return zeroed(tf.nn.softmax(chosen(tf.clip_by_value(scores, -50, 50), mask)), mask)


def of_rank_3(scores, mask):
    batch, queries, keys = mask.shape
    full = tf.broadcast_to(tf.reshape(mask, (batch, queries, keys)), scores.shape)
    return zeroed(tf.nn.softmax(chosen(scores, full)), full)


def row_by_row(scores, mask):
    full = np.broadcast_to(mask, scores.shape)
    rows = []
    for row, kept in zip(
        tf.reshape(scores, (-1, scores.shape[-1])), full.reshape(-1, full.shape[-1])
    ):
        e = tf.nn.softmax(tf.boolean_mask(row, kept)) if kept.any() else tf.zeros(0, row.dtype)
        rows.append(tf.scatter_nd(np.argwhere(kept), e, row.shape))
    return tf.reshape(tf.stack(rows), scores.shape)


def in_double(scores, mask):
    weights = zeroed(tf.nn.softmax(chosen(tf.cast(scores, "float64"), mask)), mask)
    return tf.cast(weights, scores.dtype)


def by_logarithms(scores, mask):
    scores = chosen(scores, mask)
    return zeroed(tf.exp(scores - tf.reduce_logsumexp(scores, axis=-1, keepdims=True)), mask)


def by_keras(scores, mask):
    weights = ops.softmax(ops.where(mask, scores, scores.dtype.min), axis=-1)
    return ops.where(mask, weights, 0)


def without_weights(layer, x, ids):
    layer.set_weights([0 * w for w in layer.get_weights()])
    return layer(x, x)


WRONG = {
    "6.1": {
        "as it was": (rating, "as it was"),
        "the attention alone": (pooled(lambda x, mask: highest(x)), "`max` still looks"),
        "the pool alone": (
            lambda ids, *layers: rating(ids, *layers, pool=among(ids != 0)),
            r"attention still uses padded keys",
        ),
        "zeros in the pool": (
            pooled(lambda x, mask: ops.max(x * mask[..., None], axis=1)),
            "a 0 in the place of padding",
        ),
        "0 chosen in the pool": (pooled(lambda x, mask: among(mask, 0.0)(x)), "a 0 in the place"),
        "a mean, as mended above": (
            pooled(lambda x, mask: keras.layers.GlobalAveragePooling1D()(x, mask=mask)),
            "the largest value was pooled, not the mean",
        ),
        "a sum": (
            pooled(lambda x, mask: ops.sum(x * mask[..., None], axis=1)),
            "not the sum",
        ),
        "the factor left out": (mended(scale=1.0), r"where is the `\* 4.0`"),
        "the table's row 0 set to 0": (without_row_0, "weights of the layers have changed"),
        "weights set to 0": (retrained, "weights of the layers have changed"),
        "a layer of one's own": (own_attention, "another answer than before"),
        "a normalisation put in": (normalised, "another answer than before"),
        "without the residual": (
            lambda ids, embed, attend, score: mended()(
                ids, embed, lambda x, y, **mask: attend(x, y, **mask) - x, score
            ),
            "another answer than before",
        ),
        "padding after the words only": (
            mended(lambda ids: behind(ids)[:, 0]),
            "still leaks.*padding before",
        ),
        "ids of 1 masked, too": (mended(lambda ids: ids > 1), "id 1 is that of a word"),
        "ids in 8 bits": (
            mended(lambda ids: ids.astype("int8") != 0),
            "id (256|512|1280) is that of a word",
        ),
        "the last digit is 0": (
            lambda ids, *layers: rating(
                ids, *layers, keys=(ids != 0)[:, None, :], pool=among(ids % 10 != 0)
            ),
            r"id \d+0 is that of a word",
        ),
        "queries masked": (masked_queries, "attention still uses padded keys"),
        "inputs zeroed": (twice_masked, "still leaks"),
        "batch cut to its longest sentence": (cut, "as it was|still leaks"),
        "the first sentence only": (the_first_alone, "has shape"),
        "steps and not the answer": (
            lambda ids, embed, *_: embed(ids),
            "has shape",
        ),
        "-1 chosen in the pool": (pooled(lambda x, mask: among(mask, -1.0)(x)), "still leaks"),
        "-100 chosen in the pool": (
            pooled(lambda x, mask: among(mask, -100.0)(x)),
            "words −20,000",
        ),
        "-1e4 chosen in the pool": (pooled(lambda x, mask: among(mask, -1e4)(x)), "words −20,000"),
        "100 taken off padded steps": (
            pooled(lambda x, mask: ops.max(x - ~mask[..., None] * 100.0, axis=1)),
            "words −20,000",
        ),
        "the mask the other way round": (
            mended(lambda ids: ids == 0),
            "another answer|NaN",
        ),
        "the mask for queries": (
            lambda ids, *layers: rating(ids, *layers, keys=ids != 0, pool=among(ids != 0)),
            "raised|still leaks|another answer",
        ),
        "printed": (lambda ids, *layers: print(mended()(ids, *layers)), "returned None"),
    },
    "6.2": {
        "weights of 0": (without_weights, "weights of the layer have changed"),
        "published": (with_mask(published), "That is the code as it stands"),
        "one inversion of all": (with_mask(lambda ids: 1 - published(ids)), "hides \\*earlier"),
        "the padding part inverted, and still maximum": (
            with_mask(lambda ids: tf.maximum(1 - padding(ids), 1 - look_ahead(ids))),
            "allows a pair if \\*one",
        ),
        "minimum, and nothing inverted": (
            with_mask(lambda ids: tf.minimum(padding(ids), 1 - look_ahead(ids))),
            "still keeps the padding",
        ),
        "the older masks": (with_mask(older), "older polarity"),
        "to be added": (with_mask(lambda ids: older(ids) * -1e9), "older polarity"),
        "where one is enough": (with_mask(lambda ids: keys(ids) | tri(ids)), "if \\*one"),
        "no look-ahead": (with_mask(keys), "where is the look-ahead mask"),
        "no padding": (
            lambda layer, x, ids: layer(x, x, use_causal_mask=True),
            "the padding mask is missing",
        ),
        "no mask": (lambda layer, x, ids: layer(x, x), "No mask reaches"),
        "wrong triangle": (with_mask(lambda ids: keys(ids) & tri(ids).T), "wrong triangle"),
        "off by one, without itself": (
            with_mask(lambda ids: keys(ids) & tri(ids, -1)),
            "must see itself",
        ),
        "off by one, one ahead": (
            with_mask(lambda ids: keys(ids) & tri(ids, 1)),
            "one step ahead",
        ),
        "padding along the queries": (
            with_mask(lambda ids: (ids != 0)[:, :, None] & tri(ids)),
            "lies along the queries",
        ),
        "padding counted, not looked for": (
            with_mask(lambda ids: behind(ids) & tri(ids)),
            "need not stand",
        ),
        "five steps": (with_mask(lambda ids: keys(ids) & np.tri(5, dtype=bool)), "raised"),
        "ids of 1 masked, too": (
            with_mask(lambda ids: (ids > 1)[:, None, :] & tri(ids)),
            "May each word use itself",
        ),
        "missing axis": (with_mask(lambda ids: ids != 0), "raised InvalidArgumentError"),
        "missing axis, with look-ahead": (
            lambda layer, x, ids: layer(x, x, attention_mask=ids != 0, use_causal_mask=True),
            "raised InvalidArgumentError",
        ),
        "mask of queries by a name that Keras overwrites": (
            lambda layer, x, ids: layer(x, x, query_mask=ids != 0, use_causal_mask=True),
            "the padding mask is missing",
        ),
        "vectors zeroed": (zero_pads, "May each word use itself"),
        "the mask of the first sentence": (
            with_mask(lambda ids: (keys(ids) & tri(ids))[:1]),
            "expected|Padded keys|raised",
        ),
        "with the scores": (with_scores, "returns 2 things"),
        "another layer": (
            lambda layer, x, ids: keras.layers.MultiHeadAttention(2, 4)(
                x, x, attention_mask=keys(ids) & tri(ids)
            ),
            "Two calls",
        ),
        "the residual, too": (
            lambda layer, x, ids: x + layer(x, x, attention_mask=keys(ids) & tri(ids)),
            "what the layer returns",
        ),
        "a window": (
            with_mask(lambda ids: keys(ids) & tri(ids) & ~tri(ids, -2)),
            "May each word use itself",
        ),
        "the mask for the output": (lambda layer, x, ids: keys(ids) & tri(ids), "has shape"),
        "no return": (lambda layer, x, ids: layer(x, x) and None, "None|raised"),
    },
    "6.3": {
        "-1e9 added": (
            lambda s, m: zeroed(tf.nn.softmax(s + (1 - tf.cast(m, s.dtype)) * -1e9), m),
            "NaN in the weights.*float16",
        ),
        "-1e9 added, rows left": (
            then_softmax(lambda s, m: s + (1 - tf.cast(m, s.dtype)) * -1e9),
            "spreads its weight.*float32",
        ),
        "-inf times 0": (
            then_softmax(lambda s, m: s + (1 - tf.cast(m, s.dtype)) * -INF),
            "NaN in the weights",
        ),
        "-inf chosen": (then_softmax(lambda s, m: tf.where(m, s, -INF)), "keys gets NaN"),
        "least number chosen": (then_softmax(chosen), "spreads its weight"),
        "NaN cleaned from the weights only": (added_and_cleaned, "gradient is NaN"),
        "flipped polarity": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(s, ~m)), ~m),
            "polarity is flipped",
        ),
        "wrong axis": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(s, m), axis=1), m),
            "over the queries",
        ),
        "the first axis": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(s, m), axis=0), m),
            "over the sentences",
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
        "exponentials of large scores": (overflowing, "exponential of a large.*1000"),
        "-30 chosen": (filled(-30.0), "sum to 0 over|below every allowed"),
        "-100 chosen": (filled(-100.0), "below every allowed"),
        "-1e4 chosen": (filled(-1e4), "below every allowed"),
        "the least float16 but one chosen": (filled(-6e4), "below every allowed|expected"),
        "0 chosen": (filled(0.0), "sum to"),
        "renormalised": (renormalised, "sum to 0|expected|NaN"),
        "largest of all scores taken off": (by_exponentials_of_all, "sum to 0|expected|NaN"),
        "clipped": (clipped, "±1000"),
        "scaled down": (
            then_zeroed(lambda s, m: chosen(s / 10, m)),
            "expected",
        ),
        "a mask of rank 3 only": (of_rank_3, "raised ValueError.*mask `"),
        "a mask of rank 3, indexed": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(s, m[:, :1])), m[:, :1]),
            "expected|Masked keys|sum to|raised",
        ),
        "by logarithms, which lack digits": (by_logarithms, "expected|sum to"),
        "NumPy": (lambda s, m: zeroed(tf.nn.softmax(chosen(s, m)), m).numpy(), "in TensorFlow"),
        "by way of NumPy": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(tf.constant(s.numpy()), m)), m),
            "no gradient reaches",
        ),
        "gradient stopped": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(tf.stop_gradient(s), m)), m),
            "no gradient reaches",
        ),
        "gradient of half": (
            lambda s, m: zeroed(tf.nn.softmax(chosen(s / 2 + tf.stop_gradient(s / 2), m)), m),
            "not that of a softmax",
        ),
        "always float32": (
            lambda s, m: tf.cast(zeroed(tf.nn.softmax(chosen(s, m)), m), "float32"),
            "dtype must be the scores'",
        ),
        "two things returned": (
            lambda s, m: (zeroed(tf.nn.softmax(chosen(s, m)), m), m),
            "returns 2 things",
        ),
        "uniform": (
            lambda s, m: zeroed(tf.ones_like(s) / tf.cast(s.shape[-1], s.dtype), m),
            "sum to|expected",
        ),
    },
}

RIGHT = {
    "6.1": {
        "masks in both places": mended(),
        "one sentence at a time": one_by_one,
        "Rescaling keeps the mask": rescaled,
        "as a mask of the values": by_value_mask,
        "the mask put back by hand": by_hand_of_keras,
        "words only in the maximum": gathered,
        "a mask of rank 4": lambda ids, *layers: rating(
            ids, *layers, keys=(ids != 0)[:, None, None, :], pool=among(ids != 0)
        ),
        "padded queries masked, too": lambda ids, *layers: rating(
            ids,
            *layers,
            keys=(ids != 0)[:, None, :] & (ids != 0)[:, :, None],
            pool=among(ids != 0, -1e9),
        ),
    },
    "6.2": {
        "both inverted, and minimum": with_mask(
            lambda ids: tf.minimum(1 - padding(ids), 1 - look_ahead(ids))
        ),
        "the older masks, inverted": with_mask(lambda ids: 1 - older(ids)),
        "booleans": with_mask(lambda ids: keys(ids) & tri(ids)),
        "a slow loop": with_mask(loop),
        "as a mask of the values": lambda layer, x, ids: layer(
            x, x, value_mask=ids != 0, use_causal_mask=True
        ),
        "as a mask of the keys": lambda layer, x, ids: layer(
            x, x, key_mask=ids != 0, use_causal_mask=True
        ),
        "both ways at once": lambda layer, x, ids: layer(
            x, x, attention_mask=keys(ids), use_causal_mask=True
        ),
        "for each head": for_each_head,
        "layer.call": by_call,
        "by name, after asking for the class": by_name,
        "the mask on the vectors": by_masks_of_tensors,
        "padded queries masked, too": unread,
    },
    "6.3": {
        "chosen, then zeroed": lambda s, m: zeroed(tf.nn.softmax(chosen(s, m)), m),
        "by exponentials": by_exponentials,
        "-inf chosen, then cleaned": chosen_and_cleaned,
        "times the mask": lambda s, m: tf.nn.softmax(chosen(s, m)) * tf.cast(m, s.dtype),
        "in Keras": by_keras,
        "-1e9, which the text allows": filled(-1e9),
        "in float64 between": in_double,
        "row by row": row_by_row,
    },
}
