"""Measure what one layer does with a mask, from outside. Introduced in notebook 10.

A layer gets vectors that carry a mask, and nothing is read off its signature: what counts is which
mask comes out, what Keras says, and what moves the output.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from helpers.atlas.record import Record
from helpers.language import N_, _
from maskprobe import padding_leak
from maskprobe.rows import LayerCall

import numpy as np

# Ids of three sentences with 4, 3 and 2 words; 0 is padding. An odd length is among them, for
# pooling windows and strides.
AFTER = np.array([[3, 1, 4, 1], [5, 9, 2, 0], [8, 7, 0, 0]])
BEFORE = np.array([[3, 1, 4, 1], [0, 5, 9, 2], [0, 0, 8, 7]])
EMPTY = np.array([[3, 1, 4, 1], [5, 9, 2, 0], [0, 0, 0, 0]])
OTHER_MASK = np.arange(4) < np.array([[2], [4], [1]])  # of the second input, where there is one


@dataclass(frozen=True)
class Form:
    """A layer in one of the forms in which people call it.

    Attributes:
        name: The call, as one would write it.
        group: Where it stands in the atlas.
        classes: The classes of `keras.layers` at work in it.
        build: From the module `keras.layers` to the layer, or a tuple of layers.
        call: From the layer and what is `Given` to its output; `**options` go to the layer.
        step: Shape of one step: `(6,)` are six features, `()` bare numbers `(B, T)`.
        output_steps: How many steps of the output are real, of `n` real ones of the input.
        fixed: Whether it is bound to a number of steps. Then the padding is not taken away but
            filled with other vectors.
        probe: Whether there is padding to take away.
        note: What a reader should know.
    """

    name: str
    group: str
    classes: tuple[str, ...]
    build: Callable[[Any], Any]
    call: Callable[..., Any] = lambda layer, given, **options: layer(given.x, **options)
    step: tuple[int, ...] = (6,)
    output_steps: Callable[[int], int] | None = None
    fixed: bool = False
    probe: bool = True
    note: str = ""


class Given:
    """What a form may call its layer on; each property makes a new tensor.

    A new one, because a layer may take the mask off the tensor that it gets.

    Args:
        ids: Integer array `(B, T)`, 0 = padding.
        step: Shape of one step.
        mask: Boolean array `(B, T)`, True = keep; by default `ids != 0`. `None`: no mask.
        other: The same for the second input; by default as the first.
        table: Vectors for other paddings: the seed of what stands at padded steps.
    """

    _own = "ids != 0"

    def __init__(
        self,
        ids: Any,
        step: tuple[int, ...] = (6,),
        *,
        mask: Any = _own,
        other: Any = _own,
        table: int = 0,
    ) -> None:
        self.ids = np.asarray(ids)
        own = self.ids != 0
        self.mask = own if mask is self._own else mask
        self.other = self.mask if other is self._own else other
        self.real = own
        self.step, self.table = step, table
        self.used: list[Any] = []  # tensors that were given away with a mask

    def _vectors(self, seed: int) -> np.ndarray:
        table = np.random.default_rng(seed).normal(size=(10, *self.step))[self.ids]
        # Another vector at each padded step: the mean of equal ones would tell nothing.
        pads = np.random.default_rng(100 + self.table).normal(size=table.shape)
        return np.where(_wide(self.real, table), table, pads).astype("float32")

    def _tensor(self, values: np.ndarray, mask: Any) -> Any:
        import tensorflow as tf

        tensor = tf.constant(values)
        if mask is not None:
            tensor._keras_mask = tf.constant(mask)
            self.used.append(tensor)
        return tensor

    @property
    def x(self) -> Any:
        """Vectors `(B, T, *step)`, not zero at padded steps, with the mask."""
        return self._tensor(self._vectors(0), self.mask)

    @property
    def y(self) -> Any:
        """Other vectors, with a mask of their own."""
        return self._tensor(self._vectors(1), self.other)

    @property
    def bare(self) -> Any:
        """The vectors of `x` without a mask."""
        return self._tensor(self._vectors(0), None)

    @property
    def bare_y(self) -> Any:
        """The vectors of `y` without a mask."""
        return self._tensor(self._vectors(1), None)

    @property
    def zeros(self) -> Any:
        """The vectors of `x`, zero where they are padded, without a mask."""
        return self._tensor(np.where(_wide(self.real, self._vectors(0)), self._vectors(0), 0), None)

    @property
    def query(self) -> Any:
        """Three steps `(B, 3, 6)` without padding and mask, such as a decoder's."""
        steps = np.random.default_rng(2).normal(size=(3, 6)).astype("float32")
        return self._tensor(np.tile(steps, (len(self.ids), 1, 1)), None)

    @property
    def state(self) -> Any:
        """A state `(B, 4)` to start from."""
        return self._tensor(np.full((len(self.ids), 4), 0.5, "float32"), None)


