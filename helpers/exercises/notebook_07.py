"""The exercises of notebook 07: losses and metrics."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from helpers.exercises.engine import (
    NotYet,
    as_array,
    call,
    id_batches,
    in_words,
    same,
)
from helpers.language import N_, _

import numpy as np

CLASSES = 4


@contextlib.contextmanager
def _case(name: str) -> Iterator[None]:
    """Say with which batch a mistake shows, unless it shows with padding after the words."""
    try:
        yield
    except NotYet as mistake:
        if name == "padding after the words":
            raise
        said = _("{message} (This shows with {case}.)", message=mistake, case=_(name))
        raise NotYet(said, mistake.figure) from mistake


def _number(got: Any, shown: str) -> np.ndarray:
    """`got` as an array of shape `()`: one number, in whatever box it came."""
    _refuse_several(got, shown)
    values = as_array(got, shown)
    if values.size != 1:
        raise NotYet(
            _(
                "`{shown}` has shape {shape}: one number for the whole batch is asked for.",
                shown=shown,
                shape=values.shape,
            )
        )
    return values.reshape(())


def _refuse_several(got: Any, shown: str) -> None:
    if isinstance(got, tuple) and len(got) > 1:
        raise NotYet(
            _(
                "`{shown}` returns {count} things: return the one asked for, alone.",
                shown=shown,
                count=len(got),
            )
        )


def _compare(got: np.ndarray, right: float, mistakes: dict[str, float], shown: str) -> None:
    """`compare_values` for one number: its words have no place to name."""
    if same(got, np.array(right), 1e-5):
        return
    for message, wrong in mistakes.items():
        if np.isclose(got, wrong, rtol=1e-5, atol=1e-5):
            raise NotYet(message)
    if right and np.isclose(got, 100 * right, rtol=1e-5):
        raise NotYet(
            _(
                "{shown} is {got:.4g}: a percentage. {right:.4g} is expected.",
                shown=shown,
                got=got,
                right=right,
            )
        )
    raise NotYet(
        _("{shown} is {got:.4g}; expected {right:.4g}.", shown=shown, got=got, right=right)
    )


def _larger(batches: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The batches, those with padding larger: no two mistakes give one number by chance."""
    return {
        name: np.tile(ids, (25, 1)) if name.startswith("padding") else ids
        for name, ids in batches.items()
    }


def _share(wanted: np.ndarray, of: np.ndarray) -> float:
    """Which part of `of` is also `wanted`, 0 for no part of nothing."""
    return float((wanted & of).sum() / max(of.sum(), 1))


def _kept_by_count(mask: np.ndarray) -> np.ndarray:
    """What somebody keeps who takes it that all padding stands behind the words."""
    return np.arange(mask.shape[1]) < mask.sum(axis=1, keepdims=True)


# 7.1: a metric that counts padding


