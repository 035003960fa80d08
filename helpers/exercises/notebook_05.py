"""The exercises of notebook 05: layers that make, use and hand on masks."""

import warnings
from typing import Any

from helpers.exercises.engine import (
    NotAttempted,
    NotYet,
    as_array,
    call,
    compare_mask,
    compare_values,
)
from helpers.sentences import words

import numpy as np

IDS = np.array([[83, 91, 1, 645, 1253, 927], [73, 8, 3215, 55, 927, 0], [711, 632, 71, 0, 0, 0]])
KEPT = IDS != 0


def _add_start(answer: Any) -> str:
    import keras

    layer, shown = _made(answer), "the mask of AddStart()(x)"
    start, inputs = np.ones((3, 1), bool), np.ones((3, 6, 4), "float32")
    tokens = [["<start>", *row] for row in words(IDS)]
    for mask in (KEPT, KEPT[:, ::-1]):
        _refuse_stub(layer.compute_mask, inputs, mask)
        x = _masked(inputs, mask)
        got = _mask(call(lambda x=x: layer(x), shown="AddStart()(x)"))
        if got is None:
            raise NotYet("The output has no mask, and Keras does not even warn.")
        mistakes = {
            "That is the mask as it came: the output has one step more, and each boolean now "
            "stands one step too early.": mask,
            "The new step is real, and here it is masked: True means *keep*.": np.hstack(
                [~start, mask]
            ),
            "The new step is always real; here it copies the mask of the first step.": np.hstack(
                [mask[:, :1], mask]
            ),
            "The new step stands in *front*; here its mask stands at the end.": np.hstack(
                [mask, start]
            ),
            "The column was joined along the batch, not along time: `axis=1`.": np.vstack(
                [mask[:1] | True, mask]
            ),
        }
        compare_mask(got, np.hstack([start, mask]), mistakes, shown=shown, tokens=tokens)
        tokens = None  # they stand in the places of the first mask
    if _mask(call(layer, inputs, shown="AddStart()(x), for an x without a mask,")) is not None:
        raise NotYet("Where no mask arrives, hand on none: `None`.")
    symbolic = keras.layers.Masking()(keras.Input((None, 4)))
    shown = "AddStart()(x), for a symbolic x as in a Functional model (use keras.ops),"
    call(lambda: answer()(symbolic), shown=shown)
    return "What `call` does to the steps, `compute_mask` does to the mask."


def _time_softmax(answer: Any) -> str:
    layer, shown = _made(answer), "TimeSoftmax()(scores)"
    scores = np.random.default_rng(1).normal(size=(3, 6, 1)).astype("float32")
    kept, exp = KEPT[..., None], np.exp(scores)
    _refuse_stub(layer.call, scores, KEPT)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        output = call(lambda: layer(_masked(scores, KEPT)), shown=shown)
    last = "The last axis is one number long, and a softmax over one number is 1. Time is axis 1."
    with np.errstate(invalid="ignore"):
        mistakes = {
            f"That is the layer of the guide. {last}": exp * kept / (exp * kept),
            last: exp / exp,
            f"{last} (The masked steps are right.)": 1.0 * kept,
            "It is the steps of *one* sequence that share the weight, not the sequences of a "
            "batch.": exp * kept / (exp * kept).sum(0),
            "The mask is not used: padded steps get weight.": _soft(scores),
            "A score of 0 is a score like any other, so the padded steps still get weight; it must "
            "be hugely negative.": _soft(scores * kept),
            "Padded steps are 0, but the kept ones do not sum to 1: the sum runs over the padded "
            "steps, too.": _soft(scores) * kept,
            "The polarity is flipped: the weight goes to the padded steps.": _soft(
                np.where(kept, -1e9, scores)
            ),
            "The sum is of the scores; it must be of their exponentials. (So the guide had it, "
            "before 2020.)": exp * kept / (scores * kept).sum(1, keepdims=True),
        }
    right = _soft(np.where(kept, scores, -1e9))
    compare_values(output, right, mistakes, shown=shown, tolerance=1e-5)
    if _mask(output) is None:
        warned = ", with a warning" if caught else ""
        raise NotYet(
            f"The weights are right, and the mask ends here{warned}: the layers behind it need it. "
            "Say so in the constructor."
        )
    inner = {
        "The mask on the output has the shape `(batch, timesteps, 1)`: a layer inside yours, such "
        "as `keras.layers.Softmax`, has put its own there. Use `ops.softmax`.": KEPT[..., None]
    }
    compare_mask(_mask(output), KEPT, inner, shown=f"the mask of {shown}")
    alone = call(layer, scores, shown=f"{shown}, without a mask,")
    compare_values(alone, _soft(scores), {}, shown="the weights without a mask", tolerance=1e-5)
    return "Weights over time, 0 at the padding, and the mask goes on."


