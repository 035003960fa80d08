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
        "a slow loop": in_a_loop,
    },
    "3.2": {"-999": -999, "just beyond": -90.5, "above": np.float32(1000), "the last": -2048.0},
    "3.3": {
        "in place": in_place,
        "TensorFlow": lambda x: tf.where(tf.math.is_nan(x), tf.constant(-1.0, "float64"), x * 1e-4),
        "NumPy": lambda x: np.nan_to_num(x / 10_000, nan=-1.0),
        "single precision": lambda x: np.where(np.isnan(x), -1, x * 1e-4).astype("float32"),
    },
}
