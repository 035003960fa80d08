"""Look at a mask from outside: does padding leak, and who can see whom.

Both probes take a callable and its inputs and nothing else: a Keras model or layer, a
`tf.function`, any Python function from arrays to arrays. They hand it fresh copies, so that
nothing sticks to the caller's tensors. Introduced in notebooks 02 and 06.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

_ROUNDING = 1e-5  # float32 outputs of order 1 move less than this between two batch shapes
_ADDED_PADS = 3  # put on a batch that has no padding of its own
_UNCHANGED = 8  # copies of the unchanged sequence in every batch of `influence`


def padding_leak(
    model: Callable[[Any], Any],
    inputs: Any,
    *,
    pad_value: Any = 0,
    lengths: Sequence[int] | None = None,
    side: str = "post",
    which: Hashable | Sequence[Hashable] | None = None,
    output: Hashable | None = None,
) -> np.ndarray:
    """Measure how far the output at real steps moves when the padding is taken away.

    Runs the padded batch, then each sequence alone at its true length (equal lengths share
    a forward pass). A batch without padding gets three pads per row and is compared with
    itself as given. Adding pads to a *padded* batch would not do: `Conv1D(padding="same")`
    and `GlobalMaxPooling1D` pass that test, and leak.

    Args:
        model: Called as `model(inputs)`; for Keras models that is inference mode.
        inputs: Padded ids `(B, T)` or features `(B, T, F)`, or a list, tuple or dict of
            inputs, each with a leading batch axis.
        pad_value: What a padded step holds, in all its features (as in `Masking`).
        lengths: Real steps of each row, `(B,)`. By default all but the unbroken run of pads
            at the padded end: a pad value *inside* a sequence counts as a real step.
        side: `"post"` if the pads stand after the sequence, `"pre"` if before it.
        which: Index or key of the padded input. Several, as in `("ids", "mask")`, are cut
            together: the first gives the lengths, pads added to the others are zeros.
        output: Index or key of the output to look at, for a model with several.

    Returns:
        Largest absolute change over the features, in units of the output; under 1e-5 in a
        sound float32 model with outputs of order 1. `(B, T)` if the output has a step for
        every input step (0.0 at padded steps: nothing to compare), `(B,)` if it is pooled,
        `(B, S)` if it always has `S` steps, as a decoder has whose encoder is padded.

    Raises:
        TypeError: If `model` is not callable or its output is not an array of numbers.
        ValueError: If inputs, lengths or output shapes do not fit, or an output is NaN.
        RuntimeError: If the model fails at some length, or its output is random.

    Example:
        >>> ids = np.array([[3, 1, 2, 4], [5, 6, 0, 0]])
        >>> padding_leak(model, ids).max() < 1e-5
    """
    if side not in ("post", "pre"):
        raise ValueError(f'side must be "post" or "pre", got {side!r}')
    arrays, pack = _unpack(inputs)
    keys = _chosen(arrays, which)
    batch, steps = _batch_and_steps(arrays, keys)
    kept = _lengths(arrays[keys[0]], pad_value, lengths, side)
    total = steps
    if (kept == steps).all():
        total += _ADDED_PADS
        for key in keys:
            value = pad_value if key == keys[0] else 0
            pads = np.full_like(arrays[key][:, :1], value).repeat(_ADDED_PADS, axis=1)
            ordered = [arrays[key], pads] if side == "post" else [pads, arrays[key]]
            arrays[key] = np.concatenate(ordered, axis=1)

    def window(length: int) -> slice:
        return slice(0, length) if side == "post" else slice(total - length, total)

    def run(rows: np.ndarray, length: int, name: str) -> np.ndarray:
        cut = {key: array[rows] for key, array in arrays.items()}  # indexing by array copies
        cut |= {key: cut[key][:, window(length)] for key in keys}
        return _run(model, pack, cut, output, f"{name}, {length} steps")

    everyone = np.arange(batch)
    padded = run(everyone, total, "the padded batch")
    groups = {int(length): np.flatnonzero(kept == length) for length in np.unique(kept)}
    alone = {n: run(rows, n, f"rows {rows.tolist()} alone") for n, rows in groups.items()}
    # One shape cannot tell `(B, T)` from a pooled `(B, F)`. What follows the length is time.
    shapes = {total: padded.shape[1:]} | {n: out.shape[1:] for n, out in alone.items()}
    follows = all(shape[:1] == (n,) for n, shape in shapes.items())
    if len({shape[1:] if follows else shape for shape in shapes.values()}) > 1:
        raise ValueError(
            "expected an output with one step per input step, or one whose shape does not "
            f"depend on their number; got, without the batch axis, {{steps: shape}} {shapes}"
        )
    axes = 2 if follows or padded.ndim > 2 else 1  # rows and steps, or rows only
    unpadded, real = padded.copy(), np.zeros(padded.shape[:axes], dtype=bool)
    for length, rows in groups.items():
        cells = (rows, window(length)) if follows else rows
        unpadded[cells], real[cells] = alone[length], True
    _refuse_nan(padded, real, "in the padded batch")
    _refuse_nan(unpadded, real, "without padding")
    leak = np.where(real, _moved(padded, unpadded, axes), 0.0)
    if leak.max() > _ROUNDING:  # is it the padding, or chance?
        _refuse_random(padded, run(everyone, total, "the padded batch"))
    return leak[:, window(steps)] if follows else leak


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
    batch_size: int = 1024,
) -> np.ndarray:
    """Measure which input positions can change which output positions.

    Changes one position at a time and runs all the changed copies as one batch. Padded
    positions are left alone, for a token in place of a pad changes the mask itself: their
    columns are NaN, *not measured*. `padding_leak` measures them all together; or hold the
    mask fixed (as an input of its own, or in a closure) and pass `pad_value=None`.

    Args:
        model: Called as `model(inputs)`; for Keras models that is inference mode.
        inputs: One sequence: ids `(T,)` or `(1, T)`, features `(T, F)` or `(1, T, F)`; or a
            list, tuple or dict of inputs, each with a leading batch axis. Floats of rank 2
            are `(T, F)`, unless the first axis is 1 or `row` is given.
        pad_value: What a padded step holds, in all its features; `None`: no step is padded.
        vocabulary: Ids to put in: `n` for those below `n` (the `input_dim` of `Embedding`),
            or a list; never the pad value. By default 1 to the largest id in `inputs`, so
            that no `Embedding` is asked for a row it lacks. Floats get normal noise as wide
            as the real steps' standard deviation.
        samples: Substitutes tried at each position.
        seed: Seed of the substitutes.
        row: Which sequence of a larger batch.
        which: Index or key of the input to change, for a model with several.
        output: Index or key of the output to look at, for a model with several.
        pooled: Whether the output has no step axis. By default outputs of rank 2 are
            pooled, unless their last axis is as long as the input.
        batch_size: Most rows in one forward pass.

    Returns:
        Largest absolute change over substitutes and features, in units of the output:
        `(T_out, T_in)`, or `(T_in,)` if pooled. Below 1e-6 it is rounding; 0 means that no
        substitute tried made a difference.

    Raises:
        TypeError: If `model` is not callable or its output is not an array of numbers.
        ValueError: If inputs do not fit, nothing can be changed, or an output is NaN.
        RuntimeError: If the model fails, or its output is random.

    Example:
        >>> influence(lambda x: np.cumsum(x, axis=1), [4, 2, 7]) > 1e-6
        array([[ True, False, False],
               [ True,  True, False],
               [ True,  True,  True]])
    """
    if samples < 1 or batch_size <= _UNCHANGED:
        raise ValueError(f"expected samples >= 1 and batch_size > {_UNCHANGED}")
    arrays, pack = _unpack(inputs)
    key, *others = _chosen(arrays, which)
    if others:
        raise ValueError(f"influence changes one input, got which={which!r}")
    rank, first = arrays[key].ndim, arrays[key].shape[:1]
    features = rank == 2 and arrays[key].dtype.kind == "f" and first != (1,) and row is None
    if len(arrays) == 1 and (rank == 1 or features):
        arrays[key] = arrays[key][None]
    batch, steps = _batch_and_steps(arrays, [key])
    if (batch > 1 and row is None) or (row is not None and row not in range(batch)):
        raise ValueError(f"influence takes one sequence: got {batch} rows and row={row}")
    ids = _vocabulary(arrays[key], pad_value, vocabulary)
    arrays = {name: array[[row or 0]] for name, array in arrays.items()}
    pads = _is_pad(arrays[key], pad_value)[0]
    if pads.all():
        raise ValueError(f"every position holds the pad value {pad_value!r}: nothing to change")
    positions = np.repeat(np.flatnonzero(~pads), samples)
    values = _substitutes(arrays[key][0], positions, ids, np.random.default_rng(seed))

    result = None
    for start in range(0, len(positions), batch_size - _UNCHANGED):
        now = slice(start, start + batch_size - _UNCHANGED)
        rows = _UNCHANGED + len(positions[now])
        copies = {name: np.repeat(array, rows, axis=0) for name, array in arrays.items()}
        copies[key][np.arange(_UNCHANGED, rows), positions[now]] = values[now]
        out = _run(model, pack, copies, output, f"{rows} copies of the sequence")
        # Dropout draws for each row: copies that were not changed give it away.
        _refuse_random(out[:_UNCHANGED], out[:1])
        guess = out.ndim == 1 or (out.ndim == 2 and out.shape[1] != steps)
        axes = 1 if (guess if pooled is None else pooled) else 2
        tested = np.ones(out.shape[:axes], dtype=bool)
        if tested.shape[1:] == (steps,):
            tested[:, pads] = False
        _refuse_nan(out, tested, f"(rows up to {_UNCHANGED - 1} hold the sequence unchanged)")
        moved = _moved(out[_UNCHANGED:], out[:1], axes)
        if result is None:
            result = np.zeros((steps, *moved.shape[1:]))
        np.maximum.at(result, positions[now], moved)
    result[pads] = np.nan
    return result.T


def _is_several(value: Any) -> bool:
    """Whether `value` holds several arrays, rather than being one (a nested list is one)."""
    if isinstance(value, (list, tuple)):
        return any(getattr(item, "shape", ()) != () for item in value)
    return isinstance(value, dict)


def _unpack(inputs: Any) -> tuple[dict[Hashable, np.ndarray], Callable[[dict], Any]]:
    """The inputs as `{key: array}`, and what makes the model's argument of such a dict."""
    items = {0: inputs}
    if _is_several(inputs):
        items = dict(inputs) if isinstance(inputs, dict) else dict(enumerate(inputs))
    arrays = {}
    for key, item in items.items():
        if getattr(item, "_keras_mask", None) is not None:
            raise ValueError(
                f"input {key!r} carries a Keras mask, which its copies would lose: probe the "
                "layer that made the mask together with this model"
            )
        try:
            arrays[key] = np.asarray(item)
        except ValueError as error:
            raise ValueError(f"input {key!r} is ragged: pad it to one length first") from error

    def pack(arrays: dict[Hashable, np.ndarray]) -> Any:
        arguments = dict(arrays)
        for key, item in items.items():
            if type(item).__module__.startswith("tensorflow"):  # who gave tensors gets tensors
                import tensorflow as tf

                arguments[key] = tf.constant(arrays[key])
        if not _is_several(inputs):
            return arguments[0]
        return arguments if isinstance(inputs, dict) else type(inputs)(arguments.values())

    return arrays, pack


