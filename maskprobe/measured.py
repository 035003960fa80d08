"""The measured mask: which steps of a batch move the output. Introduced in notebook 00."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from maskprobe.copies import changed_copies, rows_that_fit
from maskprobe.inputs import chosen, cut, step_axes, unpack
from maskprobe.leak import padding_leak, refuse_random
from maskprobe.padding import is_pad, real_steps
from maskprobe.running import ModelFailed, Runner, hint
from maskprobe.substitutes import substitutes, vocabulary_of
from maskprobe.tolerance import refuse_nan, tolerances
from maskprobe.words import N_, _

import numpy as np


def measured_mask(
    model: Callable[[Any], Any],
    inputs: Any,
    *,
    wanted: Any = None,
    pad_value: Any = 0,
    lengths: Sequence[int] | None = None,
    side: str | None = None,
    replace_pads: bool = False,
    which: Hashable | Sequence[Hashable] | None = None,
    axes: Mapping[Hashable, int | Sequence[int]] | None = None,
    output: Hashable | None = None,
    output_lengths: Callable[[int], int] | None = None,
    output_mask: Any = None,
    vocabulary: int | Sequence[Any] | None = None,
    samples: int = 4,
    seed: int = 0,
    tolerance: float | None = None,
    batch_size: int | None = None,
    progress: bool | None = None,
) -> np.ndarray:
    """Measure for each step of a batch whether it moves the output at real steps.

    *Real* steps are changed, one at a time: `samples` other ids, or noise on features. A
    real step that holds the pad value, or 0, is taken away instead: another id in its place
    could put it under another mask. *Padded* steps are taken away one after the other, from
    the outside in; one that moves the output as it goes is measured True. Equal pads can
    stand in for each other: of those under a `GlobalMaxPooling1D` the last to go is found.

    Args:
        model: Called as `model(inputs)`; see `padding_leak`.
        inputs: See `padding_leak`; `side`, `which`, `axes`, `output`, `output_mask`,
            `lengths`, `replace_pads` and `tolerance`, too.
        wanted: The real steps as a mask `(B, T)`, True = real, wherever they stand. By
            default from `lengths`, or all but the run of pads. A batch without padding is
            fine.
        pad_value: What a padded step holds; `None`: no step is padded.
        vocabulary: Ids to put in; see `influence`.
        samples: Substitutes tried at each real step.
        seed: Seed of the substitutes.
        batch_size: Most rows in one forward pass; by default what should fit the memory.
        progress: Whether long runs show a line on standard error; by default on terminals.

    Returns:
        `(B, T)`, boolean, True = this step moves the output.

    Raises:
        TypeError: If `model` is not callable or its output is not an array of numbers.
        ValueError: If what is given does not fit, or an output is NaN.
        RuntimeError: If the model fails, its output is random, or its rows depend on their
            batch.

    Example:
        >>> measured_mask(lambda ids: ids[:, :1], [[4, 2], [7, 0]])
        array([[ True, False],
               [ True, False]])
    """
    if samples < 1:
        raise ValueError(_("expected samples >= 1"))
    arrays, pack = unpack(inputs)
    keys = chosen(arrays, which)
    key_axes = step_axes(arrays, keys, axes)
    key = keys[0]
    x = arrays[key]
    if pad_value is None and wanted is None and lengths is None:
        wanted = np.ones(x.shape[:2], dtype=bool)
    real, side = real_steps(
        x, pad_value=pad_value, lengths=lengths, side=side, wanted=wanted, may_be_full=True
    )
    common = dict(which=which, axes=axes, output=output, output_mask=output_mask)
    steps = real.shape[1]
    runner = Runner(model, pack, output)
    everyone = np.arange(len(real))
    as_given = cut(arrays, key_axes, everyone, [np.arange(steps)] * len(real))
    if real.all():
        try:
            base = runner(as_given, _("the batch as given"))
        except ModelFailed as error:
            tip = hint(error, arrays, model)
            raise RuntimeError(
                _("{error}. Nothing was changed yet: {tip}", error=error, tip=tip)
            ) from error.cause
        where = np.ones(base.shape[: 1 if output_mask is None else 2], dtype=bool)
        order, sound = "unknown", True
        if output_mask is not None:
            where &= np.asarray(output_mask, dtype=bool)
        allowed = tolerances(base, where, runner.dtype)
    else:  # says in words what cannot be measured, and how the output's steps lie
        leak = padding_leak(
            model, inputs, pad_value=pad_value, wanted=real, replace_pads=replace_pads,
            output_lengths=output_lengths, tolerance=tolerance, seed=seed, **common,
        )  # fmt: skip
        if leak.rows_depend:
            raise RuntimeError(
                _("no step can be measured by itself: {sentence}", sentence=leak.sentence)
            )
        base = runner.or_in_batches_of(len(real), as_given, _("the batch as given"))
        where, order, sound, allowed = leak._where, leak._order, leak.sound, leak._allowed
    if tolerance is not None:
        allowed = np.full_like(allowed, tolerance)
    refuse_nan(
        base, where, N_("the output is NaN at {place} in the batch as given ({n} places in all)")
    )

    look = _Look(runner, arrays, key_axes, real, order, allowed, output_lengths, side)
    result, unsure = np.zeros(real.shape, dtype=bool), np.zeros(real.shape, dtype=bool)
    if not replace_pads:
        if not sound:
            look.without_pads(result)
        unsure = real & (is_pad(x, pad_value) | is_pad(x, "" if x.dtype.kind in "USO" else 0))
    cells = np.argwhere((real | replace_pads) & ~unsure).repeat(samples, axis=0)
    rng = np.random.default_rng(seed)
    ids = vocabulary_of(x, pad_value, vocabulary)
    rows, positions = cells.T
    values = [substitutes(x[row], positions[rows == row], ids, rng) for row in np.unique(rows)]
    if unsure.any():
        look.without_one(result, unsure, x, key, ids, rng)
    if not len(cells):
        return result
    values = np.concatenate(values)
    most = batch_size or rows_that_fit(steps, base)
    for now, out, same, row in changed_copies(
        runner, arrays, key, rows, positions, values, most=most, progress=progress
    ):
        at = where[row] if where.ndim > 1 else ...
        for copy in same:
            refuse_random(copy[at], base[row][at], allowed)
        for cell, changed in zip(cells[now], out):
            at = where[cell[0]] if where.ndim > 1 else ...
            result[tuple(cell)] |= _differ(changed[at], base[cell[0]][at], allowed)
    return result


def _differ(a: np.ndarray, b: np.ndarray, allowed: np.ndarray) -> bool:
    """Whether any feature differs by more than its tolerance; NaN against a number does."""
    with np.errstate(invalid="ignore"):
        change = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return bool((~(change.reshape(-1, allowed.size) <= allowed)).any())


class _Look:
    """Outputs at real steps, with some of the steps taken away."""

    def __init__(self, runner, arrays, axes, real, order, allowed, output_lengths, side):
        self.runner, self.arrays, self.axes, self.real = runner, arrays, axes, real
        self.order, self.allowed, self.lengths, self.side = order, allowed, output_lengths, side

    def run(self, rows: list[int], kept: list[np.ndarray], arrays: Any = None) -> np.ndarray:
        try:
            copies = cut(arrays or self.arrays, self.axes, rows, kept)
            what = _(
                "rows {rows} with a step taken away, {left} left", rows=rows, left=len(kept[0])
            )
            return self.runner.or_in_batches_of(len(self.real), copies, what)
        except ModelFailed as error:
            raise RuntimeError(
                _(
                    "{error}. The batch as given runs: the model wants its number of "
                    "steps. Build it with Input((None,)); or, if its mask is an input of "
                    "its own, change padded steps instead of taking them away: "
                    "replace_pads=True",
                    error=error,
                )
            ) from error.cause

    def values(self, out: np.ndarray, kept: np.ndarray, compared: np.ndarray) -> np.ndarray:
        """Of one row's output for the steps `kept`, the part that belongs to `compared`."""
        if self.order == "pooled":
            return out
        if self.order == "mapped":
            m = self.lengths(int(np.isin(kept, compared).sum()))
            return out[:m] if self.side != "pre" else out[len(out) - m :]
        return (out[::-1] if self.order == "reversed" else out)[np.isin(kept, compared)]

    def without_pads(self, result: np.ndarray) -> None:
        """Takes the pads away one by one, from the outside in, and marks those that matter."""
        steps = np.arange(self.real.shape[1])
        orders = [_outside_in(real) for real in self.real]
        real = [np.flatnonzero(real) for real in self.real]
        rows = [row for row, order in enumerate(orders) if len(order)]
        kept = dict.fromkeys(rows, steps)
        before = dict(zip(rows, self.run(rows, [steps] * len(rows))))
        before = {row: self.values(out, steps, real[row]) for row, out in before.items()}
        for count in range(max(map(len, orders))):
            rows = [row for row in rows if count < len(orders[row])]
            for row in rows:
                kept[row] = np.setdiff1d(kept[row], orders[row][count])
            outputs = self.run(rows, [kept[row] for row in rows])
            for row, out in zip(rows, outputs):
                now = self.values(out, kept[row], real[row])
                result[row, orders[row][count]] = _differ(now, before[row], self.allowed)
                before[row] = now

    def without_one(self, result, cells, x, key, ids, rng) -> None:
        """Takes one real step away, with the others changed: equal ones could stand in for it."""
        changed = x.copy()
        for row in np.flatnonzero(cells.any(axis=1)):
            others = np.flatnonzero(self.real[row] & ~cells[row])
            if others.size:
                changed[row, others] = substitutes(x[row], others, ids, rng)
        arrays = {**self.arrays, key: changed}
        rows, missing = np.nonzero(cells)
        steps = np.arange(x.shape[1])
        if len(steps) == 1:
            result[cells] = True  # nothing would be left
            return
        whole = self.run(rows.tolist(), [steps] * len(rows), arrays)
        kept = [np.delete(steps, step) for step in missing]
        without = self.run(rows.tolist(), kept, arrays)
        if self.order == "unknown":
            follows = [
                out.shape[1:2] == (len(k),) for out, k in ((whole, steps), (without, kept[0]))
            ]
            self.order = "steps" if all(follows) else "pooled"
        if self.order == "pooled" and whole.shape[1:] != without.shape[1:]:
            raise ValueError(
                _(
                    "the output has shape {shape} for {steps} steps and {other_shape} for "
                    "{fewer}: give a function of it whose shape stays, or say "
                    "output_lengths=lambda n: …",
                    shape=whole.shape,
                    steps=len(steps),
                    other_shape=without.shape,
                    fewer=len(steps) - 1,
                )
            )
        for row, step, left, a, b in zip(rows, missing, kept, whole, without):
            rest = np.setdiff1d(np.flatnonzero(self.real[row]), step)
            result[row, step] = _differ(
                self.values(a, steps, rest), self.values(b, left, rest), self.allowed
            )


def _outside_in(real: np.ndarray) -> np.ndarray:
    """Padded steps of a row: those after its last real step from the end, those before its
    first from the start, then those between."""
    first, last = np.flatnonzero(real)[[0, -1]]
    pads = np.flatnonzero(~real)
    after, before = pads[pads > last][::-1], pads[pads < first]
    return np.concatenate([after, before, pads[(pads > first) & (pads < last)][::-1]])
