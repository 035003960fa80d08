"""Record one run of a Keras model: each layer call, with the masks that come in and go out.

`trace.py` decides what the rows mean and shows them. What is here stands in for `Layer.__call__`
and a few others while the model runs, and puts them back.
"""

import contextlib
import functools
import inspect
import io
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from maskprobe.rows import ADDITIVE, LATER_ONLY, OTHER_POLARITY, LayerCall
from maskprobe.words import _

import numpy as np


class _Frame(NamedTuple):
    """A call in progress."""

    row: LayerCall
    operation: Any = None
    opened: bool = True  # whether the layer calls inside it get rows
    nodes: Iterator = iter(())  # its graph; lazily, for Sequential may get one only in `build`
    data: frozenset | None = None  # operations of its graph that do more than compute a mask


class Recorder:
    """Stands in for `Layer.__call__`, `Operation.__call__` and Keras' `warnings` during one run.

    Args:
        references: List of masks `(B, T)`, True = keep: one that says the opposite at every step
            is taken to have the other polarity.
        put_back: `(call, argument, mask)`: at the call with that number `mask` is put on the
            argument of that name, or on the outputs if it is `None`. Then nothing is measured.
        measure: Whether to measure what each call does with its mask.
    """

    def __init__(
        self,
        references: Sequence[np.ndarray] = (),
        *,
        put_back: tuple[int, str | None, np.ndarray] | None = None,
        measure: bool = True,
    ) -> None:
        self.rows: list[LayerCall] = []
        self.failed: LayerCall | None = None
        self.failed_shape: tuple[int, ...] | None = None  # of what it was called on
        self.lost: list[Any] = []  # tensors that have lost their mask on the way
        self.unseen = False  # whether layers were called where there are no values to look at
        self.references = list(references)
        self.put_back, self.measures = put_back, measure
        self.calls = 0
        self.outputs: list[tuple[str, Any]] | None = None  # a list here is filled, call by call
        # `None` on top means: what happens now is not part of the run.
        self.frames: list[_Frame | None] = [_Frame(LayerCall("", ""))]
        # The tensors that go from call to call: `id: (tensor, its mask, row that made it)`.
        self.known: dict[int, tuple[Any, Any, LayerCall | None]] = {}
        self.tape: Any = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        import keras
        import tensorflow as tf

        layer_module = sys.modules[keras.layers.Layer.__module__]
        call_layer, call_operation = keras.layers.Layer.__call__, keras.Operation.__call__
        warnings = layer_module.warnings
        function = type(tf.function(lambda: None))
        call_function = function.__call__

        def layer_call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return self.record(call_layer, layer, args, kwargs)

        def operation_call(operation: Any, *args: Any, **kwargs: Any) -> Any:
            # Operations get rows in Functional models. A Sequential one keeps its graph elsewhere
            # and shows only layers, as its `summary()` does. `Layer.__call__`, too, ends up here.
            in_graph = hasattr(getattr(self.frames[-1], "operation", None), "_nodes_by_depth")
            if isinstance(operation, keras.layers.Layer) or not in_graph:
                return call_operation(operation, *args, **kwargs)
            return self.record(call_operation, operation, args, kwargs)

        def function_call(compiled: Any, *args: Any, **kwargs: Any) -> Any:
            # Run as plain Python, a function can be looked into. Masks do not cross its border.
            frame = self.frames[-1]
            if frame is None or not frame.opened or not tf.executing_eagerly():
                return call_function(compiled, *args, **kwargs)
            frame.row.compiled = True
            frame.row.notes.append(_("a tf.function: no mask crosses its border"))
            bare = functools.partial(keras.tree.map_structure, _bare)
            return bare(compiled.python_function(*bare(args), **bare(kwargs)))

        def warn(message: Any, category: Any = None, stacklevel: int = 1) -> None:
            if "destroy the mask information" not in str(message):
                warnings.warn(message, category, stacklevel + 1)
            elif self.frames[-1] is not None:
                self.frames[-1].row.warned = True

        try:
            keras.layers.Layer.__call__ = layer_call
            keras.Operation.__call__ = operation_call
            function.__call__ = function_call
            # Through Python's `warnings`, its filters and once-per-place memory would change.
            layer_module.warnings = types.SimpleNamespace(warn=warn)
            tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
            with tape if self.measures else contextlib.nullcontext() as self.tape:
                yield
        finally:
            keras.layers.Layer.__call__ = call_layer
            keras.Operation.__call__ = call_operation
            function.__call__ = call_function
            layer_module.warnings = warnings
            self.tape = None
            self.known.clear()

    def record(self, call: Callable, operation: Any, args: tuple, kwargs: dict) -> Any:
        """Makes a call, with a row for it if it is to have one."""
        import keras
        import tensorflow as tf

        parent = self.frames[-1]
        if parent is None or not parent.opened:
            return call(operation, *args, **kwargs)
        tensors = keras.tree.flatten((args, kwargs))
        symbolic = any(isinstance(x, keras.KerasTensor) for x in tensors)
        if not tf.executing_eagerly() or symbolic:
            # Building a model calls its layers on tensors without values: not a part of the run.
            self.unseen |= not symbolic
            with self.inside(None):
                return call(operation, *args, **kwargs)
        number, self.calls = self.calls, self.calls + 1
        given = named(operation, args, kwargs)
        if self.put_back and self.put_back[0] == number and self.put_back[1] is not None:
            given = _with_mask(given, *self.put_back[1:])
            args, kwargs = (), given
        is_layer = isinstance(operation, keras.layers.Layer)
        row = LayerCall(operation.name, type(operation).__name__ + " (op)" * (not is_layer))
        row.depth, row.number = len(self.frames) - 1, number
        parameters = inspect.signature(operation.call).parameters
        row.takes_mask = is_layer and any(name.endswith("mask") for name in parameters)
        home = getattr(type(operation).call, "__module__", "")
        opened = isinstance(operation, keras.Model) or not home.startswith("keras.")
        node = next((n for n in parent.nodes if n.operation is operation), None)
        reads = parent.data is None or operation in parent.data
        if self.measures and reads:
            self.lost_on_the_way(number, operation, given, parent)
        makes_mask = node is not None and self.makes_mask(parent, node)
        if reads or makes_mask or not self.measures:
            self.rows.append(row)
        start = len(self.rows)
        # Copied now, because a call may take the masks off its tensors.
        masks = [name for name, value in given.items() if is_mask(operation, name, value)]
        copies = copied(given, masks=masks)
        repeat = functools.partial(self.again, functools.partial(call, operation), masks)
        masked = [x for x in tensors if _mask_of(x) is not None]
        was_built = getattr(operation, "built", True)
        if reads:
            row.masks_in = self.as_bools(row, _masks_in(operation, copies))
        else:
            row.notes.append(_("computes a mask"))
        if opened:
            self.remember(tensors, None)
        frame = _Frame(row, operation, opened, _graph_nodes(operation), _data_path(operation))
        try:
            with self.inside(frame), self.untaped(not opened):
                outputs = call(operation, *args, **kwargs)
        except Exception:
            if self.failed is None:
                self.failed = row
                self.failed_shape = next((tuple(x.shape) for x in tensors if is_tensor(x)), None)
            raise
        if self.put_back and self.put_back[0] == number and self.put_back[1] is None:
            outputs = _with_mask({"output": outputs}, "output", self.put_back[2])["output"]

        row.masks_out = self.as_bools(row, _masks_out(outputs))
        given_round = {row.kinds.get(name) for name in row.masks_in} & {OTHER_POLARITY, ADDITIVE}
        row.inverted = home.startswith("keras.") and bool(given_round)
        if home.startswith("keras.") and not masks:
            made = [m for m in row.masks_out.values() if m is not None and m.ndim == 2]
            self.references += made if row.mask_in is None and not self.references else []
        if self.measures and reads:
            with self.untaped(True):
                if any(_mask_of(x) is None for x in masked):
                    row.notes.append(_("takes the mask off its input"))
                self.promises(row, operation, node)
                if row.mask_in is not None and is_layer:
                    self.measure_use(row, repeat, copies, None if was_built else outputs)
                    several = sum(any(map(is_tensor, flat(v))) for v in given.values()) > 1
                    # Keras fills it in for one tensor only.
                    if "mask" in parameters and several and not masks:
                        row.notes.append(_("its call is not given the mask"))
                explained = any(inner.lets_in or inner.consumes for inner in self.rows[start:])
                if row.mask_in is not None and not row.consumes and not explained:
                    self.measure_reading(row, repeat, copies)
                self.find_drop(row, number, operation, outputs, self.rows[start:])
        self.remember(flat(outputs), row)
        if self.outputs is not None:
            self.outputs.append((row.name, outputs))
        return outputs

    # --- where masks are lost ----------------------------------------------------------------

    def find_drop(
        self, row: LayerCall, number: int, operation: Any, outputs: Any, inside: list[LayerCall]
    ) -> None:
        """Decides whether `row` drops a mask, and notes where it could be put back."""
        if row.mask_out is not None:
            return
        mask = row.mask_in
        if mask is None:
            mask = next((m for x in flat(outputs) for m, _ in self.sources(x)), None)
            row.drops = mask is not None
            if row.drops and not row.compiled:
                row.notes.append(_("the mask made inside is lost in its own code"))
        else:
            # With every step gone there is nothing left to mask: used up, warning or not.
            steps_left = any(x.ndim > 2 for x in flat(outputs) if is_tensor(x))
            row.drops = not row.consumes or (row.warned and steps_left)
            if row.consumes and inside and inside[0].symbolic_in is not None:
                # Keras warns for every model in a model. Here the whole graph is in view.
                row.drops = any(inner.drops for inner in inside)
        if row.drops and mask is not None:
            fitted = _fitted(mask, next((x for x in flat(outputs) if is_tensor(x)), None))
            row.lost = None if fitted is None else (number, None, fitted)

    def lost_on_the_way(
        self, number: int, operation: Any, given: dict[str, Any], parent: _Frame
    ) -> None:
        """Adds a row if plain code between two calls (`x * 4`) lost the mask of an argument."""
        for argument, value in given.items():
            for x in flat(value):
                if argument.endswith("mask") or not is_tensor(x) or _mask_of(x) is not None:
                    continue
                found = self.sources(x)
                fitted = _fitted(found[0][0], x) if found else None
                if fitted is None:
                    continue
                mask, source = found[0]
                origin = _("its input") if source is None else source.name
                place = parent.row.name or _("the function")
                row = LayerCall(
                    _("code in {place}", place=place), _("(plain code)"), len(self.frames) - 1
                )
                row.masks_in, row.masks_out = (
                    {origin: np.array(mask).astype(bool)},
                    {"output": None},
                )
                row.between = _("between {first} and {second}", first=origin, second=operation.name)
                row.notes.append(row.between)
                row.drops, row.lost = True, (number, argument, fitted)
                self.rows.append(row)
                self.lost.append(x)
                return

    def sources(self, x: Any) -> list[tuple[Any, LayerCall | None]]:
        """The masks, latest first, from whose tensors plain code alone has computed `x`."""
        if not is_tensor(x) or not _is_float(x) or id(x) in self.known or self.tape is None:
            return []
        masked = [(t, m, row) for t, m, row in reversed(self.known.values()) if m is not None]
        if not masked:
            return []
        try:
            with self.untaped(True):
                slopes = self.tape.gradient(x, self.lost + [t for t, *_ in masked])
        except Exception:  # an operation that has no gradient: where `x` comes from is not known
            return []
        before, slopes = slopes[: len(self.lost)], slopes[len(self.lost) :]
        if any(slope is not None for slope in before):
            return []  # the mask had been lost earlier, and that is said there
        return [(m, row) for (_, m, row), slope in zip(masked, slopes) if slope is not None]

    def remember(self, tensors: list[Any], row: LayerCall | None) -> None:
        for x in tensors:
            if is_tensor(x) and _is_float(x) and self.tape is not None:
                self.tape.watch(x)
                mask = _mask_of(x)
                if row is None and id(x) in self.known:
                    continue
                self.known[id(x)] = (x, mask, row)

    @contextlib.contextmanager
    def untaped(self, yes: bool) -> Iterator[None]:
        """The tape is to see plain code only: not what happens inside of one call."""
        if not yes or not self.taping or self.tape is None:
            yield
            return
        self.taping = False
        try:
            with self.tape.stop_recording():
                yield
        finally:
            self.taping = True

    taping = True

    @contextlib.contextmanager
    def inside(self, frame: _Frame | None) -> Iterator[None]:
        self.frames.append(frame)
        try:
            yield
        finally:
            self.frames.pop()

    # --- what a call does with its mask ------------------------------------------------------

    def measure_use(
        self, row: LayerCall, repeat: Callable, given: dict[str, Any], first: Any
    ) -> None:
        """Finds out whether the output depends on the masks in `given`, see `trace_masks`."""
        try:
            other, same = repeat(given, _another), repeat(given)
            row.consumes = differ(other, same) and not differ(same, repeat(given))
        except Exception as error:  # a layer may well refuse a mask that is not its own
            row.notes.append(_("use of the mask not measured: {type}", type=type(error).__name__))
            return
        # Building some layers calls them, which can take the masks off their inputs: the very
        # first call is then unmasked, and the repetitions are not.
        if first is not None and differ(first, same):
            row.consumes = False

    def measure_reading(self, row: LayerCall, repeat: Callable, given: dict[str, Any]) -> None:
        """Finds out whether masked steps move what the call says of the others."""
        import keras
        import tensorflow as tf

        def poke(x: Any) -> Any:
            mask = _mask_of(x) if is_tensor(x) else None
            if mask is None or not _is_float(x) or np.shape(mask) != tuple(x.shape[:2]):
                return x
            mask = np.array(mask).astype(bool)
            masks.append(mask)
            steps = mask.reshape(*mask.shape, *[1] * (x.ndim - 2))
            # Large, so that a maximum takes notice.
            y = tf.where(steps, x, tf.cast(10 + 10 * tf.reduce_max(tf.abs(x)), x.dtype))
            y._keras_mask = _mask_of(x)
            ranks.append(x.ndim)
            return y

        masks, ranks = [], []
        poked = {name: keras.tree.map_structure(poke, value) for name, value in given.items()}
        if not masks or all(mask.all() for mask in masks):
            return
        try:
            before, after = repeat(given), repeat(poked)
        except Exception:
            return
        for x, y in zip(flat(before), flat(after)):
            x, y = np.asarray(x), np.asarray(y)
            if x.shape[:2] == masks[0].shape and x.shape == y.shape:
                row.lets_in |= differ(x[masks[0]], y[masks[0]])
            elif x.ndim < max(ranks):
                row.lets_in |= differ(x, y)

    def again(
        self,
        call: Callable,
        masks: list[str],
        given: dict[str, Any],
        change: Callable = np.asarray,
    ) -> Any:
        import keras

        scope = keras.StatelessScope()
        with self.inside(None), scope, contextlib.redirect_stdout(io.StringIO()):
            return call(**copied(given, change, masks))

    @staticmethod
    def makes_mask(parent: _Frame, node: Any) -> bool:
        masks = [_mask_of(x) for n in _graph_nodes(parent.operation) for x in n.outputs]
        return any(x is mask for x in node.outputs for mask in masks)

    def promises(self, row: LayerCall, operation: Any, node: Any) -> None:
        """Notes which masks the graph promises."""
        if node is None:
            return
        promised = named(operation, node.arguments.args, node.arguments.kwargs)
        promised = _masks_in(operation, promised), _masks_out(node.outputs)
        row.symbolic_in, row.symbolic_out = (
            {name: mask is not None for name, mask in masks.items()} for masks in promised
        )

    def as_bools(self, row: LayerCall, masks: dict[str, Any]) -> dict[str, np.ndarray | None]:
        """The masks as arrays with True for *keep*; notes in `row` what was meant otherwise."""
        result = {}
        for name, mask in masks.items():
            if mask is not None:
                mask = np.array(mask.to_tensor() if hasattr(mask, "to_tensor") else mask)  # ragged
                kind = _kind(mask, self.references)
                if kind:
                    row.kinds[name] = kind
                mask = (mask > -1) if kind == ADDITIVE else mask.astype(bool)
                mask = ~mask if kind == OTHER_POLARITY else mask
            result[name] = mask
        return result


