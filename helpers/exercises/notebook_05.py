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

    layer = _made(answer)
    for mask in (KEPT, KEPT[:, ::-1]):
        inputs, column = np.ones((*mask.shape, 4), "float32"), np.ones((3, 1), bool)
        _refuse_stub(layer.compute_mask, inputs, mask)
        x = _masked(inputs, mask)
        got = _mask(call(lambda x=x: layer(x), shown="AddStart()(x)"))
        right = np.hstack([column, mask])
        mistakes = {
            "That is the mask as it came: the output has one step more, and each boolean now "
            "stands one step too early.": mask,
            "The new step is real, and here it is masked: True means *keep*.": np.hstack(
                [~column, mask]
            ),
            "The new step stands in *front* of the sequence; here its mask stands at the end.": (
                np.hstack([mask, column])
            ),
            "The column was joined along the batch, not along time: `axis=1`.": np.vstack(
                [mask[:1] | True, mask]
            ),
        }
        if got is None:
            raise NotYet("The output has no mask, and Keras does not even warn.")
        tokens = [["<start>", *row] for row in words(IDS)] if mask is KEPT else None
        compare_mask(got, right, mistakes, shown="the mask of AddStart()(x)", tokens=tokens)
    if _mask(call(layer, inputs, shown="AddStart()(x), for an x without a mask,")) is not None:
        raise NotYet("Where no mask arrives, hand on none: `None`.")
    masked = keras.layers.Masking()(keras.Input((None, 4)))
    call(
        lambda: answer()(masked),
        shown="AddStart()(x), for a symbolic x as in a Functional model (use `keras.ops`),",
    )
    return "What `call` does to the steps, `compute_mask` does to the mask."


def _time_softmax(answer: Any) -> str:
    layer = _made(answer)
    scores = np.random.default_rng(1).normal(size=(3, 6, 1)).astype("float32")
    kept, exp = KEPT[..., None], np.exp(scores)
    _refuse_stub(layer.call, scores, KEPT)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        output = call(lambda: layer(_masked(scores, KEPT)), shown="TimeSoftmax()(scores)")
    with np.errstate(invalid="ignore"):
        mistakes = {
            "That is the published layer: it normalises over the last axis, which is one number "
            "long. Time is axis 1.": exp * kept / (exp * kept),
            "The softmax runs over the last axis, which is one number long. Time is axis 1.": (
                exp / exp
            ),
            "The last axis is one number long; time is axis 1.": 1.0 * kept,
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
            "before it was corrected.)": exp * kept / (scores * kept).sum(1, keepdims=True),
        }
    right = _soft(np.where(kept, scores, -1e9))
    compare_values(output, right, mistakes, shown="TimeSoftmax()(scores)", tolerance=1e-5)
    handed_on = _mask(output)
    if handed_on is None:
        raise NotYet(
            "The weights are right, and the mask ends here"
            + (", with a warning" if caught else "")
            + ": the layers behind it need it. Say so in the constructor."
        )
    inner = {
        "The mask on the output has the shape `(batch, timesteps, 1)`: a layer inside yours, such "
        "as `keras.layers.Softmax`, has put its own there. Use `ops.softmax`.": KEPT[..., None]
    }
    compare_mask(handed_on, KEPT, inner, shown="the mask of TimeSoftmax()(scores)")
    alone = call(layer, scores, shown="TimeSoftmax()(scores), without a mask,")
    compare_values(alone, _soft(scores), {}, shown="the weights without a mask", tolerance=1e-5)
    return "Weights over time, 0 at the padding, and the mask goes on."


def _embedding(answer: Any) -> str:
    layer = _made(answer, 10, 4, mask_zero=True)
    ids = np.array([[3, 1, 2, 9], [5, 7, 0, 0]])
    layer.build(ids.shape)
    _refuse_stub(layer.call, ids)
    output = call(layer, ids, shown="FixedEmbedding(10, 4)(ids)")
    table = layer.weights[0].numpy()
    right = table[ids]
    mistakes = {
        "That is the published line: `take` without an axis counts through the table as one long "
        "row, and an id gets one number.": table.ravel()[ids],
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
    compare_values(output, right, mistakes, shown="FixedEmbedding(10, 4)(ids)", tolerance=1e-6)
    if _mask(output) is None:
        raise NotYet("The vectors are right, and the mask is lost: leave `compute_mask` as it is.")
    compare_mask(_mask(output), ids != 0, {}, shown="the mask of FixedEmbedding(10, 4)(ids)")
    return "One argument, `axis=0`. The shape of the output tells; the shape of the mask does not."


def _is_sound(function: Any) -> str:
    verdicts = []
    for name, (make, sound, why) in _zoo().items():
        with warnings.catch_warnings(action="ignore"):
            got = call(lambda make=make: function(make()), shown=f"is_sound(layer), for {name},")
        if as_array(got, "is_sound(layer)").shape or np.asarray(got).dtype != bool:
            raise NotYet("`is_sound(layer)` must return one boolean, True or False.")
        verdicts.append((name, bool(got), sound, why))
    if all(got != sound for _, got, sound, _ in verdicts):
        raise NotYet("The polarity is flipped: True must mean *sound*.")
    if len(said := {got for _, got, *_ in verdicts}) == 1:
        raise NotYet(f"It says {said.pop()} of every layer, of the sound and of the unsound ones.")
    for name, got, sound, why in verdicts:
        if got != sound:
            raise NotYet(f"It says {got} of {name}. {why}")
    return f"It told {len(verdicts)} layers apart. Keep it for your own."


def _zoo() -> dict[str, tuple[Any, bool, str]]:
    """Layers by name: how to make them, whether they are sound, and what a wrong verdict means."""
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

    inside = "Its steps mix with the padding. Compare each sequence alone with the padded batch."
    return {
        "a layer that adds the mean of all steps": (lambda: Steps(1.0), False, inside),
        "a layer that drops the mask": (
            Dropping,
            False,
            "Its own steps do not move; the leak shows only behind it, where the mask is missing.",
        ),
        "a layer that hands on a mask of True only": (
            AllKept,
            False,
            "Its own steps do not move; the leak shows only behind it, where the mask is wrong.",
        ),
        "a convolution that passes its mask on": (
            Convolution,
            False,
            "Its last real step sees the first padded one, however many more pads follow.",
        ),
        "a layer that leaks a hundredth": (
            lambda: Steps(0.01),
            False,
            "A small leak is a leak: the limit for rounding is 1e-5.",
        ),
        "a layer that differs by a millionth": (
            lambda: Steps(1e-6),
            True,
            "That is rounding; the limit is 1e-5.",
        ),
        "a dense layer": (lambda: layers.Dense(4), True, "It works step by step."),
        "an LSTM": (
            lambda: layers.LSTM(4, return_sequences=True),
            True,
            "It reads its mask and passes it on.",
        ),
    }


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
