"""Follow the mask through a model, one layer call at a time. Introduced in notebook 04.

`padding_leak` and `influence` look at a model from outside. `trace_masks` looks inside: which
mask came in, which went out, what the layer did with it, and whether Keras said anything.
"""

import contextlib
import functools
import html
import inspect
import io
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from helpers.panels import KEEP, MASKED

import numpy as np

COLUMNS = ("layer", "class", "mask in", "mask out", "role", "warned")


@dataclass(eq=False)
class LayerCall:
    """One row of a trace: what one call of one layer (or graph operation) did with its masks.

    Masks go by the name of the argument they belong to (`"inputs"`, `"query"`, `"inputs[0]"`,
    `"output"` …); each is a NumPy array of bools (True = keep) or `None`. `symbolic_in` and
    `symbolic_out` say for the same names whether the *graph* promises a mask. They are `None`
    where there is no graph, that is outside Functional and Sequential models.
    """

    name: str
    class_name: str
    depth: int = 0
    masks_in: dict[str, np.ndarray | None] = field(default_factory=dict)
    masks_out: dict[str, np.ndarray | None] = field(default_factory=dict)
    symbolic_in: dict[str, bool] | None = None
    symbolic_out: dict[str, bool] | None = None
    consumes: bool = False
    drops: bool = False
    warned: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def mask_in(self) -> np.ndarray | None:
        """The first mask that came in, or `None`."""
        return next((m for m in self.masks_in.values() if m is not None), None)

    @property
    def mask_out(self) -> np.ndarray | None:
        """The first mask that went out, or `None`."""
        return next((m for m in self.masks_out.values() if m is not None), None)

    @property
    def disagrees(self) -> bool:
        """Whether the graph promises a mask that is not there at run time, or the reverse."""
        return "symbolic: " in "".join(self.cells()[2:4])

    @property
    def role(self) -> str:
        """What the call did with its masks, in words, for example `"consumes, passes on"`."""
        came = [m for m in self.masks_in.values() if m is not None]
        went = [m for m in self.masks_out.values() if m is not None]
        if not came:
            return "creates" if went else "none"
        roles = ["consumes"] * self.consumes
        if went:
            same = all(any(np.array_equal(w, c) for c in came) for w in went)
            roles.append("passes on" if same else "changes")
        elif self.drops:
            roles.append("drops" if self.warned else "drops (silently)")
        return ", ".join(roles)

    def cells(self) -> tuple[str, ...]:
        """Returns the texts of the row, in the order of `COLUMNS`."""
        false_alarm = self.warned and not self.drops
        return (
            "  " * self.depth + self.name,
            self.class_name,
            _masks_in_words(self.masks_in, self.symbolic_in),
            _masks_in_words(self.masks_out, self.symbolic_out),
            self.role + "".join(f" ({note})" for note in self.notes),
            ("yes" if self.warned else "no") + ", a false alarm" * false_alarm,
        )