def _word_precision(function: Any) -> str:
    shown = "word_precision(labels, scores, ids)"
    random = np.random.default_rng(71)
    batches = _larger(id_batches(empty_rows=True))
    batches[N_("scores of 0.9 at padded steps")] = batches["padding after the words"]
    batches[N_("no word that is called a noun")] = batches["padding before the words"]
    for name, ids in batches.items():
        mask = ids != 0
        labels = (random.random(ids.shape) < np.where(mask, 0.35, 0.75)).astype(int)
        scores = random.choice([0.1, 0.3, 0.6, 0.9], ids.shape).astype("float32")
        if "0.9" in name:
            labels[~mask], scores[~mask] = 1, 0.9
        if "without words" in name:
            labels[mask] = scores[mask] = 1  # 0 would be right by chance
        if "called a noun" in name:
            scores[mask], scores[~mask], labels[~mask] = 0.2, 0.8, 1
        with _case(name):
            got = _number(call(function, labels, scores, ids, shown=shown), shown)
        true, called = labels == 1, scores > 0.5
        right = _share(true, called & mask)
        by_sentence = [_share(*rows) for rows in zip(true, called & mask)]
        mistakes = {
            _(
                "That is the precision with padding counted: at padded steps labels and "
                "scores hold anything."
            ): _share(true, called),
            _(
                "The labels of padded steps are out, but not their scores: each padded "
                "step that is called a noun is counted as a mistake."
            ): _share(true & mask, called),
            _(
                "That is the recall: of all nouns, how many are found. Precision asks of "
                "all words *called* nouns, how many are."
            ): _share(called, true & mask),
            _("That is an accuracy: it counts the words rightly called no noun, too."): _share(
                true == called, mask
            ),
            _(
                "That is the mean of the sentences' precisions. Count over the whole "
                "batch: a sentence with more nouns weighs more."
            ): np.mean(by_sentence),
            _("That is the precision over the *padded* steps: the mask is the wrong way round."): (
                _share(true, called & ~mask)
            ),
            _(
                "That counts the words of each sentence and takes as many steps from the "
                "front. The padding may stand anywhere."
            ): _share(true, called & _kept_by_count(mask)),
            _("The word with id 1 is taken for padding: padding is id 0 alone."): _share(
                true, called & (ids > 1)
            ),
        }
        with _case(name):
            if np.isnan(got):
                raise NotYet(_("NaN where no word is called a noun: 0 is asked for."))
            _compare(got, right, mistakes, f"`{shown}`")
    return _("Padding is out of it, on either side, whatever labels and scores it holds.")


# 7.2: find and mend a loss that falls as padding grows


_REPORTED = N_("the loss of model.compile(loss=mended_loss)")


