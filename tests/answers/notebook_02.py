import keras
import numpy as np
import tensorflow as tf
from keras.layers import Embedding, StringLookup, TextVectorization


class MasksOne(Embedding):
    """Takes id 1 for padding, too."""

    def compute_mask(self, inputs, mask=None):
        return keras.ops.greater(inputs, 1)


class Flipped(Embedding):
    def compute_mask(self, inputs, mask=None):
        return keras.ops.equal(inputs, 0)


class TooLate(Embedding):
    """Sets `mask_zero` when Keras has already settled that there is no mask."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.mask_zero = True


class Raises(Embedding):
    def call(self, inputs):
        raise RuntimeError("not ready")


class ReturnsNothing(Embedding):
    def call(self, inputs):
        super().call(inputs)


class AllAlike(Embedding):
    def call(self, inputs):
        return keras.ops.zeros_like(super().call(inputs))


class OnlyAtTheEnd(Embedding):
    """Takes for granted that the padding stands after the words."""

    def compute_mask(self, inputs, mask=None):
        count = keras.ops.sum(keras.ops.cast(inputs != 0, "int32"), axis=1, keepdims=True)
        return keras.ops.arange(inputs.shape[1]) < count


class LastDigit(Embedding):
    def compute_mask(self, inputs, mask=None):
        return keras.ops.mod(inputs, 10) != 0


class HandsOnAnother(Embedding):
    """Says the right mask when asked and puts another one on its output."""

    def call(self, inputs):
        vectors = super().call(inputs)
        vectors._keras_mask = keras.ops.ones_like(inputs, "bool")
        return vectors


class Mine(Embedding):
    """A subclass that is right: its padded vectors are zeros, too."""

    def call(self, inputs):
        return super().call(inputs) * keras.ops.cast((inputs != 0)[..., None], self.compute_dtype)


def set_later(name, value):
    """An `Embedding` without a mask, of which an attribute is set when it is made."""

    def make(words, features):
        layer = Embedding(words + 1, features)
        setattr(layer, name, value)
        return layer

    return make


def no_support(words, features):
    layer = Embedding(words + 1, features, mask_zero=True)
    layer.supports_masking = False
    return layer


def of_class(cls):
    return lambda words, features: cls(words + 1, features, mask_zero=True)


def with_embedding(make):
    """The right lookup with another embedding, of which the number of words is given."""
    return lambda vocabulary, features: (
        right_lookup(vocabulary),
        make(len(vocabulary) + 1, features),
    )


def of_size(rows, **options):
    return lambda words, features: Embedding(words + rows, features, mask_zero=True, **options)


def published_mean(vectors, mask):
    """What keras-bert#34 asks to have reviewed."""
    return keras.ops.mean(vectors * mask[..., None], axis=-2)


def of_first_steps(vectors, mask):
    """Takes for granted that the padding stands after the words."""
    return np.stack([row[:n].mean(axis=0) for row, n in zip(vectors, mask.sum(axis=1))])


def of_nonzero_vectors(vectors, mask):
    """Takes for granted that padded steps have vectors of zeros."""
    kept = (vectors != 0).any(axis=-1, keepdims=True)
    return (vectors * kept).sum(axis=1) / kept.sum(axis=1)


def up_to_the_last(vectors, mask):
    return np.stack([v[: np.flatnonzero(m)[-1] + 1].mean(axis=0) for v, m in zip(vectors, mask)])


def first_to_last(vectors, mask):
    spans = [slice(np.flatnonzero(m)[0], np.flatnonzero(m)[-1] + 1) for m in mask]
    return np.stack([v[span].mean(axis=0) for v, span in zip(vectors, spans)])


def zero_vectors_not_counted(vectors, mask):
    kept = vectors * mask[..., None]
    return kept.sum(axis=1) / (kept != 0).any(axis=-1).sum(axis=1)[:, None]


def in_a_loop(vectors, mask):
    return np.array([row[kept].mean(axis=0) for row, kept in zip(vectors, mask)])


def in_tensorflow(vectors, mask):
    weights = tf.cast(mask, tf.float32)[:, :, tf.newaxis]
    total = tf.reduce_sum(vectors * weights, axis=1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(weights, axis=1))