def _wide(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    return mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim))


def examine(form: Any, *, step: tuple[int, ...] = (6,), keras: Any = None) -> Record:
    """Measures what a layer does with a mask.

    Introduced in notebook 10. The layer gets three sentences of 4, 3 and 2 random vectors, padded
    with vectors that are *not* zero; the tensor carries their mask. Measured are: the mask that
    goes out; whether the layer consumes it (another mask, another output); what Keras says; how far
    real steps of the output move when the padding is taken away, after the words and before them;
    what differs in training; and what a row of padding only gives.

    Args:
        form: A layer; or a `Form`, or the name of one in the atlas.
        step: For a layer: the shape of one step, such as `(16,)` for 16 features.
        keras: Another Keras to measure, such as the module `tf_keras`.

    Returns:
        A `Record`. A layer that cannot be built or fails is a record, too: `role` is *fails*.

    Raises:
        TypeError: If `form` is nothing of this.
        ValueError: If there is no form of that name.

    Example:

    ```python
    examine(keras.layers.GRU(4)).role  # "consumes"
    ```
    """
    keras = keras or import_module("keras")
    form = _as_form(form, step, keras)
    with (
        warnings.catch_warnings(record=True) as said,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("always")
        record = Record(form.name, form.group, form.classes, note=form.note)
        try:
            keras.utils.set_random_seed(0)  # the same weights, whatever was built before
            layer = form.build(keras.layers)
            first = _Listening(AFTER, form.step, other=OTHER_MASK)
            form.call(layer, first)  # builds it; some layers do otherwise in their first call
            return _measured(form, layer, list(first.seen.values()), record)
        except Exception as error:
            warned = any(map(_is_mask_warning, said))
            missing = [name for name in form.classes if not hasattr(keras.layers, name)]
            why = type(error).__name__
            if form.group == "own":
                why += ": " + " ".join(str(error).split())[:300]
            elif missing:
                why = _("there is no {name}", name=missing[0])
            why = "; ".join(filter(None, [why, form.note]))
            return replace(record, note=why, warned=warned, rightly=True if warned else None)


def _as_form(form: Any, step: tuple[int, ...], keras: Any) -> Form:
    from helpers.atlas.forms import FORMS

    if isinstance(form, Form):
        return form
    if isinstance(form, str):
        found = next((f for f in FORMS if form == f.name), None)
        if found is None:
            near = [f.name for f in FORMS if form.split("(")[0] in f.classes]
            if not near:
                raise ValueError(_("No form {form!r} is in the atlas.", form=form))
            raise ValueError(
                _(
                    "No form {form!r} is in the atlas; of {name} there are: {forms}.",
                    form=form,
                    name=form.split("(")[0],
                    forms=", ".join(near),
                )
            )
        return found
    if isinstance(form, type) or not isinstance(form, keras.layers.Layer):
        what = form.__name__ if isinstance(form, type) else type(form).__name__
        raise TypeError(
            _("Expected a layer, a Form or the name of one, received {type}.", type=what)
        )
    name = type(form).__name__
    return Form(name, "own", (name,), lambda _: form, step=tuple(step))


def _measured(form: Form, layer: Any, came: list[np.ndarray], record: Record) -> Record:
    given = Given(AFTER, form.step, other=OTHER_MASK)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        outputs = form.call(layer, given)
    warned = any(map(_is_mask_warning, said))
    strips = any(_mask(tensor) is None for tensor in given.used)
    went = [_mask(out) for out in _flat(outputs)]
    consumes = bool(came) and _consumes(form, layer, outputs)
    steps_left = any(np.ndim(out) > 2 for out in _flat(outputs))
    drops = bool(came) and not any(m is not None for m in went)
    drops = drops and (not consumes or (warned and steps_left))
    call = LayerCall(form.name, "", consumes=consumes, drops=drops, warned=warned)
    call.masks_in = {f"input {i}": mask for i, mask in enumerate(came)}
    call.masks_out = {f"output {i}": mask for i, mask in enumerate(went)}
    masks = dict(zip(("in", "in, second"), came))
    if went and went[0] is not None and went[0].ndim == 2:
        masks["out"] = went[0]
    leaks = {"leak_after": None, "leak_before": None}
    note = form.note
    if form.probe:
        for side, ids in zip(leaks, (AFTER, BEFORE)):
            try:
                leaks[side] = _leak(form, layer, ids)
            except Exception as error:
                known = isinstance(error, (ValueError, RuntimeError, TypeError))
                why = error if known else type(error).__name__
                unknown = N_("leak not measured")
                note = "; ".join(filter(None, [note, f"{unknown}: {why}"]))
    return replace(
        record,
        role=call.role,
        mask_out=_mask_in_words(came, went, steps_left),
        warned=warned,
        rightly=drops if warned else None,
        masks={name: mask.astype(int).tolist() for name, mask in masks.items()},
        training=_training(form, layer),
        empty_row=_empty_row(form, layer),
        strips=strips,
        note=note,
        **leaks,
    )


def _is_mask_warning(warning: Any) -> bool:
    return "destroy the mask" in str(warning.message)


def _flat(outputs: Any) -> list[Any]:
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, (list, tuple)):
        return [x for item in outputs for x in _flat(item)]
    return [outputs]


