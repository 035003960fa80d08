"""Follow the mask through a model, one layer call at a time. Introduced in notebook 04.

`padding_leak` and `influence` look at a model from outside. `trace_masks` looks inside: which
mask came in, which went out, what the layer did with it, and whether Keras said anything.
"""

import contextlib
import html
import io
import re
from typing import Any

from maskprobe.recorder import Recorder, copied, differ, flat, is_tensor
from maskprobe.rows import ADDITIVE, COLUMNS, LATER_ONLY, OTHER_POLARITY, LayerCall
from maskprobe.show import both
from maskprobe.words import N_, _, _n

import numpy as np

_KINDS = {
    ADDITIVE: N_("A mask to be added (0 = keep, very negative = masked) at: {names}."),
    OTHER_POLARITY: N_("A mask of the other polarity (True = ignore) at: {names}."),
    LATER_ONLY: N_("A mask with which each step sees later steps only at: {names}."),
}


class NoKerasLayer(ValueError):
    """There is nothing to follow."""


class Trace(list):
    """The `LayerCall`s of one run. Shows itself as a table, with a verdict as its last line.

    Attributes:
        name: String. What was traced.
        error: The exception that `model` raised, or `None`. The rows go up to there.
        failed: The `LayerCall` it was raised in, or `None`.
        loss_unmasked: Whether the output has a step for each of a mask, and carries none.
    """

    def __init__(
        self,
        rows: list[LayerCall],
        name: str,
        *,
        error: Exception | None = None,
        failed: LayerCall | None = None,
        failed_shape: tuple[int, ...] | None = None,
        loss_unmasked: bool = False,
    ) -> None:
        super().__init__(rows)
        self.name, self.error = name, error
        self.failed, self.failed_shape = failed, failed_shape
        self.loss_unmasked = loss_unmasked

    @property
    def makers(self) -> list[LayerCall]:
        """The calls that a mask comes from: it did not come in, or was passed by hand."""
        return [r for r in self if r.mask_in is None and r.mask_out is not None]

    @property
    def drops(self) -> list[LayerCall]:
        """The drops that matter: with the mask put back there, the output is another one."""
        return [row for row in self if row.drops and row.matters]

    @property
    def harmless(self) -> list[LayerCall]:
        """The drops behind which nothing would have used the mask, on these inputs."""
        return [row for row in self if row.drops and row.matters is False and not row.lets_in]

    @property
    def missed(self) -> list[LayerCall]:
        """Drops that matter to no kept step of this output, though a layer behind is left without.

        Looked for only if no layer uses a mask.
        """
        return [row for row in self.harmless if row.used_by]

    @property
    def consumers(self) -> list[LayerCall]:
        """The calls that use a mask. Of a layer and the layers inside it, the inner ones."""
        return [
            row
            for row, after in zip(self, [*self[1:], None], strict=True)
            if row.consumes
            and not (after and after.depth > row.depth and self._inner_consumes(row))
        ]

    def _inner_consumes(self, row: LayerCall) -> bool:
        for inner in self[self.index(row) + 1 :]:
            if inner.depth <= row.depth:
                return False
            if inner.consumes:
                return True
        return False

    @property
    def entries(self) -> list[LayerCall]:
        """The calls that were given a mask, did not use it, and read the padded steps.

        Layers; or, if there are none, operations, such as a slice (of which often the shape alone
        is used).
        """
        found = [row for row in self if row.lets_in]
        return [row for row in found if not row.class_name.endswith("(op)")] or found

    @property
    def status(self) -> str:
        """`"none made"`, `"unused"`, `"dropped"` (and that matters), `"used"` or `"failed"`."""
        if self.error is not None:
            return "failed"
        if self.drops or self.missed:
            return "dropped"
        if not any(m is not None for row in self for m in (row.mask_in, row.mask_out)):
            return "none made"
        return "used" if self.consumers else "unused"

    def summary(self) -> str:
        """Returns the verdict in words.

        One of: no mask is made; a mask is made and never used; it is dropped at …; it arrives
        and is used; or where the model failed.
        """
        deaf = ""
        if self.entries:
            deaf = _n(
                "it comes to {names}, which does not use it and reads padded steps",
                "it comes to {names}, which do not use it and read padded steps",
                len(self.entries),
                names=_names(self.entries),
            )
        drops = _("; ").join(_drop_in_words(row) for row in self.drops)
        if self.error is not None:
            failure = self._failure()
            if not drops:
                return failure
            return _("Mask dropped at: {drops}. {failure}", drops=drops, failure=failure)
        if drops:
            return _("Mask dropped at: {drops}.", drops=drops)
        if self.missed:
            return _(
                "Mask dropped at: {drops}. In this batch no kept step of the output moves.",
                drops=_("; ").join(_drop_in_words(row) for row in self.missed),
            )
        if not any(m is not None for r in self for m in (r.mask_in, r.mask_out)):
            return _("No mask is made.")
        if not self.consumers:
            said = _("A mask is made and never used")
            if self.makers:
                said = _("A mask is made at {names} and never used", names=_names(self.makers))
            if deaf:
                return _("{said}; {more}.", said=said, more=deaf)
            return _("{said}.", said=said)
        said = _("The mask arrives and is used at: {names}.", names=_names(self.consumers))
        if any(row.inverted for row in self):
            said = _(
                "{said} But the wrong way round at: {names}, for Keras reads True as keep.",
                said=said,
                names=_names([row for row in self if row.inverted]),
            )
        return _("{said} But {more}.", said=said, more=deaf) if deaf else said

    def remarks(self) -> list[str]:
        """Returns what else was seen, a sentence each: nothing here changes the output."""
        return [sentence for _about, sentence in self.told()]

    def told(self) -> list[tuple[str, str]]:
        """Returns the remarks, each behind a word for what it is about, such as `"loss"`."""
        said = []
        before = [row for row in self if row.drops]
        if self.error is not None and before:
            names = _names(before)
            said.append(
                ("before", _("Before that, the mask was dropped at: {names}.", names=names))
            )
        harmless = [row for row in self.harmless if not row.used_by]
        if harmless:
            remark = _(
                "Dropped where it makes no difference to this output: {names}.",
                names=", ".join(f"{r.name} ({_loudly(r)})" for r in harmless),
            )
            said.append(("harmless", remark))
        graph = [row.name for row in self if row.disagrees]
        if graph and self.drops:
            names = ", ".join(graph)
            said.append(("graph", _("The graph still shows a mask at: {names}.", names=names)))
        for kind in sorted({kind for row in self for kind in row.kinds.values()}):
            rows = [row for row in self if kind in row.kinds.values()]
            said.append((kind, _(_KINDS[kind], names=_names(rows))))
        if self.loss_unmasked:
            remark = _("The output carries no mask: a loss or metric would count padded steps.")
            said.append(("loss", remark))
        return said

    def _failure(self) -> str:
        # Keras puts a paragraph before and two behind what is to be said, TensorFlow colours.
        words = re.sub(r"\x1b\[\d*m|{{.*?}}|\[Op:.*", "", str(self.error)).strip().split("\n\n")
        said = next((w for w in words if not w.startswith("Exception encountered")), "")
        said = " ".join(said.split())
        said = said if len(said) < 300 else said[:300] + " …"
        error = f"{type(self.error).__name__}: {said}"
        if self.failed is None:
            return _("The model failed: {error}", error=error)
        place = {"layer": self.failed.name, "type": self.failed.class_name, "error": error}
        shapes = sorted({str(m.shape) for m in self.failed.masks_in.values() if m is not None})
        if not shapes:
            return _("The model failed at {layer} ({type}): {error}", **place)
        return _(
            "The model failed at {layer} ({type}), given {shape} with a mask of shape "
            "{mask_shape}: {error}",
            shape=self.failed_shape,
            mask_shape=both(shapes),
            **place,
        )

    def masks(self) -> dict[str, np.ndarray]:
        """Returns `{title: mask}` down the model, True = keep: `helpers.plot_masks` draws it.

        A call that hands a mask on is shown with it, one that does not with the mask it got;
        calls without any mask are left out.
        """
        shown: dict[str, np.ndarray] = {}
        for row in self:
            masks = row.masks_out if row.mask_out is not None else row.masks_in
            masks = {name: mask for name, mask in masks.items() if mask is not None}
            equal = len({mask.tobytes() for mask in masks.values()}) == 1
            for name, mask in list(masks.items())[: 1 if equal else None]:
                title = f"{row.name}: {row.role_in_words()}" + f", {name}" * (not equal)
                count = sum(t == title or t.startswith(f"{title} #") for t in shown)
                shown[f"{title} #{count + 1}" if count else title] = mask
        return shown

    def __repr__(self) -> str:
        lines = [tuple(map(_, COLUMNS)), *(row.cells() for row in self)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, tuple("-" * width for width in widths))
        table = [" | ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*table, *self.remarks(), self.summary()])

    def _repr_html_(self) -> str:
        style = "style='text-align:left'"  # no colours: the table takes on the reader's theme
        lines = []
        for row in self:
            cells = [html.escape(cell.strip()) for cell in row.cells()]
            cells[0] = "&nbsp;" * 4 * row.depth + f"<code>{cells[0]}</code>"
            loud = (row.drops and row.matters) or row.lets_in or row is self.failed
            cells[4] = f"<b>{cells[4]}</b>" if loud else cells[4]
            lines.append("".join(f"<td {style}>{cell}</td>" for cell in cells))
        head = "".join(f"<th {style}>{_(column)}</th>" for column in COLUMNS)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        said = "".join(f"<p>{html.escape(line)}</p>" for line in self.remarks())
        return f"{table}{said}<p><b>{html.escape(self.summary())}</b></p>"


def trace_masks(model: Any, inputs: Any) -> Trace:
    """Runs `model` once on `inputs` and records what every layer call does with its masks.

    Introduced in notebook 04. The model is called as `model(inputs)`, so its layers behave as at
    inference. Models, and layers with a `call` of your own, are opened: the calls inside follow,
    indented. Keras' own layers are one row each. So are operations in the graph of a Functional
    model: `x + y`, a slice, the `NotEqual` that computes a mask; and plain code in a `call` that
    loses the mask on the way from one layer to the next.

    A row's role is one or two of *creates*, *consumes*, *passes on*, *changes*, *drops* (and Keras
    warned), *drops (silently)*; or *none*.

    **Consumes is measured**, not read off the signature. A layer that got a mask is called again,
    with another mask (only the first step kept) and twice with the same. It consumes its mask if
    the other mask changes the output anywhere and the same mask does not.
    An LSTM given `initial_state` never receives the mask it hands on, so it does not consume it.
    A layer that consumes its mask and has no steps left has used it up, as
    `GlobalAveragePooling1D` does; that is no drop, whether Keras warns or not.

    **Whether a drop matters is measured, too**: the whole model runs again with the mask put back
    there. The drop matters if its output at the kept steps is another one. The rest is listed
    apart. All this holds for the `inputs` given: with no step masked, no drop makes a difference.

    What this cannot see: a mask used in training only (`BatchNormalization`); masks that plain
    code handles by itself; calls inside Keras' own layers. A `tf.function` is run as plain Python,
    without masks across its border, as is its way. The repetitions guard variables and swallow
    prints, but other Python side effects of your `call` happen again, the last time with the real
    mask.

    Args:
        model: A Keras model or layer, or a function that calls some.
        inputs: What to call it on: array-like, or a list or dict of arrays.

    Returns:
        A `Trace`: a list of `LayerCall`, shown as a table. The model's own row is left out. If
        `model` raises, the rows go up to there, and `.error` holds the exception. Keras is left
        as it was found, then too.

    Raises:
        TypeError: If `model` cannot be called on inputs.
        ValueError: If `inputs` are empty, no layer is called, or Keras' backend is another.

    Example:

    ```python
    embed = keras.layers.Embedding(10, 4, mask_zero=True)
    model = keras.Sequential([embed, keras.layers.Conv1D(4, 3), keras.layers.LSTM(8)])
    trace_masks(model, [[3, 7, 2, 0], [5, 1, 4, 8]])  # conv1d drops the mask, and Keras warns
    ```
    """
    if isinstance(model, type):
        raise TypeError(
            _("Expected a model or layer, received the class {name} itself.", name=model.__name__)
        )
    if not callable(model):
        raise TypeError(_("Expected a model or layer, received {type}.", type=type(model).__name__))
    try:
        import keras
    except ImportError as error:
        raise ImportError(_("trace_masks looks into Keras layers, and Keras is missing")) from error
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            _(
                "trace_masks follows masks with the TensorFlow backend; Keras runs on "
                "{backend}. padding_leak and measured_mask need no backend.",
                backend=keras.config.backend(),
            )
        )
    leaves = flat(inputs)
    if not leaves or any(leaf is None or 0 in np.shape(leaf) for leaf in leaves):
        raise ValueError(_("`inputs` are empty: expected at least one sequence with one step."))
    if not any(is_tensor(leaf) for leaf in leaves) and not isinstance(inputs, dict):
        inputs = np.array(inputs)  # nested lists of numbers
    # Copies, because a model may put masks on its inputs or (MultiHeadAttention) take them off.
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    recorder, outputs, error = Recorder(_references(inputs)), None, None
    try:
        with recorder.listening():
            outputs = model(copied({"inputs": inputs})["inputs"])
    except Exception as raised:  # that is when people come: the rows are shown with it
        error = raised
    rows = recorder.rows
    if not rows and error is None:
        if recorder.unseen:
            raise NoKerasLayer(
                _(
                    "No Keras layer was called, or only where it cannot be seen: there is no "
                    "mask to follow."
                )
            )
        raise NoKerasLayer(_("No Keras layer was called: there is no mask to follow."))
    if error is None:
        _weigh(model, inputs, outputs, rows)
    own_row = isinstance(model, keras.Model) and rows and rows[0].mask_in is None
    if own_row and rows[0].depth == 0 and (len(rows) > 1 or error is not None):
        rows = rows[1:]
        for row in rows:
            row.depth -= 1
    name = getattr(model, "name", getattr(model, "__name__", type(model).__name__))
    known = {m.shape for row in rows for m in row.masks_out.values() if m is not None}
    bare = [x for x in flat(outputs) if is_tensor(x) and getattr(x, "_keras_mask", None) is None]
    unmasked = any(x.ndim > 2 and tuple(x.shape[:2]) in known for x in bare)
    return Trace(
        rows,
        name,
        error=error,
        failed=recorder.failed,
        failed_shape=recorder.failed_shape,
        loss_unmasked=unmasked,
    )