def by_layer(vectors, mask):
    return keras.layers.GlobalAveragePooling1D()(vectors, mask=mask)


def with_lookup(make_lookup, special=2, **options):
    """Both layers; `special` rows besides those of the known words."""
    options = {"mask_zero": True} | options
    return lambda vocabulary, features: (
        make_lookup(vocabulary),
        Embedding(len(vocabulary) + special, features, **options),
    )


def lookup_with(special=2, **options):
    return with_lookup(lambda known: StringLookup(vocabulary=known, **options), special)


def right_lookup(vocabulary):
    return StringLookup(vocabulary=vocabulary, mask_token="")


def adapted_lookup(vocabulary):
    lookup = StringLookup(mask_token="")
    lookup.adapt(np.array(vocabulary))
    return lookup


def asks_the_lookup(vocabulary, features):
    lookup = right_lookup(vocabulary)
    rows = len(lookup.get_vocabulary())
    return [lookup, Embedding(input_dim=rows, output_dim=features, mask_zero=True)]


def by_dict(vocabulary, unknown=1, first=2):
    table = {"": 0} | {word: i for i, word in enumerate(vocabulary, first)}
    return lambda texts: np.vectorize(lambda word: table.get(word, unknown))(texts)


WRONG = {
    "2.1": {
        "a number": (lambda n, f: n + 1, "of the type int"),
        "off by one": (of_size(0), "Id 13 has no row"),
        "the old documentation": (of_size(2), r"One row too many"),
        "much too large": (
            lambda words, features: Embedding(5000, features, mask_zero=True),
            "input_dim=5000",
        ),
        "no mask": (lambda words, features: Embedding(words + 1, features), "makes no mask"),
        "sizes swapped": (
            lambda words, features: Embedding(features, words + 1, mask_zero=True),
            "swapped",
        ),
        "sizes swapped, off by one": (
            lambda words, features: Embedding(features, words, mask_zero=True),
            "swapped",
        ),
        "another output size": (
            lambda words, features: Embedding(words + 1, 16, mask_zero=True),
            "vectors of 16 numbers",
        ),
        "id 1 masked": (lambda words, features: MasksOne(words + 1, features), "masks id 1"),
        "flipped polarity": (
            lambda words, features: Flipped(words + 1, features),
            "polarity is flipped",
        ),
        "another layer": (lambda words, features: keras.layers.Masking(), "`Embedding` layer is"),
        "a layer, not a function": (Embedding(14, 4, mask_zero=True), "function that makes one"),
        "mask_zero set later": (set_later("mask_zero", True), "a layer behind gets no mask"),
        "mask_zero set after super": (
            lambda words, features: TooLate(words + 1, features),
            "a layer behind gets no mask",
        ),
        "compute_mask set later": (
            set_later("compute_mask", lambda ids, mask=None: keras.ops.not_equal(ids, 0)),
            "a layer behind gets no mask",
        ),
        "support taken away": (no_support, "a layer behind gets no mask"),
        "another mask on the output": (of_class(HandsOnAnother), "the mask on make_embedding"),
        "padding after only": (of_class(OnlyAtTheEnd), "steps differ"),
        "ids that end in 0": (of_class(LastDigit), "steps differ"),
        "cannot be called": (of_class(Raises), "raised RuntimeError.*not ready"),
        "returns nothing": (of_class(ReturnsNothing), "`call` returned None"),
        "all vectors alike": (of_class(AllAlike), "does not hold the rows"),
        "made once": (
            lambda words, features, layers=[]: (
                layers.append(Embedding(words + 1, features, mask_zero=True)),
                layers[0],
            )[1],
            "input_dim=14",
        ),
        "already called": (
            lambda words, features: of_size(1)(words, features)(np.array([[1, 0]])),
            "`Embedding` layer is",
        ),
    },
    "2.2": {
        "published": (published_mean, "divides by all steps"),
        "mask not used": (lambda vectors, mask: vectors.mean(axis=1), "mean of all steps"),
        "padding taken for zeros": (of_nonzero_vectors, "mean of all steps"),
        "flipped polarity": (
            lambda vectors, mask: (
                (vectors * ~mask[..., None]).sum(1) / np.maximum((~mask).sum(1), 1)[:, None]
            ),
            "polarity is flipped",
        ),
        "the sum": (lambda vectors, mask: (vectors * mask[..., None]).sum(axis=1), "the sum"),
        "count of the batch": (
            lambda vectors, mask: (vectors * mask[..., None]).sum(axis=1) / mask.sum(),
            "whole batch; each",
        ),
        "features averaged": (
            lambda vectors, mask: (vectors * mask[..., None]).mean(axis=-1),
            "over the features",
        ),
        "sentences averaged": (
            lambda vectors, mask: (
                (vectors * mask[..., None]).sum(axis=0) / mask.sum(axis=0)[:, None]
            ),
            "over the sentences",
        ),
        "only padding after": (of_first_steps, "may stand before"),
        "mask without its axis": (
            lambda vectors, mask: (vectors * mask).sum(axis=1) / mask.sum(axis=1, keepdims=True),
            "mask lies over the features",
        ),
        "count without its axis": (
            lambda vectors, mask: (vectors * mask[..., None]).sum(axis=1) / mask.sum(axis=1),
            "numbers of kept steps lie over",
        ),
        "both without": (
            lambda vectors, mask: (vectors * mask).sum(axis=1) / mask.sum(axis=1),
            "both need an axis",
        ),
        "up to the last kept step": (up_to_the_last, "masked steps in between"),
        "from the first to the last": (first_to_last, "masked steps in between"),
        "count of the longest": (
            lambda vectors, mask: (vectors * mask[..., None]).sum(axis=1) / mask.sum(axis=1).max(),
            "longest sentence",
        ),
        "a vector of zeros not counted": (zero_vectors_not_counted, "vector of zeros"),
        "the last n steps": (
            lambda vectors, mask: np.stack(
                [row[-n:].mean(axis=0) for row, n in zip(vectors, mask.sum(axis=1))]
            ),
            "not always the last",
        ),
        "squeezed": (
            lambda vectors, mask: np.squeeze(in_a_loop(vectors, mask)),
            r"shape \(2,\); expected \(1, 2\)",
        ),
        "two things": (
            lambda vectors, mask: (in_a_loop(vectors, mask), mask.sum(axis=1)),
            "returns 2 things",
        ),
        "one vector for all": (lambda vectors, mask: vectors[mask].mean(axis=0), "one vector for"),
        "zeros not counted": (
            lambda vectors, mask: (
                (vectors * mask[..., None]).sum(1) / ((vectors * mask[..., None]) != 0).sum(1)
            ),
            "A 0 in a kept vector",
        ),
        "off by one": (
            lambda vectors, mask: (
                (vectors * mask[..., None]).sum(1) / (mask.sum(axis=1, keepdims=True) + 1)
            ),
            r"at \[0, 0\] it is",
        ),
        "an axis left over": (
            lambda vectors, mask: in_a_loop(vectors, mask)[:, None],
            r"shape \(3, 1, 3\)",
        ),
    },
    "2.3": {
        "default": (lookup_with(special=1), "Unknown words still get id 0"),
        "another name for unknown": (lookup_with(oov_token=""), "Unknown words still get id 0"),
        "another mask token": (lookup_with(mask_token="[PAD]"), "does not get id 0"),
        "padding as the first word": (
            with_lookup(lambda known: StringLookup(vocabulary=["", *known])),
            "padding is kept, and the unknown",
        ),
        "no id for unknown": (
            lookup_with(mask_token="", num_oov_indices=0),
            "unknown word is an error",
        ),
        "punctuation stripped": (
            with_lookup(lambda known: TextVectorization(vocabulary=known, split=None)),
            r"`lookup\(texts\) != 0`: 1 of 8 steps differ",
        ),
        "unknown is a word": (with_lookup(lambda known: by_dict(known, 1, 1)), "share an id"),
        "minus one": (with_lookup(lambda known: by_dict(known, -1, 1)), "-1 is an id without"),
        "whole texts": (
            with_lookup(lambda known: lambda texts: by_dict(known)(texts)[0]),
            r"shape \(4,\)",
        ),
        "unknown forgotten": (lookup_with(special=1, mask_token=""), "Id 4 has no row"),
        "padding forgotten, too": (lookup_with(special=0, mask_token=""), "Id 4 has no row"),
        "one row too many": (lookup_with(special=3, mask_token=""), "more than needed"),
        "no mask": (with_lookup(right_lookup, mask_zero=False), "makes no mask"),
        "unknown words masked": (with_embedding(of_class(MasksOne)), "masks id 1"),
        "padding after only": (with_embedding(of_class(OnlyAtTheEnd)), "steps differ"),
        "mask_zero set later": (
            with_embedding(set_later("mask_zero", True)),
            "a layer behind gets no mask",
        ),
        "compute_mask set later": (
            with_embedding(set_later("compute_mask", lambda ids, mask=None: ids != 0)),
            "a layer behind gets no mask",
        ),
        "cannot be called": (with_embedding(of_class(Raises)), "raised RuntimeError.*not ready"),
        "returns nothing": (with_embedding(of_class(ReturnsNothing)), "`call` returned None"),
        "all vectors alike": (with_embedding(of_class(AllAlike)), "does not hold the rows"),
        "ids of one byte": (
            with_lookup(lambda known: lambda texts: by_dict(known)(texts).astype("int8")),
            "-128 is an id",
        ),
        "upper case is another word": (
            with_lookup(
                lambda known: lambda texts: by_dict(known)(np.where(texts == "Hello", "", texts))
            ),
            "1 of 12 steps differ",
        ),
        "another output size": (
            lambda vocabulary, features: asks_the_lookup(vocabulary, 16),
            "vectors have 16 numbers",
        ),
        "in the other order": (
            lambda vocabulary, features: asks_the_lookup(vocabulary, features)[::-1],
            "lookup comes first",
        ),
        "the lookup alone": (lambda vocabulary, features: right_lookup(vocabulary), "two layers"),
    },
}

