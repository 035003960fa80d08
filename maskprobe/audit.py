"""The one call: the three masks of a batch, the verdict, where it goes wrong and what to try."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maskprobe.advice import ADVICE
from maskprobe.beside import compare_loss, look_ahead
from maskprobe.frameworks import framework
from maskprobe.inputs import chosen, step_axes, unpack
from maskprobe.padding import real_steps, shown
from maskprobe.second_look import SecondLook
from maskprobe.show import Row, html_table, places, text_picture, token_rows
from maskprobe.verdict import declared_mask, judge
from maskprobe.words import _

import numpy as np


@dataclass(eq=False, repr=False)
class Audit:
    """What `audit_masks` found. True in a condition if nothing is wrong, so it serves in a test.

    Attributes:
        wanted: Which steps are real, `(B, T)`, True = keep.
        declared: What the layers say, `(B, T)`; `None` if they make no mask, or none is known.
        measured: Which steps move the output, `(B, T)`; `None` if it could not be measured.
        leak: The `Leak`, or `None`.
        trace: The `Trace`, or `None` if there are no Keras layers to follow.
        sound: Whether nothing is wrong. False, too, if that could not be measured.
        cause: One word or two for what is wrong, `"sound"` if nothing is.
        differ: Names of the two masks that differ, such as `("wanted", "declared")`; or
            `("rows",)` if rows depend on their batch; or `()`.
        sentence: The verdict.
        where: The layer where it goes wrong, `""` if that is not known.
        advice: What to try.
        notes: List of strings. What else was seen.
    """

    wanted: np.ndarray
    declared: np.ndarray | None = None
    measured: np.ndarray | None = None
    leak: Any = None
    trace: Any = None
    sound: bool = False
    cause: str = "not measured"
    differ: tuple[str, ...] = ()
    sentence: str = ""
    where: str = ""
    notes: list[str] = field(default_factory=list)
    tokens: Any = None

    @property
    def advice(self) -> str:
        return _(ADVICE[self.cause], where=self.where or _("the layer"))

    def __bool__(self) -> bool:
        return self.sound

    def _rows(self) -> list[Row]:
        unknown = _("(not known: no Keras layers to ask)")
        none = _("(no mask: every step is kept)")
        return [
            Row(_("wanted"), self.wanted),
            Row(_("declared"), self.declared, none if self.trace is not None else unknown),
            Row(_("measured"), self.measured, _("(not measured)")),
        ]

    def _said(self) -> list[str]:
        where = _("Where: {where}.", where=self.where) if self.where else ""
        return [line for line in (where, self.advice, *self.notes) if line]

    def __str__(self) -> str:
        picture = text_picture(self._rows(), tokens=self.tokens)
        return "\n".join([self.sentence, "", picture, "", *self._said()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{_marked_up(line)}</p>" for line in self._said())
        table = html_table(self._rows(), tokens=self.tokens)
        return f"<p><b>{_marked_up(self.sentence)}</b></p>{table}{said}"


def _marked_up(text: str) -> str:
    """`text` as HTML, with its `code` marked up and all else escaped."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def audit_masks(
    model: Callable[[Any], Any],
    inputs: Any,
    *,
    wanted: Any = None,
    pad_value: Any = 0,
    lengths: Sequence[int] | None = None,
    side: str | None = None,
    add_pads: int = 0,
    which: Hashable | Sequence[Hashable] | None = None,
    axes: Mapping[Hashable, int | Sequence[int]] | None = None,
    output: Hashable | None = None,
    output_lengths: Callable[[int], int] | None = None,
    output_mask: Any = None,
    replace_pads: bool = False,
    causal: bool = False,
    targets: Any = None,
    tokens: Any = None,
    seed: int = 0,
) -> Audit:
    """Compare the three masks of a batch: wanted, declared, measured.

    Takes the padding away (`padding_leak`), changes each step (`measured_mask`), and follows
    the mask through Keras layers (`trace_masks`). Of a model of PyTorch or JAX, or a plain
    function, what is declared is not known; wanted and measured are compared.

    Args:
        model: Called as `model(inputs)`: a Keras model of any kind, or any callable.
        inputs: A padded batch, see `padding_leak`.
        wanted: Which steps are real, `(B, T)`, True = real. By default from `lengths`, else
            all but the run of `pad_value` at one end.
        pad_value: What a padded step holds.
        lengths: Real steps of each row, `(B,)`.
        side: `"post"` if the pads stand after the sequence, `"pre"` if before it; by default
            where they are found.
        add_pads: Pads to put on each row of a batch that has none.
        which: Index or key of the padded input, for a model with several.
        axes: Which axes of an input are steps, see `padding_leak`.
        output: Index or key of the output to look at, for a model with several.
        output_lengths: See `padding_leak`; `output_mask` and `replace_pads`, too.
        causal: Whether no step may see a later one: then that is measured, too, with
            `influence` on the longest row.
        targets: What a compiled Keras model is to answer. If given, its loss is compared with
            the mean over the real steps.
        tokens: Labels for the steps of the picture: `T`, or a list of `T` for each sequence.
        seed: Seed of what is put in for steps.

    Returns:
        An `Audit`: the verdict in words, the masks as a picture in a terminal and in a
        notebook, and `False` in a condition if something is wrong or could not be measured.

    Raises:
        TypeError: If `model` is not callable.
        ValueError: If it cannot be told which steps are real, or arguments do not fit.

    Example:
        >>> assert audit_masks(model, ids), "padding gets in"
    """
    if isinstance(model, type) or not callable(model):
        raise TypeError(_("expected a model or a function, got {model!r}", model=model))
    from maskprobe import measured_mask, padding_leak

    arrays, pack = unpack(inputs)
    key, *others = chosen(arrays, which)
    step_axes(arrays, [key, *others], axes)
    real, side = real_steps(
        arrays[key],
        pad_value=pad_value,
        lengths=lengths,
        side=side,
        wanted=wanted,
        may_be_full=add_pads > 0,
    )
    notes = []
    if add_pads:
        if others or not real.all():
            raise ValueError(
                _(
                    "add_pads= is for one input without padding: leave it away, or pad the "
                    "inputs and give wanted="
                )
            )
        arrays[key], real = _with_pads(arrays[key], real, pad_value, add_pads, side)
        inputs = pack(arrays)
        notes.append(
            _(
                "{add_pads} pads of {value} were added to each sequence.",
                add_pads=add_pads,
                value=shown(pad_value),
            )
        )
    token_rows(tokens, *real.shape)  # complains if they do not fit

    audit = Audit(wanted=real, tokens=tokens, notes=notes)
    audit.trace = _trace(model, inputs, notes)
    options = {
        # As it was said, for the leak's sentence doubts what was only taken for granted.
        "wanted": real if wanted is not None or add_pads else None,
        "lengths": lengths,
        "side": side,
        "pad_value": pad_value,
        "which": which,
        "axes": axes,
        "output": output,
        "output_lengths": output_lengths,
        "output_mask": output_mask,
        "replace_pads": replace_pads,
        "seed": seed,
    }
    look = SecondLook(model, inputs, key, others, real, side, options)
    maker = None
    if audit.trace is not None:
        audit.declared, maker = declared_mask(audit.trace, real, look.makers)
    try:
        audit.leak = padding_leak(model, inputs, **options)
        if not audit.leak.rows_depend and not audit.leak.constant:
            audit.measured = np.asarray(measured_mask(model, inputs, **options))
    except (ValueError, TypeError, RuntimeError) as error:
        audit.sentence = _("Not measured, so not sound: {error}", error=error)
        if audit.trace is not None and audit.trace.error is not None:
            audit.sentence = _(
                "Not measured, so not sound. {summary}", summary=audit.trace.summary()
            )
            audit.where = audit.trace.failed.name if audit.trace.failed else ""
        if audit.declared is not None and (audit.declared != real).any():
            audit.differ = ("wanted", "declared")
            audit.where = audit.where or maker.name
            notes.append(
                _("Wanted and declared differ ({places}).", places=places(audit.declared != real))
            )
        return audit
    if audit.trace is not None and audit.trace.error is not None:
        # It runs for the probes, which hand it arrays, and not on tensors.
        notes.append(
            _("The layers could not be followed. {summary}", summary=audit.trace.summary())
        )
        audit.trace = audit.declared = maker = None

    judge(audit, maker, look)
    if causal and audit.cause not in ("constant", "rows depend"):
        look_ahead(audit, model, inputs, key, output, pad_value, seed)
    if targets is not None:
        compare_loss(audit, model, inputs, targets)
    return audit


def _trace(model: Any, inputs: Any, notes: list[str]) -> Any:
    """The trace of a Keras model; `None` where there are no Keras layers."""
    if "keras" not in sys.modules or framework(model) == "torch":
        return None
    from maskprobe.trace import NoKerasLayer, trace_masks

    if isinstance(inputs, Mapping):
        inputs = dict(inputs)
    try:
        trace = trace_masks(model, inputs)
        return trace if len(trace) else None
    except NoKerasLayer:
        return None
    except Exception as error:
        notes.append(
            _(
                "The layers could not be followed: {type}: {error}",
                type=type(error).__name__,
                error=error,
            )
        )
        return None


def _with_pads(
    x: np.ndarray, real: np.ndarray, value: Any, count: int, side: str
) -> tuple[np.ndarray, np.ndarray]:
    pads = np.empty((len(x), count, *x.shape[2:]), np.result_type(x, np.asarray(value)))
    pads[...] = value
    none = np.zeros((len(x), count), dtype=bool)
    if side == "pre":
        return np.concatenate([pads, x], axis=1), np.concatenate([none, real], axis=1)
    return np.concatenate([x, pads], axis=1), np.concatenate([real, none], axis=1)
