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


def in_a_loop(features, mask_value):
    return [
        [any(value != mask_value for value in step) for step in sequence] for sequence in features
    ]


WRONG = {
    "3.1": {
        "flipped polarity": (lambda x, v: (x == v).all(axis=-1), "polarity is flipped"),
        "one feature is enough": (lambda x, v: (x != v).all(axis=-1), "is not enough"),
        "any equals": (lambda x, v: (x == v).any(axis=-1), "asks for one feature"),
        "first feature only": (lambda x, v: x[..., 0] != v, "first feature"),
        "last feature only": (lambda x, v: x[..., -1] != v, "last feature"),
        "a sum": (lambda x, v: x.sum(axis=-1) != v, "cancel"),
        "mask_value ignored": (lambda x, v: (x != 0).any(axis=-1), "not always 0"),
        "nearly equal": (lambda x, v: ~np.isclose(x, v).all(axis=-1), "compares exactly"),
        "no reduction": (lambda x, v: x != v, "one boolean for each feature"),
        "axis kept": (lambda x, v: (x != v).any(axis=-1, keepdims=True), "still there"),
        "wrong axis": (lambda x, v: (x != v).any(axis=1), "along the timesteps"),
        "wrong dtype": (lambda x, v: (x != v).any(axis=-1) * 1.0, "dtype float"),
        "one argument": (lambda x: x != 0, "raised TypeError"),
    },
    "3.2": {
        "zero": (0, "is a temperature"),
        "a cold day": (-30.0, "-30 °C is a temperature"),
        "the coldest day": (-90, "is a temperature"),
        "not a number": (np.nan, "equals nothing"),
        "infinity": (-np.inf, "finite"),
        "decimals": (-99.9, "In float16 -99.9 becomes -99.875"),
        "the usual one": (-9999, r"becomes -10000\.0"),
        "off by one": (2049, r"becomes 2048\.0"),
        "fine in float16": (-999, r"In bfloat16 -999\.0 becomes -1000\.0"),
        "a fraction too fine": (60.01, "In float16 60.01 becomes 60.0"),
        "too large": (1e6, "becomes inf"),
        "as text": ("-999", "no array of numbers"),
        "in a list": ([-999.0], "One number"),
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
        "nearly the sentinel": (
            lambda x: np.where(np.isnan(x), -0.9999995, x * 1e-4),
            "near -1",
        ),
    },
}

RIGHT = {
    "3.1": {
        "NumPy": lambda x, v: np.any(np.not_equal(x, v), axis=-1),
        "the other way round": lambda x, v: ~(x == v).all(axis=2),
        "the layer": lambda x, v: keras.layers.Masking(mask_value=v).compute_mask(x),
        "Keras": lambda x, v: keras.ops.any(keras.ops.not_equal(x, v), axis=-1),
        "a count": lambda x, v: np.count_nonzero(x - v, axis=-1) > 0,
        "a slow loop": in_a_loop,
    },
    "3.2": {
        "just beyond": -90.5,
        "whole": -256,
        "above": np.float32(1000),
        "a power of two": -2048.0,
        "a tensor": tf.constant(-99.0),
    },
    "3.3": {
        "in place": in_place,
        "TensorFlow": lambda x: tf.where(tf.math.is_nan(x), tf.constant(-1.0, "float64"), x * 1e-4),
        "NumPy": lambda x: np.nan_to_num(x / 10_000, nan=-1.0),
        "-1 after the scaling": lambda x: np.where(np.isnan(x), -1e4, x) * 1e-4,
        "single precision": lambda x: np.where(np.isnan(x), -1, x * 1e-4).astype("float32"),
    },
}
