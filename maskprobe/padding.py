"""Which steps of a batch are real: the wanted mask, from lengths or from the pad value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maskprobe.words import N_, _

import numpy as np

SIDES = ("post", "pre")


def is_pad(x: np.ndarray, pad_value: Any) -> np.ndarray:
    """Which steps of `x`, `(B, T, ...)`, hold the pad value in all features: `(B, T)`.

    The pad value is one number or string, or a vector `(F,)`, such as a one-hot space.
    """
    if pad_value is None:
        return np.zeros(x.shape[:2], dtype=bool)
    if x.dtype == object and isinstance(pad_value, str) and any(type(v) is bytes for v in x.flat):
        pad_value = pad_value.encode()  # TensorFlow's strings arrive as bytes
    value = np.asarray(pad_value)
    if x.dtype.kind == "f" and value.dtype.kind in "fiub":
        value = value.astype(x.dtype)  # 0.1 is another number in float32
    if value.ndim and value.shape != x.shape[x.ndim - value.ndim :]:
        raise ValueError(
            _(
                "pad_value has shape {shape}, one step has {step_shape}: give one value "
                "for all features, or one for each",
                shape=value.shape,
                step_shape=x.shape[2:],
            )
        )
    if (value.dtype.kind in "USO") != (x.dtype.kind in "USO"):
        same = np.zeros(x.shape, dtype=bool)  # no number equals a string
    else:
        same = x == value
        if value.dtype.kind == "f" and x.dtype.kind == "f":
            same |= np.isnan(x) & np.isnan(value)  # NaN equals nothing, itself included
    return same.reshape(*x.shape[:2], -1).all(axis=-1)


def _runs(pads: np.ndarray) -> dict[str, np.ndarray]:
    """How long the unbroken run of pads is at each end: `{"post": (B,), "pre": (B,)}`."""
    return {
        "post": np.cumprod(pads[:, ::-1], axis=1).sum(axis=1),
        "pre": np.cumprod(pads, axis=1).sum(axis=1),
    }


def likely_pad(x: np.ndarray, rows: Sequence[int] | None = None) -> tuple[Any, list, str] | None:
    """What looks like padding: a value that rows repeat at one end, `(value, rows, side)`."""
    best = None
    for side in SIDES:
        edge = -1 if side == "post" else 0
        inner = -2 if side == "post" else 1
        groups: dict[str, list[int]] = {}
        for row in range(len(x)) if rows is None else rows:
            if x.shape[1] > 1 and is_pad(x[row : row + 1], x[row, edge])[0, inner]:
                groups.setdefault(str(x[row, edge]), []).append(int(row))
        for found in groups.values():
            if best is None or len(found) > len(best[1]):
                best = x[found[0], edge], found, side
    return best


def shown(value: Any) -> str:
    """A pad value as one would type it: one number where all features hold the same."""
    parts = np.asarray(value)
    if parts.ndim and (is_pad(parts.reshape(1, -1, 1), parts.flat[0])).all():
        parts = parts.flat[0]
    if getattr(parts, "dtype", np.dtype(int)).kind == "f":  # 0.1, not 0.10000000149
        return str([float(str(v)) for v in parts] if np.ndim(parts) else float(str(parts)))
    return repr(np.asarray(parts).tolist())


def real_steps(
    x: np.ndarray,
    *,
    pad_value: Any = 0,
    lengths: Sequence[int] | None = None,
    side: str | None = None,
    wanted: Any = None,
    may_be_full: bool = False,
) -> tuple[np.ndarray, str]:
    """The real steps of `x`, `(B, T, ...)`, as a mask `(B, T)`, and the side of the pads.

    Args:
        x: A padded batch.
        pad_value: What a padded step holds. Not looked at if `lengths` or `wanted` say it.
        lengths: Real steps of each row, `(B,)`.
        side: `"post"`, `"pre"`, or `None`: where the runs of pads stand.
        wanted: The mask itself, `(B, T)`, True = real.
        may_be_full: Whether a batch without padding is fine.

    Raises:
        ValueError: If no step is padded, a row is nothing but padding, or what is given
            does not fit the batch.
    """
    if side not in (*SIDES, None):
        raise ValueError(_('side must be "post" or "pre", got {side!r}', side=side))
    batch, steps = x.shape[:2]
    if wanted is not None:
        real = np.asarray(wanted)
        if real.shape != (batch, steps) or not np.isin(real, (0, 1)).all():
            raise ValueError(
                _(
                    "expected wanted as a mask of shape {expected}, True = real; got shape "
                    "{shape}, {dtype}",
                    expected=(batch, steps),
                    shape=real.shape,
                    dtype=real.dtype,
                )
            )
        real = real.astype(bool)
        side = side or ("pre" if not real[:, 0].all() and real[:, -1].all() else "post")
    elif lengths is not None:
        kept = np.asarray(lengths)
        if (
            kept.shape != (batch,)
            or kept.dtype.kind not in "iu"
            or not (0 <= kept.min() <= kept.max() <= steps)
        ):
            raise ValueError(
                _(
                    "expected {batch} whole lengths from 1 to {steps}, got {lengths}",
                    batch=batch,
                    steps=steps,
                    lengths=lengths,
                )
            )
        if side is None:  # the pad value, where it is found, tells the side
            runs, missing = _runs(is_pad(x, pad_value)), steps - kept
            fits = {end: (run >= missing).all() for end, run in runs.items()}
            side = "pre" if fits["pre"] and not fits["post"] else "post"
        real = _from_lengths(kept, steps, side)
    else:
        pads = is_pad(x, pad_value)
        side = _side(pads, pad_value, side)
        real = _from_lengths(steps - _runs(pads)[side], steps, side)
    empty = ~real.any(axis=1)
    if empty.any():
        raise ValueError(
            _(
                "rows {rows} are all padding: there is no real step to look at; leave "
                "these rows out",
                rows=np.flatnonzero(empty).tolist(),
            )
        )
    if real.all() and not may_be_full:
        raise ValueError(_no_pads(x, pad_value, lengths, wanted))
    return real, side


def _from_lengths(kept: np.ndarray, steps: int, side: str) -> np.ndarray:
    real = np.arange(steps) < kept[:, None]
    return real if side == "post" else real[:, ::-1]


def _side(pads: np.ndarray, pad_value: Any, side: str | None) -> str:
    """The side given, or the one where the pads stand; complains of a contradiction."""
    post, pre = pads[:, -1] & ~pads[:, 0], pads[:, 0] & ~pads[:, -1]
    if side is None:
        if post.any() and pre.any():
            raise ValueError(
                _(
                    "the pad value {pad_value!r} stands at the end of rows {ending} and at "
                    "the start of rows {starting}: say side=, if only one of them is "
                    "padding, or wanted=, a mask (B, T), if both are",
                    pad_value=pad_value,
                    ending=np.flatnonzero(post).tolist(),
                    starting=np.flatnonzero(pre).tolist(),
                )
            )
        return "pre" if pre.any() else "post"
    near, far = (pads[:, -1], pads[:, 0]) if side == "post" else (pads[:, 0], pads[:, -1])
    if far.any() and not near.any():
        raise ValueError(
            _(
                "side={side!r}, but all runs of the pad value {pad_value!r} stand at the "
                "other end: change side=, or give lengths= if those steps are real",
                side=side,
                pad_value=pad_value,
            )
        )
    return side


def _no_pads(x: np.ndarray, pad_value: Any, lengths: Any, wanted: Any) -> str:
    """Why there is nothing to take away, and what to say instead."""
    add = _("if the batch has no padding, ask for some to be added: add_pads=3")
    if lengths is not None or wanted is not None:
        name = "lengths" if wanted is None else "wanted"
        return _(
            "{name}= says that every step is real: there is no padding to take away; {add}",
            name=name,
            add=add,
        )
    inside = is_pad(x, pad_value).any()
    what = (
        _("no row ends or starts with the pad value {pad_value!r}", pad_value=pad_value)
        if inside
        else (_("no step holds the pad value {pad_value!r}", pad_value=pad_value))
    )
    likely = likely_pad(x)
    hint = _("Say what padded steps hold, pad_value=, or how long the rows are, lengths=")
    if likely is not None:
        value, rows, side = likely
        hint = (
            N_(
                "Rows {rows} end in a repeated {value}: if that is padding, say "
                "pad_value={value}; or say how long the rows are, lengths="
            )
            if side == "post"
            else N_(
                "Rows {rows} start with a repeated {value}: if that is padding, say "
                "pad_value={value}; or say how long the rows are, lengths="
            )
        )
        hint = _(hint, rows=rows, value=shown(value))
    return _(
        "{what}, so there is no padding to take away. {hint}; {add}", what=what, hint=hint, add=add
    )
