"""Change the other rows of a batch and see whether a row's answer moves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from maskprobe.inputs import chosen, cut, step_axes, unpack
from maskprobe.leak import Leak, refuse_random
from maskprobe.padding import real_steps
from maskprobe.running import ModelFailed, Runner, hint
from maskprobe.tolerance import refuse_nan, tolerances
from maskprobe.words import N_, _

import numpy as np


def batch_mates(
    model: Callable[[Any], Any],
    inputs: Any,
    *,
    pad_value: Any = 0,
    lengths: Sequence[int] | None = None,
    side: str | None = None,
    wanted: Any = None,
    which: Hashable | None = None,
    output: Hashable | None = None,
    tolerance: float | None = None,
) -> Leak:
    """Measure how far a row's output moves with who else is in its batch.

    Runs the batch as given, each row as it is (padding and all) without the others, and the
    batch with its rows in another order. Nothing is padded or cut: what moves here is no matter
    of padding. `padding_leak` meets the same fault where it looks for another.

    Args:
        model: Called as `model(inputs)`; see `padding_leak`.
        inputs: A batch of two rows or more; see `padding_leak`. Padding is not needed.
        pad_value: What a padded step holds; `None`: no step is padded. Padded steps are not
            compared where the output has a step for every input step.
        lengths: Real steps of each row, `(B,)`; `side` and `wanted` as in `padding_leak`.
        which: Index or key of the input that tells which steps are padded, of several.
        output: Index or key of the output to look at, for a model with several.
        tolerance: What counts as rounding, in units of the output; see `padding_leak`.

    Returns:
        `Leak`, the largest absolute change of each row, `(B,)`, in units of the output, with
        `sound`, `rows_depend`, `tolerance` and `sentence`.

    Raises:
        TypeError: If `model` is not callable or its output is not an array of numbers.
        ValueError: If there is one row only, what is given does not fit, or an output is NaN.
        RuntimeError: If the model fails, or its output is random.

    Example:
        >>> batch_mates(lambda x: x - x.mean(axis=0), np.eye(3), pad_value=None).sound
        False
    """
    arrays, pack = unpack(inputs)
    key = chosen(arrays, which)[0]
    axes = step_axes(arrays, [key])
    rows = len(arrays[key])
    if rows < 2:
        raise ValueError(_("a batch of one row has no mates: give two rows or more"))
    if pad_value is None and lengths is None and wanted is None:
        wanted = np.ones(arrays[key].shape[:2], dtype=bool)
    real, side = real_steps(
        arrays[key],
        pad_value=pad_value,
        lengths=lengths,
        side=side,
        wanted=wanted,
        may_be_full=True,
    )
    runner, everyone = Runner(model, pack, output), np.arange(rows)

    def run(index: np.ndarray, what: str) -> np.ndarray:
        steps = [np.arange(real.shape[1])] * len(index)
        return runner.or_in_batches_of(rows, cut(arrays, axes, index, steps), what)

    try:
        base = run(everyone, _("the batch as given"))
    except ModelFailed as error:
        tip = hint(error, arrays, model)
        text = _("{error}. Nothing was changed yet: {tip}", error=error, tip=tip)
        raise RuntimeError(text) from error.cause
    where = real if base.shape[1:2] == real.shape[1:] else np.ones(rows, dtype=bool)
    refuse_nan(
        base,
        where,
        N_("the output is NaN at {place} in the batch as given ({n} places in all)"),
    )
    allowed = tolerances(base, where, runner.dtype)
    if tolerance is not None:
        allowed = np.full_like(allowed, tolerance)
    refuse_random(base[where], run(everyone, _("the batch as given, again"))[where], allowed)

    change, excess, tried = np.zeros(rows), np.zeros(rows), 0
    order = np.roll(everyone, 1)
    orders = [(np.array([row]), _("row {row} alone", row=row)) for row in everyone]
    for index, what in [*orders, (order, _("the rows in another order"))]:
        try:
            out = run(index, what)
        except ModelFailed:  # built for some number of rows only
            continue
        tried += 1
        for row, moved in zip(index, out):
            at = where[row] if where.ndim > 1 else ...
            with np.errstate(invalid="ignore"):
                apart = np.where(moved == base[row], 0.0, np.abs(moved - base[row]))[at]
            apart = np.where(np.isnan(apart), np.inf, apart).reshape(-1, allowed.size)
            change[row] = max(change[row], apart.max(initial=0.0))
            excess[row] = max(excess[row], (apart - allowed).max(initial=0.0))
    if not tried:
        text = _("the model runs with these {rows} rows in this order only", rows=rows)
        raise RuntimeError(text)
    result = np.ascontiguousarray(change).view(Leak)
    result.sound, result.constant = not excess.any(), False
    result.rows_depend, result.tolerance = not result.sound, float(allowed.max(initial=0.0))
    result.sentence = _(
        "{rows} rows, each alone and in another order, largest change {change}, tolerance "
        "{tolerance}: rows do not depend on their batch",
        rows=rows,
        change=f"{change.max():.1g}",
        tolerance=f"{result.tolerance:.1g}",
    )
    if not result.sound:
        moved = np.flatnonzero(excess).tolist()
        result.sentence = _(
            "{rows} rows, each alone and in another order, largest change {change}, tolerance "
            "{tolerance}: not sound, rows {moved} depend on the others of their batch (a batch "
            "normalisation in training mode, a capacity shared by the batch, a reshape where a "
            "transpose is meant)",
            rows=rows,
            change=f"{change.max():.1g}",
            tolerance=f"{result.tolerance:.1g}",
            moved=moved,
        )
    return result
