import warnings

import keras
import numpy as np

SENTINEL = -99999.99


def read_on(mask=lambda ids: ids != 0, scale=None, states=lambda state: state):
    def answer(embedding, lstm, ids, state):
        x = embedding(ids)
        if scale:
            x = x * scale(ids)
        return lstm(x, initial_state=states(state), mask=mask(ids))

    return answer


def keeps_the_mask_of_its_tensor(embedding, lstm, ids, state):
    x = embedding(ids)
    return lstm(x, initial_state=state, mask=x._keras_mask)


def asks_the_embedding(embedding, lstm, ids, state):
    return lstm(embedding(ids), initial_state=state, mask=embedding.compute_mask(ids))


def positional(embedding, lstm, ids, state):
    return lstm(embedding(ids), state, keras.ops.not_equal(ids, 0))


def model(
    *,
    masking="layer",
    conv=True,
    first=None,
    second=None,
    grus=True,
    late_masking=False,
    supports=False,
    padding="same",
    dense=True,
):
    """The published model, with the masks for its GRUs as functions of its inputs."""

    def build():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Conv1D; that is the exercise
            inputs = keras.Input((None, 1))
            x = inputs
            if masking == "layer":
                x = keras.layers.Masking(SENTINEL)(x)
            convolution = keras.layers.Conv1D(20, 5, padding=padding)
            convolution.supports_masking = supports
            x = convolution(x) if conv else x
            x = keras.layers.Masking(SENTINEL)(x) if late_masking else x
            if grus:
                x = keras.layers.GRU(20, return_sequences=True)(x, mask=first and first(inputs))
                x = keras.layers.GRU(20)(x, mask=second and second(inputs))
            else:
                x = keras.layers.GlobalMaxPooling1D()(x)
            return keras.Model(inputs, keras.layers.Dense(1)(x) if dense else x)

    return build


def kept(inputs):
    return keras.layers.Masking(SENTINEL).compute_mask(inputs)


def masked(inputs):
    return keras.ops.logical_not(kept(inputs))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.masking = keras.layers.Masking(SENTINEL)
        self.conv = keras.layers.Conv1D(20, 5, padding="same")
        self.first = keras.layers.GRU(20, return_sequences=True)
        self.second = keras.layers.GRU(20)
        self.score = keras.layers.Dense(1)

    def call(self, inputs):
        mask = self.masking.compute_mask(inputs)
        x = self.first(self.conv(self.masking(inputs)), mask=mask)
        return self.score(self.second(x))


WRONG = {
    "4.1": {
        "and": (lambda a, b: a & b, "only where \\*both\\*"),
        "first": (lambda a, b: a, "of the first input"),
        "second": (lambda a, b: b, "of the second input"),
        "exclusive or": (lambda a, b: a ^ b, r"where the two \*differ\*"),
        "flipped": (lambda a, b: ~(a | b), "polarity is flipped"),
        "numbers": (lambda a, b: a.astype(int) | b.astype(int), "dtype int"),
        "one for each sentence": (lambda a, b: (a | b).any(axis=1), r"shape \(3,\)"),
        "no thought of None": (lambda a, b: a | b, r"`merged_mask\(mask, None\)` raised TypeError"),
        "the mask that is there": (
            lambda a, b: b if a is None else a if b is None else a | b,
            "is not None. An `Add`",
        ),
        "everything kept": (
            lambda a, b: np.ones_like(a) if b is None else a | b,
            "is not None. An `Add`",
        ),
    },
    "4.2": {
        "published": (
            lambda embedding, lstm, ids, state: lstm(embedding(ids), initial_state=state),
            "still reads the padding",
        ),
        "no state": (lambda embedding, lstm, ids, state: lstm(embedding(ids)), "starts from zeros"),
        "flipped": (read_on(mask=lambda ids: ids == 0), "mask is flipped"),
        "vectors set to zero": (
            read_on(mask=lambda _: None, scale=lambda ids: (ids != 0)[..., None].astype("float32")),
            "is not masking",
        ),
        "states swapped": (read_on(states=lambda state: state[::-1]), "changed places"),
        "no LSTM": (lambda embedding, lstm, ids, state: embedding(ids), "call the LSTM"),
        "mask of the first steps": (
            read_on(mask=lambda ids: np.arange(6) < (ids != 0).sum(1, keepdims=True)),
            "expected",
        ),
        "state as a mask": (
            lambda embedding, lstm, ids, state: lstm(embedding(ids), mask=state),
            "raised",
        ),
    },
    "4.3": {
        "published": (model(), "`Conv1D` drops the mask"),
        "no convolution": (model(conv=False), "convolution is gone"),
        "no GRU": (model(grus=False), "GRUs are gone"),
        "Masking after Conv1D": (model(masking=None, late_masking=True), "after the convolution"),
        "flipped": (model(first=masked), "mask is flipped"),
        "only the last GRU": (model(second=kept), "first GRU starts with padding"),
        "sentinel reaches Conv1D": (model(masking=None, first=kept), "convolution reads the"),
        "convolution that shortens": (model(first=kept, padding="valid"), "gives fewer steps"),
        "no Dense": (model(first=kept, dense=False), "One of the five layers is missing"),
        "a layer": (lambda: keras.layers.GRU(20), "a Keras model is asked for"),
    },
}

RIGHT = {
    "4.1": {
        "NumPy": lambda a, b: None if a is None or b is None else np.logical_or(a, b),
        "Keras": lambda a, b: None if a is None or b is None else keras.ops.logical_or(a, b),
        "sum": lambda a, b: a + b if a is not None and b is not None else None,
        "Add itself": lambda a, b: keras.layers.Add().compute_mask(
            [np.zeros((3, 6, 1))] * 2, [a, b]
        ),
    },
    "4.2": {
        "mask of the tensor": keeps_the_mask_of_its_tensor,
        "mask of the layer": asks_the_embedding,
        "mask by comparison": read_on(),
        "by position": positional,
    },
    "4.3": {
        "Functional": model(first=kept),
        "both GRUs by hand": model(first=kept, second=kept),
        "subclassed": Subclassed,
        "supports_masking set": model(supports=True),
        "a model": Subclassed(),
    },
}
