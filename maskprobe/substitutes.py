"""What to put in place of a step: other ids, or noise on features."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from maskprobe.padding import is_pad
from maskprobe.words import _

import numpy as np


def vocabulary_of(x: np.ndarray, pad_value: Any, given: Any = None) -> np.ndarray | None:
    """Ids that may stand in for those in `x`, never the pad value; `None` for features.

    Whole numbers in floats `(B, T)` are ids, too, as `pad_sequences` or a spreadsheet gives
    them: noise on them would ask an `Embedding` for rows it lacks.
    """
    whole = x.dtype.kind == "f" and x.ndim == 2 and (x == np.floor(x)).all()
    if given is not None:
        ids = np.arange(given) if isinstance(given, Integral) else np.asarray(given)
    elif x.dtype.kind in "iu" or whole:
        # From 1, for 0 is padding to most models, also where `pad_value` says otherwise.
        ids = np.arange(1, int(x.max()) + 1) if x.max() < 2**22 else np.unique(x)
        if ids.size == 0:
            ids = np.unique(x)
    else:
        return None if x.dtype.kind == "f" else np.unique(x)
    ids = ids.astype(x.dtype)
    scalar = pad_value is not None and np.ndim(pad_value) == 0
    ids = ids[~is_pad(ids[None], pad_value)[0]] if scalar else ids
    return None if whole and given is None and ids.size < 2 else ids


def substitutes(
    x: np.ndarray, positions: np.ndarray, ids: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """What to put at `positions`, `(N,)`, of `x`, `(T, ...)`: `(N, ...)`.

    Raises:
        ValueError: If no other id is known for a position.
    """
    if ids is None:
        noise = rng.normal(size=(len(positions), *x.shape[1:]))
        wide = np.nanstd(x[positions][np.isfinite(x[positions])]) if x[positions].size else 0
        return x[positions] + noise * (wide or 1.0)
    values = []
    for position in positions:
        others = ids[ids != x[position]] if x.ndim == 1 else ids
        if not others.size:
            raise ValueError(
                _(
                    "position {position} holds {value} and no other id is known to put "
                    "there: pass vocabulary=, such as the input_dim of the Embedding",
                    position=position,
                    value=x[position],
                )
            )
        values.append(others[rng.integers(len(others), size=x.shape[1:])])
    return np.array(values, dtype=x.dtype if x.dtype == object else None)