class Trace(list):
    """The `LayerCall`s of one run. Shows itself as a table; `plot()` draws the masks.

    Args:
        rows: List of `LayerCall`.
        name: String. What was traced.
    """

    def __init__(self, rows: list[LayerCall], name: str) -> None:
        super().__init__(rows)
        self.name = name

    def summary(self) -> str:
        """Returns in words where masks are dropped, and where the graph is wrong about them."""
        drops = [f"{r.name} ({'warned' if r.warned else 'silently'})" for r in self if r.drops]
        wrong = [row.name for row in self if row.disagrees]
        text = f"Mask dropped at: {', '.join(drops)}." if drops else "No mask is dropped."
        return text + f" Symbolic and run-time masks differ at: {', '.join(wrong)}." * bool(wrong)

    def __repr__(self) -> str:
        lines = [COLUMNS, *(row.cells() for row in self)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, tuple("-" * width for width in widths))
        table = [" | ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*table, self.summary()])

    def _repr_html_(self) -> str:
        style = "style='text-align:left'"  # no colours: the table takes on the reader's theme
        lines = []
        for row in self:
            cells = [html.escape(cell.strip()) for cell in row.cells()]
            cells[0] = "&nbsp;" * 4 * row.depth + f"<code>{cells[0]}</code>"
            cells[2:4] = [f"<b>{c}</b>" if "symbolic: " in c else c for c in cells[2:4]]
            cells[4] = f"<b>{cells[4]}</b>" if row.drops else cells[4]
            lines.append("".join(f"<td {style}>{cell}</td>" for cell in cells))
        head = "".join(f"<th {style}>{column}</th>" for column in COLUMNS)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{table}<p>{html.escape(self.summary())}</p>"

    def plot(self) -> Any:
        """Draws the masks down the layers: masks in on the left, masks out on the right.

        Returns:
            The `Figure`, whose text form is the table. A drop is said in words, in bold. At
            most 8 sequences and 32 steps of a mask are drawn.
        """
        from helpers.heatmaps import MaskFigure

        from matplotlib.patches import Rectangle

        height = len(self) + 1.45
        figure = MaskFigure(figsize=(6.5, 0.62 * height), dpi=100)
        figure.words = f"Masks down {self.name}\n{self!r}"
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 6.5), ylim=(height - 1, -1))
        axes.set_axis_off()

        def say(x: float, y: float, text: str, **look: Any) -> None:
            axes.text(x, y, text, va="center", parse_math=False, **{"fontsize": 10} | look)

        say(0.1, -0.75, f"Masks down {self.name}", fontsize=12)
        say(0.1, -0.25, "blue = kept, hatched grey = masked")
        say(3.1, -0.25, "mask in")
        say(4.9, -0.25, "mask out")
        for y, row in enumerate(self):
            weight = "bold" if row.drops else "normal"
            indent = 0.1 + 0.15 * row.depth
            say(indent, y + 0.28, row.name if len(row.name) < 33 else row.name[:32] + "…")
            say(indent, y + 0.66, row.role, weight=weight)
            for x, masks in ((3.1, row.masks_in), (4.9, row.masks_out)):
                width = 1.6 / max(len(masks), 1)
                for left, mask in zip(x + width * np.arange(len(masks)), masks.values()):
                    if mask is None:
                        say(left, y + 0.45, "none", weight=weight)
                        continue
                    shown = np.atleast_2d(mask).reshape(-1, np.shape(mask)[-1])[:8, :32]
                    corner, size = (left, y + 0.1), (0.92 * width, 0.8)
                    axes.add_patch(Rectangle(corner, *size, fc=MASKED, ec="#8C8C8C", hatch="////"))
                    columns = left + size[0] * np.linspace(0, 1, shown.shape[1] + 1)
                    lines = y + 0.1 + size[1] * np.linspace(0, 1, shown.shape[0] + 1)
                    cells = axes.pcolormesh(columns, lines, shown, edgecolors="white", lw=0.5)
                    # Masked cells are see-through, so that the hatch under them shows.
                    cells.set(array=None, facecolor=[KEEP if k else "none" for k in shown.flat])
        return figure