def _embedding(answer: Any) -> str:
    layer, shown = _made(answer, 10, 4, mask_zero=True), "FixedEmbedding(10, 4)(ids)"
    ids = np.array([[3, 1, 2, 9], [5, 7, 0, 0]])
    layer.build(ids.shape)
    _refuse_stub(layer.call, ids)
    output = call(layer, ids, shown=shown)
    table = layer.weights[0].numpy()
    right = table[ids]
    mistakes = {
        "That is the line of the guide: `take` without an axis counts through the table as one "
        "long row, and an id gets one number.": table.ravel()[ids],
        "An id has one number now: the table is read by column. A vector is a *row*.": table[
            ids, 0
        ],
        "Each id has the vector of the id before it.": table[ids - 1],
        "The vectors are right, and the padded ones are zeroed. A mask says *do not look*; it does "
        "not change the vectors.": right * (ids != 0)[..., None],
        "That is a mean for each sentence; a vector for each *step* is asked for.": right.mean(1),
        "The features come before the steps: (batch, timesteps, features) is asked for.": (
            right.swapaxes(1, 2)
        ),
    }
    compare_values(output, right, mistakes, shown=shown, tolerance=1e-6)
    if _mask(output) is None:
        raise NotYet("The vectors are right, and the mask is lost: leave `compute_mask` as it is.")
    compare_mask(_mask(output), ids != 0, {}, shown=f"the mask of {shown}")
    return "One argument, `axis=0`. The shape of the output tells; the shape of the mask does not."


def _is_sound(function: Any) -> str:
    verdicts = []
    for name, make, sound, why in _layers():
        with warnings.catch_warnings(action="ignore"):
            got = call(lambda make=make: function(make()), shown=f"is_sound(layer), for {name},")
        if as_array(got, "is_sound(layer)").shape or np.asarray(got).dtype != bool:
            raise NotYet("`is_sound(layer)` must return one boolean, True or False.")
        verdicts.append((bool(got), sound, f"It says {got} of {name}. {why}"))
    if all(got != sound for got, sound, _ in verdicts):
        raise NotYet("The polarity is flipped: True must mean *sound*.")
    if len(said := {got for got, *_ in verdicts}) == 1:
        raise NotYet(f"It says {said.pop()} of every layer, of the sound and of the unsound ones.")
    for got, sound, message in verdicts:
        if got != sound:
            raise NotYet(message)
    return f"It told {len(verdicts)} layers apart. Keep it for your own."


def _layers() -> list[tuple[str, Any, bool, str]]:
    """Names, how to make them, whether they are sound, and what a wrong verdict means."""
    from keras import layers, ops

    class Steps(layers.Layer):
        """Adds a part of the mean over all steps, padded ones included; passes the mask on."""

        def __init__(self, part=0.0):
            super().__init__()
            self.part, self.supports_masking = part, True

        def call(self, inputs):
            return inputs + self.part * ops.mean(inputs, axis=1, keepdims=True)

    class AllKept(Steps):
        def compute_mask(self, inputs, mask=None):
            return None if mask is None else ops.ones_like(mask)

    class Dropping(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    class Convolution(layers.Conv1D):
        def __init__(self):
            super().__init__(4, 3, padding="same")
            self.supports_masking = True

        def call(self, inputs):
            return super().call(inputs + 1)  # where features are padded with 0 it leaks, too

    lstm = {"units": 4, "return_sequences": True}
    inside = "Its steps mix with the padding. Compare each sequence alone with the padded batch."
    behind = "Its own steps do not move; the leak shows only behind it, where the mask is "
    edge = "Its last real step sees the first padded one, however many more pads follow."
    small = "A small leak is a leak: the limit for rounding is 1e-5."
    return [
        ("a layer that adds the mean of all steps", lambda: Steps(1.0), False, inside),
        ("a layer that drops the mask", Dropping, False, behind + "missing."),
        ("a layer that hands on a mask of True only", AllKept, False, behind + "wrong."),
        ("a convolution that passes its mask on", Convolution, False, edge),
        ("a layer that leaks a hundredth", lambda: Steps(0.01), False, small),
        (
            "a layer that differs by a millionth",
            lambda: Steps(1e-6),
            True,
            "That is rounding, under 1e-5.",
        ),
        ("a dense layer", lambda: layers.Dense(4), True, "It works step by step."),
        ("an LSTM", lambda: layers.LSTM(**lstm), True, "It reads its mask and passes it on."),
    ]


def _made(answer: Any, *arguments: Any, **options: Any) -> Any:
    """An instance of the layer class that is the answer."""
    import keras

    if not (isinstance(answer, type) and issubclass(answer, keras.layers.Layer)):
        kind = "a layer" if isinstance(answer, keras.layers.Layer) else f"a {type(answer).__name__}"
        raise NotYet(f"Hand over the class of the layer, without `()`; this is {kind}.")
    return call(lambda: answer(*arguments, **options), shown=f"{answer.__name__}(…)")


def _refuse_stub(method: Any, *arguments: Any) -> None:
    try:
        with warnings.catch_warnings(action="ignore"):
            stub = method(*arguments) is ...
    except Exception:  # the judge's own call will tell it better
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


JUDGES = {"5.1": _add_start, "5.2": _time_softmax, "5.3": _embedding, "5.4": _is_sound}
