"""The exercises of notebook 01: padding."""

from collections.abc import Mapping
from typing import Any

from helpers.exercises.engine import (
    NotAttempted,
    NotYet,
    as_array,
    call,
    compare_mask,
    compare_values,
    in_words,
)
from helpers.sentences import words

import numpy as np

SENTENCES = [[83, 91, 1, 645, 1253, 927], [73, 8, 3215, 55, 927], [711, 632, 71]]
POST = np.array([[83, 91, 1, 645, 1253, 927], [73, 8, 3215, 55, 927, 0], [711, 632, 71, 0, 0, 0]])
PRE = np.array([[83, 91, 1, 645, 1253, 927], [0, 73, 8, 3215, 55, 927], [0, 0, 0, 711, 632, 71]])


def _padding_mask(function: Any) -> str:
    for ids in (POST, PRE, POST[:2, :5]):
        right = ids != 0
        first = np.arange(ids.shape[1]) < right.sum(axis=1, keepdims=True)
        compare_mask(
            call(function, ids, shown="padding_mask(ids)"),
            right,
            {
                "Id 1 is a word like any other; only 0 is padding.": ids > 1,
                "Padding may stand *before* the words, too: count nothing, compare.": first,
                "That is one boolean for each sentence; one for each step is asked for.": right.all(
                    axis=1
                ),
                "That is one boolean for each sentence, about any of its steps; one for each step "
                "is asked for.": right.any(axis=1),
                "The last axis is too much: `(batch, timesteps)` is asked for.": right[..., None],
                "That is the mask of attention scores, with extra axes (notebook 06); here it is "
                "`(batch, timesteps)`.": right[:, None, None, :],
            },
            shown="padding_mask(ids)",
            tokens=words(ids),
        )
    return "That is the whole of it, and the mask that `Embedding` makes in notebook 02."


def _keep_last(arguments: Any) -> str:
    from keras.utils import pad_sequences

    if not isinstance(arguments, Mapping):
        raise NotYet(f"A dict of arguments is asked for, not a {type(arguments).__name__}.")
    empty = [name for name, value in arguments.items() if value is ...]
    if empty and len(empty) == len(arguments):
        raise NotAttempted
    if empty:
        raise NotYet(f"Still to fill in: {', '.join(empty)}.")
    missing = {"maxlen", "padding", "truncating"} - set(arguments)
    if missing:
        raise NotYet(f"Say all three, by name; missing: {', '.join(sorted(missing))}.")
    try:
        got = pad_sequences(SENTENCES, **arguments)
    except Exception as error:
        raise NotYet(
            f"`pad_sequences(raw_inputs, **arguments)` raised {in_words(error)}"
        ) from error

    def with_sides(padding, truncating):
        return pad_sequences(SENTENCES, maxlen=4, padding=padding, truncating=truncating)

    mistakes = {
        "These are the *first* four words: `truncating` names the side that is cut "
        "off.": with_sides("post", "post"),
        "The right words, but the padding stands before them.": with_sides("pre", "pre"),
        "Both sides are the wrong way round.": with_sides("pre", "post"),
        "Nothing is cut off: how many words shall be left?": POST,
    }
    compare_values(
        got, with_sides("post", "pre"), mistakes, shown="pad_sequences(raw_inputs, **arguments)"
    )
    return "Cut at the beginning, pad at the end."


def _pad_readings(function: Any) -> str:
    cases = (
        [[36.6, 36.9, 37.4], [38.2, 39.1, 39.6, 38.9, 38.4]],
        [[-0.5], [0.25, 1.75], [12.5, 13.5, 14.5, 15.5, 16.5, 17.5]],
    )
    for series in cases:
        longest = max(map(len, series))
        right = _after(series, longest)
        pre = _before(series, longest)
        published = right[:, :4].astype("int32")
        mistakes = {
            "That is the published line: decimals are lost, and so are values.": published,
            "The decimals are still lost: `pad_sequences` makes integers unless `dtype` says "
            "otherwise.": right.astype("int32"),
            "The decimals are rounded, and lost all the same: set `dtype`.": right.round(),
            "The last values are still cut off: `maxlen` is not needed.": right[:, :4],
            "The first values are still cut off: `maxlen` is not needed.": _after(
                [row[-4:] for row in series], 4
            ),
            "The last values are still cut off, and the padding stands before the others.": _before(
                [row[:4] for row in series], 4
            ),
            "The padding stands before the values.": pre,
            "Decimals lost, and the padding stands before the values.": pre.astype("int32"),
        }
        got = as_array(call(function, series, shown="pad_readings(series)"), "the result")
        if got.dtype == np.float16:
            raise NotYet("`float16` keeps three digits only: 36.6 becomes 36.594. Use `float32`.")
        compare_values(got, right, mistakes, shown="pad_readings(series)", tolerance=1e-5)
        if got.dtype != np.float32:
            raise NotYet(f"The values are right; their dtype is {got.dtype}, `float32` was asked.")
    return "Nothing is lost. (Is 0 a good padding for a temperature? Notebook 03 asks that.)"


def _after(series: list[list[float]], length: int) -> np.ndarray:
    return np.array([row + [0.0] * (length - len(row)) for row in series], "float32")


def _before(series: list[list[float]], length: int) -> np.ndarray:
    return np.array([[0.0] * (length - len(row)) + row for row in series], "float32")


JUDGES = {"1.1": _padding_mask, "1.2": _keep_last, "1.3": _pad_readings}