def trace_masks(model: Any, inputs: Any) -> Trace:
    """Runs `model` once on `inputs` and records what every layer call does with its masks.

    Introduced in notebook 04. The model is called as `model(inputs)`, so its layers behave as at
    inference. Models, and layers with a `call` of your own, are opened: the calls inside follow,
    indented. Keras' own layers are one row each. So are operations in the graph of a Functional
    model: `x + y`, a slice, the `NotEqual` that computes a mask.

    A row's role is one or two of *creates*, *consumes*, *passes on*, *changes*, *drops* (and Keras
    warned), *drops (silently)*; or *none*.

    **Consumes is measured**, not read off the signature. A layer that got a mask is called again,
    with another mask (only the first step kept) and twice with the same. It consumes its mask if
    the other mask changes the output anywhere and the same mask does not.
    An LSTM given `initial_state` never receives the mask it hands on, so it does not consume it.
    A layer that consumes its mask, hands none on and does not warn has used it up, as
    `GlobalAveragePooling1D` does; that is no drop.

    What this cannot see: a mask used in training only (`BatchNormalization`); plain code in a
    `call`, such as `x + 1` (the next call gets no mask, that shows); calls inside a `tf.function`
    or inside Keras' own layers. The repetitions guard variables and swallow prints, but other
    Python side effects of your `call` happen again, the last time with the real mask.

    Args:
        model: A Keras model or layer, or a function that calls some.
        inputs: What to call it on: array-like, or a list or dict of arrays.

    Returns:
        A `Trace`: a list of `LayerCall`, shown as a table. The model's own row is left out.

    Raises:
        TypeError: If `model` cannot be called on inputs.
        ValueError: If `inputs` are empty, or no layer is called.
        Exception: Whatever `model` raises. Keras is left as it was found, then too.

    Example:

    ```python
    embed = keras.layers.Embedding(10, 4, mask_zero=True)
    model = keras.Sequential([embed, keras.layers.Conv1D(4, 3), keras.layers.LSTM(8)])
    trace_masks(model, [[3, 7, 2, 0], [5, 1, 4, 8]])  # conv1d drops the mask, and Keras warns
    ```
    """
    if isinstance(model, type):
        raise TypeError(f"Expected a model or layer, received the class {model.__name__} itself.")
    if not callable(model):
        raise TypeError(f"Expected a model or layer, received {type(model).__name__}.")
    import keras

    leaves = keras.tree.flatten(inputs)
    if not leaves or any(leaf is None or 0 in np.shape(leaf) for leaf in leaves):
        raise ValueError("`inputs` are empty: expected at least one sequence with one step.")
    if not any(_is_tensor(leaf) for leaf in leaves) and not isinstance(inputs, dict):
        inputs = np.array(inputs)  # nested lists of numbers
    # Copies, because a model may put masks on its inputs or (MultiHeadAttention) take them off.
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    recorder = _Recorder()
    with recorder.listening():
        model(_copied({"inputs": inputs})["inputs"])
    rows = recorder.rows
    if not rows:
        raise ValueError("No Keras layer was called, or only inside a `tf.function`.")
    if isinstance(model, keras.Model) and rows[0].mask_in is None:
        rows = rows[1:]
        for row in rows:
            row.depth -= 1
    return Trace(rows, getattr(model, "name", getattr(model, "__name__", "model")))


def _masks_in_words(masks: dict[str, Any], symbolic: dict[str, bool] | None) -> str:
    """Sums masks up, such as `(3, 6) 14 of 18 kept`, and says where the graph says otherwise."""
    words = {}
    for name in dict.fromkeys([*masks, *(symbolic or {})]):
        mask = masks.get(name)
        text = "none" if mask is None else f"{mask.shape} {mask.sum()} of {mask.size} kept"
        promised = mask is not None if symbolic is None else symbolic.get(name, False)
        if promised and mask is None:
            text = "symbolic: yes, run-time: none"
        elif mask is not None and not promised:
            text += " [symbolic: none, run-time: yes]"
        words[name] = text
    different = set(words.values())
    if different <= {"none"}:
        return "–"
    if len(different) == 1:
        return different.pop() + f" (×{len(words)})" * (len(words) > 1)
    return "; ".join(f"{name}: {text}" for name, text in words.items())


