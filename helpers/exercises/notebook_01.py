"""The exercises of notebook 01: padding."""

from typing import Any

from helpers.exercises.engine import NotYet, as_array, call, compare_mask, compare_values, same
from helpers.language import N_, _

import numpy as np


def _wanted_mask(function: Any) -> str:
    plain = ([6, 5, 3], 6), ([2, 7, 1, 5], 7)  # each mistake makes another mask of these
    longer = ([3, 9, 4], 5), ([12], 7), ([4, 40, 8], 6)
    others = ([2, 1, 3], 9), ([3, 0, 2], 4), ([1, 3, 2], 3), ([2], 5), ([1], 1), ([40, 39], 40)
    for lengths, steps in (*plain, *longer, *others):
        for padding in ("post", "pre"):
            shown = f'wanted_mask({lengths}, {steps}, "{padding}")'
            array = np.array(lengths, "int32" if len(lengths) == 2 else "int64")
            got = call(function, array, steps, padding, shown=shown)
            kept = np.minimum(lengths, steps)[:, None]
            right = _kept_side(kept, steps, padding)
            if (lengths, steps) in plain:
                mistakes = _mistakes_in_a_mask(kept, steps, padding)
            elif (lengths, steps) in longer:
                _refuse_other_widths(got, shown, right.shape)
                masked = right & (np.array(lengths) <= steps)[:, None]
                mistakes = {_("{problem}: keep all its steps.", problem=_(_CUT)): masked}
            else:
                mistakes = {
                    _(
                        "A sequence of length 0 has no step to keep. (Beware: `row[-0:]` "
                        "is the whole row.)"
                    ): right | (kept == 0)
                }
            compare_mask(got, right, mistakes, shown=shown)
    return _("Such a mask is right whatever the values are, also where 0 is one of them.")


_CUT = N_("A sequence longer than `steps` has been cut, and what is left of it is real")


def _kept_side(kept: np.ndarray, steps: int, padding: str) -> np.ndarray:
    timesteps = np.arange(steps)
    return timesteps < kept if padding == "post" else timesteps >= steps - kept


def _mistakes_in_a_mask(kept: np.ndarray, steps: int, padding: str) -> dict[str, np.ndarray]:
    right = _kept_side(kept, steps, padding)
    other = _kept_side(kept, steps, "pre" if padding == "post" else "post")
    timesteps = np.arange(steps)
    return {
        _(
            'With `padding="{padding}"` the padding stands on the other side.', padding=padding
        ): other,
        _(
            "The padding is on the other side, and the polarity is flipped: True must mean *keep*."
        ): ~other,
        _("One step too many is kept in each row."): _kept_side(kept + 1, steps, padding),
        _("One step too few is kept in each row."): _kept_side(kept - 1, steps, padding),
        _("Timesteps are counted from 0, not from 1."): (timesteps > 0) & (timesteps <= kept),
        _(
            "A sequence as long as the batch is kept throughout. (Beware: `row[-0:]` is "
            "the whole row.)"
        ): right & (kept < steps),
        _("All steps are kept: where is the padding?"): np.ones_like(right),
        _("That is `(steps, batch)`; a row for each sequence is asked for."): right.T,
        _("The rows stand in another order; turn the steps in them instead."): other[::-1],
        _("The right rows in the wrong order."): right[::-1],
        _("That is one boolean for each sequence; one for each step is asked for."): right.all(
            axis=1
        ),
        _("The last axis is too much: `(batch, steps)` is asked for."): right[..., None],
        _(
            "That is the mask of attention scores, with extra axes (notebook 06); here it "
            "is `(batch, steps)`."
        ): right[:, None, None, :],
    }


def _refuse_other_widths(got: Any, shown: str, shape: tuple[int, int]) -> None:
    """A longer sequence often makes a longer row, and then no array at all."""
    try:
        given = np.shape(got)
    except ValueError:
        given = None
    if given is None or given[-1:] != shape[-1:]:
        raise NotYet(
            _(
                "{problem}: in `{shown}` each row should have {steps} steps.",
                problem=_(_CUT),
                shown=shown,
                steps=shape[1],
            )
        )


def _share_of_padding(function: Any) -> str:
    cases = (
        ([6, 5, 3, 1, 9, 2], 2),
        ([2, 8, 3, 3, 7, 4, 5], 3),
        ([1, 12, 2, 40, 5], 4),
        ([4, 9], 32),
        ([5], 1),
        ([3, 1, 4, 1, 5], 1),
        ([7, 7, 7, 7], 2),
        ([3, 0, 0, 2, 6], 2),
        (list(range(300, 0, -1)), 32),
    )
    for lengths, size in cases:
        name = _("lengths of {n} sentences", n=len(lengths)) if len(lengths) > 9 else lengths
        shown = f"share_of_padding({name}, {size})"
        array = np.array(lengths, "int32" if len(lengths) == 2 else "int64")
        got = as_array(call(function, array, size, shown=shown), shown)
        if got.shape:
            raise NotYet(
                _(
                    "`{shown}` has shape {shape}; one number for all batches together is "
                    "asked for.",
                    shown=shown,
                    shape=got.shape,
                )
            )
        right = np.array(_share(_batches(lengths, size)))
        if same(got, right, 1e-6):
            continue
        told = _(
            "`{shown}` is {got:.6g}; expected {right:.6g}.",
            shown=shown,
            got=float(got),
            right=float(right),
        )
        for message, wrong in _mistakes_in_a_share(lengths, size).items():
            if same(got, np.array(wrong), 1e-6):
                raise NotYet(f"{told} {message}")
        raise NotYet(told)
    return _("Same sentences, same batch size: the order in which they come makes the price.")


