"""The one call: the three masks of a batch, the verdict, where it goes wrong and what to try."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maskprobe.advice import ADVICE
from maskprobe.frameworks import framework
from maskprobe.inputs import chosen, step_axes, unpack
from maskprobe.padding import real_steps, shown
from maskprobe.rows import LATER_ONLY
from maskprobe.show import Row, html_table, places, text_picture, token_rows

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
        return ADVICE[self.cause].format(where=self.where or "the layer")

    def __bool__(self) -> bool:
        return self.sound

    def _rows(self) -> list[Row]:
        unknown = "(not known: no Keras layers to ask)"
        none = "(no mask: every step is kept)"
        return [
            Row("wanted", self.wanted),
            Row("declared", self.declared, none if self.trace is not None else unknown),
            Row("measured", self.measured, "(not measured)"),
        ]

    def _said(self) -> list[str]:
        where = f"Where: {self.where}." if self.where else ""
        return [line for line in (where, self.advice, *self.notes) if line]

    def __str__(self) -> str:
        picture = text_picture(self._rows(), tokens=self.tokens)
        return "\n".join([self.sentence, "", picture, "", *self._said()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(line)}</p>" for line in self._said())
        table = html_table(self._rows(), tokens=self.tokens)
        return f"<p><b>{html.escape(self.sentence)}</b></p>{table}{said}"


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
        raise TypeError(f"expected a model or a function, got {model!r}")
    from maskprobe import measured_mask, padding_leak
    from maskprobe.trace import mixes_rows

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
                "add_pads= is for one input without padding: leave it away, or pad the inputs and "
                "give wanted="
            )
        arrays[key], real = _with_pads(arrays[key], real, pad_value, add_pads, side)
        inputs = pack(arrays)
        notes.append(f"{add_pads} pads of {shown(pad_value)} were added to each sequence.")
    token_rows(tokens, *real.shape)  # complains if they do not fit

    audit = Audit(wanted=real, tokens=tokens, notes=notes)
    audit.trace = _trace(model, inputs, notes)
    maker = None
    if audit.trace is not None:
        audit.declared, maker = _declared(audit.trace, real)
    options = {
        "wanted": real,
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
    try:
        audit.leak = padding_leak(model, inputs, **options)
        if not audit.leak.rows_depend and not audit.leak.constant:
            audit.measured = np.asarray(measured_mask(model, inputs, **options))
    except (ValueError, TypeError, RuntimeError) as error:
        audit.sentence = f"Not measured, so not sound: {error}"
        if audit.trace is not None and audit.trace.error is not None:
            audit.sentence = f"Not measured, so not sound. {audit.trace.summary()}"
            audit.where = audit.trace.failed.name if audit.trace.failed else ""
        return audit
    if audit.trace is not None and audit.trace.error is not None:
        # It runs for the probes, which hand it arrays, and not on tensors.
        notes.append(f"The layers could not be followed. {audit.trace.summary()}")
        audit.trace = audit.declared = maker = None

    def moved_behind() -> bool:
        """Whether the same rows with their padding behind them are sound."""
        rolled = {k: v for k, v in arrays.items()}
        for k in (key, *others):
            rolled[k] = np.stack([_behind(row, keep) for row, keep in zip(arrays[k], real)])
        moved = options | {"wanted": np.sort(~real, axis=1) == 0, "side": "post"}
        try:
            return padding_leak(model, pack(rolled), **moved).sound
        except (ValueError, TypeError, RuntimeError):
            return False

    def elsewhere() -> bool:
        """Whether padding moves the output for rows in which one step is repeated."""
        if len(arrays) > 1 or lengths_of_output:
            return False
        values = arrays[key][real]
        kept = np.sort(~real[real.sum(axis=1).argmin()])[None] == 0
        kept = np.repeat(kept, min(len(values), 32), axis=0)
        repeated = np.repeat(values[: len(kept), None], real.shape[1], axis=1)
        pad = arrays[key][~real][0]
        rows = np.where(kept.reshape(*kept.shape, *[1] * (repeated.ndim - 2)), repeated, pad)
        if side == "pre":
            rows, kept = rows[:, ::-1], kept[:, ::-1]
        try:
            leak = padding_leak(model, pack({key: rows}), **options | {"wanted": kept})
        except (ValueError, TypeError, RuntimeError):
            return False
        return not leak.sound and not leak.rows_depend and not leak.constant

    def mixer() -> str:
        """The layer that mixes rows, if there are layers to ask."""
        row = int(np.argmax(np.asarray(audit.leak).reshape(len(real), -1).max(axis=1)))
        try:
            return mixes_rows(model, inputs, row) if audit.trace is not None else ""
        except Exception:  # a model need not take a batch of one
            return ""

    lengths_of_output = output_lengths is not None or output_mask is not None
    _judge(audit, maker, side, moved_behind, elsewhere, mixer)
    if causal and audit.cause not in ("constant", "rows depend"):
        _look_ahead(audit, model, inputs, key, output, pad_value, seed)
    if targets is not None:
        _compare_loss(audit, model, inputs, targets)
    return audit


def _judge(
    audit: Audit,
    maker: Any,
    side: str,
    moved_behind: Callable[[], bool],
    elsewhere: Callable[[], bool],
    mixer: Callable[[], str],
) -> None:
    """Names the cause, the masks that differ, and the place."""
    wanted, declared, leak, trace = audit.wanted, audit.declared, audit.leak, audit.trace
    numbers = leak.sentence[0].upper() + leak.sentence[1:]

    def found(cause: str, differ: tuple[str, ...], where: str, what: str) -> None:
        audit.cause, audit.differ, audit.where = cause, differ, where
        audit.sentence = f"Unsound: {what}. {numbers}."

    if leak.rows_depend:
        what = "rows depend on their batch, not only on padding"
        return found("rows depend", ("rows",), mixer(), what)
    if leak.constant:
        return found("constant", ("wanted", "measured"), "", "no real step moves the output")
    masked = wanted & ~audit.measured
    if leak.sound:
        lost = masked & ~declared if declared is not None else np.zeros_like(wanted)
        if lost.any():
            what = f"real steps are masked ({places(lost)})"
            return found("real steps masked", ("wanted", "declared"), _name(maker), what)
        if trace is not None and trace.entries and elsewhere():
            name = trace.entries[0].name
            what = f"the mask comes to {name}, which does not use it. It does no harm in this batch"
            what += ", but does in one of the same steps in other rows"
            return found("unused", ("declared", "measured"), name, what)
        if declared is not None and (declared & ~wanted).any():
            audit.notes.append(
                f"More is declared kept than wanted ({places(declared & ~wanted)}); it does not "
                "move this output."
            )
        if masked.any():
            audit.notes.append(
                f"Some real steps move nothing on their own ({places(masked)}): right for a "
                "maximum, a slice or a last step, wrong otherwise."
            )
        for remark in trace.remarks() if trace is not None else ():
            if "loss" in remark or "later steps" in remark:
                audit.notes.append(remark)
        audit.sound, audit.cause = True, "sound"
        audit.sentence = f"Sound: padding does not move the output. {numbers}."
        return None
    if trace is None:
        return found("unknown", ("wanted", "measured"), "", "padded steps move the output")
    if declared is None:
        first = next((row.name for row in trace if "Embedding" in row.class_name), "")
        what = "no mask is made, so every step is kept"
        return found("no mask", ("wanted", "declared"), first, what)
    wrong = [row for row in trace if row.inverted]
    if wrong:
        what = f"the mask comes to {wrong[0].name} the wrong way round"
        return found("inverted", ("wanted", "declared"), wrong[0].name, what)
    if (declared != wanted).any():
        what = f"wanted and declared differ ({places(declared != wanted)})"
        return found("wanted not declared", ("wanted", "declared"), _name(maker), what)
    differ = ("declared", "measured")
    if trace.drops:
        drop = trace.drops[0]
        where = " ".join([drop.name, *(n for n in drop.notes if n.startswith("between "))])
        reader = f", and {drop.used_by} behind it gets none" if drop.used_by else ""
        return found("dropped", differ, where, f"the mask is lost at {where}{reader}")
    if trace.entries:
        name = trace.entries[0].name
        return found("unused", differ, name, f"the mask comes to {name}, which does not use it")
    changed = [
        row
        for row in trace
        if row.mask_in is not None and _is_other(row.mask_out, wanted) and row.mask_out is not None
    ]
    if changed:
        name = changed[0].name
        return found("changed", differ, name, f"{name} hands on another mask than it got")
    if side == "pre" and moved_behind():
        place = next((r.name for r in trace if "osition" in r.name + r.class_name), "")
        what = "the masks are right, and the padding in front moves the positions"
        return found("positions", differ, place, what)
    if not trace.consumers:
        last = [row.name for row in trace if row.mask_out is not None]
        what = "a mask is made, and no layer uses it"
        return found("unused", differ, last[-1] if last else "", what)
    name = trace.consumers[-1].name
    what = f"{name} uses the mask, and padding moves the output all the same"
    return found("misused", differ, name, what)


def _is_other(mask: np.ndarray | None, wanted: np.ndarray) -> bool:
    return mask is not None and mask.shape == wanted.shape and not np.array_equal(mask, wanted)


def _name(row: Any) -> str:
    return row.name if row is not None else ""


def _trace(model: Any, inputs: Any, notes: list[str]) -> Any:
    """The trace of a Keras model; `None` where there are no Keras layers."""
    if "keras" not in sys.modules or framework(model) == "torch":
        return None
    from maskprobe import trace_masks

    if isinstance(inputs, Mapping):
        inputs = dict(inputs)
    try:
        trace = trace_masks(model, inputs)
        return trace if len(trace) else None
    except Exception as error:
        if "No Keras layer" not in str(error):
            notes.append(f"The layers could not be followed: {type(error).__name__}: {error}")
        return None


def _declared(trace: Any, wanted: np.ndarray) -> tuple[np.ndarray | None, Any]:
    """What the layers say of the steps, `(B, T)`, and the call that says it.

    Masks come from layers that make them, or by hand to layers that use them. Of several with
    the right number of steps, as in an encoder-decoder, the one that is as wanted counts.
    """
    found = []
    for row in trace:
        passed = row.masks_in if row.consumes else {}
        for masks in (row.masks_out if row.mask_in is None else {}, passed):
            for mask in masks.values():
                steps = None if mask is None else _per_step(mask, wanted.shape)
                if steps is not None:
                    found.append((~steps if row.inverted else steps, row))
    made = [pair for pair in found if pair[1].mask_in is None] or found
    right = [pair for pair in made if np.array_equal(pair[0], wanted)]
    return (right or made or [(None, None)])[0]


def _per_step(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
    """A mask `(B, T)`, or an attention mask `(B, …, T)`, as `(B, T)`: keys that any query sees."""
    if mask.ndim < 2 or mask.shape[0] not in (1, shape[0]) or mask.shape[-1] != shape[1]:
        return None
    steps = mask.reshape(mask.shape[0], -1, mask.shape[-1]).any(axis=1)
    return np.broadcast_to(steps, shape) if mask.ndim > 2 or mask.shape == shape else None


def _with_pads(
    x: np.ndarray, real: np.ndarray, value: Any, count: int, side: str
) -> tuple[np.ndarray, np.ndarray]:
    pads = np.empty((len(x), count, *x.shape[2:]), np.result_type(x, np.asarray(value)))
    pads[...] = value
    none = np.zeros((len(x), count), dtype=bool)
    if side == "pre":
        return np.concatenate([pads, x], axis=1), np.concatenate([none, real], axis=1)
    return np.concatenate([x, pads], axis=1), np.concatenate([real, none], axis=1)


def _behind(row: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """A row with its real steps first."""
    return np.concatenate([row[keep], row[~keep]])


def _compare_loss(audit: Audit, model: Any, inputs: Any, targets: Any) -> None:
    """Compares the loss of a compiled Keras model with the mean over the wanted steps."""
    try:
        import keras

        outputs = model(inputs, training=False)
        loss = float(np.asarray(model.compute_loss(x=inputs, y=targets, y_pred=outputs)))
        loss -= float(sum(np.asarray(extra).sum() for extra in model.losses))
        function = keras.losses.get(model.loss)
        steps = getattr(function, "call", function)(keras.ops.convert_to_tensor(targets), outputs)
        steps = np.asarray(steps)
    except Exception as error:
        audit.notes.append(f"The loss was not compared: {type(error).__name__}: {error}")
        audit.sound = False
        return
    if steps.shape != audit.wanted.shape:
        audit.notes.append(
            f"The loss was not compared: it has shape {steps.shape}, not one value for each step "
            f"{audit.wanted.shape}."
        )
        return
    mean = float(steps[audit.wanted].mean())
    if abs(loss - mean) <= 1e-4 * max(abs(mean), abs(loss)):
        audit.notes.append(f"The loss, {loss:.4g}, is the mean over the real steps.")
        return
    said = f"the loss is {loss:.4g}, and its mean over the real steps {mean:.4g}"
    if audit.sound:
        audit.sound, audit.cause = False, "loss"
        audit.sentence = f"Unsound: the outputs are right, and {said}."
    else:
        audit.notes.append(f"Besides, {said}.")


def _look_ahead(
    audit: Audit, model: Any, inputs: Any, key: Any, output: Any, pad: Any, seed: int
) -> None:
    """Measures whether a step of the longest row sees a later one."""
    from maskprobe import influence

    row = int(audit.wanted.sum(axis=1).argmax())
    options = {"row": row, "which": key, "output": output, "pad_value": pad, "seed": seed}
    try:
        moved = np.asarray(influence(model, inputs, **options))
    except (ValueError, TypeError, RuntimeError) as error:
        audit.sound, audit.cause = False, "not measured"
        audit.sentence = f"Not measured, so not sound: whether steps see later ones: {error}"
        return
    if moved.ndim != 2 or moved.shape[0] != moved.shape[1]:
        audit.notes.append("The output has no step for each input step: causal= does not apply.")
        return
    ahead = np.triu(np.nan_to_num(moved), 1) > audit.leak.tolerance
    if not ahead.any():
        audit.notes.append("No step sees a later one.")
        return
    seer, seen = np.argwhere(ahead)[0]
    what = f"sequence {row}, step {seer} sees step {seen}, which is later"
    later = [] if audit.trace is None else audit.trace
    wrong = [r for r in later if LATER_ONLY in r.kinds.values()]
    if not audit.sound:
        audit.notes.append(f"Besides, {what}.")
        return
    audit.sound, audit.cause, audit.differ = False, "look-ahead", ("wanted", "declared")
    readers = wrong or (audit.trace.consumers if audit.trace is not None else [])
    audit.where = readers[0].name if readers else ""
    audit.sentence = f"Unsound: padding does not move the output, but {what}."
