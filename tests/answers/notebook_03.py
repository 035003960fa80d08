import keras
import numpy as np
import tensorflow as tf


def published(reflectance):
    """Fill, then scale: the sentinel is scaled, too."""
    return np.where(np.isnan(reflectance), -1.0, reflectance) * 1e-4


def in_place(reflectance):
    scaled = reflectance * 1e-4
    scaled[np.isnan(scaled)] = -1
    return scaled


def filled(readings, sentinel):
    return np.where(np.isnan(readings), sentinel, readings)


def lost(readings, sentinel):
    masked = (filled(readings, sentinel) == sentinel).all(axis=-1)
    return masked & ~np.isnan(readings).all(axis=-1)


def lost_by_layer(readings, sentinel):
    kept = keras.layers.Masking(sentinel).compute_mask(filled(readings, sentinel))
    return ~np.isnan(readings).all(axis=-1) & ~np.asarray(kept)


def lost_in_a_loop(readings, sentinel):
    def is_lost(step):
        present = [value for value in step if not np.isnan(value)]
        return bool(present) and all(value == sentinel for value in present)

    return [[is_lost(step) for step in sequence] for sequence in readings]


def twice_the_range(lowest, highest):
    sentinel = -1.0
    while sentinel > 2 * lowest:
        sentinel *= 2
    return sentinel


def tried_out(lowest, highest):
    """The first candidate that no rounded end of the range reaches."""
    for n in range(16):
        ends = [float(tf.cast(lowest, t)) for t in ("float16", "bfloat16")]
        if -(2.0**n) < min(lowest, *ends):
            return -(2.0**n)


WRONG = {
    "3.1": {
        "all that is masked": (
            lambda x, v: (filled(x, v) == v).all(axis=-1),
            "as it should be: nothing is lost",
        ),
        "the mask of the layer": (
            lambda x, v: (filled(x, v) != v).any(axis=-1),
            "the mask of the layer, True = keep",
        ),
        "the other way round": (lambda x, v: ~lost(x, v), "other way round"),
        "the missing steps": (lambda x, v: np.isnan(x).all(axis=-1), "their loss is no loss"),
        "the real steps": (lambda x, v: ~np.isnan(x).all(axis=-1), "Which of them"),
        "the fill forgotten": (
            lambda x, v: (x == v).all(axis=-1),
            "NaN are replaced by the sentinel",
        ),
        "real if all sensors measured": (
            lambda x, v: (filled(x, v) == v).all(axis=-1) & ~np.isnan(x).any(axis=-1),
            "NaN are replaced by the sentinel",
        ),
        "one reading is enough": (lambda x, v: (x == v).any(axis=-1), "is not enough"),
        "one feature is enough": (
            lambda x, v: (filled(x, v) == v).any(axis=-1) & ~np.isnan(x).all(axis=-1),
            "after the filling, is not enough",
        ),
        "half missing only": (
            lambda x, v: (filled(x, v) == v).all(axis=-1) & np.isnan(x).any(axis=-1),
            r"the step \(0, 0\) is lost, and",
        ),
        "sentinel ignored": (lambda x, v: lost(x, 0.0), "not always 0"),
        "a sum": (
            lambda x, v: (filled(x, v).sum(axis=-1) == v) & ~np.isnan(x).all(axis=-1),
            "cancel",
        ),
        "nearly equal": (
            lambda x, v: np.isclose(filled(x, v), v).all(-1) & ~np.isnan(x).all(-1),
            "compares exactly",
        ),
        "first feature only": (
            lambda x, v: (filled(x, v)[..., 0] == v) & ~np.isnan(x).all(axis=-1),
            "first feature",
        ),
        "last feature only": (
            lambda x, v: (filled(x, v)[..., -1] == v) & ~np.isnan(x).all(axis=-1),
            "last feature",
        ),
        "two features only": (
            lambda x, v: (
                (filled(x, v)[..., 0] == v)
                & (filled(x, v)[..., 1] == v)
                & ~np.isnan(x).all(axis=-1)
            ),
            "raised IndexError",
        ),
        "two features at most": (
            lambda x, v: (filled(x, v) == v)[..., :2].all(axis=-1) & ~np.isnan(x).all(axis=-1),
            r"\(0, 0, 5\) is not lost",
        ),
        "absolute values": (
            lambda x, v: (abs(filled(x, v)) == abs(v)).all(axis=-1) & ~np.isnan(x).all(axis=-1),
            r"\(1, -1\) is not lost",
        ),
        "no reduction": (lambda x, v: x == v, "the feature axis has to go"),
        "axis kept": (lambda x, v: lost(x, v)[..., None], "the feature axis has to go"),
        "how many": (lambda x, v: lost(x, v).sum(axis=-1), "not how many"),
        "how many in all": (lambda x, v: int(lost(x, v).sum()), "not how many"),
        "wrong dtype": (lambda x, v: lost(x, v) * 1, "dtype is int"),
        "only the first sequence": (lambda x, v: lost(x[:1], v), r"shape \(1, 6\)"),
        "NaN compared": (
            lambda x, v: (np.where(x == np.nan, v, x) == v).all(axis=-1),
            "NaN are replaced by the sentinel",
        ),
        "one argument": (lambda x: lost(x, 0.0), "raised TypeError"),
        "two masks": (lambda x, v: (lost(x, v), ~lost(x, v)), "returns 2 things"),
    },
    "3.2": {
        "zero": (lambda lowest, highest: 0, "0, a number that the sensor may report"),
        "the lowest": (lambda lowest, highest: lowest, "the sensor may report"),
        "not a number": (lambda lowest, highest: np.nan, "equals nothing"),
        "infinity": (lambda lowest, highest: -np.inf, "finite"),
        "one less": (lambda lowest, highest: lowest - 1, r"-401\.0, and in bfloat16"),
        "always -99": (lambda lowest, highest: -99.0, "-99, a number that the sensor may"),
        "the usual one": (lambda lowest, highest: -9999, r"becomes -10000\.0"),
        "fine in float16": (lambda lowest, highest: -999, r"in bfloat16 that becomes -1000\.0"),
        "decimals": (
            lambda lowest, highest: lowest - 0.1,
            r"-90\.1, and in float16 that becomes -90\.125",
        ),
        "too large": (lambda lowest, highest: -1e6, "becomes -inf"),
        "next power of two": (
            lambda lowest, highest: -(2.0 ** np.ceil(np.log2(max(-lowest, 1)) + 1e-9)),
            r"-128\.0, too close",
        ),
        "ten times the lowest": (lambda lowest, highest: 10 * min(lowest, -1), "becomes -1280"),
        "a string": (lambda lowest, highest: "-16384", "no array of numbers"),
        "two of them": (lambda lowest, highest: (-16384.0, 16384.0), "One number is asked for"),
        "a number, no function": (-16384.0, "A function is asked for"),
        "float16 at its end": (lambda lowest, highest: -65504.0, "in bfloat16 that becomes"),
        "a step of bfloat16 at 256": (lambda lowest, highest: -257.0, "in bfloat16 that becomes"),
    },
    "3.3": {
        "published": (published, "published order"),
        "NaN left": (lambda x: x * 1e-4, "NaN is still in it"),
        "not scaled": (lambda x: np.where(np.isnan(x), -1.0, x), "not scaled"),
        "filled with 0": (lambda x: np.nan_to_num(x) * 1e-4, "0 is a reading"),
        "the wrong way": (lambda x: np.where(np.isnan(x), -1.0, x * 1e4), "by 1e4"),
        "flipped polarity": (lambda x: np.where(np.isnan(x), x * 1e-4, -1.0), "flipped"),
        "masked already": (
            lambda x: keras.layers.Masking(-1.0)(np.where(np.isnan(x), -1.0, x * 1e-4)),
            "when they reach the layer",
        ),
        "scaled by the maximum": (
            lambda x: np.where(np.isnan(x), -1.0, x / np.nanmax(x)),
            "expected 0.0812",
        ),
        "steps dropped": (lambda x: x[:, ~np.isnan(x[0, :, 0])] * 1e-4, "Do not drop"),
        "a mask": (lambda x: ~np.isnan(x).any(axis=-1), "shape"),
        "zeros taken for missing": (
            lambda x: np.where(np.isnan(x) | (x == 0), -1.0, x * 1e-4),
            "A reading of 0 is no missing",
        ),
        "the days of the first field": (
            lambda x: np.where(np.isnan(x[:1]), -1.0, x * 1e-4),
            "of the first|raised",
        ),
        "two colours only": (
            lambda x: np.stack(
                [np.where(np.isnan(c), -1.0, c * 1e-4) for c in (x[..., 0], x[..., 1])], -1
            ),
            "raised IndexError",
        ),
        "three days only": (
            lambda x: np.where(np.isnan(x), -1.0, x * 1e-4)[:, :3],
            "shape",
        ),
        "with its mask": (lambda x: (in_place(x), ~np.isnan(x).any(axis=-1)), "returns 2 things"),
        "changes it and returns nothing": (
            lambda x: x.__setitem__(np.isnan(x), -1.0),
            "returned None",
        ),
        "nearly the sentinel": (
            lambda x: np.where(np.isnan(x), -0.9999995, x * 1e-4),
            "near -1",
        ),
    },
}