RIGHT = {
    "2.1": {
        "by name": lambda words, features: Embedding(
            output_dim=features, input_dim=1 + words, mask_zero=True
        ),
        "with more said": of_size(1, embeddings_initializer="zeros", name="words"),
        "a subclass": of_class(Mine),
        "frozen": of_size(1, trainable=False),
        "called before": lambda words, features: (
            (layer := Embedding(words + 1, features, mask_zero=True))(np.array([[1, 0]])),
            layer,
        )[1],
        "largest id plus one": lambda words, features: Embedding(
            max(range(words + 1)) + 1, features, mask_zero=True
        ),
    },
    "2.2": {
        "a loop": in_a_loop,
        "a matrix product": lambda vectors, mask: (
            (mask[:, None, :].astype("float32") @ vectors)[:, 0] / mask.sum(axis=1, keepdims=True)
        ),
        "TensorFlow": in_tensorflow,
        "the layer that does it": by_layer,
        "a list of means": lambda vectors, mask: list(in_a_loop(vectors, mask)),
        "NaN where masked": lambda vectors, mask: np.nanmean(
            np.where(mask[..., None], vectors, np.nan), axis=1
        ),
        "NumPy's where": lambda vectors, mask: vectors.mean(axis=1, where=mask[..., None]),
        "weights that sum to 1": lambda vectors, mask: np.einsum(
            "btd,bt->bd", vectors, mask / mask.sum(axis=1, keepdims=True)
        ),
        "NumPy's masked arrays": lambda vectors, mask: np.ma.array(
            vectors, mask=np.broadcast_to(~mask[..., None], vectors.shape)
        ).mean(axis=1),
    },
    "2.3": {
        "size from the lookup": asks_the_lookup,
        "vocabulary adapted": with_lookup(adapted_lookup),
        "more than one id for unknown": lookup_with(3, mask_token="", num_oov_indices=2),
        "a subclass of Embedding": with_embedding(of_class(Mine)),
        "special words in the list": with_lookup(
            lambda known: StringLookup(vocabulary=["", "[UNK]", *known], mask_token="")
        ),
        "TextVectorization": with_lookup(
            lambda known: TextVectorization(vocabulary=known, standardize=None, split=None)
        ),
        "a dict": with_lookup(by_dict),
    },
}