def _chosen(arrays: dict[Hashable, np.ndarray], which: Any) -> list[Hashable]:
    """The keys that `which` names."""
    if which is None and len(arrays) == 1:
        which = next(iter(arrays))
    keys = list(which) if isinstance(which, (list, tuple)) else [which]
    if not keys or any(key not in arrays for key in keys):
        raise ValueError(f"say with which= what input to probe, of {list(arrays)}; got {which!r}")
    return keys


def _batch_and_steps(arrays: dict[Hashable, np.ndarray], keys: list) -> tuple[int, int]:
    """`B` and `T` of the probed inputs, after checking every input's shape."""
    shape = arrays[keys[0]].shape
    for key, array in arrays.items():
        if key in keys and (array.ndim < 2 or array.size == 0 or array.shape[:2] != shape[:2]):
            raise ValueError(
                f"expected input {key!r} as (B, T) or (B, T, F), not empty and of one (B, T) "
                f"with others probed; got shape {array.shape}"
            )
        if array.shape[:1] != shape[:1]:
            raise ValueError(f"expected {shape[0]} rows in input {key!r}, got shape {array.shape}")
    return shape[0], shape[1]


def _is_pad(x: np.ndarray, pad_value: Any) -> np.ndarray:
    """Which steps of `x`, `(B, T, ...)`, hold the pad value in all features: `(B, T)`."""
    if pad_value is None:
        return np.zeros(x.shape[:2], dtype=bool)
    value = np.asarray(pad_value, dtype=x.dtype if x.dtype.kind == "f" else None)
    nan = value.dtype.kind == "f" and np.isnan(value)  # NaN equals nothing, itself included
    same = np.isnan(x) if nan else x == value
    return same.reshape(*x.shape[:2], -1).all(axis=-1)


