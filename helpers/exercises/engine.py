"""What all exercises share: three outcomes, named mistakes, and a picture of the difference.

**What every judge tries**, for whoever writes the next one. An answer is right if it is right on

- padding after, before and in the middle of the words, and none: `id_batches()` has them all;
- another batch size, another length and a batch of one, as `id_batches()` has them, too;
- ids, sizes and values that the notebook does not show;
- rows without a kept step, where the text does not exclude them;
- float32 and float16 (or int32 and int64 ids), where the answer computes;
- symbolic tensors, where the answer is a layer: put it into a Functional model;
- its *output*, not its mask alone: run what it makes behind a layer that reads the mask;
- values and gradients, where something is to be trained.

Compare what it does, not how it is written (`isinstance`, not class names), and leave nothing
behind in the kernel. `check` itself pins the dtype policy, hides prints and warnings, and turns
whatever goes wrong into a verdict.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import Any

from helpers.heatmaps import MaskFigure, plot_mask
from helpers.language import N_, _, _n

import numpy as np
from numpy import allclose, isclose  # by name: an answer may put something else into NumPy

NOT_ATTEMPTED, NOT_YET, CORRECT = N_("not attempted"), N_("not yet"), N_("correct")
_MARKS = {NOT_ATTEMPTED: "○", NOT_YET: "✗", CORRECT: "✓"}
_NOTHING = object()  # no answer was handed over
_LONGEST = 900  # characters of a message
_TO_DO = N_("Replace the `...` above, run that cell, then this.")


def check(number: str, answer: Any = _NOTHING) -> Verdict:
    """Judge an answer to an exercise.

    Args:
        number: The exercise, as in its heading: `"1.1"`.
        answer: What the exercise asks for: a function, an array, a dict, a layer …

    Returns:
        A `Verdict`: *not attempted*, *not yet* with what exactly is wrong and, for a mask, a
        picture of where, or *correct*. It is true if correct, false otherwise. Whatever the
        answer does, nothing is raised (but your own interrupt).

    Example:
    >>> check("1.1", padding_mask)
    """
    judge, name = _judge(number), _printable(number)
    if judge is None:
        swapped = isinstance(answer, str) and _judge(answer) is not None
        return Verdict(
            name,
            NOT_YET,
            _('The exercise comes first, then the answer: `check("{answer}", …)`.', answer=answer)
            if swapped
            else _(
                "There is no exercise {name!r}: take the number from its heading, as in "
                '`check("1.1", …)`.',
                name=name,
            ),
        )
    if answer is _NOTHING:
        return Verdict(
            name, NOT_YET, _('Hand over your answer, too: `check("{name}", …)`.', name=name)
        )
    if answer is ...:
        return Verdict(name, NOT_ATTEMPTED, _(_TO_DO))
    if answer is None:
        return Verdict(
            name,
            NOT_YET,
            _(
                "Your answer is None. `print(…)`, for one, returns None: leave it out, and "
                "if it is a function that makes the answer, give it a `return`."
            ),
        )
    try:
        with _undisturbed():
            praise = judge(answer)
    except NotAttempted:
        return Verdict(name, NOT_ATTEMPTED, _(_TO_DO))
    except NotYet as mistake:
        return Verdict(name, NOT_YET, _shortened(str(mistake)), mistake.figure)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an answer of a kind that no judge foresaw
        return Verdict(
            name, NOT_YET, _("Your answer could not be checked: {error}", error=in_words(error))
        )
    return Verdict(name, CORRECT, praise or "")


def _judge(number: Any) -> Callable[[Any], str] | None:
    try:
        number = str(number)
        notebook = import_module(f"helpers.exercises.notebook_{int(number.split('.')[0]):02d}")
        return notebook.JUDGES[number]
    except Exception:  # no such notebook, no such exercise, not even a text
        return None


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """The reader's Keras as it comes from the box during a check, and as it was after it."""
    keras = sys.modules.get("keras")
    policy = keras.config.dtype_policy() if keras else None
    _forget_mask_of_none()
    with (
        warnings.catch_warnings(action="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        try:
            if keras:
                keras.config.set_dtype_policy("float32")
            yield
        finally:
            if keras:
                keras.config.set_dtype_policy(policy)
            _forget_mask_of_none()


def _forget_mask_of_none() -> None:
    """A layer whose `call` forgot its `return` makes Keras 3.15 note a mask for `None`.

    It raises only then, so the note stays, and from there on Keras takes each `None` for a
    masked tensor: models that have nothing to do with that layer fail until the kernel ends.
    """
    with contextlib.suppress(Exception):  # no Keras yet, or one that keeps its masks elsewhere
        sys.modules["keras.src.backend"].set_keras_mask(None, None)


@dataclass(frozen=True)
class Verdict:
    """What `check` says: `outcome` is *not attempted*, *not yet* or *correct*.

    A verdict is true when correct and false otherwise, so `assert check("1.1", answer)` tests.
    """

    number: str
    outcome: str
    message: str
    figure: MaskFigure | None = None

    def __bool__(self) -> bool:
        return self.outcome == CORRECT

    @property
    def score(self) -> float:
        """1.0 when correct, else 0.0."""
        return float(bool(self))

    def __str__(self) -> str:
        head = self._head(self.number)
        return " ".join([head, self.message]).rstrip()

    __repr__ = __str__

    def _head(self, number: str) -> str:
        mark, outcome = _MARKS[self.outcome], _(self.outcome)
        return _("{mark} Exercise {number}: {outcome}.", mark=mark, number=number, outcome=outcome)

    def _repr_mimebundle_(self, **_kwargs):
        head = self._head(escape(self.number))
        html = f'<p role="status"><b>{head}</b> {_code(self.message)}</p>'
        words = str(self)
        if self.figure is not None:
            data, _metadata = self.figure._repr_mimebundle_()
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


def id_batches(*, largest: int = 3215, empty_rows: bool = False) -> dict[str, np.ndarray]:
    """Padded batches of ids, int32 `(B, T)`, that no answer has seen: see the rule above.

    Args:
        largest: No id is larger (the `input_dim` of a table, less one). Where it allows, 256
            and 10 are among the ids: an `int8` or a last digit takes them for 0.
        empty_rows: Whether to add a batch with a row of padding only.

    Returns:
        Batches by name, as in *"for padding before the words"*.
    """
    words = np.array([256, 1, 10, 7, 512, 3, 20, 2, 1280, 5, 30, 9], "int32")
    words = np.where(words > largest, words % largest + 1, words).astype("int32")

    def batch(*rows: str) -> np.ndarray:
        """`"xx."` is two words and a pad."""
        ids = iter(np.tile(words, 4))
        return np.array([[next(ids) if c == "x" else 0 for c in row] for row in rows], "int32")

    batches = {
        N_("padding after the words"): batch("xxxxx", "xxx..", "x...."),
        N_("padding before the words"): batch("..xxxx", "xxxxxx", ".....x", "...xxx"),
        N_("padding between the words"): batch("x.xx.xx", ".xx.x.x"),
        N_("no padding"): batch("xxxx", "xxxx", "xxxx", "xxxx", "xxxx"),
        N_("a batch of one"): batch("xxxxx..."),
        N_("sentences of one step"): batch("x", "x"),
        N_("as many sentences as steps"): batch("xxx", "xx.", ".xx"),
    }
    if empty_rows:
        batches[N_("a sentence without words")] = batch("xx..", "....", ".xxx")
    return batches


def call(function: Any, *arguments: Any, shown: str) -> Any:
    """What the learner's function returns for a copy of `arguments`; its errors become words.

    Args:
        shown: The call as the learner would write it, for messages: `"padding_mask(ids)"`.
    """
    if not callable(function):
        raise NotYet(_("A function is asked for, and this is {a_thing}.", a_thing=_a(function)))
    try:
        result = function(*(copy.deepcopy(a) for a in arguments))
    except (NotYet, NotAttempted, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise NotYet(_("`{shown}` raised {error}", shown=shown, error=in_words(error))) from error
    if result is ... or (result is None and _is_stub(function)):
        raise NotAttempted
    if result is None:
        raise NotYet(
            _(
                "`{shown}` returned None: is a `return` missing, or does it return what "
                "`print` returns?",
                shown=shown,
            )
        )
    return result


def call_layer(layer: Any, *inputs: Any, shown: str, **options: Any) -> Any:
    """What the learner's layer returns. A `call` that returns nothing never reaches Keras.

    Keras breaks on an output `None` in ways that outlast the error, see `_forget_mask_of_none`.

    Args:
        layer: A Keras layer or model.
        inputs: Tensors, symbolic or not; they may carry a mask.
        shown: The call as the learner would write it, for messages.
        options: Keyword arguments of the call, such as `mask`.
    """
    own, outputs = layer.call, []

    def watched(*args: Any, **kwargs: Any) -> Any:
        outputs.append(own(*args, **kwargs))
        if outputs[-1] is None or outputs[-1] is ...:
            raise ValueError("no output")
        return outputs[-1]

    try:
        object.__setattr__(layer, "call", watched)
        return layer(*inputs, **options)
    except (NotYet, NotAttempted, KeyboardInterrupt):
        raise
    except BaseException as error:
        if outputs and outputs[-1] is ...:
            raise NotAttempted from error
        if outputs and outputs[-1] is None:
            if _is_stub(own):
                raise NotAttempted from error
            raise NotYet(
                _("`call` returned None, for {shown}: is a `return` missing?", shown=shown)
            ) from error
        raise NotYet(_("`{shown}` raised {error}", shown=shown, error=in_words(error))) from error
    finally:
        with contextlib.suppress(AttributeError):
            object.__delattr__(layer, "call")


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
    for message, wrong in {**mistakes, _(_FLIPPED): ~right}.items():
        if same(values, np.asarray(wrong)) and not same(values, right):
            raise NotYet(message, _difference(values, right, tokens, axes))
    if values.shape != right.shape:
        raise NotYet(
            _(
                "`{shown}` has shape {shape}; expected {expected}.",
                shown=shown,
                shape=values.shape,
                expected=right.shape,
            )
        )
    if not same(values, right):
        figure = _difference(values, right, tokens, axes)
        count = int((values != right).sum())
        raise NotYet(
            _(
                "`{shown}`: {count} of {size} steps differ.",
                shown=shown,
                count=count,
                size=right.size,
            ),
            figure,
        )
    if values.dtype != bool:
        raise NotYet(
            _(
                "The values are right, but `{shown}` has dtype {dtype}. A mask in Keras is "
                "boolean: True and False.",
                shown=shown,
                dtype=values.dtype,
            )
        )


_FLIPPED = N_("The polarity is flipped: True must mean *keep*, and here it marks what is masked.")


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
        raise NotYet(
            _(
                "`{shown}` has shape {shape}; expected {expected}.",
                shown=shown,
                shape=values.shape,
                expected=right.shape,
            )
        )
    if not same(values, right, tolerance):
        where = np.argwhere(~isclose(values, right, rtol=0, atol=tolerance, equal_nan=True))[0]
        place = tuple(map(int, where))
        raise NotYet(
            _(
                "`{shown}`: at {place} it is {value:g}; expected {expected:g}.",
                shown=shown,
                place=list(place),
                value=values[place],
                expected=right[place],
            )
        )


def as_array(got: Any, shown: str) -> np.ndarray:
    """`got` as a numeric array, or `NotYet`."""
    if isinstance(got, (tuple, list)) and any(np.ndim(x) for x in got if hasattr(x, "shape")):
        if isinstance(got, tuple):
            things = _n("a tuple", "{n} things", len(got))
            raise NotYet(
                _(
                    "`{shown}` returns {things}: return the one asked for, alone.",
                    shown=shown,
                    things=things,
                )
            )
    if type(got).__name__ in ("KerasTensor", "SymbolicTensor"):
        raise NotYet(
            _(
                "`{shown}` is symbolic and has no values: compute with what you are given.",
                shown=shown,
            )
        )
    try:
        values = np.asarray(got)
    except Exception:
        raise NotYet(
            _(
                "`{shown}` is {a_thing} that is no array: have its rows one length?",
                shown=shown,
                a_thing=_a(got),
            )
        ) from None
    if values.dtype.name == "bfloat16":  # of ml_dtypes: NumPy does not know its kind
        values = values.astype("float32")
    if values.dtype.kind in "US":
        first = (
            textwrap.shorten(str(values.flat[0])[:200], 40, placeholder="…") if values.size else ""
        )
        raise NotYet(
            _(
                "`{shown}` is no array of numbers: it holds text, such as {first!r}.",
                shown=shown,
                first=first,
            )
        )
    if values.dtype == object and any(item is ... for item in values.flat):
        raise NotYet(_("There is still a `...` in `{shown}`.", shown=shown))
    if values.dtype.kind not in "biuf":
        raise NotYet(
            _(
                "`{shown}` is no array of numbers: its type is {type}, its dtype {dtype}.",
                shown=shown,
                type=type(got).__name__,
                dtype=values.dtype,
            )
        )
    return values


def same(a: np.ndarray, b: np.ndarray, tolerance: float = 0.0) -> bool:
    """Whether two arrays have one shape and the same values; dtypes may differ."""
    return a.shape == b.shape and allclose(
        a.astype(float), b.astype(float), rtol=0, atol=tolerance, equal_nan=True
    )


def _difference(values: np.ndarray, right: np.ndarray, tokens: Any, axes: Any):
    """The learner's mask with the cells that differ marked, where it can be drawn.

    Of a mask of several sentences by queries by keys, the first sentence that differs.
    """
    if values.shape != right.shape or not np.isin(values, (0, 1)).all() or right.ndim > 3:
        return None
    title = _("Your mask")
    if right.ndim == 3:
        first = int(np.argwhere(values.astype(bool) != right)[0][0])
        values, right, tokens = values[first], right[first], None
        title, axes = _("Your mask of sequence {first}", first=first), axes or ("query", "key")
    wrong = values.astype(bool) != right
    texts = [] if tokens is None else np.asarray(tokens).astype(str)
    rows, marks = np.atleast_2d(values.astype(int)), np.atleast_2d(wrong)
    cells = texts if np.ndim(texts) == 2 else rows
    labelled = [
        [f"{text} ✗" if bad else str(text) for text, bad in zip(row, bads)]
        for row, bads in zip(cells, marks)
    ]
    title = _("{title}: {difference} (✗)", title=title, difference=_steps_differ(wrong))
    return plot_mask(rows, tokens=labelled, axes=axes, title=title)


def _steps_differ(wrong: np.ndarray) -> str:
    return _n("{n} step differs", "{n} steps differ", int(wrong.sum()))


def in_words(error: BaseException) -> str:
    """Name and message of an exception, without colours, graph nodes and a flood of arguments."""
    try:
        message = str(error)
    except BaseException:  # an error that cannot even say what it is
        message = _("(it has no message)")
    message = re.sub(r"\x1b\[[0-9;]*m|\{\{\w+ [^}]*\}\}", "", message)
    message = message.split("Arguments received by")[0].split("[Op:")[0]
    said = f"{type(error).__name__}: {message}" if message.strip() else type(error).__name__
    return textwrap.shorten(said, 400, placeholder=" …")


def _a(thing: Any) -> str:
    """`"an int"`, `"a list"`."""
    name = type(thing).__name__
    if name[:1].lower() in "aeiou":
        return _("an {type}", type=name)
    return _("a {type}", type=name)


def _printable(number: Any) -> str:
    try:
        return textwrap.shorten(str(number)[:200], 20, placeholder="…")
    except Exception:
        return f"({_a(number)})"


def _shortened(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 2] + " …"


def _is_stub(function: Any) -> bool:
    """Whether the body of `function` is still the `...` of the exercise, or empty."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:  # a class, a `partial`, a built-in: no stub of ours
        return False
    return not code.co_names and code.co_code == (lambda: None).__code__.co_code


def _code(message: str) -> str:
    """`message` as HTML, with its `code` and *emphasised words* marked up, all else escaped."""
    parts = escape(message).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else _emphasis(p) for i, p in enumerate(parts))


def _emphasis(text: str) -> str:
    return re.sub(r"\*(\w[\w ]*\w)\*", r"<em>\1</em>", text)  # but not in 2 * 3 * 4
