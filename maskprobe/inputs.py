"""A model's inputs, one array or several, as a dict of arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from maskprobe.frameworks import like, to_numpy
from maskprobe.words import N_, _

import numpy as np

Arrays = dict[Hashable, np.ndarray]

_NO_BATCH = {  # by the name of the type, for none of these can be imported here
    "RaggedTensor": N_(
        "input {key!r} is a RaggedTensor, which has no padding: give its padded form, x.to_tensor()"
    ),
    "SparseTensor": N_(
        "input {key!r} is a SparseTensor: give its dense form, tf.sparse.to_dense(x)"
    ),
    "KerasTensor": N_("input {key!r} is symbolic and holds no values: give a batch of data"),
    "NoneType": N_("input {key!r} is None: give a padded batch (B, T) or (B, T, F)"),
    "str": N_("input {key!r} is one string: give a padded batch of them, (B, T)"),
    "bytes": N_("input {key!r} is one string: give a padded batch of them, (B, T)"),
    "set": N_("input {key!r} is a set, which has no order: give a list or an array"),
}


def is_several(value: Any) -> bool:
    """Whether `value` holds several arrays, rather than being one (a nested list is one)."""
    if isinstance(value, (list, tuple)):
        # A namedtuple says itself that it holds several things.
        named = hasattr(value, "_fields")
        return named or any(getattr(item, "shape", ()) != () for item in value)
    return isinstance(value, Mapping)


def items_of(value: Any) -> dict[Hashable, Any]:
    """The parts of a structure for which `is_several` holds, by key or by position."""
    return dict(value) if isinstance(value, Mapping) else dict(enumerate(value))


def unpack(inputs: Any) -> tuple[Arrays, Callable[[Arrays], Any]]:
    """The inputs as `{key: array}`, and what makes the model's argument of such a dict.

    Raises:
        ValueError: If an input is no array of one length: ragged, `None`, a dataset.
    """
    several = is_several(inputs)
    items = items_of(inputs) if several else {0: inputs}
    if not items:
        raise ValueError(_("the inputs are empty: got {inputs!r}", inputs=inputs))
    arrays = {key: _array(key, item) for key, item in items.items()}

    def pack(arrays: Arrays) -> Any:
        arguments = {key: like(item, arrays[key]) for key, item in items.items()}
        if not several:
            return arguments[0]
        if hasattr(inputs, "_fields"):
            return type(inputs)(*arguments.values())
        if isinstance(inputs, (list, tuple)):
            return type(inputs)(arguments.values())
        try:  # UserDict, or a tokenizer's BatchEncoding, whose model may want its attributes
            return arguments if isinstance(inputs, dict) else type(inputs)(arguments)
        except TypeError:
            return arguments

    return arrays, pack


def _array(key: Hashable, item: Any) -> np.ndarray:
    """One input as an array, or a refusal that says what to give instead."""
    names = [cls.__name__ for cls in type(item).__mro__]
    for name, reason in _NO_BATCH.items():
        if name in names:
            raise ValueError(_(reason, key=key))
    if any(name.startswith("Dataset") for name in names) or hasattr(item, "__next__"):
        raise ValueError(
            _(
                "input {key!r} is a {type}, not a batch: give one batch of it, "
                "next(iter(dataset)), without the targets",
                key=key,
                type=names[0],
            )
        )
    if getattr(item, "_keras_mask", None) is not None:
        raise ValueError(
            _(
                "input {key!r} carries a Keras mask, which its copies would lose: probe "
                "the layer that made the mask together with this model",
                key=key,
            )
        )
    try:
        array = to_numpy(item)
    except ValueError as error:
        raise ValueError(
            _("input {key!r} is ragged: pad it to one length first", key=key)
        ) from error
    if array.dtype == object and not all(isinstance(v, (str, bytes)) for v in array.flat):
        raise ValueError(
            _(
                "input {key!r}, a {type}, is no array of numbers or strings: give a padded "
                "batch (B, T) or (B, T, F), or a list, tuple or dict of such",
                key=key,
                type=names[0],
            )
        )
    return array


def chosen(arrays: Arrays, which: Any) -> list[Hashable]:
    """The keys that `which` names."""
    if which is None and len(arrays) == 1:
        which = next(iter(arrays))
    keys = list(which) if isinstance(which, (list, tuple)) else [which]
    if not keys or any(key not in arrays for key in keys):
        raise ValueError(
            _(
                "say with which= what input to probe, of {names}; got {which!r}",
                names=list(arrays),
                which=which,
            )
        )
    return keys


def step_axes(
    arrays: Arrays,
    keys: Sequence[Hashable],
    axes: Mapping[Hashable, int | Sequence[int]] | None = None,
) -> dict[Hashable, tuple[int, ...]]:
    """Which axes of each probed input are steps, after checking every input's shape.

    The first input is `(B, T)` or `(B, T, F)`. Those cut together with it may be attention
    masks, too: `(B, 1, 1, T)` or `(B, T, T)`.
    """
    shape = arrays[keys[0]].shape
    found = {}
    for key, array in arrays.items():
        if array.shape[:1] != shape[:1]:
            if not shape:
                raise ValueError(
                    _(
                        "expected some rows in input {key!r}, got shape {shape}",
                        key=key,
                        shape=array.shape,
                    )
                )
            raise ValueError(
                _(
                    "expected {rows} rows in input {key!r}, got shape {shape}",
                    rows=shape[0],
                    key=key,
                    shape=array.shape,
                )
            )
    for key in keys:
        array = arrays[key]
        steps = shape[1] if len(shape) > 1 else None
        long = tuple(n for n in range(1, array.ndim) if array.shape[n] == steps)
        if axes is not None and key in axes:
            named = axes[key]
            long = tuple(named) if isinstance(named, (list, tuple)) else (named,)
            fits = all(0 < n < array.ndim and array.shape[n] == steps for n in long)
        else:
            fits = array.ndim >= 2 and array.size and long
            if key == keys[0] or array.ndim == 2:
                fits, long = fits and long[0] == 1, (1,)
            elif len(long) > 1 and array.dtype.kind == "f":
                raise ValueError(
                    _(
                        "input {key!r} has shape {shape}, and {steps} may be steps or "
                        "features: say which with axes={{{key!r}: {long}}} (an attention "
                        "mask) or axes={{{key!r}: {axis}}}",
                        key=key,
                        shape=array.shape,
                        steps=steps,
                        long=long,
                        axis=long[0],
                    )
                )
        if not fits:
            raise ValueError(
                _(
                    "expected input {key!r} as (B, T) or (B, T, F), not empty and of one "
                    "(B, T) with others probed; got shape {shape}",
                    key=key,
                    shape=array.shape,
                )
            )
        found[key] = long
    return found


def cut(
    arrays: Arrays,
    axes: Mapping[Hashable, tuple[int, ...]],
    rows: Sequence[int],
    steps: Sequence[np.ndarray],
) -> Arrays:
    """Copies of the given rows, each with its own `steps` `(N,)` only, in all step axes."""
    result = {}
    for key, array in arrays.items():
        if key not in axes:
            result[key] = array[np.asarray(rows)]  # indexing by an array copies
            continue
        parts = []
        for row, kept in zip(rows, steps):
            part = array[row]
            for axis in axes[key]:
                part = np.take(part, kept, axis=axis - 1)
            parts.append(part)
        result[key] = np.stack(parts)
    return result