def _lengths(x: np.ndarray, pad_value: Any, given: Any, side: str) -> np.ndarray:
    """Real steps of each row, `(B,)`."""
    batch, steps = x.shape[:2]
    if given is not None:
        kept = np.asarray(given)
        if kept.shape != (batch,) or kept.dtype.kind not in "iu" or kept.max() > steps:
            raise ValueError(f"expected {batch} whole lengths from 1 to {steps}, got {given}")
    else:
        pads = _is_pad(x, pad_value)
        near, far = (pads[:, ::-1], pads) if side == "post" else (pads, pads[:, ::-1])
        kept = steps - np.cumprod(near, axis=1).sum(axis=1)
        if far[:, 0].any() and not near[:, 0].any():
            raise ValueError(
                f"side={side!r}, but all runs of the pad value {pad_value!r} stand at the other "
                "end: change side=, or give lengths= if those steps are real"
            )
    if kept.min() < 1:
        raise ValueError(f"rows {np.flatnonzero(kept < 1).tolist()} are all padding")
    return kept


def _vocabulary(x: np.ndarray, pad_value: Any, given: Any) -> np.ndarray | None:
    """Ids that may stand in for those in `x`; `None` for float features."""
    if given is not None:
        ids = np.arange(given) if isinstance(given, int) else np.asarray(given)
    elif x.dtype.kind in "iu":
        ids = np.arange(min(1, int(x.min())), int(x.max()) + 1)
    else:
        return None if x.dtype.kind == "f" else np.unique(x)
    return ids[~_is_pad(ids[None].astype(x.dtype), pad_value)[0]]