def _mask(tensor: Any) -> np.ndarray | None:
    mask = getattr(tensor, "_keras_mask", None)
    return None if mask is None else np.asarray(mask).astype(bool)


class _Listening(Given):
    """Notes which masks the form asks for: those on tensors, and those given by hand."""

    seen: dict[int, np.ndarray]

    def __init__(self, *args: Any, **options: Any) -> None:
        self.seen = {}
        super().__init__(*args, **options)

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name in ("mask", "other") and value is not None and "table" in vars(self):
            self.seen[id(value)] = np.asarray(value)
        return value


def _values(outputs: Any) -> list[np.ndarray]:
    return [np.asarray(out) for out in _flat(outputs)]


def _same(one: list[np.ndarray], two: list[np.ndarray]) -> bool:
    """Whether outputs are equal within rounding."""
    return len(one) == len(two) and all(
        a.shape == b.shape
        and (
            np.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
            if a.dtype.kind in "fc"
            else np.array_equal(a, b)
        )
        for a, b in zip(one, two)
    )


def _consumes(form: Form, layer: Any, outputs: Any) -> bool:
    """Whether another mask gives another output, and the same mask the same."""
    again = form.call(layer, Given(AFTER, form.step, other=OTHER_MASK))
    if not _same(_values(outputs), _values(again)):
        return False
    first = np.zeros_like(OTHER_MASK)
    first[:, 0] = True
    changed = form.call(layer, Given(AFTER, form.step, mask=first, other=first))
    return not _same(_values(outputs), _values(changed))


def _mask_in_words(came: list[np.ndarray], went: list[np.ndarray | None], steps_left: bool) -> str:
    masks = [mask for mask in went if mask is not None]
    if not masks:
        return N_("none") if steps_left or not came else N_("none, no steps are left")
    first = masks[0]
    own = AFTER != 0
    rules = {N_("as it came"): came[0]} if len(came) == 1 else {}
    if len(came) > 1:
        rules = {"OR": came[0] | came[1], "AND": came[0] & came[1]}
        rules |= {N_("the first"): came[0], N_("the second"): came[1]}
        rules[N_("one behind the other")] = np.concatenate(came[:2], axis=1)
    if not came:
        rules = {N_("the real steps"): own}
    rules |= {N_("all kept"): np.ones_like(first), N_("reversed"): own[:, ::-1]}
    return next((w for w, m in rules.items() if np.array_equal(m, first)), f"shape {first.shape}")


