import keras
import numpy as np
import tensorflow as tf
from keras import ops

# 7.1


def precision(labels, scores, weights=None):
    metric = keras.metrics.Precision()
    metric.update_state(labels, scores, sample_weight=weights)
    return metric.result()


def per_sentence(labels, scores, ids):
    return np.mean([precision(*row) for row in zip(labels, scores, ids != 0)])


def divided(labels, scores, ids):
    called = (scores > 0.5) & (ids != 0)
    return (labels[called] == 1).sum() / called.sum()


def counted(labels, scores, ids):
    hits = calls = 0
    for label, score, token in zip(labels.flat, scores.flat, ids.flat):
        if token != 0 and score > 0.5:
            calls += 1
            hits += int(label == 1)
    return hits / calls if calls else 0.0


def from_the_front(labels, scores, ids):
    lengths = (ids != 0).sum(axis=1, keepdims=True)
    return precision(labels, scores, np.arange(ids.shape[1]) < lengths)


def recall(labels, scores, ids):
    metric = keras.metrics.Recall()
    metric.update_state(labels, scores, sample_weight=ids != 0)
    return metric.result()


def accuracy(labels, scores, ids):
    return ((labels == 1) == (scores > 0.5))[ids != 0].mean()


# 7.2


def each_step(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


def words(y_true):
    return ops.cast(ops.not_equal(y_true, 0), "float32")


def mean_of(values):
    """Makes of values for each step the loss that returns their mean over the words."""

    def loss(y_true, y_pred):
        kept = words(y_true)
        return ops.sum(values(y_true, y_pred) * kept) / ops.maximum(ops.sum(kept), 1.0)

    return loss


def published(y_true, y_pred):
    return each_step(y_true, y_pred) * words(y_true)


def divides_by_zero(y_true, y_pred):
    kept = words(y_true)
    return ops.sum(each_step(y_true, y_pred) * kept) / ops.sum(kept)


def scaled_steps(y_true, y_pred):
    kept = words(y_true)
    scale = ops.cast(ops.size(kept), "float32") / ops.maximum(ops.sum(kept), 1.0)
    return each_step(y_true, y_pred) * kept * scale


def mean_of_sentences(y_true, y_pred):
    kept = words(y_true)
    sums = ops.sum(each_step(y_true, y_pred) * kept, axis=1)
    return ops.mean(sums / ops.maximum(ops.sum(kept, axis=1), 1.0))


def by_hand(y_true, y_pred):
    labels, y = np.asarray(y_true), np.asarray(y_pred)
    return np.asarray(published(labels, y)).sum() / max((labels != 0).sum(), 1)


def cleaned_too_late(y_true, y_pred):
    value = divides_by_zero(y_true, y_pred)
    return tf.where(tf.math.is_nan(value), 0.0, value)


def inverted(y_true, y_pred):
    kept = 1 - words(y_true)
    return ops.sum(each_step(y_true, y_pred) * kept) / ops.maximum(ops.sum(kept), 1.0)


def asks_the_output(y_true, y_pred):
    mask = getattr(y_pred, "_keras_mask", None)
    steps = each_step(y_true, y_pred)
    return ops.mean(steps) if mask is None else mean_of(each_step)(y_true, y_pred)


def from_the_front_only(y_true, y_pred):
    kept = words(y_true)
    front = ops.arange(ops.shape(kept)[1], dtype="float32") < ops.sum(kept, 1, keepdims=True)
    steps = each_step(y_true, y_pred) * ops.cast(front, "float32")
    return ops.sum(steps) / ops.maximum(ops.sum(kept), 1.0)


def learns_nothing(y_true, y_pred):
    steps = ops.stop_gradient(each_step(y_true, y_pred)) * words(y_true)
    return ops.sum(steps) / ops.maximum(ops.sum(words(y_true)), 1.0) + 0.0 * ops.sum(y_pred)


def counts_in_python(y_true, y_pred):
    return ops.sum(published(y_true, y_pred)) / max(1.0, float(ops.sum(words(y_true))))


def per_sentence_count(y_true, y_pred):
    steps = published(y_true, y_pred)
    return ops.sum(steps) / ops.cast(ops.shape(steps)[0], "float32")


def selected(y_true, y_pred):
    mask = tf.not_equal(y_true, 0)
    steps = tf.boolean_mask(each_step(y_true, y_pred), mask)
    return tf.math.divide_no_nan(tf.reduce_sum(steps), tf.cast(tf.size(steps), "float32"))


def weighted(y_true, y_pred):
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    return loss(y_true, y_pred * 1.0, sample_weight=words(y_true))


class Mended(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return mean_of(each_step)(y_true, y_pred)


# 7.3


def parts(predicted, ids):
    reads, targets = ids[:, :-1], ids[:, 1:]
    return reads, targets, predicted == targets


def over(mask):
    """Makes an accuracy over the steps that `mask(reads, targets)` keeps."""

    def score(predicted, ids):
        reads, targets, right = parts(predicted, ids)
        return right[mask(reads, targets)].mean()

    return score


def sentence_mean(predicted, ids):
    reads, targets, right = parts(predicted, ids)
    wanted = (reads != 0) & (targets != 0)
    return np.mean([r[w].mean() for r, w in zip(right, wanted)])


def over_all(predicted, ids):
    reads, targets, right = parts(predicted, ids)
    return (right & (reads != 0) & (targets != 0)).mean()


def over_read(predicted, ids):
    reads, targets, right = parts(predicted, ids)
    return (right & (targets != 0)).sum() / (reads != 0).sum()


def not_shifted(predicted, ids):
    reads, targets, _ = parts(predicted, ids)
    return (predicted == reads)[(reads != 0) & (targets != 0)].mean()


def slow(predicted, ids):
    hits = steps = 0
    for answer, sentence in zip(predicted, ids):
        for step, token in enumerate(sentence[1:]):
            if token != 0 and sentence[step] != 0:
                steps += 1
                hits += int(answer[step] == token)
    return hits / steps


def by_metric(predicted, ids):
    metric = keras.metrics.Accuracy()
    weights = (ids[:, :-1] != 0) & (ids[:, 1:] != 0)
    metric.update_state(ids[:, 1:, None], predicted[..., None], sample_weight=weights)
    return metric.result()


def by_weights(predicted, ids):
    _, targets, right = parts(predicted, ids)
    return np.average(right, weights=(ids[:, :-1] * targets != 0).astype(float))


WRONG = {
    "7.1": {
        "a percentage": (lambda y, s, ids: 100 * precision(y, s, ids != 0), "a percentage"),
        "padding counted": (lambda y, s, ids: precision(y, s), "with padding counted"),
        "flipped polarity": (lambda y, s, ids: precision(y, s, ids == 0), "wrong way round"),
        "labels masked alone": (
            lambda y, s, ids: precision(y * (ids != 0), s),
            "but not their scores",
        ),
        "1 is padding, too": (lambda y, s, ids: precision(y, s, ids > 1), "word with id 1"),
        "recall": (recall, "That is the recall"),
        "accuracy": (accuracy, "That is an accuracy"),
        "mean of sentences": (per_sentence, "mean of the sentences"),
        "as many as there are words": (from_the_front, "from the front"),
        "no empty sentences": (
            lambda y, s, ids: precision(y, s, ids != 0) if (ids != 0).any(axis=1).all() else 0.0,
            "a sentence without words",
        ),
        "0 / 0": (divided, "NaN where no word is called"),
        "one number a sentence": (
            lambda y, s, ids: (s * (ids != 0)).sum(axis=1),
            "one number for the whole batch",
        ),
        "weights of the wrong shape": (
            lambda y, s, ids: precision(y, s, (ids != 0).any(axis=1)),
            "raised|padding counted|precision",
        ),
        "the metric, not its result": (
            lambda y, s, ids: keras.metrics.Precision(),
            "no array of numbers|array",
        ),
    },
    "7.2": {
        "two things": (
            lambda t, p: (mean_of(each_step)(t, p), t),
            r"`mended_loss\(y_true, y_pred\)` returns 2 things",
        ),
        "published": (published, "published loss"),
        "no mask": (each_step, "not masked at all"),
        "sum": (lambda t, p: ops.sum(published(t, p)), "divide by how many"),
        "mean of sentences": (mean_of_sentences, "mean of the sentences"),
        "divided by sentences": (per_sentence_count, "number of sentences"),
        "0 / 0": (divides_by_zero, "NaN"),
        "NaN cleaned from the value only": (cleaned_too_late, "gradient is NaN"),
        "rescaled steps": (scaled_steps, "kept steps \\*again"),
        "words counted, not looked for": (from_the_front_only, "from the front"),
        "right value, no learning": (learns_nothing, "its gradient is not"),
        "counted in Python": (counts_in_python, "where Keras compiles it.*TypeError"),
        "inverted": (inverted, "wrong way round"),
        "NumPy": (by_hand, "No gradient"),
        "the mask of the output": (asks_the_output, "not masked at all"),
        "the class, not a loss": (
            keras.losses.SparseCategoricalCrossentropy,
            "no array of numbers",
        ),
        "probabilities assumed": (
            mean_of(keras.losses.sparse_categorical_crossentropy),
            "The loss that Keras reports is",
        ),
        "other class ignored": (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1),
            "not masked at all",
        ),
    },
    "7.3": {
        "what is read": (over(lambda r, t: r != 0), "published model reports"),
        "what is answered": (over(lambda r, t: t != 0), "nobody can know it"),
        "all": (over(lambda r, t: t > -1), "counts every step"),
        "either": (over(lambda r, t: (r != 0) | (t != 0)), "expected|published|nobody"),
        "not shifted": (not_shifted, "\\*next"),
        "mean of sentences": (sentence_mean, "mean of the sentences"),
        "divided by all": (over_all, "divided by all steps"),
        "divided by what is read": (over_read, "tokens read|expected"),
        "error rate": (lambda p, ids: 1 - slow(p, ids), "error rate"),
        "without the end": (over(lambda r, t: (r != 0) & (t > 2)), "end"),
        "one row short": (lambda p, ids: (p == ids).mean(), "raised|counts"),
        "each step": (
            lambda p, ids: (p == ids[:, 1:]).mean(axis=0),
            "one number for the whole batch",
        ),
    },
}

RIGHT = {
    "7.1": {
        "weights": lambda y, s, ids: precision(y, s, ids != 0),
        "float weights": lambda y, s, ids: precision(y, s, (ids != 0).astype("float32")),
        "selected": lambda y, s, ids: precision(y[ids != 0], s[ids != 0]),
        "scores masked": lambda y, s, ids: precision(y, s * (ids != 0)),
        "slow loop": counted,
        "both masked": lambda y, s, ids: precision(y * (ids != 0), np.where(ids, s, 0)),
        "NumPy": lambda y, s, ids: (
            float(y[(s > 0.5) & (ids != 0)].sum()) / max(1, ((s > 0.5) & (ids != 0)).sum())
        ),
    },
    "7.2": {
        "one number": mean_of(each_step),
        "ignored class": keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=0
        ),
        "selected": selected,
        "weights": weighted,
        "a class": Mended(),
        "no division by zero": lambda t, p: ops.divide_no_nan(
            ops.sum(published(t, p)), ops.sum(words(t))
        ),
    },
    "7.3": {
        "NumPy": over(lambda r, t: (r != 0) & (t != 0)),
        "slow loop": slow,
        "Keras": by_metric,
        "weights": by_weights,
        "minimum": over(lambda r, t: np.minimum(r, t) > 0),
    },
}