def _is_tensor(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype")


def _mask_of(x: Any) -> Any:
    return getattr(x, "_keras_mask", None)


def _by_name(name: str, value: Any) -> dict[str, Any]:
    """Names the tensors and `None`s in `value`: `name` for one, `name[0]` … for several."""
    import keras

    parts = [x for x in keras.tree.flatten(value) if x is None or _is_tensor(x)]
    return {f"{name}[{i}]" if len(parts) > 1 else name: x for i, x in enumerate(parts)}


def _masks_in(operation: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the masks on the tensors of a call, and those passed to it as `…mask` arguments."""
    parameters, first = inspect.signature(operation.call).parameters, next(iter(arguments), "")
    masks = {}
    for argument, value in arguments.items():
        if argument.endswith("mask"):  # what is passed overrules what is attached
            owner = first if argument == "mask" else argument.removesuffix("_mask")
            passed = _by_name(owner if owner in arguments else argument, value)
            masks.update((name, mask) for name, mask in passed.items() if mask is not None)
            continue
        # That an LSTM state carries no mask, for one, is not worth saying.
        notable = argument == first or f"{argument}_mask" in parameters
        found = {name: _mask_of(x) for name, x in _by_name(argument, value).items()}
        masks.update((name, mask) for name, mask in found.items() if notable or mask is not None)
    return masks


def _masks_out(outputs: Any) -> dict[str, Any]:
    return {name: _mask_of(x) for name, x in _by_name("output", outputs).items()}


def _as_bools(masks: dict[str, Any]) -> dict[str, np.ndarray | None]:
    dense = {k: m.to_tensor() if hasattr(m, "to_tensor") else m for k, m in masks.items()}  # ragged
    return {k: None if m is None else np.array(m).astype(bool) for k, m in dense.items()}


def _named(operation: Any, args: tuple, kwargs: dict) -> dict[str, Any]:
    return dict(zip(inspect.signature(operation.call).parameters, args)) | kwargs


def _copied(arguments: dict[str, Any], change: Callable = np.asarray) -> dict[str, Any]:
    """Copies the tensors of a call with their masks; the masks go through `change`."""
    import keras
    import tensorflow as tf

    def copy(x: Any) -> Any:
        if not _is_tensor(x):
            return x
        y = tf.identity(x)
        if _mask_of(x) is not None:
            y._keras_mask = tf.constant(change(_mask_of(x)))
        return y

    def copy_mask(x: Any) -> Any:
        return tf.constant(change(x)) if _is_tensor(x) else x

    return {
        name: keras.tree.map_structure(copy_mask if name.endswith("mask") else copy, value)
        for name, value in arguments.items()
    }


def _another(mask: Any) -> np.ndarray:
    """Returns a mask unlike `mask`, if possible one that is padded on the right: cuDNN insists."""
    first_only = np.zeros_like(mask)
    first_only[..., :1] = 1
    choices = (first_only, np.ones_like(mask), np.zeros_like(mask))
    return next(m for m in choices if not np.array_equal(m, mask))


def _differ(some: Any, others: Any) -> bool:
    import keras

    some, others = ([np.asarray(x) for x in keras.tree.flatten(y)] for y in (some, others))
    if [x.shape for x in some] != [x.shape for x in others]:
        return True
    return not all(np.allclose(x, y, 1e-4, 1e-6, equal_nan=True) for x, y in zip(some, others))


def _graph_nodes(layer: Any) -> Iterator:
    """Yields the calls a Functional or Sequential model makes, in the order it makes them."""
    graph = getattr(layer, "_functional", layer)  # a Sequential model has its graph in there
    for _, nodes in sorted(getattr(graph, "_nodes_by_depth", {}).items(), reverse=True):
        yield from nodes


class _Frame(NamedTuple):
    """A call in progress."""

    row: LayerCall
    operation: Any = None
    opened: bool = True  # whether the layer calls inside it get rows
    nodes: Iterator = iter(())  # its graph; lazily, for Sequential may get one only in `build`


class _Recorder:
    """Stands in for `Layer.__call__`, `Operation.__call__` and Keras' `warnings` during one run."""

    def __init__(self) -> None:
        self.rows: list[LayerCall] = []
        # `None` on top means: what happens now is not part of the run.
        self.frames: list[_Frame | None] = [_Frame(LayerCall("", ""))]

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        import keras

        layer_module = sys.modules[keras.layers.Layer.__module__]
        call_layer, call_operation = keras.layers.Layer.__call__, keras.Operation.__call__
        warnings = layer_module.warnings

        def layer_call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return self.record(call_layer, layer, args, kwargs)

        def operation_call(operation: Any, *args: Any, **kwargs: Any) -> Any:
            # Operations get rows in Functional models. A Sequential one keeps its graph elsewhere
            # and shows only layers, as its `summary()` does. `Layer.__call__`, too, ends up here.
            in_graph = hasattr(getattr(self.frames[-1], "operation", None), "_nodes_by_depth")
            if isinstance(operation, keras.layers.Layer) or not in_graph:
                return call_operation(operation, *args, **kwargs)
            return self.record(call_operation, operation, args, kwargs)

        def warn(message: Any, category: Any = None, stacklevel: int = 1) -> None:
            if "destroy the mask information" not in str(message):
                warnings.warn(message, category, stacklevel + 1)
            elif self.frames[-1] is not None:
                self.frames[-1].row.warned = True

        try:
            keras.layers.Layer.__call__ = layer_call
            keras.Operation.__call__ = operation_call
            # Through Python's `warnings`, its filters and once-per-place memory would change.
            layer_module.warnings = types.SimpleNamespace(warn=warn)
            yield
        finally:
            keras.layers.Layer.__call__ = call_layer
            keras.Operation.__call__ = call_operation
            layer_module.warnings = warnings

    def record(self, call: Callable, operation: Any, args: tuple, kwargs: dict) -> Any:
        """Makes a call, with a row for it if it is to have one."""
        import keras
        import tensorflow as tf

        parent = self.frames[-1]
        if parent is None or not parent.opened:
            return call(operation, *args, **kwargs)
        tensors = keras.tree.flatten((args, kwargs))
        if not tf.executing_eagerly() or any(isinstance(x, keras.KerasTensor) for x in tensors):
            # Building a model calls its layers on tensors without values: not a part of the run.
            with self.inside(None):
                return call(operation, *args, **kwargs)
        is_layer = isinstance(operation, keras.layers.Layer)
        row = LayerCall(operation.name, type(operation).__name__ + " (op)" * (not is_layer))
        row.depth = len(self.frames) - 1
        self.rows.append(row)
        start = len(self.rows)
        home = getattr(type(operation).call, "__module__", "")
        opened = isinstance(operation, keras.Model) or not home.startswith("keras.")
        node = next((n for n in parent.nodes if n.operation is operation), None)
        # Copied now, because a call may take the masks off its tensors.
        given = _copied(_named(operation, args, kwargs))
        masked = [x for x in tensors if _mask_of(x) is not None]
        was_built = getattr(operation, "built", True)
        with self.inside(_Frame(row, operation, opened, _graph_nodes(operation))):
            outputs = call(operation, *args, **kwargs)

        row.masks_in = _as_bools(_masks_in(operation, given))
        row.masks_out = _as_bools(_masks_out(outputs))
        if any(_mask_of(x) is None for x in masked):
            row.notes.append("takes the mask off its input")
        if node is not None:
            promised = _named(operation, node.arguments.args, node.arguments.kwargs)
            promised = _masks_in(operation, promised), _masks_out(node.outputs)
            row.symbolic_in, row.symbolic_out = (
                {name: mask is not None for name, mask in masks.items()} for masks in promised
            )
            graph = [_mask_of(x) for n in _graph_nodes(parent.operation) for x in n.outputs]
            if any(x is mask for x in node.outputs for mask in graph):
                row.notes.append("its output is a mask")
        if row.mask_in is not None and is_layer:
            first = outputs if not was_built else None
            self.measure(row, functools.partial(call, operation), given, first)
            takes_mask = "mask" in inspect.signature(operation.call).parameters
            several = sum(any(map(_is_tensor, keras.tree.flatten(v))) for v in given.values()) > 1
            if takes_mask and several and "mask" not in given:  # Keras fills it in for one only
                row.notes.append("its call is not given the mask")
        if row.mask_in is not None and row.mask_out is None:
            row.drops = row.warned or not row.consumes
            inside = self.rows[start:]
            if row.consumes and inside and inside[0].symbolic_in is not None:
                # Keras warns for every model in a model. Here the whole graph is in view.
                row.drops = any(inner.drops for inner in inside)
        return outputs

    @contextlib.contextmanager
    def inside(self, frame: _Frame | None) -> Iterator[None]:
        self.frames.append(frame)
        try:
            yield
        finally:
            self.frames.pop()

    def measure(self, row: LayerCall, call: Callable, given: dict[str, Any], first: Any) -> None:
        """Finds out whether the output depends on the masks in `given`, see `trace_masks`."""
        import keras

        def again(change: Callable) -> Any:
            scope = keras.StatelessScope()
            with self.inside(None), scope, contextlib.redirect_stdout(io.StringIO()):
                return call(**_copied(given, change))

        try:
            other, same = again(_another), again(np.asarray)
            row.consumes = _differ(other, same) and not _differ(same, again(np.asarray))
        except Exception as error:  # a layer may well refuse a mask that is not its own
            row.notes.append(f"use of the mask not measured: {type(error).__name__}")
            return
        # Building some layers calls them, which can take the masks off their inputs: the very
        # first call is then unmasked, and the repetitions are not.
        if first is not None and _differ(first, same):
            row.consumes = False