def _steps(labels: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The crossentropy of each step, `(B, T)`."""
    y = y.astype("float64")
    log_sum = np.log(np.exp(y - y.max(-1, keepdims=True)).sum(-1)) + y.max(-1)
    return log_sum - np.take_along_axis(y, labels[..., None].astype(int), -1)[..., 0]


def _model(loss: Any, *, declares: bool):
    """A model that answers what it is given, with a mask or without, compiled with `loss`."""
    import keras

    class Answers(keras.layers.Layer):
        def call(self, inputs):
            return inputs[..., :-1]

        def compute_mask(self, inputs, previous=None):
            return keras.ops.not_equal(inputs[..., -1], 0) if declares else None

    model = keras.Sequential([Answers()])
    model.compile(loss=loss)
    return model


def _reported(model: Any, labels: Any, y: Any) -> Any:
    """The loss that Keras computes where the model answers `y`."""
    from keras import ops

    kept = ops.cast(ops.not_equal(labels, 0), "float32")[..., None]
    inputs = ops.concatenate([y, kept], axis=-1)
    return model.compute_loss(x=inputs, y=labels, y_pred=model(inputs), training=False)


def _mended_loss(function: Any) -> str:
    shown = "mended_loss(y_true, y_pred)"
    random = np.random.default_rng(72)
    batches = _larger(id_batches(empty_rows=True))
    batches[N_("a batch of padding only")] = np.zeros((2, 3), "int32")
    for declares in (False, True):
        model = _model(function, declares=declares)
        for name, ids in batches.items():
            mask, y = ids != 0, random.normal(size=(*ids.shape, CLASSES)).astype("float32")
            labels = np.where(mask, random.integers(1, CLASSES, ids.shape), 0)
            with _case(name):
                if not declares:
                    _called(function, labels, y, shown)
                try:
                    got = _reported(model, labels, y)
                except Exception as error:
                    raise NotYet(f"`model.compile(loss=mended_loss)`: {in_words(error)}") from error
                _judge_loss(_number(got, _(_REPORTED)), labels, y, declares)
                _gradient(model, labels, y)
    _compiles(_model(function, declares=False))
    return _("The mean over the words, however much padding there is and whoever declares a mask.")


def _compiles(model: Any) -> None:
    """Raise `NotYet` if the loss cannot be put into a graph, for any batch, as `fit` does."""
    import tensorflow as tf

    shapes = tf.TensorSpec((None, None), "int64"), tf.TensorSpec((None, None, CLASSES))
    try:
        tf.function(lambda labels, y: _reported(model, labels, y)).get_concrete_function(*shapes)
    except Exception as error:
        name = f"{type(error).__name__}: "
        reason = (str(error).strip() or _("no reason given")).splitlines()[-1].strip()
        raise NotYet(
            _(
                "In eager mode it is right. In `fit`, where Keras compiles it, it fails: "
                "compute with `keras.ops` or TensorFlow alone. {error}",
                error=name + reason.removeprefix(name),
            )
        ) from error


def _called(function: Any, labels: np.ndarray, y: np.ndarray, shown: str) -> None:
    """Call the answer as a learner would: is it attempted, and does it return numbers?"""
    import tensorflow as tf

    got = call(_with_labels(function, tf.convert_to_tensor(y)), labels, shown=shown)
    _refuse_several(got, shown)
    as_array(got, shown)


def _gradient(model: Any, labels: np.ndarray, y: np.ndarray) -> None:
    """Raise `NotYet` unless the gradient of a loss whose value is right is right, too."""
    import tensorflow as tf

    variable = tf.Variable(y)
    with tf.GradientTape() as tape:
        value = _reported(model, labels, tf.convert_to_tensor(variable))
    gradient = tape.gradient(value, variable)
    mask = labels != 0
    if gradient is None and mask.any():
        raise NotYet(
            _(
                "No gradient comes out of it, so nothing can be learnt: compute with "
                "`keras.ops` or TensorFlow from `y_pred` on, without NumPy and `float(…)`."
            )
        )
    if gradient is None:
        return
    got = gradient.numpy()
    if np.isnan(got).any():
        if mask.any():
            raise NotYet(_("The gradient is NaN: do not divide by 0."))
        raise NotYet(_("The gradient is NaN, for a batch of padding only: do not divide by 0."))
    e = np.exp(y - y.max(axis=-1, keepdims=True))
    right = e / e.sum(axis=-1, keepdims=True) - np.eye(CLASSES)[labels]
    right *= mask[..., None] / max(mask.sum(), 1)
    if not same(got, right, 1e-4):
        raise NotYet(
            _(
                "The value is right, its gradient is not: a model would learn something "
                "else. Is there a `stop_gradient`?"
            )
        )


def _with_labels(function: Any, y: Any) -> Any:
    """`function` of the labels alone; a stub stays one."""
    if not callable(function):
        return function
    return functools.wraps(function)(lambda labels: function(labels, y))


def _judge_loss(got: np.ndarray, labels: np.ndarray, y: np.ndarray, declares: bool) -> None:
    """Raise `NotYet` unless `got` is the mean over the words."""
    mask, each = labels != 0, _steps(labels, y)
    kept = max(mask.sum(), 1)
    words = (each * mask).sum()
    right, size = words / kept, mask.size
    if same(got, np.array(right), 1e-4):
        return
    if np.isnan(got):
        if mask.any():
            raise NotYet(_("The loss is NaN."))
        raise NotYet(_("The loss is NaN. For a batch of padding only, 0 is asked for."))
    sentences = (each * mask).sum(1) / np.maximum(mask.sum(1), 1)
    any_word = max(mask.any(axis=1).sum(), 1)
    if declares:
        mistakes = {
            _(
                "The model declares a mask now, and the loss changes: Keras averages what "
                "you return for each step over the kept steps *again*. Return one number, "
                "already divided."
            ): (right * size / kept),
            _(
                "The model declares a mask now. Keras hands your function all steps all "
                "the same; divide by the number of words yourself."
            ): words / size,
        }
    else:
        mistakes = {
            _(
                "That is the published loss: padded steps add nothing, but they are still "
                "counted when Keras takes the mean."
            ): words / size,
            _("Padding is not masked at all: its loss is in the mean."): each.mean(),
            _("That is the sum over the words: divide by how many they are."): words,
            _(
                "That is the mean of the sentences' means. Each word counts the same: sum "
                "over the whole batch, then divide."
            ): sentences.sum() / any_word,
            _(
                "That is the mean of the sentences' means, and a sentence without words is "
                "one of them."
            ): sentences.mean(),
            _("The sum over the words is divided by the number of sentences, not of words."): (
                words / len(labels)
            ),
            _(
                "That counts the words of each sentence and takes as many steps from the "
                "front. The padding may stand anywhere."
            ): (each * _kept_by_count(mask)).sum() / kept,
            _("The mask is the wrong way round: that is the mean over the padding."): (
                (each * ~mask).sum() / max((~mask).sum(), 1)
            ),
        }
    _compare(got, right, mistakes, _("The loss that Keras reports"))


# 7.3: the accuracy of a decoder


def _token_accuracy(function: Any) -> str:
    shown = "token_accuracy(predicted, ids)"
    random = np.random.default_rng(73)
    for name, rows in _DECODED.items():
        ids = np.array([[_IDS.get(c) or random.integers(3, 400) for c in row] for row in rows])
        ids[np.array([list(row) for row in rows]) == "."] = 0
        reads, targets = ids[:, :-1], ids[:, 1:]
        wanted = (reads != 0) & (targets != 0)
        hit = random.random(targets.shape) < 0.7
        others = random.integers(3, 400, targets.shape)
        predicted = np.where(hit, targets, others)
        predicted[~wanted] = random.choice([0, 1, 2, 7], (~wanted).sum())
        if "perfect" in name:
            predicted = np.where(wanted, targets, 7)
        with _case(name):
            got = _number(call(function, predicted, ids, shown=shown), shown)
        correct = predicted == targets
        right = correct[wanted].mean()
        by_sentence = [c[w].mean() for c, w in zip(correct, wanted)]
        mistakes = {
            _(
                "That is what the published model reports: its mask keeps each step that "
                "*reads* a token. After *end* there is nothing to answer."
            ): correct[reads != 0].mean(),
            _(
                "That keeps each step that is to answer a token. With padding in front the "
                "first of them is *start*, and it follows a pad: nobody can know it."
            ): (correct[targets != 0].mean()),
            _("That counts every step, padding, too."): correct.mean(),
            _(
                "The answers are compared with what the decoder reads: `ids[:, :-1]`. They "
                "are to be the *next* tokens."
            ): (predicted == reads)[wanted].mean(),
            _(
                "That is the mean of the sentences' accuracies: a short sentence weighs as "
                "much as a long one. Count over all steps."
            ): np.mean(by_sentence),
            _("The right answers are counted at wanted steps, but divided by all steps."): (
                (correct & wanted).mean()
            ),
            _(
                "The right answers are counted at wanted steps, but divided by the number "
                "of tokens read."
            ): (correct & wanted).sum() / (reads != 0).sum(),
            _("That is the error rate, not the accuracy."): 1 - right,
            _("*end* is to be predicted, too."): correct[wanted & (targets != 2)].mean(),
        }
        with _case(name):
            _compare(got, right, mistakes, f"`{shown}`")
    return _("A perfect model gets 1, on whichever side the padding stands.")


_IDS = {"s": 1, "e": 2, ".": 0}
_DECODED = {  # s is the start, e the end, w a word, a dot padding
    N_("padding after the words"): ["swwwwwwe", "swwwe...", "swe....."] * 25,
    N_("padding before the words"): ["swwwwwwe", "...swwwe", ".....swe"],
    N_("padding on both sides"): [".swwe..", "swwwwwe", "..swwe."],
    N_("a perfect model"): ["swwwwe..", "..swwwwe", "swe....."],
    N_("no padding"): ["swwwe"] * 6,
    N_("a batch of one"): ["swwwwe.."],
    N_("as many sentences as answers"): ["swe.", ".swe", "swwe"],
}

JUDGES = {
    "7.1": _word_precision,
    "7.2": _mended_loss,
    "7.3": _token_accuracy,
}