def masks_that_follow(model: Any, inputs: Any, changed: Any) -> set[int]:
    """Returns the numbers of the calls whose masks are others if `inputs` are `changed`."""
    import keras

    def run(inputs: Any) -> list[LayerCall]:
        recorder = Recorder(measure=False)
        inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        with recorder.listening(), keras.StatelessScope():
            model(inputs)
        return recorder.rows

    def masks(row: LayerCall) -> list[bytes]:
        both = [*row.masks_in.values(), *row.masks_out.values()]
        return [b"" if mask is None else mask.tobytes() for mask in both]

    rows = zip(run(inputs), run(changed))
    return {before.number for before, after in rows if masks(before) != masks(after)}


def mixes_rows(model: Any, inputs: Any, row: int) -> str:
    """Returns the name of the first layer whose answer for `row` depends on the other rows."""
    import keras

    def run(inputs: Any) -> list[tuple[str, Any]]:
        recorder = Recorder(measure=False)
        recorder.outputs = []
        with recorder.listening(), keras.StatelessScope():
            model(inputs)
        return recorder.outputs

    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    together, alone = run(inputs), run(keras.tree.map_structure(lambda x: x[row : row + 1], inputs))
    for (name, whole), (_name, one) in zip(together, alone):
        for x, y in zip(flat(whole), flat(one)):
            if is_tensor(x) and len(x.shape) and len(y.shape) and y.shape[0] == 1:
                if x.shape[1:] == y.shape[1:] and differ(x[row : row + 1], y):
                    return name
    return ""


