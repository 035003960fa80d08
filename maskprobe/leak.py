"""Take the padding away and see whether anything moves. Introduced in notebook 02."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from maskprobe.inputs import chosen, cut, step_axes, unpack
from maskprobe.padding import is_pad, likely_pad, real_steps, shown
from maskprobe.running import ModelFailed, Runner, hint
from maskprobe.tolerance import moved, refuse_nan, tolerances
from maskprobe.words import N_, _, _n

import numpy as np


class Leak(np.ndarray):
    """How far each real output moved when the padding was taken away.

    An array; what is computed from it (`leak.round(3)`, `leak[0]`) is a plain array.

    Attributes:
        sound: Whether nothing moved by more than rounding, rows are independent and the
            output is no constant.
        tolerance: What counts as rounding, in units of the output.
        sentence: What was compared and found, in words.
        rows_depend: Whether a row's output depends on the other rows of its batch.
        constant: Whether no change of a real step moves the output.
    """

    sound: bool
    tolerance: float
    sentence: str
    rows_depend: bool
    constant: bool

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            options["out"] = tuple(_plain(x) for x in options["out"])
        return getattr(ufunc, method)(*(_plain(x) for x in inputs), **options)

    def __getitem__(self, index: Any) -> Any:
        return _plain(self)[index]

    def round(self, decimals: int = 0) -> np.ndarray:
        return _plain(self).round(decimals)

    def astype(self, *options: Any, **named: Any) -> np.ndarray:
        return _plain(self).astype(*options, **named)

    def copy(self, order: str = "C") -> np.ndarray:
        return _plain(self).copy(order)

    def __repr__(self) -> str:
        text = repr(_plain(self))
        return f"{text}\n{self.sentence}" if "sentence" in vars(self) else text

    def __str__(self) -> str:
        return str(_plain(self))


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Leak) else x


def padding_leak(
    model: Callable[[Any], Any],
    inputs: Any,
    *,
    pad_value: Any = 0,
    lengths: Sequence[int] | None = None,
    side: str | None = None,
    wanted: Any = None,
    add_pads: int = 0,
    replace_pads: bool = False,
    which: Hashable | Sequence[Hashable] | None = None,
    axes: Mapping[Hashable, int | Sequence[int]] | None = None,
    output: Hashable | None = None,
    output_lengths: Callable[[int], int] | Sequence[int] | None = None,
    output_mask: Any = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> Leak:
    """Measure how far the output at real steps moves when the padding is taken away.

    Runs the padded batch, then each sequence alone at its true length (equal lengths share
    a forward pass). If nothing moves, one more run changes the real steps: an output that
    they cannot move proves nothing. If something moves, two more tell padding from chance
    and from rows that depend on their batch.

    Args:
        model: Called as `model(inputs)`; for Keras models that is inference mode. A model of
            PyTorch or JAX gets and gives its own tensors, if `inputs` are such.
        inputs: Padded ids `(B, T)` or features `(B, T, F)`, or a list, tuple or mapping of
            inputs, each with a leading batch axis.
        pad_value: What a padded step holds: one value for all its features (as in
            `Masking`), or one for each, `(F,)`. With `add_pads`, a mapping may say it for
            each input of `which`.
        lengths: Real steps of each row, `(B,)`. By default all but the unbroken run of pads
            at the padded end: a pad value *inside* a sequence counts as a real step.
        side: `"post"` if the pads stand after the sequence, `"pre"` if before it; by default
            where the runs of pads are.
        wanted: The real steps as a mask `(B, T)`, True = real, for pads in the middle.
        add_pads: Pads to put on each row of a batch that has none. (*More* pads on a batch
            whose rows are all padded would tell less: `Conv1D(padding="same")` and
            `GlobalMaxPooling1D` pass that test, and leak.)
        replace_pads: Fill padded steps of the first input with other ids or noise instead of
            taking them away, for models of a fixed length. Only where the mask is held
            fixed, as an input of its own or in a closure: a mask computed from the ids
            changes with them.
        which: Index or key of the padded input. Several, as in `("ids", "mask")`, are cut
            together: the first gives the lengths. Attention masks `(B, 1, 1, T)` or
            `(B, T, T)` are cut in all axes of `T` steps.
        axes: Which axes of an input are steps, as in `{"mask": (1, 2)}`, where its shape
            leaves a doubt.
        output: Index or key of the output to look at, for a model with several.
        output_lengths: For outputs with another number of steps: how many are real of `n`
            input steps, as in `lambda n: math.ceil(n / 4)`; or real steps of each row, `(B,)`.
        output_mask: The real steps of the output, `(B, S)`, as for a padded decoder. By
            default those where the one other input with `S` steps is not padded.
        tolerance: What counts as rounding, in units of the output. By default 1e-5 of the
            output's size for float32, 1e-10 for float64 (1e-5 if float32 holds all its
            values), 7e-3 for float16, 2.5e-2 for bfloat16, 0 for integers; the size is the
            largest output, feature by feature, and the type the coarsest of the output's and
            what the model shows of its layers'.
        seed: Seed of what is put in for steps.

    Returns:
        `Leak`, an array of the largest absolute change over the features, in units of the
        output, with `sound`, `tolerance` and `sentence`. `(B, T)` if the output has a step
        for every input step (0.0 at padded steps: nothing to compare), `(B,)` if it is
        pooled, `(B, S)` if it always has `S` steps, as a decoder has whose encoder is padded.

    Raises:
        TypeError: If `model` is not callable or its output is not an array of numbers.
        ValueError: If no step is padded, inputs, lengths or output shapes do not fit, or an
            output is NaN.
        RuntimeError: If the model fails at some length, or its output is random.

    Example:
        >>> ids = np.array([[3, 1, 2, 4], [5, 6, 0, 0]])
        >>> leak = padding_leak(model, ids)
        >>> leak.sound, bool(leak.max() < 1e-5)
        (True, True)
    """
    if replace_pads and add_pads:
        raise ValueError(_("pads are either replaced or added: give replace_pads= or add_pads="))
    if add_pads < 0 or add_pads != int(add_pads):
        raise ValueError(_("add_pads is a number of steps, got {add_pads!r}", add_pads=add_pads))
    arrays, pack = unpack(inputs)
    keys = chosen(arrays, which)
    key_axes = step_axes(arrays, keys, axes)
    values = dict(pad_value) if isinstance(pad_value, Mapping) else {keys[0]: pad_value}
    first, pad = arrays[keys[0]], values.get(keys[0], 0)
    real, side = real_steps(
        first, pad_value=pad, lengths=lengths, side=side, wanted=wanted, may_be_full=add_pads > 0
    )
    if add_pads and not real.all():
        raise ValueError(
            _(
                "the batch has padding of its own, in rows {rows}: leave add_pads= away",
                rows=np.flatnonzero(~real.all(axis=1)).tolist(),
            )
        )
    steps, notes = real.shape[1], []
    if lengths is None and wanted is None:
        notes += _second_thoughts(first, real, pad)
    if add_pads:
        for key in keys:
            value = values.get(key, _opposite(arrays[key], key, key == keys[0]))
            value = pad if key == keys[0] else value
            arrays[key] = _padded(arrays[key], key_axes[key], value, add_pads, side)
            if key != keys[0]:
                notes.append(
                    _("the pads added to input {key!r} hold {value}", key=key, value=shown(value))
                )
        wide = [(0, 0), (0, add_pads) if side == "post" else (add_pads, 0)]
        real = np.pad(real, wide)

    runner, rng = Runner(model, pack, output), np.random.default_rng(seed)
    comparison = _Comparison(runner, arrays, keys, key_axes, real, side, add_pads)
    if replace_pads:
        comparison.replace(rng, pad)
    else:
        comparison.remove()
    comparison.align(output_lengths, output_mask, pad)
    leak = comparison.judge(tolerance, rng, pad, notes, replace_pads)
    if comparison.follows and add_pads:
        keep = slice(0, steps) if side == "post" else slice(add_pads, None)
        return _finish(leak[:, keep], leak)
    return leak


def _finish(values: np.ndarray, leak: Leak) -> Leak:
    result = np.ascontiguousarray(values).view(Leak)
    vars(result).update(vars(leak))
    return result


def _second_thoughts(x: np.ndarray, real: np.ndarray, pad_value: Any) -> list[str]:
    """A note if rows taken for unpadded look padded with another value."""
    full = np.flatnonzero(real.all(axis=1))
    likely = likely_pad(x, full)
    if likely is None:
        return []
    value, rows, side = likely
    said = (
        N_(
            "rows {rows} end in a repeated {value}, which was taken for real: if it is padding, "
            "say pad_value={value}"
        )
        if side == "post"
        else N_(
            "rows {rows} start with a repeated {value}, which was taken for real: if it is "
            "padding, say pad_value={value}"
        )
    )
    note = _(said, rows=rows, value=shown(value))
    if (~real).sum(axis=1).max() <= 1:  # a row's one pad may be a real step, and these the pads
        warnings.warn(f"padding_leak: {note}", stacklevel=3)
    return [note]


def _opposite(array: np.ndarray, key: Hashable, first: bool) -> Any:
    """What an added pad holds in an input cut together with the first, such as a mask."""
    if first or array.dtype.kind in "USO":
        return "" if array.dtype.kind in "USO" else 0
    if array.dtype.kind == "b":
        return not array.all() and not array.any()  # all False: True means *ignore*
    if array.dtype.kind == "f" and not array.any() and array.ndim != 3:
        raise ValueError(
            _(
                "input {key!r} holds only zeros, so it cannot be told what padding is "
                "there: an additive mask wants -1e9, say pad_value={{{key!r}: -1e9, …}}",
                key=key,
            )
        )
    return 0


def _padded(array: np.ndarray, axes: tuple, value: Any, count: int, side: str) -> np.ndarray:
    """`array` with `count` steps more, at one end, in each of its step axes."""
    for axis in axes:
        shape = list(array.shape)
        shape[axis] = count
        pads = np.empty(shape, dtype=np.result_type(array, np.asarray(value)))
        if array.dtype.kind not in "US":
            pads = pads.astype(array.dtype)
        pads[...] = value
        array = np.concatenate([array, pads] if side == "post" else [pads, array], axis=axis)
    return array


class _Comparison:
    """The padded batch against each row without its padding."""

    def __init__(self, runner, arrays, keys, key_axes, real, side, added):
        self.runner, self.arrays, self.keys, self.axes = runner, arrays, keys, key_axes
        self.real, self.side, self.added = real, side, added
        self.batch, self.total = real.shape
        self.rows = np.arange(self.batch)
        self.kept = real.sum(axis=1)
        self.padded = self._as_given()

    def run(self, rows: Sequence[int], what: str, whole: bool = True) -> np.ndarray:
        steps = [np.arange(self.total) if whole else np.flatnonzero(self.real[r]) for r in rows]
        arrays = cut(self.arrays, self.axes, rows, steps)
        return self.runner.or_in_batches_of(self.batch, arrays, what)

    def _as_given(self) -> np.ndarray:
        try:
            arrays = cut(self.arrays, self.axes, self.rows, [np.arange(self.total)] * self.batch)
            name = _("the padded batch, {total} steps", total=self.total)
            if self.added:
                name = _("{batch} ({n} added)", batch=name, n=self.added)
            return self.runner(arrays, name)
        except ModelFailed as error:
            if self.added and not error.out_of_memory:
                try:
                    self.run(self.rows, _("the batch as given"), whole=False)
                except ModelFailed as failed:
                    error = failed
                else:
                    raise RuntimeError(
                        _(
                            "{error}. The batch as given runs, {steps} steps; the model "
                            "cannot take {added} more, which add_pads= asked for. It may "
                            "be built for a fixed length (build it with Input((None,))), "
                            "or its position table ends there: give fewer pads, or shorter "
                            "rows",
                            error=error,
                            steps=self.total - self.added,
                            added=self.added,
                        )
                    ) from error.cause
            tip = hint(error, self.arrays, self.runner.model)
            raise RuntimeError(
                _(
                    "{error}. That is the batch as it was given, before anything was "
                    "changed: {tip}",
                    error=error,
                    tip=tip,
                )
            ) from error.cause

    def remove(self) -> None:
        """Runs each row alone, without its padding: `self.alone`, `{steps: (rows, output)}`."""
        self.alone: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for n in np.unique(self.kept):
            rows = np.flatnonzero(self.kept == n)
            try:
                what = _("rows {rows} alone, {n} steps", rows=rows.tolist(), n=n)
                self.alone[int(n)] = rows, self.run(rows, what, whole=False)
            except ModelFailed as error:
                raise RuntimeError(
                    _("{error}. {why}", error=error, why=self._why(int(n), error))
                ) from error.cause

    def replace(self, rng: np.random.Generator, pad_value: Any) -> None:
        """Runs the batch with something else in its padded steps, and the mask as it is."""
        changed = dict(self.arrays)
        changed[self.keys[0]] = _changed(
            self.arrays[self.keys[0]], ~self.real, self.real, pad_value, rng
        )
        try:
            out = self.runner(changed, _("the batch with its padded steps replaced"))
        except ModelFailed as error:
            raise RuntimeError(
                _("{error}. {why}", error=error, why=_(_fails_when_changed))
            ) from error.cause
        self.alone = {self.total: (self.rows, out)}

    def _why(self, n: int, error: ModelFailed) -> str:
        """Why the model fails without the padding, though it runs with it."""
        if error.out_of_memory:
            return _("Out of memory: give fewer rows, or shorter ones")
        others = [
            key
            for key, array in self.arrays.items()
            if key not in self.keys and self.total in array.shape[1:]
        ]
        if others:
            together = (*self.keys, *others)
            return _(
                "The batch as given runs. Input {other!r} has {total} steps, too, and "
                "kept them: inputs of one length are named together, "
                "which={together!r}",
                other=others[0],
                total=self.total,
                together=together,
            )
        for longer in np.unique(self.kept):
            if n < longer < self.total:
                rows = np.flatnonzero(self.kept == longer)
                try:
                    self.run(rows, "", whole=False)
                except ModelFailed:
                    continue
                enough = np.flatnonzero(self.kept >= longer).tolist()
                return _(
                    "The batch as given runs, and rows of {longer} steps do: the model "
                    "has a least length, which {n} steps do not reach. Probe the "
                    "longer rows, {enough}, or give such a batch",
                    longer=longer,
                    n=n,
                    enough=enough,
                )
        return _(
            "The batch as given runs, {total} steps: the model seems to be built for "
            "that number of steps (a fixed Input, Flatten) or to have a least length, "
            "and cannot run without the padding. Build it with Input((None,)), so that "
            "it takes any number of steps; or, if its mask is an input of its own, "
            "keep the length and fill the padded steps with other values: "
            "replace_pads=True",
            total=self.total,
        )

    def align(self, lengths: Any, mask: Any, pad_value: Any) -> None:
        """Finds which places of the output are compared: `self.where`, and `self.unpadded`."""
        padded = self.padded
        shapes = {self.total: padded.shape[1:]}
        shapes |= {n: out.shape[1:] for n, (_rows, out) in self.alone.items()}
        self.follows = all(shape[:1] == (n,) for n, shape in shapes.items())
        self.notes = []
        mapped = callable(lengths)
        if mapped:
            self.follows = False
            wrong = {n: s for n, s in shapes.items() if s[:1] != (lengths(n),)}
            if wrong:
                raise ValueError(
                    _(
                        "output_lengths says {{steps: output steps}} {lengths}, but the "
                        "outputs have the shapes, without the batch axis, {wrong}",
                        lengths={n: lengths(n) for n in shapes},
                        wrong=wrong,
                    )
                )
        same = {shape[1:] if self.follows or mapped else shape for shape in shapes.values()}
        if len(same) > 1:
            raise ValueError(
                _(
                    "expected an output with one step per input step, or one whose shape "
                    "does not depend on their number; got, without the batch axis, "
                    "{{steps: shape}} {shapes}. If the output has fewer steps, as after "
                    "strides or pooling, say how many for n input steps: "
                    "output_lengths=lambda n: …",
                    shapes=shapes,
                )
            )
        has_steps = self.follows or mapped or padded.ndim > 2
        if mask is None and lengths is not None and not mapped:
            mask = _from_row_lengths(lengths, padded, self.side)
            has_steps = True
        elif mask is not None:
            mask = np.asarray(mask).astype(bool)
            if mask.shape != padded.shape[:2]:
                raise ValueError(
                    _(
                        "expected output_mask of shape {expected}, as the output; got {shape}",
                        expected=padded.shape[:2],
                        shape=mask.shape,
                    )
                )
            has_steps = True
        elif has_steps and not self.follows and not mapped:
            mask = self._other_pads(pad_value)
        where = np.ones(padded.shape[: 2 if has_steps else 1], dtype=bool)
        if self.follows:
            where = self.real
        elif mapped:
            where = np.zeros(padded.shape[:2], dtype=bool)
            for row, n in enumerate(self.kept):
                m = lengths(int(n))
                where[
                    row, slice(0, m) if self.side == "post" else slice(where.shape[1] - m, None)
                ] = True
        self.mapped, self.mask = mapped, mask
        self.order = "steps" if self.follows else "mapped" if mapped else "pooled"
        self._compare(where)

    def _compare(self, where: np.ndarray) -> None:
        unpadded = self.padded.copy()
        for rows, out in self.alone.values():
            for row, alone in zip(rows, out):
                if self.follows or self.mapped:
                    # Replaced pads leave as many steps as before.
                    steps = where[row]
                    unpadded[row, steps] = alone[steps] if len(alone) == len(steps) else alone
                else:
                    unpadded[row] = alone
        self.unpadded = unpadded
        self.where = where if self.mask is None else where & self.mask

    def _other_pads(self, pad_value: Any) -> np.ndarray | None:
        """Real steps of a decoder's output: where the one input of as many steps is real."""
        if np.ndim(pad_value):
            return None
        found = {}
        for key, array in self.arrays.items():
            if key not in self.keys and array.shape == self.padded.shape[:2]:
                pads = is_pad(array, pad_value)
                if (pads[:, -1].any() or pads[:, 0].any()) and not pads.all(axis=1).any():
                    post = pads[:, -1].any()
                    run = np.cumprod(pads[:, ::-1] if post else pads, axis=1).astype(bool)
                    found[key] = ~(run[:, ::-1] if post else run)
        if len(found) != 1:
            return None
        key, mask = next(iter(found.items()))
        self.notes.append(_("output steps where input {key!r} is padded were left out", key=key))
        return mask

    def judge(self, given, rng, pad_value, notes, replaced) -> Leak:
        """The changes, and what they mean."""
        refuse_nan(
            self.padded,
            self.where,
            N_("the output is NaN at {place} in the padded batch ({n} places in all)"),
        )
        refuse_nan(
            self.unpadded,
            self.where,
            N_("the output is NaN at {place} without padding ({n} places in all)"),
        )
        leak, allowed, worst = self._changes(given)
        if worst > 1 and self.follows and not replaced and self.mask is None:
            if (self.real != self.real[:, ::-1]).any():
                straight = self.where, self.unpadded, leak, allowed, worst
                self._compare(self.real[:, ::-1])
                with np.errstate(invalid="ignore"):
                    leak, allowed, worst = self._changes(given)
                if worst <= 1 and not np.isnan(self.unpadded[self.where]).any():
                    self.notes.append(_("the output's steps come in reversed order"))
                    self.order = "reversed"
                else:
                    self.where, self.unpadded, leak, allowed, worst = straight
        depends = constant = False
        if worst > 1:  # is it the padding, or chance, or the other rows?
            again = self.run(self.rows, _("the padded batch, again"))
            refuse_random(self.padded[self.where], again[self.where], allowed)
            depends = self._rows_depend(leak, allowed)
        else:
            constant = self._constant(rng, pad_value, allowed)
        result = np.ascontiguousarray(leak).view(Leak)
        result.sound = bool(worst <= 1 and not constant)
        result.rows_depend, result.constant = depends, constant
        result._allowed, result._where, result._order = allowed, self.where, self.order
        biggest = float(allowed.max(initial=0.0))
        at = np.unravel_index(np.argmax(leak), leak.shape) if leak.size else ()
        result.tolerance = biggest if worst <= 1 else min(biggest, self._allowed_at_worst)
        result.sentence = self._sentence(result, leak[at], [*notes, *self.notes], replaced)
        return result

    def _changes(self, given: float | None) -> tuple[np.ndarray, np.ndarray, float]:
        """Changes at each place, tolerance of each feature, and the largest share of it."""
        both = np.stack([self.padded, self.unpadded])
        allowed = tolerances(both, np.stack([self.where] * 2), self.runner.dtype)
        if given is not None:
            allowed = np.full_like(allowed, given)
        with np.errstate(invalid="ignore"):
            change = np.where(
                self.padded == self.unpadded, 0.0, np.abs(self.padded - self.unpadded)
            )
        change[~self.where] = 0.0
        per_feature = change.reshape(-1, allowed.size).max(axis=0, initial=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(per_feature == 0, 0.0, per_feature / allowed)
        self._allowed_at_worst = float(allowed[np.argmax(share)])
        axes = self.where.ndim
        leak = change.reshape(*change.shape[:axes], -1).max(axis=-1)
        return leak, allowed, float(share.max(initial=0.0))

    def _rows_depend(self, leak: np.ndarray, allowed: np.ndarray) -> bool:
        """Whether the worst row, padded as it is, answers differently without the others."""
        row = int(np.argmax(leak.reshape(self.batch, -1).max(axis=1)))
        if self.batch == 1:
            return False
        try:
            alone = self.run([row], _("row {row} alone, padded", row=row))
        except (ModelFailed, ValueError):  # a mask for the whole batch in a closure
            return False
        where = self.where[row]
        if not where.any():
            return False
        change = np.abs(alone[0] - self.padded[row])[where]
        self.row = row
        return bool((np.nan_to_num(change.reshape(-1, allowed.size)) > allowed).any())

    def _constant(self, rng, pad_value, allowed) -> bool:
        """Whether a change of all real steps moves no output: then nothing was tested."""
        for key in self.keys:
            array = self.arrays[key]
            if array.dtype.kind == "b" or self.axes[key] != (1,):
                continue
            changed = _changed(array, self.real, self.real, pad_value, rng)
            if (changed == array)[self.real].all():
                continue
            try:
                out = self.runner(
                    {**self.arrays, key: changed}, _("the batch with its real steps changed")
                )
            except ModelFailed:
                return False  # not a question of padding
            if out.shape != self.padded.shape or np.isnan(out[self.where]).any():
                return False
            change = moved(out[self.where], self.padded[self.where], 0)
            return bool(change <= allowed.min())
        return False

    def _sentence(self, leak: Leak, change: float, notes: list[str], replaced: bool) -> str:
        count = int((~self.real).sum())
        rows = _n("{n} sequence", "{n} sequences", self.batch)
        if replaced:
            steps = _n("{n} padded step replaced", "{n} padded steps replaced", count)
        elif self.added:
            steps = _n("{n} padded step added", "{n} padded steps added", count)
        else:
            steps = _n("{n} padded step taken away", "{n} padded steps taken away", count)
        # Rounding differs between machines: it is not worth its digits.
        small = change <= leak.tolerance / 10
        size = (
            _("under {size}", size=_short(leak.tolerance / 10))
            if small and leak.tolerance
            else _short(change)
        )
        if leak.sound:
            found = _("sound")
        elif leak.constant:
            found = _(
                "not sound, for the output is constant: no change of a real step moves "
                "it, so nothing was tested"
            )
        elif leak.rows_depend:
            found = _(
                "not sound, and not by padding alone: rows depend on their batch. Row "
                "{row} as it is, padding and all, answers differently without the "
                "others (a batch normalisation in training mode, a capacity shared by "
                "the batch, a reshape where a transpose is meant)",
                row=self.row,
            )
        else:
            found = _("not sound")
            if self.runner.dtype in ("float16", "bfloat16") and change < 4 * leak.tolerance:
                found = _(
                    "not sound, or else many layers of {dtype} rounding: measure the "
                    "model in float32 to tell",
                    dtype=self.runner.dtype,
                )
            if replaced and len(self.arrays) == 1:
                notes = [
                    *notes,
                    _(
                        "if the model computes its mask from these values, the mask "
                        "changed with them"
                    ),
                ]
        text = _(
            "{sequences}, {steps}, largest change {change}, tolerance {tolerance}: {found}",
            sequences=rows,
            steps=steps,
            change=size,
            tolerance=_short(leak.tolerance),
            found=found,
        )
        return _("; ").join([text, *notes])


_fails_when_changed = N_(
    "The batch as given runs; the values put into its padded steps do not: give the "
    "ids that the model knows"
)


def _short(number: float) -> str:
    return f"{float(f'{number:.1g}'):g}".replace("e-0", "e-").replace("e+0", "e+")


def _from_row_lengths(lengths: Any, padded: np.ndarray, side: str) -> np.ndarray:
    kept = np.asarray(lengths)
    if padded.ndim < 2 or kept.shape != padded.shape[:1] or kept.dtype.kind not in "iu":
        raise ValueError(
            _(
                "expected output_lengths as a function from input to output steps, or "
                "{batch} whole numbers; got {lengths!r} for an output of shape {shape}",
                batch=len(padded),
                lengths=lengths,
                shape=padded.shape,
            )
        )
    steps = padded.shape[1]
    if kept.min() < 0 or kept.max() > steps:
        raise ValueError(
            _(
                "expected output_lengths from 0 to {steps}, got {lengths!r}",
                steps=steps,
                lengths=lengths,
            )
        )
    mask = np.arange(steps) < kept[:, None]
    return mask if side == "post" else mask[:, ::-1]


def _changed(
    x: np.ndarray, where: np.ndarray, real: np.ndarray, pad_value: Any, rng: np.random.Generator
) -> np.ndarray:
    """A copy of `x`, `(B, T, ...)`, with other values in the steps `where`."""
    result = x.copy()
    known = x[real]
    if x.dtype.kind == "f" and not (x.ndim == 2 and (known == np.floor(known)).all()):
        spread = np.std(known[np.isfinite(known)]) if np.isfinite(known).any() else 0.0
        center = np.where(np.isfinite(x), x, 0.0) if where is real else np.nanmean(known)
        noise = center + rng.normal(size=x.shape) * (spread or 1.0)
        result[where] = noise[where]
        return result
    ids = np.unique(known)
    for cell in np.argwhere(where):
        cell = tuple(cell)
        others = ids[ids != x[cell]] if x.ndim == 2 else ids
        if others.size:
            result[cell] = others[rng.integers(len(others), size=x.shape[2:])]
    return result


def refuse_random(out: np.ndarray, again: np.ndarray, allowed: Any) -> None:
    """Complain if two runs of the same input differ by more than rounding."""
    with np.errstate(invalid="ignore"):
        change = np.where((out == again) | np.isnan(out), 0.0, np.abs(out - again))
    if np.nanmax(change, initial=0.0) > np.max(allowed):
        raise RuntimeError(
            _(
                "the same input gave outputs {difference:.2g} apart: dropout or noise is "
                "on, state is kept between calls, the first call differs from later ones, "
                "or rows depend on their batch (batch normalisation in training mode, a "
                "capacity shared by the batch); probe in inference mode: lambda x: "
                "model(x, training=False), in PyTorch model.eval()",
                difference=np.nanmax(change),
            )
        )
