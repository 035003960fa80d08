"""The exercises of notebook 03: the Masking layer."""

import math
from typing import Any

from helpers.exercises.engine import NotYet, as_array, call, compare_values
from helpers.language import N_, _

import numpy as np

NAN = math.nan
GAP = [NAN, NAN]


def _lost_steps(function: Any) -> str:
    shown = "lost_steps(readings, sentinel)"
    pairs = [
        [[3, 1], [0, 0], GAP, [0, NAN], [2, 0], [5, -1]],
        [[1, -1], [NAN, 5], GAP, [-1, -1], [0, 2], [0, 0]],
        [[NAN, 0], [2, 2], [-1, NAN], GAP, [2, NAN], [-2, 2]],
    ]
    single = [[[1.5], [NAN], [0.0], [-0.5]], [[NAN], [NAN], [NAN], [NAN]]]
    three = [[[0, NAN, 0], [NAN, NAN, NAN], [0, 7, 0], [0, 0, 5], [1e-9, 0, NAN]]]
    square = [[[0, 0], [2, -2]], [GAP, [NAN, 0]]]
    cases = (pairs, 0.0), (pairs, -1.0), (pairs, 2.0), (single, 0.0), (three, 0.0), (square, 0.0)
    for readings, sentinel in (*cases, (pairs, -99.0), (np.array(pairs)[:1, 1:3], 0.0)):
        x = np.array(readings, float)
        missing = np.isnan(x)
        filled = np.where(missing, sentinel, x)
        masked, real = (filled == sentinel).all(axis=-1), ~missing.all(axis=-1)
        got = as_array(call(function, x, sentinel, shown=shown), shown)
        mistakes = {
            _(
                "Those are all steps that the layer masks. A step without any reading is "
                "masked as it should be: nothing is lost there."
            ): masked,
            _(
                "That is the mask of the layer, True = keep. The steps that are lost are "
                "asked for: real, and masked."
            ): ~masked,
            _("Those are the real steps that the layer keeps; the lost ones are asked for."): real
            & ~masked,
            _("The other way round: True is to mark the steps that are lost."): ~(real & masked),
            _("Those are the steps without any reading; their loss is no loss."): ~real,
            _("Those are the real steps. Which of them does the layer mask?"): real,
            _(
                "The NaN are replaced by the sentinel before the layer sees them: a step "
                "with one reading that equals it, and one NaN, is lost, too."
            ): (x == sentinel).all(axis=-1),
            _(
                "One reading at the sentinel is not enough: the layer masks a step if "
                "*all* of its features equal it."
            ): (x == sentinel).any(axis=-1),
            _(
                "One feature at the sentinel, after the filling, is not enough: *all* have "
                "to equal it."
            ): (filled == sentinel).any(axis=-1) & real,
            _("The sentinel is not always 0: use the argument."): (
                np.where(missing, 0, x) == 0
            ).all(axis=-1)
            & real,
            _(
                "Readings can cancel: 1 and -1 add up to 0, and are no zeros. Compare, do not add."
            ): (filled.sum(axis=-1) == sentinel) & real,
            _("`Masking` compares exactly: a reading of 1e-9 is not 0."): np.isclose(
                filled, sentinel
            ).all(axis=-1)
            & real,
            _("Only the first feature is looked at."): (filled[..., 0] == sentinel) & real,
            _("Only the last feature is looked at."): (filled[..., -1] == sentinel) & real,
        }
        _compare_steps(got, masked & real, mistakes, x, sentinel, shown)
    return _("Those days were measured, and no model behind that layer will ever read them.")


def _compare_steps(
    got: np.ndarray, right: np.ndarray, mistakes: dict, x: np.ndarray, sentinel: float, shown: str
) -> None:
    """Refuse `got`, with the name of its mistake or the first step that it gets wrong."""
    if got.shape == right.shape and got.dtype.kind in "biu" and not np.array_equal(got, right):
        for message, wrong in mistakes.items():
            if np.array_equal(got, wrong):
                raise NotYet(message)
    if got.shape == right.shape:
        for place in map(tuple, np.argwhere(got != right)):
            values = ", ".join(f"{value:g}" for value in x[place])
            said = (
                N_(
                    "With the sentinel {sentinel:g}, the step ({values}) is lost, and `{shown}` "
                    "says {answer}."
                )
                if right[place]
                else N_(
                    "With the sentinel {sentinel:g}, the step ({values}) is not lost, and "
                    "`{shown}` says {answer}."
                )
            )
            raise NotYet(_(said, sentinel=sentinel, values=values, shown=shown, answer=got[place]))
    if got.shape == x.shape or got.shape == (*right.shape, 1):
        raise NotYet(
            _(
                "`{shown}` has shape {shape}: one boolean for each *step* is asked for, "
                "{expected}, so the feature axis has to go.",
                shown=shown,
                shape=got.shape,
                expected=right.shape,
            )
        )
    if got.shape in (right.shape[:1], ()):
        raise NotYet(
            _(
                "Which steps, not how many: `{shown}` has shape {shape}.",
                shown=shown,
                shape=got.shape,
            )
        )
    if got.shape != right.shape:
        raise NotYet(
            _(
                "`{shown}` has shape {shape}; expected {expected}.",
                shown=shown,
                shape=got.shape,
                expected=right.shape,
            )
        )
    if got.dtype != bool:
        raise NotYet(
            _(
                "The values are right, but the dtype is {dtype}; booleans are asked for.",
                dtype=got.dtype,
            )
        )


