import itertools

import keras
import numpy as np
import tensorflow as tf
from keras.utils import pad_sequences


def one_side(lengths, steps, padding):
    """Deaf to the side."""
    return np.arange(steps) < lengths[:, None]


def turned(lengths, steps, padding):
    mask = one_side(lengths, steps, padding)
    return mask if padding == "post" else mask[:, ::-1]


def on_side(post, pre):
    """An answer from what it does on either side, given lengths as a column, and timesteps."""

    def answer(lengths, steps, padding):
        function = post if padding == "post" else pre
        return function(lengths[:, None], np.arange(steps), steps)

    return answer


def row_by_row(lengths, steps, padding):
    rows = []
    for length in lengths:
        kept, pads = [True] * min(length, steps), [False] * max(steps - length, 0)
        rows.append(kept + pads if padding == "post" else pads + kept)
    return rows


def uncut_rows(lengths, steps, padding):
    rows = [([True] * n, [False] * (steps - n)) for n in lengths]
    return [kept + pads if padding == "post" else pads + kept for kept, pads in rows]


def filled(lengths, steps, padding):
    mask = np.zeros((len(lengths), steps), bool)
    for row, length in zip(mask, lengths):
        if padding == "post":
            row[:length] = True
        else:
            row[max(0, steps - length) :] = True
    return mask


def filled_from_the_end(lengths, steps, padding):
    """`row[-0:]` is the whole row."""
    mask = np.zeros((len(lengths), steps), bool)
    for row, length in zip(mask, lengths):
        row[slice(length) if padding == "post" else slice(-min(length, steps), None)] = True
    return mask


def cleared_from_the_end(lengths, steps, padding):
    mask = np.ones((len(lengths), steps), bool)
    for row, length in zip(mask, lengths):
        pads = max(0, steps - length)
        row[slice(-pads, None) if padding == "post" else slice(pads)] = False
    return mask


def scattered(lengths, steps, padding):
    """Only the first and the last kept step of each."""
    right = turned(lengths, steps, padding)
    return right & (turned(lengths - 1, steps, padding) ^ right)


def padded_ones(lengths, steps, padding):
    ones = [np.ones(n) for n in lengths]
    return pad_sequences(ones, maxlen=steps, padding=padding, dtype=bool)


def in_order(lengths, size):
    return [lengths[i : i + size] for i in range(0, len(lengths), size)]


def share(lengths, size):
    steps = sum(max(batch) * len(batch) for batch in in_order(lengths, size))
    return 1 - sum(lengths) / steps


def share_by_tf_data(lengths, size):
    def sentences():
        for length in lengths:
            yield np.ones(length, "int32")

    spec = tf.TensorSpec((None,), tf.int32)
    batches = tf.data.Dataset.from_generator(sentences, output_signature=spec).padded_batch(size)
    ids = np.concatenate([batch.ravel() for batch in batches.as_numpy_iterator()])
    return (ids == 0).mean()


def share_by_reshape(lengths, size):
    missing = -len(lengths) % size
    table = np.pad(lengths, (0, missing)).reshape(-1, size)
    count = np.minimum(size, len(lengths) - size * np.arange(len(table)))
    return 1 - table.sum() / (table.max(axis=1) * count).sum()


def share_step_by_step(lengths, size):
    padding = steps = 0
    for batch in in_order(list(lengths), size):
        for length in batch:
            padding += max(batch) - length
            steps += max(batch)
    return float(padding) / float(steps)


def share_in_tensorflow(lengths, size):
    batches = [tf.constant(batch) for batch in in_order(lengths, size)]
    steps = tf.add_n([tf.reduce_max(batch) * len(batch) for batch in batches])
    return 1 - tf.reduce_sum(lengths) / steps


def of_batches(function):
    """An answer from the shares of the single batches."""
    return lambda lengths, size: function([share(b, len(b)) for b in in_order(lengths, size)])


def padded(**options):
    return lambda series: pad_sequences(series, **options)


def floats(length, **options):
    """Padded after, as `float32`, to a length that is computed from the series."""
    return lambda series: pad_sequences(
        series, maxlen=length(series), **{"padding": "post", "dtype": "float32", **options}
    )


def by_hand(series):
    out = np.zeros((len(series), max(map(len, series))), np.float32)
    for row, values in zip(out, series):
        row[: len(values)] = values
    return out