def _leak(form: Form, layer: Any, ids: np.ndarray) -> float:
    """The largest move of a real step of any output, two digits; 0.0 within rounding."""
    seen: dict[tuple, list[np.ndarray]] = {}

    def run(ids: Any) -> list[Any]:
        ids = np.asarray(ids)
        key = ids.shape, ids.tobytes()
        if key not in seen:
            seen[key] = _values(form.call(layer, Given(ids, form.step)))
        return seen[key]

    worst = 0.0
    for place, out in enumerate(run(ids)):
        if out.dtype.kind not in "fiu":
            continue
        if form.fixed:
            moved = _moved_by_filling(form, layer, ids, place)
        else:
            options = {} if np.ndim(out) < 2 else {"output_lengths": form.output_steps}
            leak = padding_leak(lambda ids, p=place: run(ids)[p], ids, **options)
            moved = 0.0 if leak.sound else float(leak.max())
        worst = max(worst, moved)
    return float(f"{worst:.2g}")


def _moved_by_filling(form: Form, layer: Any, ids: np.ndarray, place: int) -> float:
    """How far an output moves at its kept steps if other vectors stand at padded steps."""
    outs = [_flat(form.call(layer, Given(ids, form.step, table=n)))[place] for n in (0, 1)]
    one, two = map(np.asarray, outs)
    keep, mask = np.ones(one.shape[:1], bool), _mask(outs[0])
    if mask is not None and one.shape[: mask.ndim] == mask.shape:
        keep = mask
    elif one.shape[:2] == ids.shape and one.ndim > 2:
        keep = ids != 0
    return 0.0 if _same([one[keep]], [two[keep]]) else float(np.abs(one - two)[keep].max())


def _layers(layer: Any) -> list[Any]:
    return list(layer) if isinstance(layer, tuple) else [layer]


def _weights(layer: Any) -> list[np.ndarray]:
    return [w for one in _layers(layer) for w in one.get_weights()]


@contextlib.contextmanager
def _restored(layer: Any) -> Any:
    """Puts the weights back afterwards: training moves statistics."""
    before = [one.get_weights() for one in _layers(layer)]
    try:
        yield
    finally:
        for one, weights in zip(_layers(layer), before):
            if weights:
                one.set_weights(weights)


def _training(form: Form, layer: Any) -> str:
    """What differs with `training=True`, in words."""

    def train(**options: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
        with _restored(layer):
            out = form.call(layer, Given(AFTER, form.step, **options), training=True)
            return _values(out), [w for w in _weights(layer) if w.dtype.kind == "f"]

    def use(**options: Any) -> list[np.ndarray]:
        return _values(form.call(layer, Given(AFTER, form.step, **options)))

    def move(one: list[np.ndarray], two: list[np.ndarray]) -> bool:
        """Whether real steps differ."""
        kept = AFTER != 0
        pairs = [
            (a, b) if a.shape[:2] != kept.shape else (a[kept], b[kept]) for a, b in zip(one, two)
        ]
        return any(not _same([a], [b]) for a, b in pairs)

    try:
        usual, (out, weights) = use(), train()
        if not _same(out, train()[0]):
            return N_("random")
        moved = not _same(weights, [w for w in _weights(layer) if w.dtype.kind == "f"])
        if _same(out, usual) and not moved:
            return N_("the same")
        filled, other_weights = train(table=1)
        # What padding does at inference, too, is said elsewhere.
        counts = not _same(weights, other_weights)
        counts = counts or (move(out, filled) and not move(usual, use(table=1)))
    except Exception as error:
        return f"fails: {type(error).__name__}"
    what = N_("padding counts") if counts else N_("padding does not count")
    change = N_("updates itself") if moved else N_("another output")
    return f"{change}: {what}"


def _empty_row(form: Form, layer: Any) -> str:
    """What the third row gives when all of it is padding, in words."""

    def last(**options: Any) -> list[np.ndarray]:
        outs = _values(form.call(layer, Given(EMPTY, form.step, **options)))
        return [out[-1] for out in outs if out.ndim and len(out) == len(EMPTY)]

    try:
        rows = [row for row in last() if row.dtype.kind == "f"]
        if not rows:
            return ""
        first = rows[0]
        if np.isnan(first).any():
            return "NaN"
        if not first.any():
            return N_("zeros")
        if _same(rows, [r for r in last(mask=None) if r.dtype.kind == "f"]):
            return N_("as without a mask")
        if not _same(rows, [r for r in last(table=1) if r.dtype.kind == "f"]):
            return N_("reads the padding")
        return N_("does not read it")
    except Exception as error:
        return f"fails: {type(error).__name__}"
