import warnings

import keras
import numpy as np
from keras import layers, ops

SENTINEL = -99999.99


def where_both(function):
    """`merged_mask` that is right about `None`, and `function` of two masks."""
    return lambda a, b: None if a is None or b is None else function(a, b)


def front(count, steps):
    return np.arange(steps) < count[:, None]


def row_by_row(a, b):
    if a is None or b is None:
        return None
    mask = np.zeros(a.shape, bool)
    for row, step in np.ndindex(a.shape):
        mask[row, step] = a[row, step] or b[row, step]
    return mask


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
    return lstm(embedding(ids), state, ops.not_equal(ids, 0))


def one_by_one(embedding, lstm, ids, state):
    """Each sentence alone, without its padding."""
    outputs = []
    for row, sentence in enumerate(ids):
        alone = sentence[sentence != 0][None]
        outputs.append(lstm(embedding(alone), initial_state=[s[row : row + 1] for s in state]))
    return ops.concatenate(outputs, axis=0)


def returns_two(embedding, lstm, ids, state):
    return read_on()(embedding, lstm, ids, state), state


def forgets_to_return(embedding, lstm, ids, state):
    lstm(embedding(ids), initial_state=state, mask=ids != 0)


def own_lstm(embedding, lstm, ids, state):
    return layers.LSTM(lstm.units)(embedding(ids), initial_state=state, mask=ids != 0)


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
    kernel=5,
    strides=1,
    steps=None,
    between=lambda x: x,
    after=lambda x: x,
    returns=False,
    zeros=False,
    units=20,
    activation=None,
):
    """The published model, with the masks for its GRUs as functions of inputs and convolution."""
    options = {"kernel_initializer": "zeros"} if zeros else {}

    def build():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Conv1D; that is the exercise
            inputs = keras.Input((steps, 1))
            x = inputs
            if masking == "layer":
                x = layers.Masking(SENTINEL)(x)
            convolution = layers.Conv1D(
                20, kernel, padding=padding, strides=strides, activation=activation, **options
            )
            convolution.supports_masking = supports
            x = convolved = convolution(x) if conv else x
            x = layers.Masking(SENTINEL)(x) if late_masking else x
            if grus:
                mask = first and first(inputs, convolved)
                x = between(layers.GRU(units, return_sequences=True)(x, mask=mask))
                mask = second and second(inputs, convolved)
                x = layers.GRU(20, return_sequences=returns)(x, mask=mask)
            else:
                x = layers.GlobalMaxPooling1D()(x)
            return keras.Model(inputs, layers.Dense(1, **options)(after(x)) if dense else x)

    return build


def kept(inputs, _=None):
    return layers.Masking(SENTINEL).compute_mask(inputs)


def masked(inputs, _=None):
    return ops.logical_not(kept(inputs))


def late(inputs, _=None):
    return ops.roll(kept(inputs), 1, axis=1)


def by_comparing(inputs, _=None):
    return ops.not_equal(inputs, SENTINEL)[..., 0]


def without_the_edge(inputs, _=None):
    """Masks the last real step, too, for the convolution reads padding there."""
    return ops.logical_and(kept(inputs), ops.roll(kept(inputs), -1, axis=1))


def of_the_convolution(_, convolved):
    return layers.Masking(SENTINEL).compute_mask(convolved)


class Subclassed(keras.Model):
    """The layers, and what a reader may do with them."""

    def __init__(self, conv=layers.Conv1D, gru=layers.GRU):
        super().__init__()
        self.masking = layers.Masking(SENTINEL)
        self.conv = conv(20, 5, padding="same")
        self.first = gru(20, return_sequences=True)
        self.second = layers.GRU(20)
        self.score = layers.Dense(1)

    def call(self, inputs):
        mask = self.masking.compute_mask(inputs)
        x = self.first(self.conv(self.masking(inputs)), mask=mask)
        return self.score(self.second(x))


class ReadsTheSentinel(Subclassed):
    def call(self, inputs):
        mask = self.masking.compute_mask(inputs)
        return self.score(self.second(self.first(self.conv(inputs), mask=mask), mask=mask))