RIGHT = {
    "3.1": {
        "NumPy": lost,
        "the layer": lost_by_layer,
        "a slow loop": lost_in_a_loop,
        "wanted and not declared": lambda x, v: (
            ~np.isnan(x).all(axis=-1) ^ (filled(x, v) != v).any(axis=-1)
        ),
        "without a fill": lambda x, v: (
            (np.isnan(x) | (x == v)).all(axis=-1) & (x == v).any(axis=-1)
        ),
        "TensorFlow": lambda x, v: (
            tf.reduce_all(tf.math.is_nan(x) | tf.equal(x, tf.constant(v, x.dtype)), axis=-1)
            & tf.reduce_any(tf.equal(x, tf.constant(v, x.dtype)), axis=-1)
        ),
        "a count": lambda x, v: (
            ((x == v).sum(axis=-1) > 0)
            & ((x == v).sum(axis=-1) + np.isnan(x).sum(axis=-1) == x.shape[-1])
        ),
    },
    "3.2": {
        "twice the range": twice_the_range,
        "tried out": tried_out,
        "far below all": lambda lowest, highest: -32768,
        "far above all": lambda lowest, highest: np.float32(2.0**15),
        "a tensor": lambda lowest, highest: tf.constant(-16384.0),
        "below or above": lambda lowest, highest: -1.0 if lowest >= 0 else -(2.0**14),
        "logarithm": lambda lowest, highest: -(2.0 ** np.ceil(np.log2(max(-lowest, 1)) + 1)),
    },
    "3.3": {
        "in place": in_place,
        "TensorFlow": lambda x: tf.where(tf.math.is_nan(x), tf.constant(-1.0, "float64"), x * 1e-4),
        "NumPy": lambda x: np.nan_to_num(x / 10_000, nan=-1.0),
        "-1 after the scaling": lambda x: np.where(np.isnan(x), -1e4, x) * 1e-4,
        "single precision": lambda x: np.where(np.isnan(x), -1, x * 1e-4).astype("float32"),
    },
}
