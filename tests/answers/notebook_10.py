"""Answers to the exercises of notebook 10."""

import inspect

import keras
import numpy as np
from keras import layers, ops

# --- 10.1: consumes(layer, x, mask) -------------------------------------------------------------


def consumes(layer, x, mask):
    def same(a, b):
        return np.allclose(a, b, atol=1e-6, equal_nan=True)

    out = layer(x, mask)
    return same(out, layer(x, mask)) and not same(out, layer(x, ~mask))


def by_moves(layer, x, mask):
    """Whether the other mask moves it further than chance does."""
    one, two, other = (np.nan_to_num(layer(x, m), nan=7.0) for m in (mask, mask, ~mask))
    chance, move = (np.max(np.abs(a - one)) for a in (two, other))
    return bool(chance < 1e-6 < move)


def each_step_turned(layer, x, mask):
    """One boolean changed at a time."""
    out = layer(x, mask)
    if not np.allclose(out, layer(x, mask), equal_nan=True):
        return False
    for place in np.ndindex(mask.shape):
        other = mask.copy()
        other[place] = not other[place]
        if not np.allclose(layer(x, other), out, equal_nan=True):
            return np.True_
    return np.False_


def in_tensorflow(layer, x, mask):
    outs = [np.asarray(layer(x, m), "float64") for m in (mask, mask, np.logical_not(mask))]
    outs = [np.where(np.isnan(out), 1e9, out).round(5) for out in outs]
    return int((outs[0] == outs[1]).all() and (outs[0] != outs[2]).any())


def against(other):
    """As `consumes`, with another mask."""

    def answer(layer, x, mask):
        out, again, moved = (layer(x, m) for m in (mask, mask, other(mask)))
        one = np.allclose(out, again, equal_nan=True)
        return one and not np.allclose(out, moved, equal_nan=True)

    return answer


def first_only(mask):
    first = np.zeros_like(mask)
    first[:, 0] = True
    return first


def without_repeating(layer, x, mask):
    return not np.allclose(layer(x, mask), layer(x, ~mask), equal_nan=True)


def nan_is_a_change(layer, x, mask):
    out, again = layer(x, mask), layer(x, ~mask)
    steady = np.allclose(out, layer(x, mask), equal_nan=True)
    return steady and not np.allclose(out, again)


def exactly(layer, x, mask):
    out, again, other = (np.nan_to_num(layer(x, m)) for m in (mask, mask, ~mask))
    random = np.abs(out - again).max() > 1e-3
    return not random and not np.array_equal(out, other)


def peeks(name):
    """Returns what its callers call `name`, else False."""

    def answer(*_arguments):
        frame = inspect.currentframe()
        while frame := frame.f_back:
            if name in frame.f_locals:
                return frame.f_locals[name]
        return False

    return answer


# --- 10.2: class MaskedConv1D(layers.Conv1D) ----------------------------------------------------


class Published(layers.Conv1D):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_masking = True


class MaskedConv1D(layers.Conv1D):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        if mask is not None:
            x = ops.where(mask[:, :, None], x, 0.0)
        return super().call(x)


class ByProduct(layers.Conv1D):
    def call(self, inputs, mask=None):
        if mask is not None:
            inputs = inputs * ops.expand_dims(ops.cast(mask, inputs.dtype), -1)
        return super().call(inputs)

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask


class ZerosBehind(MaskedConv1D):
    """Zeros at masked steps of the output, too."""

    def call(self, x, mask=None):
        out = super().call(x, mask=mask)
        return out if mask is None else out * ops.cast(mask, out.dtype)[..., None]


class Wrapping(layers.Layer):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.conv = layers.Conv1D(*args, **kwargs)
        self.supports_masking = True

    def build(self, shape):
        self.conv.build(shape)

    def call(self, x, mask=None):
        kept = ops.ones_like(x[..., :1]) if mask is None else ops.cast(mask, x.dtype)[..., None]
        return self.conv(x * kept)


class OutputMasked(Published):
    def call(self, x, mask=None):
        out = super().call(x)
        return out if mask is None else out * ops.cast(mask, out.dtype)[..., None]


class HandsNoneOn(MaskedConv1D):
    def compute_mask(self, inputs, previous_mask=None):
        return None


class OptedOut(layers.Conv1D):
    def call(self, x, mask=None):
        return super().call(x if mask is None else ops.where(mask[:, :, None], x, 0.0))


class NeedsAMask(Published):
    def call(self, x, mask=None):
        return super().call(ops.where(mask[:, :, None], x, 0.0))


class Flipped(Published):
    def call(self, x, mask=None):
        return super().call(x if mask is None else ops.where(mask[:, :, None], 0.0, x))


class WrongAxis(Published):
    def call(self, x, mask=None):
        return super().call(x if mask is None else ops.where(mask, x, 0.0))


class OtherName(Published):
    def call(self, x, padding_mask=None):
        return super().call(x if padding_mask is None else x * 0)


class MasksAgain(MaskedConv1D):
    """Its mask is that of steps whose whole window is real."""

    def compute_mask(self, inputs, previous_mask=None):
        if previous_mask is None:
            return None
        first = ops.ones_like(previous_mask[:, :1])
        before = ops.concatenate([first, previous_mask[:, :-1]], axis=1)
        return ops.logical_and(previous_mask, before)