class ForgetsToReturn(Subclassed):
    def call(self, inputs):
        super().call(inputs)


class LosesIt(Subclassed):
    def call(self, inputs):
        mask = self.masking.compute_mask(inputs)
        x = self.first(self.conv(self.masking(inputs)), mask=mask)
        return self.score(self.second(x * 1))


class ByLength(Subclassed):
    """Counts, and takes the padding to stand after the values."""

    def call(self, inputs):
        mask = self.masking.compute_mask(inputs)
        count = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        mask = ops.arange(ops.shape(inputs)[1])[None] < count
        x = self.first(self.conv(self.masking(inputs)), mask=mask)
        return self.score(self.second(x, mask=mask))


class PassingConv1D(layers.Conv1D):
    """As in notebook 05: it keeps the number of steps, so the mask may pass."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_masking = True


class PassingGRU(layers.GRU):
    def compute_mask(self, inputs, mask=None):
        return mask


class WithTwoSubclasses(Subclassed):
    def __init__(self):
        super().__init__(PassingConv1D, PassingGRU)

    def call(self, inputs):
        return self.score(self.second(self.first(self.conv(self.masking(inputs)))))


def sequential_of_a_subclass():
    return keras.Sequential(
        [
            layers.Masking(SENTINEL),
            PassingConv1D(20, 5, padding="same"),
            PassingGRU(20, return_sequences=True),
            layers.GRU(20),
            layers.Dense(1),
        ]
    )


def in_another_order():
    inputs = keras.Input((None, 1))
    masking = layers.Masking(SENTINEL)
    mask = masking.compute_mask(inputs)
    x = layers.GRU(20, return_sequences=True)(masking(inputs), mask=mask)
    x = layers.Conv1D(20, 5, padding="same")(x * ops.cast(mask, "float32")[..., None])
    return keras.Model(inputs, layers.Dense(1)(layers.GRU(20)(x, mask=mask)))


def of_three_series():
    inputs = keras.Input(batch_shape=(3, None, 1))
    return keras.Model(inputs, model(first=kept, second=kept)()(inputs))


def backwards():
    inputs = keras.Input((None, 1))
    masking = layers.Masking(SENTINEL)
    mask = masking.compute_mask(inputs)
    x = layers.Conv1D(20, 5, padding="same")(masking(inputs))
    x = layers.GRU(20, return_sequences=True)(x, mask=mask)
    x = layers.GRU(20, go_backwards=True)(x, mask=mask)
    return keras.Model(inputs, layers.Dense(1)(x))


def zeroes_the_convolution():
    """Works round the loss by a product in place of a mask, and by the mask as well."""
    inputs = keras.Input((None, 1))
    masking = layers.Masking(SENTINEL)
    mask = masking.compute_mask(inputs)
    x = layers.Conv1D(20, 5, padding="same")(masking(inputs))
    x = layers.Multiply()([x, ops.cast(mask, "float32")[..., None]])
    x = layers.GRU(20, return_sequences=True)(x, mask=mask)
    return keras.Model(inputs, layers.Dense(1)(layers.GRU(20)(x, mask=mask)))


def constant():
    inputs = keras.Input((None, 1))
    return keras.Model(inputs, layers.Dense(1)(0 * ops.mean(inputs, axis=1)))


def with_another_sentinel():
    gru = layers.GRU(20, return_sequences=True), layers.GRU(20)
    convolution = layers.Conv1D(20, 5, padding="same")
    return keras.Sequential([layers.Masking(0.0), convolution, *gru, layers.Dense(1)])


def changing(change):
    """`read_on` of layers that are changed before they are called."""

    def read(embedding, lstm, ids, state):
        change(embedding, lstm)
        return lstm(embedding(ids), initial_state=state, mask=embedding.compute_mask(ids))

    return read


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
        "whichever row keeps more": (
            where_both(lambda a, b: np.where(a.sum(1, keepdims=True) >= b.sum(1)[:, None], a, b)),
            "the mask that keeps more steps",
        ),
        "the larger of two lengths": (
            where_both(lambda a, b: front(np.maximum(a.sum(1), b.sum(1)), a.shape[1])),
            "counts the kept steps",
        ),
        "the last kept step of either": (
            where_both(
                lambda a, b: front(((a | b) * np.arange(1, a.shape[1] + 1)).max(1), a.shape[1])
            ),
            "steps differ|keeps everything",
        ),
        "six steps": (where_both(lambda a, b: (a | b)[:, :6]), "shape"),
        "three sentences": (where_both(lambda a, b: (a | b)[:3]), "shape"),
        "of the first sentence": (
            where_both(lambda a, b: np.broadcast_to((a | b)[:1], a.shape)),
            "steps differ",
        ),
        "over the batch": (
            where_both(lambda a, b: np.broadcast_to((a | b).any(0), a.shape)),
            "steps differ|keeps everything",
        ),
        "flattened": (where_both(lambda a, b: (a | b).ravel()), "shape"),
        "joined": (where_both(lambda a, b: np.concatenate([a, b], axis=1)), "shape"),
        "a tuple": (where_both(lambda a, b: (a | b, None)), "returns 2 things"),
        "`or`": (where_both(lambda a, b: a or b), "raised ValueError"),
        "the word None": (lambda a, b: "None" if a is None or b is None else a | b, "is not None"),
    },
    "4.2": {
        "vectors of zeros": (
            changing(
                lambda embedding, lstm: embedding.set_weights([0 * embedding.get_weights()[0]])
            ),
            "layers have changed",
        ),
        "read backwards": (
            changing(lambda embedding, lstm: setattr(lstm, "go_backwards", True)),
            "layers have changed",
        ),
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
            read_on(mask=lambda ids: front((ids != 0).sum(1), ids.shape[1])),
            "before the words,.*expected",
        ),
        "state as a mask": (
            lambda embedding, lstm, ids, state: lstm(embedding(ids), mask=state[0]),
            "raised",
        ),
        "ids above 1": (read_on(mask=lambda ids: ids > 1), "expected"),
        "last digit": (read_on(mask=lambda ids: ids % 10 != 0), "expected"),
        "int8": (read_on(mask=lambda ids: ids.astype("int8") != 0), "expected"),
        "mask of six steps": (read_on(mask=lambda _: np.ones((3, 6), bool)), "raised"),
        "from the last step on": (
            read_on(mask=lambda ids: np.cumsum(ids[:, ::-1], axis=1)[:, ::-1] != 0),
            "before the words|still reads the padding",
        ),
        "from the first word on": (
            read_on(mask=lambda ids: np.cumsum(ids, axis=1) != 0),
            "still reads the padding",
        ),
        "everything kept": (read_on(mask=lambda ids: ids >= 0), "still reads the padding"),
        "one state": (
            read_on(states=lambda state: [state[0], 0 * state[1]]),
            "expected",
        ),
        "two outputs": (returns_two, "returns 2 things"),
        "no return": (forgets_to_return, "`return` missing"),
        "an LSTM of its own": (own_lstm, "expected"),
        "mask of the loss": (
            lambda embedding, lstm, ids, state: (
                lstm(embedding(ids), initial_state=state) * (ids != 0).any(1)[:, None]
            ),
            "still reads the padding",
        ),
        "sentence by sentence, padded": (
            lambda embedding, lstm, ids, state: ops.concatenate(
                [
                    lstm(embedding(ids[i : i + 1]), initial_state=[s[i : i + 1] for s in state])
                    for i in range(len(ids))
                ],
                axis=0,
            ),
            "still reads the padding",
        ),
    },
    "4.3": {
        "published": (model(), "`Conv1D` drops the mask"),
        "no convolution": (model(conv=False), "convolution is gone"),
        "no GRU": (model(grus=False), "GRUs are gone"),
        "Masking after Conv1D": (model(masking=None, late_masking=True), "after the convolution"),
        "two Masking layers": (model(late_masking=True), "2 × `Masking`"),
        "no Masking": (model(masking=None, first=kept), "0 × `Masking`"),
        "flipped": (model(first=masked, second=masked), "mask is flipped"),
        "only the last GRU": (model(second=kept), "first GRU starts with padding"),
        "lost between the GRUs": (model(first=kept, between=lambda x: x * 1), "between the two"),
        "lost in a subclass": (LosesIt, "between the two"),
        "mask of the convolution": (model(first=of_the_convolution), "made from what the conv"),
        "one step late": (model(first=late, second=late), "mask that the first GRU.*steps differ"),
        "second one flipped": (model(first=kept, second=masked), "mask is flipped"),
        "counts steps": (ByLength, "mask that the first GRU.*before the values.*steps differ"),
        "sentinel reaches Conv1D": (ReadsTheSentinel, "convolution reads the"),
        "convolution that shortens": (model(first=kept, padding="valid"), "gives fewer steps"),
        "causal": (model(first=kept, padding="causal"), "padding is causal, not same"),
        "kernel of one step": (model(first=kept, kernel=1), "kernel_size is 1, not 5"),
        "strides": (model(first=kept, strides=2), "strides is 2, not 1"),
        "smaller": (model(first=kept, units=8), "units of the first GRU is 8"),
        "no Dense": (model(first=kept, dense=False), "One of the five layers is missing"),
        "zeros": (model(zeros=True), "`Conv1D` drops the mask"),
        "constant": (constant, "convolution is gone"),
        "eight steps": (model(first=kept, steps=8), r"`keras.Input\(\(None, 1\)\)`"),
        "all steps": (model(first=kept, returns=True), r"shape \(3, 5, 1\)"),
        "another activation": (model(first=kept, activation="relu"), "differs by"),
        "one layer more": (model(first=kept, after=layers.LayerNormalization()), "more weights"),
        "no padding": (model(first=kept, after=lambda x: 0 * x), "differs by"),
        "read backwards": (backwards, "differs by"),
        "last real step masked": (
            model(first=without_the_edge, second=without_the_edge),
            "mask that the first GRU.*steps differ",
        ),
        "three series only": (of_three_series, "takes 3 series"),
        "another order": (in_another_order, "is each layer in its place"),
        "no return": (ForgetsToReturn, "`call` returned None"),
        "another sentinel": (with_another_sentinel, "mask_value is 0.0, not -99999.99"),
        "a layer": (lambda: layers.GRU(20), "a Keras model is asked for"),
    },
}

RIGHT = {
    "4.1": {
        "NumPy": where_both(np.logical_or),
        "Keras": where_both(ops.logical_or),
        "sum": lambda a, b: a + b if a is not None and b is not None else None,
        "Add itself": lambda a, b: layers.Add().compute_mask([np.zeros((3, 6, 1))] * 2, [a, b]),
        "maximum": where_both(np.maximum),
        "not both masked": where_both(lambda a, b: ~(~a & ~b)),
        "step by step": row_by_row,
        "where": where_both(lambda a, b: np.where(a, a, b)),
        "stacked": where_both(lambda a, b: np.stack([a, b]).any(axis=0)),
    },
    "4.2": {
        "mask of the tensor": keeps_the_mask_of_its_tensor,
        "mask of the layer": asks_the_embedding,
        "mask by comparison": read_on(),
        "by position": positional,
        "one by one": one_by_one,
        "ids above 0": read_on(mask=lambda ids: ops.convert_to_tensor(ids > 0)),
        "mask as numbers": read_on(mask=lambda ids: (ids != 0).astype("int32")),
        "a tuple of states": read_on(states=tuple),
    },
    "4.3": {
        "Functional": model(first=kept),
        "both GRUs by hand": model(first=kept, second=kept),
        "subclassed": Subclassed,
        "supports_masking set": model(supports=True),
        "a model": Subclassed(),
        "subclasses that pass the mask on": sequential_of_a_subclass,
        "two subclasses in a subclass": WithTwoSubclasses,
        "masks by comparing": model(first=by_comparing, second=by_comparing),
        "zeroed as well": zeroes_the_convolution,
        "with a name and a dropout": model(first=kept, second=kept, after=layers.Dropout(0.2)),
    },
}