def _substitutes(x: np.ndarray, positions: np.ndarray, ids: Any, rng: Any) -> np.ndarray:
    """What to put at `positions`, `(N,)`, of `x`, `(T, ...)`: `(N, ...)`."""
    if ids is None:
        noise = rng.normal(size=(len(positions), *x.shape[1:]))
        return x[positions] + noise * (np.std(x[positions]) or 1.0)
    values = []
    for position in positions:
        others = ids[ids != x[position]] if x.ndim == 1 else ids
        if not others.size:
            raise ValueError(
                f"position {position} holds {x[position]} and no other id is known to put there: "
                "pass vocabulary=, such as the input_dim of the Embedding"
            )
        values.append(rng.choice(others, size=x.shape[1:]))
    return np.array(values)


def _run(model: Any, pack: Callable, arrays: dict, output: Any, what: str) -> np.ndarray:
    """One forward pass; the chosen output as a float64 array with the batch axis checked."""
    if not callable(model):
        raise TypeError(f"expected a callable model, got {type(model).__name__}")
    shapes = {key: array.shape for key, array in arrays.items()}
    try:
        result = model(pack(arrays))
    except Exception as error:
        raise RuntimeError(
            f"the model failed on {what}, inputs {shapes} ({type(error).__name__}, above): it "
            "must take any number of rows and steps, and inputs of one length be named together"
        ) from error
    if _is_several(result):
        parts = result if isinstance(result, dict) else dict(enumerate(result))
        if len(parts) == 1 and output is None:
            output = next(iter(parts))
        if output not in parts:
            raise ValueError(f"choose with output= one of {list(parts)}, got {output!r}")
        result = parts[output]
    try:
        out = np.asarray(result).astype("float64")
    except (TypeError, ValueError) as error:
        raise TypeError(f"the output is no array of numbers: {type(result).__name__}") from error
    rows = len(next(iter(arrays.values())))
    if out.shape[:1] != (rows,):
        raise ValueError(f"expected {rows} rows in the output, got shape {out.shape}")
    return out


def _moved(a: np.ndarray, b: np.ndarray, axes: int) -> np.ndarray:
    """Largest absolute difference over all but the first `axes` axes."""
    with np.errstate(invalid="ignore"):
        change = np.where(a == b, 0.0, np.abs(a - b))  # inf - inf is NaN, but nothing moved
    return change.reshape(*change.shape[:axes], -1).max(axis=-1)


def _refuse_nan(out: np.ndarray, where: np.ndarray, run: str) -> None:
    """Complain of NaN; not at padded steps: a query with nothing to attend to often gives it."""
    bad = np.isnan(out).reshape(*where.shape, -1).any(axis=-1) & where
    if bad.any():
        place = ", ".join(f"{n} {i}" for n, i in zip(("row", "step"), np.argwhere(bad)[0]))
        raise ValueError(f"the output is NaN at {place} {run} ({bad.sum()} places in all)")


def _refuse_random(out: np.ndarray, again: np.ndarray) -> None:
    """Complain if two runs of the same input differ by more than rounding."""
    if not np.allclose(out, again, rtol=1e-4, atol=_ROUNDING, equal_nan=True):
        raise RuntimeError(
            f"the same input gave outputs {np.nanmax(np.abs(out - again)):.2g} apart: dropout or "
            "noise is on, state is kept between calls, or the first call differs from later "
            "ones; probe in inference mode: lambda x: model(x, training=False)"
        )
