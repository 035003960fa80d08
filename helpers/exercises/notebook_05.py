"""The exercises of notebook 05: layers that make, use and hand on masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers.exercises.engine import (
    NotAttempted,
    NotYet,
    as_array,
    call,
    call_layer,
    compare_mask,
    compare_values,
    id_batches,
    same,
)
from helpers.language import N_, _
from helpers.sentences import words

import numpy as np

IDS = np.array([[83, 91, 1, 645, 1253, 927], [73, 8, 3215, 55, 927, 0], [711, 632, 71, 0, 0, 0]])


def _batches(**options: Any) -> dict[str, np.ndarray]:
    return {N_("the three sentences"): IDS.astype("int32"), **id_batches(**options)}


def _add_start(answer: Any) -> str:
    import keras

    layer, shown = _made(answer), _("the mask of AddStart()(x)")
    _refuse_stub(layer.compute_mask, np.ones((3, 6, 4), "float32"), IDS != 0)
    batches = _batches(empty_rows=True)
    for name, ids in batches.items():
        mask, start = ids != 0, np.ones((len(ids), 1), bool)
        x = np.random.default_rng(0).normal(size=(*ids.shape, 4)).astype("float32")
        got = call_layer(
            layer,
            _masked(x, mask),
            shown=_("{call}, for {case},", call="AddStart()(x)", case=_(name)),
        )
        _same_steps(got, x)
        if _mask(got) is None:
            raise NotYet(_("The output has no mask, and Keras does not even warn."))
        mistakes = {
            _(
                "That is the mask as it came: the output has one step more, and each "
                "boolean now stands one step too early."
            ): mask,
            _("The new step is real, and here it is masked: True means *keep*."): np.hstack(
                [~start, mask]
            ),
            _("The new step is always real; here it copies the mask of the first step."): np.hstack(
                [mask[:, :1], mask]
            ),
            _("The new step stands in *front*; here its mask stands at the end."): np.hstack(
                [mask, start]
            ),
            _("The column was joined along the batch, not along time: `axis=1`."): np.vstack(
                [mask[:1] | True, mask]
            ),
        }
        # Words stand in the places of the first mask only.
        tokens = [["<start>", *row] for row in words(ids)] if ids.shape == IDS.shape else None
        what = _("{call}, for {case}", call=shown, case=_(name))
        compare_mask(_mask(got), np.hstack([start, mask]), mistakes, shown=what, tokens=tokens)
        got = call_layer(layer, x, shown=_("AddStart()(x), for an x without a mask,"))
        if _mask(got) is not None:
            raise NotYet(_("Where no mask arrives, hand on none: `None`."))
    inputs = keras.Input((None, 4))
    model = _functional(_made(answer), inputs, keras.layers.Masking()(inputs), "AddStart()(x)")
    for name, ids in batches.items():
        x = np.repeat((ids != 0)[..., None], 4, axis=2).astype("float32")
        right = np.hstack([np.ones((len(ids), 1), bool), ids != 0])
        compare_mask(
            model(x)[1],
            right,
            {},
            shown=_("the mask of AddStart()(x) in a Functional model, {name}", name=_(name)),
        )
    return _("What `call` does to the steps, `compute_mask` does to the mask.")


def _same_steps(got: Any, x: np.ndarray) -> None:
    right = np.concatenate([np.ones_like(x[:, :1]), x], axis=1)
    if not same(as_array(got, "AddStart()(x)"), right):
        raise NotYet(
            _(
                "The output itself has changed: leave `call` as it stands in the exercise, "
                "only the mask is missing."
            )
        )


def _time_softmax(answer: Any) -> str:
    import keras

    layer = _made(answer)
    _refuse_stub(layer.call, np.ones((3, 6, 1), "float32"), IDS != 0)
    random = np.random.default_rng(1)
    batches = _batches(empty_rows=True)
    for name, ids in batches.items():
        kept = (ids != 0)[..., None]
        scores = random.normal(size=kept.shape).astype("float32")
        _compare_weights(
            layer, scores, kept, _("{call}, for {case}", call="TimeSoftmax()(scores)", case=_(name))
        )
    for name, scale, shift, padding in _SCORES:
        for ids in batches.values():
            kept = (ids != 0)[..., None]
            scores = random.normal(size=kept.shape) * scale + shift
            scores = np.where(kept, scores, padding)
            scores = scores.astype("float32")
            shown = _("{call}, for {case},", call="TimeSoftmax()(scores)", case=_(name))
            got = as_array(call_layer(layer, _masked(scores, kept[..., 0]), shown=shown), shown)
            if not np.isnan(got).any() and not same(got, _weights(scores, kept), 1e-3):
                raise NotYet(
                    _(
                        "Right for small scores, and wrong for {name}. However large they "
                        "are, a masked step needs a score far below those of all the kept "
                        "ones, *before* the softmax.",
                        name=_(name),
                    )
                )
            _compare_weights(layer, scores, kept, shown, tolerance=1e-3)  # 1000 has few decimals
    output, scores = None, random.normal(size=(3, 6, 1)).astype("float32")
    alone = call_layer(layer, scores, shown=_("TimeSoftmax()(scores), without a mask,"))
    compare_values(alone, _soft(scores), {}, shown=_("the weights without a mask"), tolerance=1e-5)
    inputs = keras.Input((None, 1))
    shown = "TimeSoftmax()(scores)"
    model = _functional(_made(answer), inputs, keras.layers.Masking()(inputs), shown)
    for name, ids in batches.items():
        scores = np.where((ids != 0)[..., None], 0.5 + random.random((*ids.shape, 1)), 0)
        output, mask = model(scores.astype("float32"))
        what = _("{call} in a Functional model, for {case}", call=shown, case=_(name))
        right = _weights(scores, (ids != 0)[..., None])
        compare_values(output, right, {}, shown=what, tolerance=1e-5)
        compare_mask(mask, ids != 0, {}, shown=_("the mask of {call}", call=what))
    _try_half(answer, batches)
    return _("Weights over time, 0 at the padding, and the mask goes on.")


# Scores that are not of order 1: how they are scaled and shifted, and what padded steps hold.
_SCORES = (
    (N_("scores of some hundreds"), 300.0, 0.0, 0.0),
    (N_("scores that are largest at the padding"), 1.0, 0.0, 1000.0),
    (N_("scores around −1000"), 1.0, -1000.0, 0.0),
    (N_("scores around 1000, and −1000 at the padding"), 1.0, 1000.0, -1000.0),
    (N_("large scores, and larger ones at the padding"), 300.0, 0.0, 1000.0),
)


def _compare_weights(
    layer: Any, scores: np.ndarray, kept: np.ndarray, shown: str, tolerance: float = 1e-5
) -> None:
    import tensorflow as tf

    right, exp = _weights(scores, kept), np.exp(np.clip(scores, -80, 80))
    last = _(
        "The last axis is one number long, and a softmax over one number is 1. Time is axis 1."
    )
    with np.errstate(all="ignore"):
        mistakes = {
            _("That is the layer of the guide. {last}", last=last): exp * kept / (exp * kept),
            last: exp / exp,
            _("{last} (The masked steps are right.)", last=last): 1.0 * kept,
            _(
                "It is the steps of *one* sequence that share the weight, not the "
                "sequences of a batch."
            ): exp * kept / (exp * kept).sum(0),
            _("The mask is not used: padded steps get weight."): _soft(scores),
            _(
                "A score of 0 is a score like any other, so the padded steps still get "
                "weight; it must be hugely negative."
            ): _soft(scores * kept),
            _(
                "Padded steps are 0, but the kept ones do not sum to 1: the sum runs over "
                "the padded steps, too."
            ): _soft(scores) * kept,
            _("The polarity is flipped: the weight goes to the padded steps."): _soft(
                np.where(kept, -1e9, scores)
            ),
            _(
                "The sum is of the scores; it must be of their exponentials. (So the guide "
                "had it, before 2020.)"
            ): exp * kept / (scores * kept).sum(1, keepdims=True),
            _(
                "In a sentence that is masked altogether each step gets an equal share. "
                "Masked steps are 0, there, too."
            ): _soft(np.where(kept, scores, -1e9)),
        }
    tensor = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        carrier = tf.identity(tensor)
        carrier._keras_mask = tf.constant(kept[..., 0])
        output = call_layer(layer, carrier, shown=shown)
        if isinstance(output, np.ndarray):
            raise NotYet(
                _(
                    "`call` returns a NumPy array. Compute with `keras.ops`, or there is "
                    "neither a Functional model nor a gradient."
                )
            )
        factors = np.linspace(-1, 1, scores.size).reshape(scores.shape).astype("float32")
        _compare_but_nan(output, right, mistakes, shown, tolerance)
        loss = tf.reduce_sum(output * factors)
    if _mask(output) is None:
        raise NotYet(
            _(
                "The weights are right, and the mask ends here: the layers behind it need "
                "it. `supports_masking` is still False, or `compute_mask` returns None."
            )
        )
    compare_mask(
        _mask(output),
        kept[..., 0],
        _longer_mask(layer, kept),
        shown=_("the mask of {call}", call=shown),
    )
    gradient = tape.gradient(loss, tensor)
    if gradient is None:
        raise NotYet(_("The weights are right, and no gradient gets through the layer."))
    shares = right * (factors - (right * factors).sum(1, keepdims=True))
    if np.isnan(gradient).any():
        raise NotYet(
            _(
                "`{shown}` is right, and its gradient is NaN: where nothing is kept, 0 / 0 "
                "or `-inf` is only hidden behind the values. Let it not come about.",
                shown=shown,
            )
        )
    compare_values(
        gradient,
        shares,
        {},
        shown=_("the gradient of {shown}", shown=shown),
        tolerance=10 * tolerance,
    )


def _compare_but_nan(
    output: Any, right: np.ndarray, mistakes: Any, shown: str, tolerance: float
) -> None:
    """`compare_values`, and where NaN stands the message says why it may be there."""
    values = as_array(output, shown)
    wrong = np.isnan(values)
    if values.shape == right.shape and wrong.any():
        guide = next(iter(mistakes.items()))
        if same(values, guide[1]):
            raise NotYet(guide[0])
        empty = (right.sum(1) == 0).any() and wrong.all(axis=1).any()
        cause = (
            _("nothing is kept in that sentence, and 0 / 0 is NaN")
            if empty
            else _("`exp` of a large score overflows: a softmax first subtracts the largest")
        )
        raise NotYet(_("`{shown}` holds NaN: {cause}.", shown=shown, cause=cause))
    compare_values(values, right, mistakes, shown=shown, tolerance=tolerance)


def _longer_mask(layer: Any, kept: np.ndarray) -> dict[str, np.ndarray]:
    import keras

    own = type(layer).compute_mask is not keras.layers.Layer.compute_mask
    whose = (
        _("your `compute_mask` returns it with an axis too many")
        if own
        else _(
            "a layer inside yours, such as `keras.layers.Softmax`, has put its own there; "
            "use `ops.softmax`"
        )
    )
    return {
        _(
            "The mask on the output has the shape `(batch, timesteps, 1)`, not `(batch, "
            "timesteps)`: {whose}.",
            whose=whose,
        ): kept
    }


def _try_half(answer: Any, batches: dict[str, np.ndarray]) -> None:
    import keras

    keras.config.set_dtype_policy("mixed_float16")  # `check` sets the reader's own afterwards
    layer = _made(answer)
    for name, ids in batches.items():
        kept = (ids != 0)[..., None]
        scores = np.random.default_rng(2).normal(size=kept.shape).astype("float16")
        shown = _("TimeSoftmax()(scores) in float16, for {name},", name=_(name))
        output = call_layer(layer, _masked(scores, kept[..., 0]), shown=shown)
        values = as_array(output, shown).astype("float32")
        if np.isnan(values).any():
            raise NotYet(
                _(
                    "`{shown}` holds NaN: float16 ends at 65504, and what is below −65504 is −inf.",
                    shown=shown,
                )
            )
        compare_values(values, _weights(scores, kept), {}, shown=shown, tolerance=2e-3)
    keras.config.set_dtype_policy("float32")


def _is_sound(function: Any) -> str:
    verdicts, right = [], []
    for name, make, *truth in _layers():
        shown = _("{call}, for {case},", call="is_sound(layer)", case=_(name))
        got = call(lambda make=make: function(make()), shown=shown)
        if as_array(got, "is_sound(layer)").shape or np.asarray(got).dtype != bool:
            raise NotYet(_("`is_sound(layer)` must return one boolean, True or False."))
        sound, why = truth
        right.append(bool(got) == sound)
        verdicts.append(
            (bool(got), sound, _("It says {got} of {name}. {why}", got=got, name=_(name), why=why))
        )
        if len({got for got, *_ in verdicts}) == 2 and len({*right}) == 2:
            break  # it is wrong of one, and no simple mistake explains it: the others cost time
    if all(got != sound for got, sound, _ in verdicts):
        raise NotYet(_("The polarity is flipped: True must mean *sound*."))
    said = {got for got, *_ in verdicts}
    if said == {False}:
        raise NotYet(
            _(
                "It says False of every layer, of the sound ones, too, such as `Dense`. "
                "Does what you put behind the layer use the mask? And do the pads stand "
                "where `padding_leak` looks for them (`side`)?"
            )
        )
    if said == {True}:
        raise NotYet(_("It says True of every layer, of the sound and of the unsound ones."))
    for got, sound, message in verdicts:
        if got != sound:
            raise NotYet(message)
    return _("It told {n} layers apart. Keep it for your own.", n=len(verdicts))


def _layers() -> list[tuple[str, Callable[[], Any], bool, str]]:
    """Names, how to make them, whether they are sound, and what a wrong verdict means.

    None of them relies on what another layer of Keras does with its mask: that changes. All give
    8 features, as `embed` does in the notebook: what stands behind them may be built once.
    """
    import keras
    from keras import layers, ops

    class Passing(layers.Layer):
        """A layer of one function of the steps (and their mask), which passes its mask on."""

        def __init__(self, function, mask=lambda mask: mask):
            super().__init__()
            self.function, self.mask = function, mask

        def call(self, inputs, mask=None):
            return self.function(inputs, mask)

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else self.mask(mask)

    def mean(x, mask):
        kept = ops.ones_like(x[..., :1]) if mask is None else ops.cast(mask, x.dtype)[..., None]
        total = ops.sum(x * kept, axis=1, keepdims=True)
        return total / ops.maximum(ops.sum(kept, axis=1, keepdims=True), 1)

    def adds_mean(part, masked=False):
        return lambda: Passing(lambda x, mask: x + part * mean(x, mask if masked else None))

    def hands_on(mask):
        return lambda: Passing(lambda x, _: 2 * x + 1, mask)

    class Dropping(layers.Layer):
        def call(self, inputs):
            return 2 * inputs + 1

    class Convolution(layers.Conv1D):
        def __init__(self, padding):
            super().__init__(8, 3, padding=padding)
            self.supports_masking = True

        def call(self, inputs):
            return super().call(inputs + 1)  # where features are padded with 0 it leaks, too

    class Reader(layers.Layer):
        """An LSTM that uses the mask, or one that does not and passes it on all the same."""

        def __init__(self, hears):
            super().__init__()
            bias = keras.initializers.RandomNormal(
                stddev=1.0
            )  # so that a step of zeros moves it, too
            self.lstm = layers.LSTM(8, return_sequences=True, bias_initializer=bias)
            self.hears = hears
            self.supports_masking = True

        def build(self, shape):
            self.lstm.build(shape)

        def call(self, inputs, mask=None):
            plain = inputs + 0  # carries no mask
            return self.lstm(plain, mask=mask) if self.hears else self.lstm(plain)

    def places(x):
        return ops.cast(ops.arange(ops.shape(x)[1]), x.dtype)[None, :, None]

    def words_before(mask):
        return ops.cumsum(ops.cast(mask, "float32"), axis=1)[..., None]

    inside = _("Its steps mix with the padding. Compare each sequence alone with the padded batch.")
    missing = _(
        "Its own steps do not move; the leak shows only behind it, where the mask is missing."
    )
    wrong = _("Its own steps do not move; the leak shows only behind it, where the mask is wrong.")
    before = _(
        "It is right where the padding stands after the words, and wrong where it stands before "
        "them."
    )
    edge = _("Its last real step sees the first padded one, however many more pads follow.")
    small = _("A small leak is a leak: the limit for rounding is 1e-5.")
    fine = _("No padding gets through, neither inside nor behind it.")
    return [
        (N_("a dense layer"), lambda: layers.Dense(8), True, _("It works step by step.")),
        (N_("a layer that adds the mean of all steps"), adds_mean(1.0), False, inside),
        (N_("a layer that drops the mask"), Dropping, False, missing),
        (N_("a layer that hands on a mask of True only"), hands_on(ops.ones_like), False,
         wrong),
        (N_("a convolution that passes its mask on"), lambda: Convolution("same"), False, edge),
        (N_("a layer that flips its mask"), hands_on(ops.logical_not), False, wrong),
        (N_("a layer that hands on its mask one step late"),
         hands_on(lambda mask: ops.roll(mask, 1, axis=1)), False, wrong),
        (N_("a causal convolution that passes its mask on"), lambda: Convolution("causal"), False,
         before),
        (N_("a layer that adds the first step to all"), lambda: Passing(lambda x, _: x + x[:, :1]),
         False, before),
        (N_("a layer that adds the last step to all"), lambda: Passing(lambda x, _: x + x[:, -1:]),
         False, _("It is wrong where the padding stands after the words.")),
        (N_("a layer that adds the number of each step, pads counted"),
         lambda: Passing(lambda x, _: x + places(x)), False, before),
        (N_("a layer that leaks a hundredth"), adds_mean(0.01), False, small),
        (N_("a layer that adds 0.000025 for each step, pads counted"),
         lambda: Passing(lambda x, _: x + 2.5e-5 * ops.shape(x)[1]), False, small),
        (N_("a layer that adds the mean of the kept steps"), adds_mean(1.0, masked=True), True,
         fine),
        (N_("a layer that adds the number of each word, pads not counted"),
         lambda: Passing(lambda x, mask: x + words_before(mask)), True, fine),
        (N_("a layer that differs by a millionth"), adds_mean(1e-6), True,
         _("That is rounding, under 1e-5.")),
        (N_("an LSTM that does not use its mask and passes it on"), lambda: Reader(False), False,
         before),
        (N_("an LSTM that uses its mask"), lambda: Reader(True), True, fine),
    ]  # fmt: skip


def _made(answer: Any, *arguments: Any, **options: Any) -> Any:
    """An instance of the layer class that is the answer."""
    import keras

    if not (isinstance(answer, type) and issubclass(answer, keras.layers.Layer)):
        a_layer = isinstance(answer, keras.layers.Layer)
        kind = _("a layer") if a_layer else _("of the type {type}", type=type(answer).__name__)
        raise NotYet(
            _("Hand over the class of the layer, without `()`; this is {kind}.", kind=kind)
        )
    return call(lambda: answer(*arguments, **options), shown=f"{answer.__name__}(…)")


def _functional(layer: Any, inputs: Any, x: Any, shown: str) -> Any:
    """A model of this layer and the mask it declares, built from symbolic tensors."""
    import keras

    where = _("{shown}, for a symbolic x as in a Functional model,", shown=shown)
    try:
        output = call_layer(layer, x, shown=where)
    except NotYet as mistake:
        raise NotYet(
            _(
                "{mistake} A symbolic tensor has no values, and its batch size is None: "
                "make everything from the tensors that you are given, with `keras.ops`.",
                mistake=mistake,
            )
        ) from mistake
    if not isinstance(_mask(output), keras.KerasTensor):
        raise NotYet(
            _(
                "`{where}` has no symbolic mask: {type}. Make it from the tensors that you "
                "are given, with `keras.ops`.",
                where=where,
                type=type(_mask(output)).__name__,
            )
        )
    return keras.Model(inputs, [output, _mask(output)])


def _refuse_stub(method: Any, *arguments: Any) -> None:
    try:
        stub = method(*arguments) is ...
    except BaseException as error:  # the judge's own call will tell it better
        if isinstance(error, KeyboardInterrupt):
            raise
        return
    if stub:
        raise NotAttempted


def _masked(values: np.ndarray, mask: np.ndarray) -> Any:
    import tensorflow as tf

    tensor = tf.constant(values)
    tensor._keras_mask = tf.constant(mask)
    return tensor


def _mask(tensor: Any) -> Any:
    return getattr(tensor, "_keras_mask", None)


def _soft(scores: np.ndarray) -> np.ndarray:
    """Softmax over time."""
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def _weights(scores: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Softmax over the kept steps, 0 at the others."""
    return _soft(np.where(kept, scores.astype("float64"), -1e9)) * kept


JUDGES = {"5.1": _add_start, "5.2": _time_softmax, "5.3": _is_sound}
