"""How far an output may move by rounding alone."""

from __future__ import annotations

from maskprobe.words import _

import numpy as np

# Largest move by rounding, as a share of an output's size. Two runs of different batch
# shapes add up in different order; the spacing of the type is 1.2e-7 for float32, 1e-3 for
# float16, 8e-3 for bfloat16. Sound Transformers of one, two, four and twelve blocks moved
# by up to 7e-3, 1.4e-2, 2.2e-2 and 3.1e-2 in bfloat16, 6e-3 in float16, 1e-6 in float32;
# models that leak, by 2.6e-2 and more. So a deep sound model in bfloat16 can be called
# unsound: the sentence says how to tell.
RELATIVE = {"float64": 1e-10, "float32": 1e-5, "float16": 7e-3, "bfloat16": 2.5e-2}


def relative(out: np.ndarray, dtype: str) -> float:
    """The share for an output of this type; integers and booleans do not round."""
    if dtype not in RELATIVE:
        return 0.0
    finite = out[np.isfinite(out)]
    if dtype == "float64" and (finite == finite.astype("float32")).all():
        return RELATIVE["float32"]  # single precision, converted afterwards
    return RELATIVE[dtype]


def tolerances(out: np.ndarray, where: np.ndarray, dtype: str) -> np.ndarray:
    """Tolerance of each output feature, `(F,)`, or `(1,)`, in units of the output.

    The share of its dtype, times the largest size of this feature over all compared places.
    Features may have units of their own, and a vocabulary's forbidden words hold -1e9: one
    scale for all of them would hide a leak in the small ones. But layers mix features, and
    with them their rounding: a small feature is measured at the size that three in four
    features do not exceed.

    Args:
        out: The outputs, `(B, ...)`.
        where: The places compared, `(B,)` or `(B, T)`.
        dtype: Name of the output's type, as the model gave it.
    """
    chosen = np.abs(out[where])
    chosen = np.where(np.isfinite(chosen), chosen, 0.0)
    if out.ndim > where.ndim:
        chosen = chosen.reshape(-1, out.shape[-1])
    size = chosen.max(axis=0, initial=0.0).reshape(-1)
    size = np.maximum(size, np.quantile(size, 0.75, method="lower"))
    return relative(out[where], dtype) * size


def moved(a: np.ndarray, b: np.ndarray, axes: int) -> np.ndarray:
    """Largest absolute difference over all but the first `axes` axes."""
    with np.errstate(invalid="ignore"):
        change = np.where(a == b, 0.0, np.abs(a - b))  # inf - inf is NaN, but nothing moved
    return change.reshape(*change.shape[:axes], -1).max(axis=-1)


def refuse_nan(out: np.ndarray, where: np.ndarray, message: str) -> None:
    """Complain of NaN; not at padded steps: a query with nothing to attend to often gives it."""
    bad = np.isnan(out).reshape(*where.shape, -1).any(axis=-1) & where
    if bad.any():
        row, *step = np.argwhere(bad)[0]
        place = (
            _("row {row}, step {step}", row=row, step=step[0]) if step else _("row {row}", row=row)
        )
        raise ValueError(_(message, place=place, n=bad.sum()))