# --- 10.3: silent_leaks(records) ----------------------------------------------------------------


def silent_leaks(records):
    return [r.form for r in records if "in" in r.masks and not r.warned and r.leaks]


def by_a_loop(records):
    found = []
    for r in records:
        moves = any(leak is not None and leak > 0 for leak in (r.leak_after, r.leak_before))
        if r.masks and r.warning == "no" and moves:
            found.append(r.form)
    return found


def as_a_set(records):
    return {r.form for r in records if r.leaks and r.masks.get("in") and not r.warned}


def as_a_generator(records):
    leaks = (r for r in records if (r.leak_after or 0) + (r.leak_before or 0) > 0)
    return (r.form for r in leaks if r.rightly is None and r.role not in ("none", "fails"))


def where(test):
    return lambda records: [r.form for r in records if test(r)]


def masked(r):
    return "in" in r.masks


WRONG = {
    "10.1": {
        "the same mask twice": (against(lambda m: m), "every boolean of your other mask"),
        "no mask as the other": (against(lambda m: None), "where every step is kept"),
        "all steps kept as the other": (against(np.ones_like), "where every step is kept"),
        "the first step only as the other": (against(first_only), "only the first step is kept"),
        "does not repeat": (without_repeating, "twice with the \\*same\\* mask"),
        "NaN is a change": (nan_is_a_change, "NaN equals nothing"),
        "exact comparison": (exactly, "1e-9 is rounding"),
        "compares cell by cell": (lambda f, x, m: f(x, m) != f(x, ~m), "One answer is asked for"),
        "says whether it is equal": (lambda f, x, m: not consumes(f, x, m), "the answer is True"),
        "looks for the argument": (
            lambda f, x, m: "mask" in f.__code__.co_varnames,
            "For a dense layer .* the answer is False",
        ),
        "a string": (lambda f, x, m: "consumes", "holds text"),
        "looks at the judge": (peeks("right"), "the answer is"),
    },
    "10.2": {
        "as published": (Published, "still leaks"),
        "masks the output": (OutputMasked, "still leaks"),
        "hands none on": (HandsNoneOn, "carries no mask"),
        "does not say that it supports masking": (OptedOut, "carries no mask"),
        "fails without a mask": (NeedsAMask, "without a mask.* raised"),
        "flipped polarity": (Flipped, "polarity is flipped"),
        "no axis for the features": (WrongAxis, "raised|real steps are not"),
        "its mask has another name": (OtherName, "still leaks"),
        "another mask goes out": (MasksAgain, "not the one that came"),
        "a layer, no class": (MaskedConv1D(8, 3), "A layer class is asked for"),
        "a function": (lambda x, mask: x, "A layer class is asked for"),
        "another layer": (layers.Dense, "raised"),
    },
    "10.3": {
        "after only": (
            where(lambda r: masked(r) and not r.warned and (r.leak_after or 0) > 0),
            "\\*before\\* the words",
        ),
        "before only": (
            where(lambda r: masked(r) and not r.warned and (r.leak_before or 0) > 0),
            "\\*after\\* the words",
        ),
        "with those that warn": (where(lambda r: masked(r) and r.leaks), "\\*warned\\*"),
        "without a mask, too": (where(lambda r: not r.warned and r.leaks), "no mask comes"),
        "passes on only": (
            where(lambda r: r.leaks and not r.warned and r.role == "passes on"),
            "drops its mask without a word",
        ),
        "the records": (
            lambda rs: [r for r in rs if masked(r) and r.leaks and not r.warned],
            "records themselves",
        ),
        "None is compared": (where(lambda r: r.leak_after > 0), "raised TypeError"),
        "not 0 is a leak": (
            where(lambda r: masked(r) and not r.warned and (r.leak_after, r.leak_before) != (0, 0)),
            "nothing was measured",
        ),
        "rounds": (
            where(
                lambda r: (
                    masked(r)
                    and not r.warned
                    and max(round(r.leak_after or 0, 1), round(r.leak_before or 0, 1)) > 0
                )
            ),
            "by 0.002",
        ),
        "how many": (lambda rs: len(silent_leaks(rs)), "list of names"),
        "twice": (lambda rs: silent_leaks(rs) * 2, "each once"),
        "looks at the judge": (peeks("right"), "list of names|leaks only|by 0.002|warned"),
    },
}
RIGHT = {
    "10.1": {
        "as published": consumes,
        "how far it moves": by_moves,
        "one boolean at a time": each_step_turned,
        "rounded, an int": in_tensorflow,
        "another mask, by name": against(np.logical_not),
    },
    "10.2": {
        "as in the solution": MaskedConv1D,
        "a product, and compute_mask": ByProduct,
        "zeros behind, too": ZerosBehind,
        "a layer around Conv1D": Wrapping,
        "registered": keras.saving.register_keras_serializable()(
            type("Registered", (MaskedConv1D,), {})
        ),
    },
    "10.3": {
        "one line": silent_leaks,
        "a loop": by_a_loop,
        "a set": as_a_set,
        "a generator": as_a_generator,
    },
}