def _choose_sentinel(function: Any) -> str:
    ranges = (
        (-90.0, 60.0), (-400.0, 1200.0), (0.0, 250.0), (-127.9, 100.0), (-10000.0, 10000.0),
        (-0.25, 0.25), (-2000.5, 12.5), (3.0, 9.0), (-1.0, 1.0), (-9999.0, -256.0), (-255.5, 300.0),
        (-16.0, 9990.0), (-4095.9, 0.0), (-2047.0, 2047.5), (-5000.0, 40.0), (-1.999, 8191.0),
    )  # fmt: skip
    for lowest, highest in ranges:
        shown = f"choose_sentinel({lowest:g}, {highest:g})"
        answer = call(function, lowest, highest, shown=shown)
        if isinstance(answer, list | tuple) or np.ndim(answer):
            raise NotYet(_("One number is asked for; `{shown}` is not one.", shown=shown))
        try:
            value = float(answer if hasattr(answer, "dtype") else as_array(answer, shown))
        except (TypeError, ValueError):
            value = float(as_array(answer, shown))
        _judge_sentinel(value, lowest, highest, shown)
    return _("No reading is ever taken for it, and all three types hold it exactly.")


def _judge_sentinel(value: float, lowest: float, highest: float, shown: str) -> None:
    from keras.layers import Masking
    from keras.ops import cast

    if math.isnan(value):
        raise NotYet(_("NaN equals nothing, not even itself: `Masking` would mask no step at all."))
    if math.isinf(value):
        raise NotYet(
            _("A finite number is asked for: with an infinity the first mean is infinite.")
        )
    if lowest <= value <= highest:
        raise NotYet(
            _(
                "`{shown}` is {value:g}, a number that the sensor may report.",
                shown=shown,
                value=value,
            )
        )
    near = lowest if value < lowest else highest
    for name in ("float16", "bfloat16", "float32"):
        data = cast(np.array([[[value], [near]]]), name)  # as the layer does with what it is given
        ((finds_it, reading_masked),) = ~np.asarray(Masking(value, dtype=name).compute_mask(data))
        if not finds_it:
            raise NotYet(
                _(
                    "`{shown}` is {value!r}, and in {name} that becomes {becomes!r}: "
                    "`Masking` looks for the one and finds the other.",
                    shown=shown,
                    value=value,
                    name=name,
                    becomes=float(data[0, 0, 0]),
                )
            )
        if reading_masked:
            raise NotYet(
                _(
                    "`{shown}` is {value!r}, too close to the readings: in {name} a "
                    "reading of {near!r} becomes {becomes!r}, and is masked.",
                    shown=shown,
                    value=value,
                    name=name,
                    near=near,
                    becomes=float(data[0, 1, 0]),
                )
            )


def _prepare(function: Any) -> str:
    from keras.layers import Masking

    cases = (
        [[[812, 2400], GAP, [1035, 3100]]],
        [[GAP, [0, 0], [64, 9950], GAP], [[10, 1], [500, 2000], GAP, GAP]],
        [[[5], [NAN], [0], [10000], [NAN]]],
        [[GAP, GAP], [[1, 0], [2, 2]], [GAP, [7, 8]], [[3, 4], GAP], [[9, 9], [0, 1]]],
        [[[1, 2, 3], [4, 5, 6]], [[0, 0, 0], [10000, 10000, 10000]]],
        [[[300, 20, 1]]],
    )
    for case in cases:
        x = np.array(case, float)
        got = as_array(call(function, x, shown="prepare(reflectance)"), "prepare(reflectance)")
        missing = np.isnan(x)
        mistakes = {
            _(
                "That is the published order: the -1 is scaled, too, to -0.0001, and "
                "`Masking` looks for -1."
            ): np.where(missing, -1.0, x) * 1e-4,
            _("NaN is still in it: it equals nothing, so `Masking` keeps those steps."): x * 1e-4,
            _("The readings are not scaled any more: multiply them by 1e-4."): np.where(
                missing, -1.0, x
            ),
            _(
                "0 is a reading (a black surface): the days without an image have to be -1 "
                "when they reach the layer."
            ): np.nan_to_num(x) * 1e-4,
            _("The readings are multiplied by 1e4, not by 1e-4."): np.where(missing, -1.0, x * 1e4),
            _("The polarity is flipped: the readings became -1."): np.where(
                missing, x * 1e-4, -1.0
            ),
            _("A reading of 0 is no missing day: only NaN becomes -1."): np.where(
                missing | (x == 0), -1.0, x * 1e-4
            ),
            _("Each field has days of its own without an image; these are those of the first."): (
                np.where(missing[:1], -1.0, x * 1e-4)
            ),
        }
        if len(x) == 1:
            mistakes[_("Do not drop the missing steps: the others would move to another day.")] = (
                x[:, ~missing[0, :, 0]] * 1e-4
            )
        right = np.where(missing, -1.0, x * 1e-4)
        if not missing.any():
            mistakes = {}
        compare_values(got, right, mistakes, shown="prepare(reflectance)", tolerance=1e-6)
        if not np.array_equal(
            Masking(-1.0).compute_mask(got.astype("float32")), ~missing.any(axis=-1)
        ):
            raise NotYet(_("The missing steps are near -1, not -1: `Masking` compares exactly."))
    return _("First scale, then fill: nothing touches the sentinel after it is put in.")


JUDGES = {"3.1": _lost_steps, "3.2": _choose_sentinel, "3.3": _prepare}