def _kind(mask: np.ndarray, references: list[np.ndarray]) -> str:
    """Names a mask in which True does not mean *keep*; `""` for one in which it does."""
    if mask.dtype.kind == "f" and mask.size and mask.min() <= -1e3 and mask.max() <= 0:
        return ADDITIVE
    mask = mask.astype(bool)
    flat_mask = mask.reshape(len(mask), -1) if mask.ndim > 1 else mask
    for keep in references:
        if keep.shape == flat_mask.shape and not keep.all():
            if np.array_equal(flat_mask, keep):
                return ""
            if np.array_equal(flat_mask, ~keep):
                return OTHER_POLARITY
    if mask.ndim >= 2 and mask.shape[-1] == mask.shape[-2] > 1:
        steps = mask.shape[-1]
        later, earlier = np.triu(np.ones((steps, steps), bool), 1), np.tril(mask, -1)
        if np.array_equal(mask, np.broadcast_to(later, mask.shape)):
            return OTHER_POLARITY
        if not earlier.any() and (mask & later).any():
            return LATER_ONLY
    return ""


def is_tensor(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype")


def flat(value: Any) -> list[Any]:
    import keras

    return keras.tree.flatten(value)


def _is_float(x: Any) -> bool:
    return "float" in str(getattr(x.dtype, "name", x.dtype))


def _mask_of(x: Any) -> Any:
    return getattr(x, "_keras_mask", None)


def _bare(x: Any) -> Any:
    import tensorflow as tf

    return tf.identity(x) if is_tensor(x) and _mask_of(x) is not None else x


def _by_name(name: str, value: Any) -> dict[str, Any]:
    """Names the tensors and `None`s in `value`: `name` for one, `name[0]` … for several."""
    parts = [x for x in flat(value) if x is None or is_tensor(x)]
    return {f"{name}[{i}]" if len(parts) > 1 else name: x for i, x in enumerate(parts)}


def _masks_in(operation: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the masks on the tensors of a call, and those passed to it as `…mask` arguments."""
    parameters, first = inspect.signature(operation.call).parameters, next(iter(arguments), "")
    masks = {}
    for argument, value in arguments.items():
        if is_mask(operation, argument, value):  # what is passed overrules what is attached
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


def is_mask(operation: Any, name: str, value: Any) -> bool:
    """Whether an argument is a mask: by its name, or because a layer is given booleans."""
    import keras

    if name.endswith("mask"):
        return True
    tensors = [x for x in flat(value) if is_tensor(x)]
    booleans = bool(tensors) and all("bool" in str(x.dtype) for x in tensors)
    return booleans and isinstance(operation, keras.layers.Layer)


def named(operation: Any, args: tuple, kwargs: dict) -> dict[str, Any]:
    return dict(zip(inspect.signature(operation.call).parameters, args)) | kwargs


def copied(
    arguments: dict[str, Any], change: Callable = np.asarray, masks: Sequence[str] = ()
) -> dict[str, Any]:
    """Copies the tensors of a call with their masks; the masks go through `change`.

    `masks` names the arguments that are masks themselves.
    """
    import keras
    import tensorflow as tf

    def copy(x: Any) -> Any:
        if not is_tensor(x):
            return x
        y = tf.identity(x)
        if _mask_of(x) is not None:
            y._keras_mask = tf.constant(change(_mask_of(x)))
        return y

    def copy_mask(x: Any) -> Any:
        return tf.constant(change(x)) if is_tensor(x) else x

    return {
        name: keras.tree.map_structure(copy_mask if name in masks else copy, value)
        for name, value in arguments.items()
    }


def _with_mask(arguments: dict[str, Any], name: str, mask: np.ndarray) -> dict[str, Any]:
    """Puts `mask` on the tensors of one argument that have none and that it fits."""
    import keras
    import tensorflow as tf

    def put(x: Any) -> Any:
        if not is_tensor(x) or _mask_of(x) is not None or tuple(x.shape[:2]) != mask.shape:
            return x
        y = tf.identity(x)
        y._keras_mask = tf.constant(mask)
        return y

    return arguments | {name: keras.tree.map_structure(put, arguments[name])}


def _fitted(mask: Any, x: Any) -> np.ndarray | None:
    """`mask` for the steps of `x`: as it is, or stretched to another number of them."""
    mask = np.array(mask).astype(bool)
    shape = tuple(getattr(x, "shape", ()))
    if mask.ndim != 2 or len(shape) < 2 or shape[0] != len(mask):
        return None
    if shape[1] == mask.shape[1]:
        return mask
    if len(shape) < 3 or not shape[1]:
        return None
    return mask[:, np.arange(shape[1]) * mask.shape[1] // shape[1]]


def _another(mask: Any) -> np.ndarray:
    """Returns a mask unlike `mask`, if possible one that is padded on the right: cuDNN insists."""
    mask = np.asarray(mask)
    if mask.dtype.kind == "f" and mask.size and mask.min() < 0:  # additive
        return np.where(mask < 0, mask.max(), mask.min())
    first_only = np.zeros_like(mask)
    first_only[..., :1] = 1
    choices = (first_only, np.ones_like(mask), np.zeros_like(mask))
    return next(m for m in choices if not np.array_equal(m, mask))


def differ(some: Any, others: Any) -> bool:
    some, others = ([np.asarray(x) for x in flat(y)] for y in (some, others))
    if [x.shape for x in some] != [x.shape for x in others]:
        return True
    return not all(
        np.allclose(x.astype(float), y.astype(float), 1e-4, 1e-6, equal_nan=True)
        if x.dtype.kind not in "OSU"
        else np.array_equal(x, y)
        for x, y in zip(some, others)
    )


def _graph_nodes(layer: Any) -> Iterator:
    """Yields the calls a Functional or Sequential model makes, in the order it makes them."""
    graph = getattr(layer, "_functional", layer)  # a Sequential model has its graph in there
    for _depth, nodes in sorted(getattr(graph, "_nodes_by_depth", {}).items(), reverse=True):
        yield from nodes


def _data_path(layer: Any) -> frozenset | None:
    """The operations of a Functional model whose results reach its outputs, not only a mask."""
    if not hasattr(layer, "_nodes_by_depth"):
        return None
    made_by = {id(x): node for node in _graph_nodes(layer) for x in node.outputs}
    todo, seen, operations = flat(layer.outputs), set(), set()
    while todo:
        node = made_by.get(id(todo.pop()))
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        operations.add(node.operation)
        arguments = named(node.operation, node.arguments.args, node.arguments.kwargs)
        for name, value in arguments.items():
            if not name.endswith("mask"):
                todo += [x for x in flat(value) if is_tensor(x)]
    return frozenset(operations)