WRONG = {
    "1.1": {
        "flipped polarity": (lambda *a: ~turned(*a), "polarity is flipped"),
        "wrong dtype": (lambda *a: turned(*a).astype("int32"), "dtype int32"),
        "weights": (lambda *a: turned(*a).astype("float32"), "dtype float32"),
        "deaf to the side": (one_side, 'With `padding="pre"` the padding stands on the other'),
        "sides swapped": (
            lambda n, t, p: turned(n, t, "pre" if p == "post" else "post"),
            'With `padding="post"` the padding stands on the other',
        ),
        "another name for the side": (
            lambda n, t, p: turned(n, t, "post" if p == "after" else "pre"),
            'With `padding="post"` the padding stands on the other',
        ),
        "sides and polarity": (lambda n, t, p: one_side(n, t, p) ^ (p == "pre"), "is flipped"),
        "flipped on one side": (
            on_side(lambda n, t, s: t < n, lambda n, t, s: t >= n),
            "on the other side, and the polarity is flipped",
        ),
        "up to and with": (
            on_side(lambda n, t, s: t <= n, lambda n, t, s: t >= s - n),
            "One step too many",
        ),
        "before, one too many": (
            on_side(lambda n, t, s: t < n, lambda n, t, s: t >= s - n - 1),
            "One step too many",
        ),
        "one too few": (
            on_side(lambda n, t, s: t < n - 1, lambda n, t, s: t >= s - n),
            "One step too few",
        ),
        "before, one too few": (
            on_side(lambda n, t, s: t < n, lambda n, t, s: t > s - n),
            "One step too few",
        ),
        "counted from 1": (
            on_side(lambda n, t, s: (t > 0) & (t <= n), lambda n, t, s: t >= s - n),
            "counted from 0",
        ),
        "the longest for the steps": (
            lambda n, t, p: turned(n, max(n), p),
            r"\[3, 9, 4\], 5.*should have 5 steps",
        ),
        "the shorter of the two": (
            lambda n, t, p: turned(n, min(t, max(n)), p),
            r"shape \(3, 3\); expected \(3, 9\)",
        ),
        "rows grow": (uncut_rows, r"cut, .* in .*\[3, 9, 4\], 5.* should have 5 steps"),
        "longer ones dropped": (
            lambda n, t, p: turned(np.where(n > t, 0, n), t, p),
            "keep all its steps",
        ),
        "the remainder": (lambda n, t, p: turned((n - 1) % t + 1, t, p), "steps differ"),
        "transposed": (lambda *a: turned(*a).T, r"`\(steps, batch\)`"),
        "rows turned over": (
            on_side(lambda n, t, s: t < n, lambda n, t, s: (t < n)[::-1]),
            "turn the steps in them",
        ),
        "rows and steps turned": (
            on_side(lambda n, t, s: t < n, lambda n, t, s: (t < n)[::-1, ::-1]),
            "rows in the wrong order",
        ),
        "sorted": (lambda n, t, p: turned(np.sort(n)[::-1], t, p), "steps differ"),
        "the shown batch": (
            lambda n, t, p: turned(np.array([6, 5, 3]), 6, p),
            r"shape \(3, 6\); expected \(4, 7\)",
        ),
        "one row for all": (lambda n, t, p: np.arange(t) < n.mean(), r"shape \(6,\)"),
        "all kept": (lambda n, t, p: np.ones((len(n), t), bool), "where is the padding"),
        "one for each sequence": (lambda n, t, p: n >= t, "one for each step"),
        "one axis too many": (lambda *a: turned(*a)[..., None], "last axis is too much"),
        "attention mask": (lambda *a: turned(*a)[:, None, None], "notebook 06"),
        "no step of a full row": (
            lambda n, t, p: turned(n, t, p) & (n < t)[:, None],
            "as long as the batch is kept",
        ),
        "row[-0:]": (filled_from_the_end, "length 0 has no step"),
        "row[-0:] cleared": (cleared_from_the_end, "whole row"),
        "the ends alone": (scattered, "steps differ"),
        "a batch of three only": (
            lambda n, t, p: turned(np.resize(n, 3), t, p),
            r"shape \(3, 7\)",
        ),
        "squeezed": (lambda *a: np.squeeze(turned(*a)), r"shape \(7,\); expected \(1, 7\)"),
        "the ids' way": (lambda ids: ids != 0, "raised TypeError"),
        "no broadcast": (lambda n, t, p: np.arange(t) < n, "raised ValueError"),
        "two things": (lambda *a: (turned(*a), a[1]), "2 things"),
        "prints": (lambda *a: print(turned(*a)), "what `print`"),
        "an array": (turned(np.array([6, 5, 3]), 6, "post"), "A function is asked for"),
    },
    "1.2": {
        "the words' share": (lambda n, s: 1 - share(n, s), "share of the words"),
        "by the words": (lambda n, s: share(n, s) / (1 - share(n, s)), "padding divided by words"),
        "a count": (
            lambda n, s: sum(max(b) * len(b) for b in in_order(n, s)) - sum(n),
            "how many steps",
        ),
        "a percentage": (lambda n, s: 100 * share(n, s), "a percentage"),
        "rounded": (lambda n, s: round(share(n, s), 2), "It is rounded"),
        "rounded to four": (lambda n, s: round(share(n, s), 4), "is 0.2778; expected 0.277778"),
        "in words": (lambda n, s: f"{share(n, s):.0%}", "holds text"),
        "a mean of shares": (of_batches(np.mean), "mean of the batches"),
        "a sum of shares": (of_batches(sum), r"expected 0\.277778"),
        "the worst": (of_batches(max), r"expected 0\.277778"),
        "a list": (of_batches(list), "one number for all batches"),
        "all to the longest": (lambda n, s: 1 - np.mean(n) / max(n), "longest of all"),
        "the last left out": (lambda n, s: share(n[: len(n) // s * s], s), "last batch is missing"),
        "the last filled up": (
            lambda n, s: 1 - sum(n) / sum(max(b) * s for b in in_order(n, s)),
            "fewer sentences",
        ),
        "sorted": (lambda n, s: share(np.sort(n), s), "here they are sorted"),
        "sorted, longest first": (lambda n, s: share(np.sort(n)[::-1], s), "here they are sorted"),
        "the first batch": (lambda n, s: share(n[:s], s), "one batch, the first"),
        "the last batch": (lambda n, s: share(in_order(n, s)[-1], s), "one batch, the last"),
        "that many batches": (
            lambda n, s: share(n, max(1, len(n) // s)),
            "expected",
        ),
        "size ignored": (lambda n, s: share(n, 2), r"\], 3\)` is 0\.\d+; expected"),
        "of this batch size alone": (lambda n, s: share(n, 32), "longest of all"),
        "the number shown": (lambda n, s: 0.73, r"expected 0\.277778"),
        "every other": (
            lambda n, s: share(np.concatenate([n[i::s] for i in range(s)]), s),
            "expected",
        ),
        "mean for longest": (
            lambda n, s: 1 - sum(n) / sum(2 * np.mean(b) * len(b) for b in in_order(n, s)),
            "expected",
        ),
        "padded to the last": (
            lambda n, s: 1 - sum(n) / sum(b[-1] * len(b) for b in in_order(n, s)),
            "expected",
        ),
        "negative": (lambda n, s: -share(n, s), "expected"),
        "an axis": (lambda n, s: [share(n, s)], "one number"),
        "must divide": (lambda n, s: share(n.reshape(-1, s).ravel(), s), "raised ValueError"),
        "integer division": (
            lambda n, s: 1 - sum(n) // sum(max(b) * len(b) for b in in_order(n, s)),
            "is 1; expected",
        ),
        "two things": (lambda n, s: (share(n, s), np.array(n)), "2 things"),
        "nothing": (lambda n, s: print(share(n, s)), "returned None"),
        "no function": (0.73, "A function is asked for"),
    },
    "1.3": {
        "two things": (
            lambda series: (keras.utils.pad_sequences(series), len(series)),
            r"`pad_readings\(.*\)` returns 2 things",
        ),
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
        "half precision on the way": (
            lambda series: by_hand(series).astype("float16").astype("float32"),
            "float16",
        ),
        "double precision": (padded(padding="post", dtype="float64"), "dtype is float64"),
        "lists": (lambda series: by_hand(series).tolist(), "dtype is float64"),
        "objects": (padded(padding="post", dtype=object), "no array of numbers"),
        "as text": (padded(padding="post", dtype=str, value="0"), "holds text"),
        "the shown length": (padded(maxlen=5, padding="post", dtype="float32"), "5 columns"),
        "a long enough length": (padded(maxlen=9, padding="post", dtype="float32"), "9 columns"),
        "as long as the last": (
            floats(lambda s: len(s[-1])),
            "has 1 columns?, and the longest series has 8 values",
        ),
        "as long as the first": (
            floats(lambda s: len(s[0]), truncating="post"),
            "has 3 columns, and the longest series has 5 values",
        ),
        "as long as the shortest": (
            floats(lambda s: min(map(len, s)), truncating="post"),
            "has 3 columns, and the longest series has 5 values",
        ),
        "first or last": (
            floats(lambda s: max(len(s[0]), len(s[-1]))),
            "has 2 columns, and the longest series has 5 values",
        ),
        "the first two": (
            floats(lambda s: max(map(len, s[:2])) + 0 * len(s[1])),
            "has 2 columns, and the longest series has 6 values",
        ),
        "padded with -1": (floats(lambda s: max(map(len, s)), value=-1.0), "expected 0"),
        "padded with NaN": (floats(lambda s: max(map(len, s)), value=np.nan), "expected 0"),
        "padded with the last value": (
            lambda series: np.array(
                [row + row[-1:] * (max(map(len, series)) - len(row)) for row in series], "float32"
            ),
            "expected 0",
        ),
        "negative ones clipped": (lambda series: by_hand(series).clip(0), "Negative readings"),
        "signs lost": (lambda series: abs(by_hand(series)), "sign"),
        "zeros dropped": (
            lambda series: by_hand([[v for v in row if v] for row in series]),
            "2 columns",
        ),
        "one decimal": (lambda series: by_hand(series).round(1), "expected"),
        "whole and rest": (lambda series: by_hand(series) % 100, "expected"),
        "rows sorted": (lambda series: by_hand(sorted(series, key=len)), "expected"),
        "values sorted": (lambda series: by_hand([sorted(row) for row in series]), "expected"),
        "transposed": (lambda series: by_hand(series).T, r"shape \(5, 2\)"),
        "a feature axis": (lambda series: by_hand(series)[..., None], r"shape \(2, 5, 1\)"),
        "the readings above": (
            lambda series: by_hand([[36.6, 36.9, 37.4], [38.2, 39.1, 39.6, 38.9, 38.4]]),
            r"shape \(2, 5\)",
        ),
        "the published call": (
            pad_sequences([[36.6], [38.2]], padding="post", dtype="float32"),
            "A function is asked for",
        ),
        "ragged": (lambda series: series, "one length"),
        "nothing": (lambda series: print(by_hand(series)), "returned None"),
    },
}

RIGHT = {
    "1.1": {
        "NumPy, turned": turned,
        "one comparison each": on_side(lambda n, t, s: t < n, lambda n, t, s: t >= s - n),
        "row by row": row_by_row,
        "filled": filled,
        "ones, padded": padded_ones,
        "TensorFlow": lambda n, t, p: (
            tf.sequence_mask(n, t) if p == "post" else tf.reverse(tf.sequence_mask(n, t), [1])
        ),
        "Keras": lambda n, t, p: keras.ops.less(
            keras.ops.arange(t) if p == "post" else t - 1 - keras.ops.arange(t),
            keras.ops.expand_dims(keras.ops.convert_to_tensor(n, "int32"), -1),
        ),
        "a triangle": lambda n, t, p: np.tri(t + 1, t, -1, dtype=bool)[np.minimum(n, t)][
            :, :: 1 if p == "post" else -1
        ],
        "where": lambda n, t, p: np.where(p == "pre", turned(n, t, "pre"), turned(n, t, "post")),
    },
    "1.2": {
        "batch by batch": share,
        "with tf.data": share_by_tf_data,
        "by reshaping": share_by_reshape,
        "step by step": share_step_by_step,
        "TensorFlow": share_in_tensorflow,
        "reduceat": lambda n, s: (
            1 - n.sum() / np.repeat(np.maximum.reduceat(n, range(0, len(n), s)), s)[: len(n)].sum()
        ),
        "0-D": lambda n, s: np.array(share(n, s), "float32"),
    },
    "1.3": {
        "NumPy by hand": by_hand,
        "maxlen from the data": lambda series: pad_sequences(
            series, maxlen=max(map(len, series)), padding="post", dtype=np.float32
        ),
        "ragged tensor": lambda series: tf.ragged.constant(series, dtype="float32").to_tensor(),
        "zip_longest": lambda series: np.array(
            list(zip(*itertools.zip_longest(*series, fillvalue=0))), "float32"
        ),
        "np.pad": lambda series: np.stack(
            [np.pad(np.float32(row), (0, max(map(len, series)) - len(row))) for row in series]
        ),
        "Keras": lambda series: keras.ops.stack(
            [
                keras.ops.pad(
                    keras.ops.convert_to_tensor(row, "float32"),
                    [(0, max(map(len, series)) - len(row))],
                )
                for row in series
            ]
        ),
        "rescued from pre": lambda series: np.stack(
            [
                np.roll(row, len(values))
                for row, values in zip(pad_sequences(series, dtype="float32"), series)
            ]
        ),
    },
}
