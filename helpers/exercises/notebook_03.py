"""The exercises of notebook 03: the Masking layer."""

import math
from typing import Any

from helpers.exercises.engine import NotYet, as_array, call, compare_mask, compare_values

import numpy as np

COLDEST, HOTTEST = -90, 60  # °C, what the station of exercise 3.2 may report
GAP = [np.nan, np.nan]


def _masking_mask(function: Any) -> str:
    shown = "masking_mask(features, mask_value)"
    pairs = [[[3, 1], [0, 0], [0, 4], [2, 0]], [[5, 2], [1, -1], [-1, -1], [0, 0]]]
    tiny = [[[0, 0, 1e-9], [0, 0, 0], [0, 7, 0]]]
    for features, value in ((pairs, 0.0), (pairs, -1.0), (tiny, 0.0), (pairs, 2.0)):
        x = np.array(features, "float32")
        mistakes = {
            "One feature at `mask_value` is not enough: a step is masked only if *all* of its "
            "features equal it.": (x != value).all(axis=-1),
            "That asks for one feature that equals `mask_value`, and marks the masked steps; all "
            "features must equal it, and True must mean *keep*.": (x == value).any(axis=-1),
            "Only the first feature is looked at.": x[..., 0] != value,
            "Only the last feature is looked at.": x[..., -1] != value,
            "Features can cancel: 1 and -1 add up to 0, and are no zeros. Compare, do not "
            "add.": x.sum(axis=-1) != value,
            "`mask_value` is not always 0: compare with the argument.": (x != 0).any(axis=-1),
            "`Masking` compares exactly: a reading of 1e-9 is not 0.": ~np.isclose(x, value).all(
                axis=-1
            ),
            "That is one boolean for each feature; one for each step is asked for.": x != value,
            "The values are right, but the feature axis is still there: the mask is "
            "`(batch, timesteps)`.": (x != value).any(axis=-1, keepdims=True),
            "That looks along the timesteps; the features are the *last* axis.": (x != value).any(
                axis=1
            ),
        }
        right = (x != value).any(axis=-1)
        compare_mask(call(function, x, value, shown=shown), right, mistakes, shown=shown)
    return "That is the line inside `Masking`."


def _sentinel(answer: Any) -> str:
    values = as_array(answer, "sentinel")
    if values.ndim:
        raise NotYet("One number is asked for, not an array or a list.")
    value = float(values)
    if math.isnan(value):
        raise NotYet("NaN equals nothing, not even itself: `Masking` would mask no step at all.")
    if math.isinf(value):
        raise NotYet("A finite number is asked for: with an infinity the first mean is infinite.")
    if COLDEST <= value <= HOTTEST:
        raise NotYet(f"{value:g} °C is a temperature: a real day could be masked by mistake.")
    for name, store in (("float16", _float16), ("bfloat16", _bfloat16), ("float32", np.float32)):
        stored = float(store(value))
        if stored != value:
            raise NotYet(
                f"In {name} {value!r} becomes {stored!r}, and `Masking` looks for the one and "
                "finds the other. Whole numbers from -256 to 256 are exact in all three types."
            )
    return "No day looks like that, and all three types hold it exactly."


def _float16(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float16(value))


def _bfloat16(value: float) -> float:
    """`value` rounded to the eight binary digits of bfloat16, which NumPy does not have."""
    digits, exponent = math.frexp(value)
    return math.ldexp(round(digits * 256), exponent - 8)


def _prepare(function: Any) -> str:
    cases = (
        [[[812, 2400], GAP, [1035, 3100]]],
        [[GAP, [0, 0], [64, 9950], GAP], [[10, 1], [500, 2000], GAP, GAP]],
    )
    for case in cases:
        x = np.array(case)
        missing = np.isnan(x)
        mistakes = {
            "That is the published order: the -1 is scaled, too, to -0.0001, and `Masking` looks "
            "for -1.": np.where(missing, -1.0, x) * 1e-4,
            "NaN is still in it: it equals nothing, so `Masking` keeps those steps.": x * 1e-4,
            "The readings are not scaled any more: multiply them by 1e-4.": np.where(
                missing, -1.0, x
            ),
            "0 is a reading (a black surface): the days without an image have to be -1 when they "
            "reach the layer.": np.nan_to_num(x) * 1e-4,
            "The readings are multiplied by 1e4, not by 1e-4.": np.where(missing, -1.0, x * 1e4),
            "The polarity is flipped: the readings became -1.": np.where(missing, x * 1e-4, -1.0),
            "Do not drop the missing steps: the others would move to another day.": x[
                :, ~missing[0, :, 0]
            ]
            * 1e-4,
        }
        right = np.where(missing, -1.0, x * 1e-4)
        got = as_array(call(function, x, shown="prepare(reflectance)"), "the result")
        compare_values(got, right, mistakes, shown="prepare(reflectance)", tolerance=1e-6)
        if not np.array_equal((got != -1.0).any(axis=-1), ~missing.any(axis=-1)):
            raise NotYet("The missing steps are near -1, not -1: `Masking` compares exactly.")
    return "First scale, then fill: nothing touches the sentinel after it is put in."


JUDGES = {"3.1": _masking_mask, "3.2": _sentinel, "3.3": _prepare}
