"""What all exercises share: three outcomes, named mistakes, and a picture of the difference."""

from __future__ import annotations

import copy
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import Any

from helpers.heatmaps import MaskFigure, plot_mask

import numpy as np

NOT_ATTEMPTED, NOT_YET, CORRECT = "not attempted", "not yet", "correct"
_MARKS = {NOT_ATTEMPTED: "○", NOT_YET: "✗", CORRECT: "✓"}


def check(number: str, answer: Any) -> Verdict:
    """Judge an answer to an exercise.

    Args:
        number: The exercise, as in its heading: `"1.1"`.
        answer: What the exercise asks for: a function, an array, a dict, a layer …

    Returns:
        A `Verdict`: *not attempted*, *not yet* with what exactly is wrong and, for a mask, a
        picture of where, or *correct*. Whatever the answer does, nothing is raised.

    Example:
    >>> check("1.1", padding_mask)
    """
    number = str(number)
    try:
        notebook = import_module(f"helpers.exercises.notebook_{int(number.split('.')[0]):02d}")
        judge = notebook.JUDGES[number]
    except (ValueError, KeyError, ModuleNotFoundError):
        return Verdict(
            number,
            NOT_YET,
            f"There is no exercise {number!r}: take the number from its heading, as in "
            'check("1.1", …).',
        )
    if answer is None or answer is ...:
        return Verdict(number, NOT_ATTEMPTED, "Replace the `...` above, run that cell, then this.")
    try:
        praise = judge(answer)
    except NotAttempted:
        return Verdict(number, NOT_ATTEMPTED, "Replace the `...` above, run that cell, then this.")
    except NotYet as mistake:
        return Verdict(number, NOT_YET, str(mistake), mistake.figure)
    except (Exception, SystemExit) as error:  # an answer of a kind that no judge foresaw
        return Verdict(number, NOT_YET, f"Your answer could not be checked: {in_words(error)}")
    return Verdict(number, CORRECT, praise or "")


@dataclass(frozen=True)
class Verdict:
    """What `check` says: `outcome` is *not attempted*, *not yet* or *correct*."""

    number: str
    outcome: str
    message: str
    figure: MaskFigure | None = None

    def __str__(self) -> str:
        head = f"{_MARKS[self.outcome]} Exercise {self.number}: {self.outcome}."
        return " ".join([head, self.message]).rstrip()

    __repr__ = __str__

    def _repr_mimebundle_(self, **_):
        head = f"{_MARKS[self.outcome]} Exercise {self.number}: {self.outcome}."
        html = f'<p role="status"><b>{head}</b> {_code(self.message)}</p>'
        words = str(self)
        if self.figure is not None:
            data, _ = self.figure._repr_mimebundle_()
            alt = escape(self.figure.words, quote=True)
            html += f'<img alt="{alt}" src="data:image/png;base64,{data["image/png"]}">'
            words += "\n" + self.figure.words
        return {"text/html": html, "text/plain": words}


class NotAttempted(Exception):
    """The stub is still a stub."""


class NotYet(Exception):
    """The answer is wrong: the message says how, the figure shows where."""

    def __init__(self, message: str, figure: MaskFigure | None = None):
        super().__init__(message)
        self.figure = figure


def call(function: Any, *arguments: Any, shown: str) -> Any:
    """What the learner's function returns for a copy of `arguments`; its errors become words.

    Args:
        shown: The call as the learner would write it, for messages: `"padding_mask(ids)"`.
    """
    if not callable(function):
        raise NotYet(f"A function is asked for, and this is a {type(function).__name__}.")
    try:
        result = function(*(copy.deepcopy(a) for a in arguments))
    except (Exception, SystemExit) as error:
        raise NotYet(f"`{shown}` raised {in_words(error)}") from error
    if result is ... or (result is None and _is_stub(function)):
        raise NotAttempted
    if result is None:
        raise NotYet(f"`{shown}` returned None: is a `return` missing, or was there no mask?")
    return result


def compare_mask(
    got: Any,
    right: np.ndarray,
    mistakes: Mapping[str, Any],
    *,
    shown: str,
    tokens: Any = None,
    axes: Any = None,
) -> None:
    """Raise `NotYet` unless `got` is the boolean mask `right`.

    Args:
        got: What the learner made.
        right: The right mask, boolean.
        mistakes: From messages to the masks that these mistakes make, for this case.
        shown: What `got` is, in code, for messages.
        tokens, axes: For the picture of the difference, as for `plot_mask`.
    """
    values = as_array(got, shown)
    for message, wrong in {**mistakes, _FLIPPED: ~right}.items():
        if same(values, np.asarray(wrong)) and not same(values, right):
            raise NotYet(message, _difference(values, right, tokens, axes))
    if values.shape != right.shape:
        raise NotYet(f"`{shown}` has shape {values.shape}; expected {right.shape}.")
    if not same(values, right):
        figure = _difference(values, right, tokens, axes)
        count = int((values != right).sum())
        raise NotYet(f"`{shown}`: {count} of {right.size} steps differ.", figure)
    if values.dtype != bool:
        raise NotYet(
            f"The values are right, but `{shown}` has dtype {values.dtype}. A mask in Keras is "
            "boolean: True and False."
        )


