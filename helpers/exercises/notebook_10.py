"""The exercises of notebook 10: measure a layer, mend one, ask the atlas."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from helpers.atlas.record import Record
from helpers.exercises.engine import (
    NotAttempted,
    NotYet,
    as_array,
    call,
    call_layer,
    compare_values,
    id_batches,
    in_words,
    same,
)
from helpers.language import N_, _

import numpy as np

# --- 10.1 --------------------------------------------------------------------------------------


def _column(mask: Any, x: np.ndarray) -> np.ndarray:
    mask = np.ones(x.shape[:2], bool) if mask is None else np.asarray(mask).astype(bool)
    if mask.shape != x.shape[:2]:
        raise ValueError(f"a mask of shape {mask.shape} for vectors of shape {x.shape}")
    return mask[..., np.newaxis]


def _mean(x: np.ndarray, mask: Any) -> np.ndarray:
    kept = _column(mask, x)
    with np.errstate(invalid="ignore"):
        return (x * kept).sum(axis=1) / kept.sum(axis=1)


def _kinds() -> dict[str, Callable]:
    """Layers by what they are. `_CONSUMING` says whose mask changes the output."""
    noise = np.random.default_rng(0)
    matrix = np.random.default_rng(1).normal(size=(4, 3))

    def last(x: np.ndarray, mask: Any) -> np.ndarray:
        """The last kept step, as an LSTM keeps its state."""
        state = np.zeros_like(x[:, 0])
        for step in range(x.shape[1]):
            state = np.where(_column(mask, x)[:, step], x[:, step], state)
        return state

    return {
        N_("a mean of the kept steps"): _mean,
        N_("a dense layer"): lambda x, mask: x @ matrix,
        N_("the last kept step"): last,
        N_("a layer that changes masked steps only"): lambda x, mask: x * _column(mask, x),
        N_("a layer that counts the kept steps"): (
            lambda x, mask: _column(mask, x).sum(axis=1, dtype="int32")
        ),
        N_("a mean of all steps"): lambda x, mask: x.mean(axis=1),
        N_("a layer that gives NaN, whatever the mask"): lambda x, mask: x[:, :1] * np.nan,
        N_("dropout in training, which does not look at the mask"): (
            lambda x, mask: x * (noise.random(x.shape) < 0.5)
        ),
        N_("noise so small that it is rounding"): (
            lambda x, mask: x + 1e-9 * noise.normal(size=x.shape)
        ),
    }


_CONSUMING = {
    "a mean of the kept steps",
    "the last kept step",
    "a layer that changes masked steps only",
    "a layer that counts the kept steps",
}


def _consumes(answer: Any) -> str:
    random = np.random.default_rng(2)
    first = np.zeros((3, 4), bool)
    first[:, 0] = True
    masks = {
        N_("three sentences"): np.arange(5) < np.array([[5], [3], [1]]),
        "no padding": np.ones((5, 4), bool),
        N_("sentences of which one step is kept"): first,
        **{name: ids != 0 for name, ids in id_batches().items()},
    }
    for case, mask in masks.items():
        x = random.normal(size=(*mask.shape, 4)).astype("float32")
        for kind, layer in _kinds().items():
            if kind.startswith("dropout") and mask.size < 9:
                continue  # two draws may be equal
            shown = "consumes(layer, x, mask)"
            got = call(
                answer,
                layer,
                x,
                mask,
                shown=_("{call} for {kind}, {case},", call=shown, kind=_(kind), case=_(case)),
            )
            got = as_array(got, shown)
            if got.size != 1:
                raise NotYet(
                    _(
                        "`{shown}` has shape {shape}. One answer is asked for, True or "
                        "False: `np.allclose` compares whole arrays.",
                        shown=shown,
                        shape=got.shape,
                    )
                )
            right = kind in _CONSUMING  # not before the call: an answer can look at its caller
            if got.dtype.kind not in "bi" or bool(got.item()) != right:
                raise NotYet(_why(kind, case, right, got.dtype.kind))
    return _("By behaviour, whatever the layer is called and whatever its signature says.")


def _why(kind: str, case: str, right: bool, dtype: str) -> str:
    if dtype not in "bi":
        return _("The answer is True or False, and this is neither.")
    said = [
        _(
            "For {kind} ({case}) the answer is {right}, not {wrong}.",
            kind=_(kind),
            case=_(case),
            right=right,
            wrong=not right,
        )
    ]
    hints = {
        "a layer that gives NaN": _("NaN equals nothing, itself included: `equal_nan=True`."),
        "dropout": _("Its output changes by itself: call it twice with the *same* mask first."),
        "noise": _("A difference of 1e-9 is rounding: `np.allclose`."),
    }
    said += [hint for start, hint in hints.items() if kind.startswith(start)]
    if right and case in ("no padding", "sentences of one step"):
        said.append(_("Is your other mask another one, where every step is kept?"))
    elif right and case.startswith("sentences of which"):
        said.append(_("Is your other mask another one, where only the first step is kept?"))
    elif right:
        said.append(
            _("Does every boolean of your other mask differ? Some masks give the same by chance.")
        )
    return " ".join(said)


# --- 10.2 --------------------------------------------------------------------------------------


def _masked_conv(answer: Any) -> str:
    import keras

    if not inspect.isclass(answer) or not issubclass(answer, keras.layers.Layer):
        raise NotYet(_("A layer class is asked for: `class MaskedConv1D(layers.Conv1D)`."))
    for name, ids in id_batches(empty_rows=True).items():
        for features in {3, ids.shape[1]}:
            _convolves(answer, ids != 0, features, name)
    _in_a_model(answer)
    return _("Masked steps are zeros when they are read, and the mask goes on.")


def _made(answer: type, *arguments: Any) -> Any:
    try:
        return answer(*arguments, padding="same")
    except (NotYet, NotAttempted):
        raise
    except Exception as error:
        raise NotYet(
            _(
                '`MaskedConv1D(8, 3, padding="same")` raised {error} Its arguments are '
                "those of Conv1D.",
                error=in_words(error),
            )
        ) from error


def _convolves(answer: type, mask: np.ndarray, features: int, name: str) -> None:
    import keras

    random = np.random.default_rng(3)
    x = random.normal(size=(*mask.shape, features)).astype("float32")
    layer, shown = _made(answer, 5, 3), "MaskedConv1D(5, 3)(x)"
    plain = keras.layers.Conv1D(5, 3, padding="same")
    plain.build(x.shape)
    bare = call_layer(
        layer, keras.ops.convert_to_tensor(x), shown=_("{shown} without a mask", shown=shown)
    )
    weights = layer.get_weights()
    if [w.shape for w in weights] != [w.shape for w in plain.get_weights()]:
        raise NotYet(
            _(
                "{shown} has weights of other shapes than `Conv1D(5, 3)`: it is to have the same.",
                shown=shown,
            )
        )
    weights[1] = random.normal(size=5).astype("float32")  # a bias makes masked outputs not zero
    layer.set_weights(weights)
    plain.set_weights(weights)
    bare = call_layer(
        layer, keras.ops.convert_to_tensor(x), shown=_("{shown} without a mask", shown=shown)
    )
    compare_values(
        bare,
        np.asarray(plain(x)),
        {},
        shown=_("{shown} without a mask", shown=shown),
        tolerance=1e-4,
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        masked = keras.ops.convert_to_tensor(x)
        masked._keras_mask = keras.ops.convert_to_tensor(mask)
        got = call_layer(layer, masked, shown=_("{call}, for {case}", call=shown, case=_(name)))
    kept = mask[..., np.newaxis]
    right = np.asarray(plain(x * kept))
    values = as_array(got, shown)
    if values.shape != right.shape:
        raise NotYet(
            _(
                "`{shown}` has shape {shape} for {name}; expected {expected}.",
                shown=shown,
                shape=values.shape,
                name=_(name),
                expected=right.shape,
            )
        )
    if not same(values[mask], right[mask], 1e-4):
        for message, wrong in {
            _(
                "Padding still leaks: the convolution reads padded steps as they are. "
                "`supports_masking = True` takes the warning away, not the leak."
            ): plain(x),
            _("The polarity is flipped: the real steps were set to 0."): plain(x * ~kept),
        }.items():
            if same(values[mask], np.asarray(wrong)[mask], 1e-4):
                raise NotYet(message)
        raise NotYet(
            _(
                "{shown}, for {name}: real steps are not those of a convolution that reads "
                "0 where the mask is False.",
                shown=shown,
                name=_(name),
            )
        )
    out = getattr(got, "_keras_mask", None)
    if out is None or any("destroy the mask" in str(w.message) for w in said):
        raise NotYet(
            _(
                "The output is right, but it carries no mask: whoever comes next reads "
                "padding. Say that the layer supports masking."
            )
        )
    if not np.array_equal(np.asarray(out), mask):
        raise NotYet(
            _("The output is right; its mask is not the one that came, for {name}.", name=_(name))
        )


def _in_a_model(answer: type) -> None:
    """With `Embedding` before it and an LSTM behind, as a Functional model."""
    from maskprobe import padding_leak

    import keras

    try:
        inputs = keras.Input((None,), dtype="int32")
        x = keras.layers.Embedding(3300, 4, mask_zero=True)(inputs)
        model = keras.Model(inputs, keras.layers.LSTM(4)(_made(answer, 5, 3)(x)))
        leaks = [
            padding_leak(model, keras.utils.pad_sequences([[3, 1, 4, 2], [7, 8]], padding=side))
            for side in ("post", "pre")
        ]
    except (NotYet, NotAttempted):
        raise
    except Exception as error:
        raise NotYet(
            _("Between an Embedding and an LSTM, in a Model: {error}", error=in_words(error))
        ) from error
    if not all(leak.sound for leak in leaks):
        raise NotYet(_("By itself it is right; in a Functional model padding leaks into the LSTM."))


# --- 10.3 --------------------------------------------------------------------------------------


def _record(form: str, role: str = "passes on", **fields: Any) -> Record:
    fields = {"leak_after": 0.0, "leak_before": 0.0, "masks": {"in": [[1, 0]]}, **fields}
    return Record(form, "made up", (), role, **fields)


def _atlas_of_the_judge() -> list[Record]:
    """Made-up records, each for one mistake."""
    return [
        _record("sound"),
        _record("after", leak_after=0.4),
        _record("warned", "drops", warned=True, rightly=True, leak_after=0.7, leak_before=0.7),
        _record("before", leak_before=0.002),
        _record("dropped", "drops (silently)", leak_after=0.9, leak_before=1.2),
        _record("no mask", "none", leak_after=2.0, leak_before=2.0, masks={}),
        _record("falsely warned", warned=True, rightly=False),
        _record("fails", "fails", leak_after=None, leak_before=None, masks={}),
        _record("half measured", "changes", leak_after=None, leak_before=0.3),
        _record("not measured", "changes", leak_after=None, leak_before=None),
        _record("consumes", "consumes", leak_after=0.5),
    ]


_SILENT = ["after", "before", "dropped", "half measured", "consumes"]


def _silent_leaks(answer: Any) -> str:
    records = _atlas_of_the_judge()
    orders = (records, records[::-1], records[:1], records[:2])
    for given in orders:
        got = call(answer, given, shown="silent_leaks(records)")
        if not isinstance(got, (list, tuple, set, frozenset)) and not hasattr(got, "__iter__"):
            raise NotYet(_("A list of names is asked for, `record.form` of each."))
        got = list(got)
        if any(isinstance(item, Record) for item in got):
            raise NotYet(
                _("These are the records themselves; asked for are their names: `r.form`.")
            )
        # Not before the call: an answer can look at its caller.
        right = [r.form for r in given if r.form in _SILENT]
        extra = [name for name in got if name not in right]
        missing = [name for name in right if name not in got]
        for name in [*extra, *missing]:
            if name in _MISTAKES:
                raise NotYet(_(_MISTAKES[name]))
        if extra or missing or len(got) != len(right):
            raise NotYet(
                _(
                    "{count} names; expected are {expected}, each once: {names}.",
                    count=len(got),
                    expected=len(right),
                    names=", ".join(right),
                )
            )
    return _("A mask comes in, nobody says a word, and padding is in the result.")


_MISTAKES = {
    "sound": N_("One of these leaks nothing: `leak_after` and `leak_before` are both 0."),
    "warned": N_("Of one of these Keras *warned*: asked for are the silent ones."),
    "no mask": N_("To one of these no mask comes, so none is let down: `r.masks` has no `'in'`."),
    "before": N_("One leaks only if padding stands *before* the words, by 0.002."),
    "after": N_("One leaks only if padding stands *after* the words."),
    "dropped": N_("One drops its mask without a word: that is silent, too, whatever its role."),
    "consumes": N_("One consumes its mask and leaks all the same: the role does not say it."),
    "half measured": N_("Of one, only one side was measured (the other is None), and it leaks."),
    "not measured": N_("Of one, nothing was measured: None is not a leak."),
    "falsely warned": N_("One of these leaks nothing, and Keras warned falsely."),
    "fails": N_("One of these fails: nothing of it was measured."),
}

JUDGES = {"10.1": _consumes, "10.2": _masked_conv, "10.3": _silent_leaks}