def _references(inputs: Any) -> list[np.ndarray]:
    """What is real in the inputs, `(B, T)`, if zeros are the padding."""
    found = []
    for x in flat(inputs):
        x = np.asarray(x) if hasattr(x, "numpy") else np.empty(0, object)
        if x.dtype.kind in "iuf" and x.ndim in (2, 3):
            keep = x != 0 if x.ndim == 2 else (x != 0).any(-1)
            if keep.any() and not keep.all():
                found.append(keep)
    return found


def _weigh(model: Any, inputs: Any, outputs: Any, rows: list[LayerCall]) -> None:
    """Finds out for each drop whether something behind it would have used the mask."""
    import keras

    def run(put_back: tuple | None = None, measure: bool = False) -> tuple[Any, list[LayerCall]]:
        recorder = Recorder(put_back=put_back, measure=measure)
        scope = keras.StatelessScope()
        with recorder.listening(), scope, contextlib.redirect_stdout(io.StringIO()):
            return model(copied({"inputs": inputs})["inputs"]), recorder.rows

    def left_without(row: LayerCall) -> str:
        """The first layer that uses the mask once it is put back."""
        try:
            _, after = run(row.lost, measure=True)
        except Exception:
            return ""
        inner = [r for r in after if r.consumes and r.number >= row.lost[0]]
        return inner[0].name if inner else ""

    drops = [row for row in rows if row.drops]
    if not drops:
        return
    try:
        again, before = run()
        steady = not differ(again, outputs)
    except Exception:
        steady = False  # it cannot be run a second time
    for row in reversed(drops):
        if row.lost is None:  # no steps are left to put a mask on
            row.matters = False
            continue
        if not steady:
            row.notes.append(
                _("whether it matters: not measured, for the model cannot be repeated")
            )
            row.matters = row.mask_in is not None
            continue
        number, argument, mask = row.lost
        try:
            mended, after = run(row.lost)
        except Exception as error:
            row.notes.append(
                _("with the mask put back the model fails: {type}", type=type(error).__name__)
            )
            row.matters = False
            continue
        row.matters = _moved(again, mended, mask)
        if row.matters:
            behind = number + (argument is None)
            row.used_by = next(
                (
                    with_mask.name
                    for without, with_mask in zip(before[behind:], after[behind:])
                    if with_mask.takes_mask and without.mask_in is None is not with_mask.mask_in
                ),
                "",
            )
    if not any(row.matters or row.consumes for row in rows):
        for row in drops if steady else ():
            row.used_by = left_without(row) if row.lost else ""
    # A drop inside a layer explains the one at the layer.
    for place, row in enumerate(rows):
        inner = []
        for other in rows[place + 1 :]:
            if other.depth <= row.depth:
                break
            inner.append(other)
        if row.drops and any(r.drops and r.matters for r in inner):
            row.matters = None


def _moved(before: Any, after: Any, mask: np.ndarray) -> bool:
    """Whether the outputs differ, at the kept steps where they have any."""
    for x, y in zip(flat(before), flat(after), strict=True):
        keep = getattr(y, "_keras_mask", None)
        keep = mask if keep is None else np.asarray(keep).astype(bool)
        x, y = np.asarray(x), np.asarray(y)
        if x.ndim > keep.ndim - 1 and x.shape[: keep.ndim] == keep.shape:
            x, y = x[keep], y[keep]
        if differ(x, y):
            return True
    return False


def _names(rows: list[LayerCall]) -> str:
    return ", ".join(dict.fromkeys(row.name for row in rows))


def _loudly(row: LayerCall) -> str:
    return _("warned") if row.warned else _("silently")


def _drop_in_words(row: LayerCall) -> str:
    where = f"{row.name} {row.between}".strip()
    if not row.used_by:
        return f"{where} ({_loudly(row)})"
    return _(
        "{place} ({how}), and {reader} behind it would have used it",
        place=where,
        how=_loudly(row),
        reader=row.used_by,
    )