def _batches(lengths: list[int], size: int) -> list[list[int]]:
    return [lengths[i : i + size] for i in range(0, len(lengths), size)]


def _steps(batches: list[list[int]]) -> int:
    return sum(max(batch) * len(batch) for batch in batches)


def _share(batches: list[list[int]]) -> float:
    return 1 - sum(map(sum, batches)) / _steps(batches) if _steps(batches) else 0.0


def _mistakes_in_a_share(lengths: list[int], size: int) -> dict[str, float]:
    batches = _batches(lengths, size)
    right, steps, words = _share(batches), _steps(batches), sum(lengths)
    full = [batch for batch in batches if len(batch) == size]
    return {
        _("That is the share of the words; the share of the padding is asked for."): 1 - right,
        _("That is padding divided by words; divide by all steps."): steps / words - 1,
        _("That is how many steps are padding; divide by all steps."): steps - words,
        _("That is a percentage; a number from 0 to 1 is asked for."): 100 * right,
        _("It is rounded: return the number as it is."): round(right, 2),
        _(
            "That is the mean of the batches' shares; a long batch has more steps, so "
            "count all steps together."
        ): float(np.mean([_share([batch]) for batch in batches])),
        _(
            "Here all are padded to the longest of all; each batch is padded to *its* longest."
        ): _share([lengths]),
        _("The last batch is missing: it is smaller, and it counts."): _share(full),
        _("The last batch has fewer sentences than the others."): 1
        - words / (sum(map(max, batches)) * size),
        _("Keep the order in which the sentences come; here they are sorted."): _share(
            _batches(sorted(lengths), size)
        ),
        _(
            "Keep the order in which the sentences come; here they are sorted, longest first."
        ): _share(_batches(sorted(lengths, reverse=True), size)),
        _("That is one batch, the first."): _share(batches[:1]),
        _("That is one batch, the last."): _share(batches[-1:]),
        _(
            "Here `size` is taken for the number of batches; it is the number of sentences in one."
        ): _share([list(part) for part in np.array_split(lengths, size) if len(part)]),
    }


def _pad_readings(function: Any) -> str:
    cases = (
        [[36.6, 36.9, 37.4], [38.2, 39.1, 39.6, 38.9, 38.4]],
        [[-0.5], [0.25, 1.75], [12.5, 13.5, 14.5, 15.5, 16.5, 17.5]],
        [[0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5], [-8.5, 9.25, 10.75], [0.125]],
        [[1.5, 2.5], [-3.5, 4.5, 5.5, 6.5, 7.5], [8.5, 9.5, 10.5], [11.5]],
        [[0.0, 0.1, 0.0, -0.2, 0.0], [0.0]],  # 0 is a reading, too
        [[36.7, 36.8]],
        [[-123456.5], [0.001]],
        [[], [1.25, 2.25]],
    )
    for series in cases:
        shown = f"pad_readings({series})"
        got = as_array(call(function, series, shown=shown), shown)
        longest = max(map(len, series))
        right = _after(series, longest)
        if got.dtype == np.float16:
            raise NotYet(
                _("`float16` keeps three digits only: 36.6 becomes 36.594. Use `float32`.")
            )
        columns = got.shape[1] if got.ndim == 2 and len(got) == len(series) else longest
        if columns not in (4, longest):  # 4 is what was published
            raise NotYet(
                _(
                    "`{shown}` has {columns} columns, and the longest series has {longest} values.",
                    shown=shown,
                    columns=columns,
                    longest=longest,
                )
            )
        compare_values(got, right, _mistakes_in_readings(series), shown=shown, tolerance=1e-5)
        if got.dtype != np.float32:
            raise NotYet(
                _(
                    "The values are right; their dtype is {dtype}, `float32` was asked.",
                    dtype=got.dtype,
                )
            )
    return _("Nothing is lost. (Is 0 a good padding for a temperature? Notebook 03 asks that.)")


def _mistakes_in_readings(series: list[list[float]]) -> dict[str, np.ndarray]:
    longest = max(map(len, series))
    right, pre = _after(series, longest), _before(series, longest)
    return {
        _("That is the published line: decimals are lost, and so are values."): right[:, :4].astype(
            "int32"
        ),
        _(
            "The decimals are still lost: `pad_sequences` makes integers unless `dtype` "
            "says otherwise."
        ): right.astype("int32"),
        _("The decimals are rounded, and lost all the same: set `dtype`."): right.round(),
        _("The last values are still cut off: `maxlen` is not needed."): right[:, :4],
        _("The first values are still cut off: `maxlen` is not needed."): _after(
            [row[-4:] for row in series], 4
        ),
        _("The last values are still cut off, and the padding stands before the others."): _before(
            [row[:4] for row in series], 4
        ),
        _("The padding stands before the values."): pre,
        _("Decimals lost, and the padding stands before the values."): pre.astype("int32"),
        _("`float16` keeps three digits only: 36.6 becomes 36.594. Use `float32`."): right.astype(
            "float16"
        ),
        _("Negative readings are lost."): right.clip(0),
        _("Negative readings have lost their sign."): abs(right),
    }


def _after(series: list[list[float]], length: int) -> np.ndarray:
    return np.array([row + [0.0] * (length - len(row)) for row in series], "float32")


def _before(series: list[list[float]], length: int) -> np.ndarray:
    return np.array([[0.0] * (length - len(row)) + row for row in series], "float32")


JUDGES = {"1.1": _wanted_mask, "1.2": _share_of_padding, "1.3": _pad_readings}