_FLIPPED = "The polarity is flipped: True must mean *keep*, and here it marks what is masked."


def compare_values(
    got: Any,
    right: np.ndarray,
    mistakes: Mapping[str, Any],
    *,
    shown: str,
    tolerance: float = 0.0,
) -> None:
    """Raise `NotYet` unless `got` equals `right` within `tolerance` (NaN equals NaN)."""
    values = as_array(got, shown)
    for message, wrong in mistakes.items():
        if same(values, np.asarray(wrong), tolerance) and not same(values, right, tolerance):
            raise NotYet(message)
    if values.shape != right.shape:
        raise NotYet(f"`{shown}` has shape {values.shape}; expected {right.shape}.")
    if not same(values, right, tolerance):
        where = np.argwhere(~np.isclose(values, right, rtol=0, atol=tolerance, equal_nan=True))[0]
        place = tuple(map(int, where))
        raise NotYet(
            f"`{shown}`: at {list(place)} it is {values[place]:g}; expected {right[place]:g}."
        )


def as_array(got: Any, shown: str) -> np.ndarray:
    """`got` as a numeric array, or `NotYet`."""
    try:
        values = np.asarray(got)
    except Exception:
        raise NotYet(
            f"`{shown}` is a {type(got).__name__} that is no array: have its rows one length?"
        ) from None
    if values.dtype.kind in "US":
        first = str(values.flat[0])
        raise NotYet(f"`{shown}` is no array of numbers: it holds text, such as {first!r}.")
    if any(item is ... for item in values.flat):
        raise NotYet(f"There is still a `...` in `{shown}`.")
    if values.dtype.kind not in "biuf":
        raise NotYet(
            f"`{shown}` is no array of numbers: its type is {type(got).__name__}, "
            f"its dtype {values.dtype}."
        )
    return values


def same(a: np.ndarray, b: np.ndarray, tolerance: float = 0.0) -> bool:
    """Whether two arrays have one shape and the same values; dtypes may differ."""
    return a.shape == b.shape and np.allclose(
        a.astype(float), b.astype(float), rtol=0, atol=tolerance, equal_nan=True
    )


def _difference(values: np.ndarray, right: np.ndarray, tokens: Any, axes: Any):
    """The learner's mask with the cells that differ marked, where it can be drawn.

    Of a mask of several sentences by queries by keys, the first sentence that differs.
    """
    if values.shape != right.shape or not np.isin(values, (0, 1)).all() or right.ndim > 3:
        return None
    title = "Your mask"
    if right.ndim == 3:
        first = int(np.argwhere(values.astype(bool) != right)[0][0])
        values, right, tokens = values[first], right[first], None
        title, axes = f"Your mask of sequence {first}", axes or ("query", "key")
    wrong = values.astype(bool) != right
    texts = [] if tokens is None else np.asarray(tokens).astype(str)
    rows, marks = np.atleast_2d(values.astype(int)), np.atleast_2d(wrong)
    cells = texts if np.ndim(texts) == 2 else rows
    labelled = [
        [f"{text} ✗" if bad else str(text) for text, bad in zip(row, bads)]
        for row, bads in zip(cells, marks)
    ]
    return plot_mask(rows, tokens=labelled, axes=axes, title=f"{title}: {_steps_differ(wrong)} (✗)")


def _steps_differ(wrong: np.ndarray) -> str:
    return "1 step differs" if wrong.sum() == 1 else f"{wrong.sum()} steps differ"


def in_words(error: Exception) -> str:
    """Name and message of an exception, without the colours of a terminal and without a flood."""
    message = re.sub(r"\x1b\[[0-9;]*m", "", f"{type(error).__name__}: {error}")
    return textwrap.shorten(message, 400, placeholder=" …")


def _is_stub(function: Callable) -> bool:
    """Whether the body of `function` is still the `...` of the exercise."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return True  # no source to look at: returning None is all we know
    return source.rstrip().endswith("...")


def _code(message: str) -> str:
    """`message` as HTML, with its `code` and *emphasised words* marked up, all else escaped."""
    parts = escape(message).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else _emphasis(p) for i, p in enumerate(parts))


def _emphasis(text: str) -> str:
    return re.sub(r"\*(\w[\w ]*\w)\*", r"<em>\1</em>", text)  # but not in 2 * 3 * 4
