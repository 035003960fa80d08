"""Change one step and see which outputs move. Introduced in notebook 06."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from maskprobe.copies import changed_copies, rows_that_fit
from maskprobe.inputs import Arrays, chosen, cut, step_axes, unpack
from maskprobe.leak import refuse_random
from maskprobe.padding import is_pad
from maskprobe.running import ModelFailed, Runner, hint
from maskprobe.substitutes import substitutes, vocabulary_of
from maskprobe.tolerance import moved, refuse_nan, tolerances
from maskprobe.words import N_, _

import numpy as np

_LEAST_BATCH = 8


def influence(
    model: Callable[[Any], Any],
    inputs: Any,
    *,
    pad_value: Any = 0,
    vocabulary: int | Sequence[Any] | None = None,
    samples: int = 4,
    seed: int = 0,
    row: int | None = None,
    which: Hashable | None = None,
    output: Hashable | None = None,
    pooled: bool | None = None,
    batch_size: int | None = None,
    progress: bool | None = None,
) -> np.ndarray:
    """Measure which input positions can change which output positions.

    Changes one position at a time and runs the changed copies in batches. Padded positions
    are left alone, for a token in place of a pad changes the mask itself: their columns are
    NaN, *not measured*. `padding_leak` measures them all together, `measured_mask` one by
    one; or hold the mask fixed (as an input of its own, or in a closure) and pass
    `pad_value=None`.

    Args:
        model: Called as `model(inputs)`; for Keras models that is inference mode.
        inputs: One sequence: ids `(T,)` or `(1, T)`, features `(T, F)` or `(1, T, F)`; or a
            list, tuple or mapping of inputs, each with a leading batch axis. Floats of rank
            2 are `(T, F)`, unless the first axis is 1 or `row` is given.
        pad_value: What a padded step holds, one value or one for each feature; `None`: no
            step is padded.
        vocabulary: Ids to put in: `n` for those below `n` (the `input_dim` of `Embedding`),
            or a list; never the pad value. By default 1 to the largest id in `inputs`, so
            that no `Embedding` is asked for a row it lacks; whole numbers in floats
            `(1, T)` are ids, too. Other floats get normal noise as wide as the real steps'
            standard deviation.
        samples: Substitutes tried at each position.
        seed: Seed of the substitutes.
        row: Which sequence of a larger batch.
        which: Index or key of the input to change, for a model with several.
        output: Index or key of the output to look at, for a model with several.
        pooled: Whether the output has no step axis. By default outputs of rank 2 are
            pooled, unless their last axis is as long as the input and changes with it: one
            more run, with one step less, tells.
        batch_size: Most rows in one forward pass; by default what should need less than a
            GiB, and half of that again when memory runs out.
        progress: Whether runs of more than a few seconds show a line on standard error; by
            default on terminals only.

    Returns:
        Largest absolute change over substitutes and features, in units of the output:
        `(T_out, T_in)`, or `(T_in,)` if pooled. Rounding is a matter of scale: in float32
        about 1e-6 of the output's size, so below 1e-6 where outputs are of order 1. 0 means
        that no substitute tried made a difference.

    Raises:
        TypeError: If `model` is not callable or its output is not an array of numbers.
        ValueError: If inputs do not fit, nothing can be changed, an output is NaN, or
            nothing tells whether it is pooled.
        RuntimeError: If the model fails, its output is random, or its rows depend on their
            batch.

    Example:
        >>> influence(lambda x: np.cumsum(x, axis=1), [4, 2, 7]) > 1e-6
        array([[ True, False, False],
               [ True,  True, False],
               [ True,  True,  True]])
    """
    if samples < 1 or (batch_size is not None and batch_size <= _LEAST_BATCH):
        raise ValueError(_("expected samples >= 1 and batch_size > {least}", least=_LEAST_BATCH))
    arrays, pack = unpack(inputs)
    key, *others = chosen(arrays, which)
    if others:
        raise ValueError(_("influence changes one input, got which={which!r}", which=which))
    rank, first = arrays[key].ndim, arrays[key].shape[:1]
    features = rank == 2 and arrays[key].dtype.kind == "f" and first != (1,) and row is None
    if len(arrays) == 1 and (rank == 1 or features):
        arrays[key] = arrays[key][None]
    step_axes(arrays, [key])
    batch, steps = arrays[key].shape[:2]
    if (batch > 1 and row is None) or (row is not None and row not in range(batch)):
        raise ValueError(
            _("influence takes one sequence: got {batch} rows and row={row}", batch=batch, row=row)
        )
    ids = vocabulary_of(arrays[key], pad_value, vocabulary)
    arrays = {name: array[[row or 0]] for name, array in arrays.items()}
    pads = is_pad(arrays[key], pad_value)[0]
    if pads.all():
        raise ValueError(
            _(
                "every position holds the pad value {pad_value!r}: nothing to change",
                pad_value=pad_value,
            )
        )
    positions = np.repeat(np.flatnonzero(~pads), samples)
    values = substitutes(arrays[key][0], positions, ids, np.random.default_rng(seed))

    runner = Runner(model, pack, output)
    copy = {name: array.copy() for name, array in arrays.items()}
    try:
        base = runner.or_in_batches_of(batch, copy, _("the sequence as given"))
    except ModelFailed as error:
        tip = hint(error, arrays, model)
        raise RuntimeError(
            _("{error}. Nothing was changed yet: {tip}", error=error, tip=tip)
        ) from error.cause
    if pooled is None:
        pooled = _pooled(runner, arrays, key, base, steps)
    axes = 1 if pooled or base.ndim == 1 else 2
    tested = np.ones(base.shape[:axes], dtype=bool)
    if tested.shape[1:] == (steps,):
        tested[:, pads] = False
    refuse_nan(
        base,
        tested,
        N_("the output is NaN at {place} of the sequence as given ({n} places in all)"),
    )

    result = None
    rows = np.zeros(len(positions), dtype=int)
    most = batch_size or rows_that_fit(steps, base)
    allowed = tolerances(base, tested, runner.dtype)
    for now, out, same, _row in changed_copies(
        runner, arrays, key, rows, positions, values, most=most, progress=progress
    ):
        # Dropout draws for each row: copies that were not changed give it away.
        refuse_random(same, base, allowed)
        refuse_nan(
            out,
            np.repeat(tested, len(out), axis=0),
            N_("the output is NaN at {place} (rows are changed copies) ({n} places in all)"),
        )
        change = moved(out, same[:1], axes)
        if result is None:
            result = np.zeros((steps, *change.shape[1:]))
        np.maximum.at(result, positions[now], change)
    result[pads] = np.nan
    return result.T


def _pooled(runner: Runner, arrays: Arrays, key: Hashable, base: np.ndarray, steps: int) -> bool:
    """Whether an output has no step axis: decided by a run with one step less (or more)."""
    if base.ndim != 2:
        return base.ndim < 2
    if base.shape[1] != steps:
        return True
    index = np.arange(steps - 1) if steps > 1 else np.zeros(2, dtype=int)
    long = {name: (1,) for name, a in arrays.items() if a.ndim > 1 and a.shape[1] == steps}
    for axes in ({key: (1,)}, long):
        try:
            out = runner(
                cut(arrays, axes, [0], [index]), _("the sequence with {n} steps", n=len(index))
            )
        except (ModelFailed, ValueError):
            continue
        return out.shape[1:] != (len(index),)
    raise ValueError(
        _(
            "the output has shape {shape}, and {steps} may be steps or features, for the "
            "model takes no other number of steps: say which, pooled=True or pooled=False",
            shape=base.shape,
            steps=steps,
        )
    )
