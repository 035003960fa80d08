"""The architectures that tutorials teach, written anew from their descriptions, and small.

Each function returns a model of Keras; `mended` says whether with the smallest change that makes
it keep its promise. All take ids `(B, T)` with 0 as padding, unless they say otherwise.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

WIDTH, HEADS, VOCABULARY, LONGEST = 16, 2, 20, 32
FRAME = 6  # features of a frame of sound or video


def ids(name: str = "ids") -> Any:
    return keras.Input((None,), dtype="int32", name=name)


class Positions(layers.Layer):
    """Adds a vector for each position; on request positions count real steps only."""

    def __init__(self, skip_pads: bool = False):
        super().__init__()
        self.table = layers.Embedding(LONGEST, WIDTH)
        self.skip_pads, self.supports_masking = skip_pads, True

    def call(self, x: Any, mask: Any = None) -> Any:
        at = ops.arange(ops.shape(x)[1])
        if self.skip_pads and mask is not None:
            at = ops.maximum(ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1, 0)
        return x + self.table(at)


class TokensAndPositions(layers.Layer):
    """The usual first layer of a Transformer, which makes the mask if it is asked to."""

    def __init__(self, makes_mask: bool):
        super().__init__()
        self.tokens = layers.Embedding(VOCABULARY, WIDTH)
        self.positions = layers.Embedding(LONGEST, WIDTH)
        self.makes_mask = makes_mask

    def call(self, x: Any) -> Any:
        return self.tokens(x) + self.positions(ops.arange(ops.shape(x)[1]))

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return ops.not_equal(x, 0) if self.makes_mask else None


class Attention(layers.Layer):
    """Attention, residual sum and normalisation, with a mask only if one is handed over."""

    def __init__(self):
        super().__init__()
        self.attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)
        self.norm = layers.LayerNormalization()

    def call(self, x: Any, source: Any, attention_mask: Any = None) -> Any:
        return self.norm(x + self.attention(x, source, attention_mask=attention_mask))


class Forward(layers.Layer):
    """The position-wise half of a Transformer block."""

    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(WIDTH * 2, activation="relu")
        self.outer, self.norm = layers.Dense(WIDTH), layers.LayerNormalization()
        self.supports_masking = True

    def call(self, x: Any) -> Any:
        return self.norm(x + self.outer(self.inner(x)))


class Encoder(layers.Layer):
    """A block that uses the mask that Keras fills in.

    Args:
        hands_on: Whether the mask goes on to the next layer.
    """

    def __init__(self, hands_on: bool = True):
        super().__init__()
        self.attend, self.forward = Attention(), Forward()
        self.supports_masking = hands_on

    def call(self, x: Any, mask: Any = None) -> Any:
        among = None if mask is None else ops.expand_dims(mask, 1)
        return self.forward(self.attend(x, x, among))


class LooksBack(layers.Layer):
    """The look-ahead mask of a sequence, `(1, T, T)`, True = may look."""

    def call(self, x: Any) -> Any:
        steps = ops.arange(ops.shape(x)[1])
        return ops.expand_dims(steps[:, None] >= steps, 0)


def causal(x: Any) -> Any:
    return LooksBack()(x)


class TwoTensorDecoder(layers.Layer):
    """A decoder called as `decoder(target, encoded)` that expects Keras to fill in `mask`.

    Args:
        form: `"2022"`: `mask`, for the target; then laid over the encoded steps, too. `"Keras
            3"`: `mask` is a list, one for each tensor. `"by hand"`: no mask of Keras', the
            masks are arguments.
    """

    def __init__(self, form: str):
        super().__init__()
        self.first, self.second, self.forward = Attention(), Attention(), Forward()
        self.form, self.supports_masking, self.back = form, True, LooksBack()

    def call(self, x: Any, encoded: Any = None, mask: Any = None, source_mask: Any = None) -> Any:
        if self.form == "Keras 3":
            x, encoded = x
            source_mask = mask[1] if mask is not None else None
        padding, back = None, self.back(x)
        if self.form == "2022":
            padding = ops.logical_and(ops.expand_dims(mask, 1), back)
        elif source_mask is not None:
            padding = ops.expand_dims(source_mask, 1)
        x = self.first(x, x, back)
        return self.forward(self.second(x, encoded, padding))

    def compute_mask(self, x: Any, *masks: Any, **named: Any) -> Any:
        if self.form == "Keras 3":
            mask = named.get("mask", masks[-1] if masks else None)
            return mask[0] if mask is not None else None
        return None


def classifier(x: Any, pool: Any) -> Any:
    return layers.Dense(3)(pool(x))


class MaskedMax(layers.Layer):
    """The largest value over the real steps."""

    def call(self, x: Any, mask: Any = None) -> Any:
        return ops.max(ops.where(ops.expand_dims(mask, -1), x, -1e9), axis=1)


def transformer_classifier(mended: bool) -> keras.Model:
    given = ids()
    x = layers.Embedding(VOCABULARY, WIDTH, mask_zero=mended)(given)
    x = Encoder()(Positions(skip_pads=mended)(x))
    return keras.Model(given, classifier(x, layers.GlobalAveragePooling1D()))


def two_bidirectional(mended: bool) -> keras.Model:
    given = ids()
    x = layers.Embedding(VOCABULARY, WIDTH, mask_zero=mended)(given)
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
    return keras.Model(given, classifier(x, layers.Bidirectional(layers.LSTM(8))))


def bidirectional_and_maximum(mended: bool) -> keras.Model:
    given = ids()
    x = layers.Embedding(VOCABULARY, WIDTH, mask_zero=mended)(given)
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
    return keras.Model(given, classifier(x, MaskedMax() if mended else layers.GlobalMaxPool1D()))


def convolutions(mended: bool) -> keras.Model:
    given = ids()
    x = layers.Embedding(VOCABULARY, WIDTH)(given)
    x = layers.Conv1D(WIDTH, 3, padding="same", activation="relu")(x)
    return keras.Model(given, classifier(x, layers.GlobalMaxPooling1D()))


def token_tagger(mended: bool) -> keras.Model:
    given = ids()
    x = Encoder()(TokensAndPositions(makes_mask=mended)(given))
    return keras.Model(given, layers.Dense(VOCABULARY)(x))


def recurrent_translator(mended: bool) -> keras.Model:
    """One-hot characters `(B, T, F)`; padding is the one-hot space, feature 0."""
    source = keras.Input((None, FRAME), name="ids")
    target = keras.Input((None, FRAME), name="target")
    mask = ops.not_equal(ops.argmax(source, axis=-1), 0) if mended else None
    _, *state = layers.LSTM(8, return_state=True)(source, mask=mask)
    x = layers.LSTM(8, return_sequences=True)(target, initial_state=state)
    return keras.Model([source, target], layers.Dense(FRAME)(x))


def small_gpt(mended: bool) -> keras.Model:
    given = ids()
    x = TokensAndPositions(makes_mask=False)(given)
    x = Forward()(Attention()(x, x, causal(x)))
    return keras.Model(given, layers.Dense(VOCABULARY)(x))


def speech(mended: bool) -> keras.Model:
    """Frames `(B, T, F)`, padded with zeros, which strided convolutions make an eighth of."""
    sound, target = keras.Input((None, FRAME), name="ids"), ids("target")
    x, mask = sound, ops.any(ops.not_equal(sound, 0), axis=-1)
    for _ in range(3):
        x = layers.Conv1D(WIDTH, 11, strides=2, padding="same", activation="relu")(x)
        if mended:  # what a padded step became is set to zero again, and the mask halved
            mask = mask[:, ::2]
            x = x * ops.expand_dims(ops.cast(mask, x.dtype), -1)
    among = ops.expand_dims(mask, 1) if mended else None
    x = Forward()(Attention()(x, x, among))
    y = TokensAndPositions(makes_mask=False)(target)
    y = Attention()(y, y, causal(y))
    y = Forward()(Attention()(y, x, among))
    return keras.Model([sound, target], layers.Dense(VOCABULARY)(y))


def captions(mended: bool) -> keras.Model:
    given = ids()
    x = layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)(given)
    mask = ops.not_equal(given, 0)
    x = Positions()(x)
    both = ops.logical_and(ops.expand_dims(mask, 1), causal(x))
    x = Attention()(x, x, both)
    return keras.Model(given, layers.Dense(VOCABULARY)(Forward()(x)))


def video_recurrent(mended: bool) -> keras.Model:
    frames = keras.Input((None, FRAME), name="ids")
    mask = keras.Input((None,), dtype="bool", name="mask")
    x = layers.GRU(8, return_sequences=True)(frames, mask=mask)
    return keras.Model([frames, mask], classifier(x, layers.GRU(8)))


class FramePositions(layers.Layer):
    """Adds positions to frames and makes a mask of those that are not all zero."""

    def __init__(self):
        super().__init__()
        self.table = layers.Embedding(LONGEST, FRAME)

    def call(self, x: Any) -> Any:
        return x + self.table(ops.arange(ops.shape(x)[1]))

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return ops.any(ops.not_equal(x, 0), axis=-1)


def video_transformer(mended: bool) -> keras.Model:
    frames = keras.Input((None, FRAME), name="ids")
    x = layers.Dense(WIDTH)(FramePositions()(frames))
    x = Encoder(hands_on=mended)(x)
    return keras.Model(frames, classifier(x, MaskedMax() if mended else layers.GlobalMaxPool1D()))


def translator(form: str, decoders: int, mended: bool) -> keras.Model:
    source, target = ids(), ids("target")
    encoded = Encoder()(TokensAndPositions(makes_mask=True)(source))
    x = TokensAndPositions(makes_mask=True)(target)
    for _ in range(decoders):
        if mended:
            x = TwoTensorDecoder("by hand")(x, encoded, source_mask=ops.not_equal(source, 0))
        elif form == "Keras 3":
            x = TwoTensorDecoder(form)([x, encoded])
        else:
            x = TwoTensorDecoder(form)(x, encoded)
    return keras.Model([source, target], layers.Dense(VOCABULARY)(x))


def hub_translator(mended: bool) -> keras.Model:
    """With the layers of KerasHub, which take the mask if there is one."""
    import keras_hub.layers as hub

    source, target = ids(), ids("target")
    size = {"vocabulary_size": VOCABULARY, "sequence_length": LONGEST, "embedding_dim": WIDTH}
    x = hub.TokenAndPositionEmbedding(**size, mask_zero=mended)(source)
    x = hub.TransformerEncoder(WIDTH * 2, HEADS)(x)
    y = hub.TokenAndPositionEmbedding(**size, mask_zero=mended)(target)
    y = hub.TransformerDecoder(WIDTH * 2, HEADS)(y, x)
    return keras.Model([source, target], layers.Dense(VOCABULARY)(y))


def hub_gpt(mended: bool) -> keras.Model:
    import keras_hub.layers as hub

    given = ids()
    x = hub.TokenAndPositionEmbedding(VOCABULARY, LONGEST, WIDTH, mask_zero=True)(given)
    x = hub.TransformerDecoder(WIDTH * 2, HEADS)(x)
    return keras.Model(given, layers.Dense(VOCABULARY)(x))


def hub_tagger(mended: bool) -> keras.Model:
    import keras_hub.layers as hub

    given = ids()
    x = hub.TokenAndPositionEmbedding(VOCABULARY, LONGEST, WIDTH, mask_zero=mended)(given)
    x = layers.LayerNormalization()(x)
    x = hub.TransformerEncoder(WIDTH * 2, HEADS)(x)
    return keras.Model(given, layers.Dense(VOCABULARY)(x))


class Fourier(layers.Layer):
    """Mixes all steps and features: the real part of a two-dimensional Fourier transform."""

    def __init__(self):
        super().__init__()
        self.norm, self.forward, self.supports_masking = (
            layers.LayerNormalization(),
            Forward(),
            True,
        )

    def call(self, x: Any) -> Any:
        return self.forward(self.norm(x + ops.fft2((x, ops.zeros_like(x)))[0]))


def fourier_translator(mended: bool) -> keras.Model:
    source, target = ids(), ids("target")
    encoded = Fourier()(TokensAndPositions(makes_mask=True)(source))
    x = TokensAndPositions(makes_mask=True)(target)
    if mended:
        x = TwoTensorDecoder("by hand")(x, encoded, source_mask=ops.not_equal(source, 0))
    else:
        x = TwoTensorDecoder("2022")(x, encoded)
    return keras.Model([source, target], layers.Dense(VOCABULARY)(x))


def music(mended: bool) -> keras.Model:
    given = ids()
    mask = ops.logical_and(ops.expand_dims(ops.not_equal(given, 0), 1), causal(given))
    x = TokensAndPositions(makes_mask=False)(given)
    x = Forward()(Attention()(x, x, mask))
    return keras.Model(given, layers.Dense(VOCABULARY)(x))


class SoftmaxOverTime(layers.Layer):
    """A softmax over the real steps; as published, divided by the sum of what was not raised."""

    def __init__(self, raised: bool):
        super().__init__()
        self.raised = raised

    def call(self, x: Any, mask: Any = None) -> Any:
        kept = ops.expand_dims(ops.cast(mask, x.dtype), -1)
        raised = ops.exp(x) * kept
        total = raised if self.raised else x * kept
        return raised / ops.sum(total, axis=1, keepdims=True)


def softmax_over_time(mended: bool) -> keras.Model:
    given = ids()
    x = layers.Dense(1)(layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)(given))
    return keras.Model(given, SoftmaxOverTime(raised=mended)(x))


class AddAndNorm(layers.Layer):
    """Attention whose residual sum is a layer of its own, so that "masks are propagated"."""

    def __init__(self, kind: str, mended: bool):
        super().__init__()
        self.kind, self.mended = kind, mended
        self.attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)
        self.add, self.norm = layers.Add(), layers.LayerNormalization()

    def call(self, x: Any, source: Any = None, real: Any = None) -> Any:
        source = x if source is None else source
        among = ops.expand_dims(real, 1) if self.mended and real is not None else None
        out = self.attention(
            query=x,
            value=source,
            key=source,
            use_causal_mask=self.kind == "causal",
            attention_mask=among,
        )
        return self.norm(self.add([x, out]))


class AddForward(layers.Layer):
    """The position-wise half, with a residual sum that is a layer, too."""

    def __init__(self):
        super().__init__()
        self.two = keras.Sequential(
            [layers.Dense(WIDTH * 2, activation="relu"), layers.Dense(WIDTH)]
        )
        self.add, self.norm, self.supports_masking = layers.Add(), layers.LayerNormalization(), True

    def call(self, x: Any) -> Any:
        return self.norm(self.add([x, self.two(x)]))


class ScaledPositions(layers.Layer):
    """Embedding with `mask_zero`, scaled, plus positions; hands on the embedding's mask."""

    def __init__(self):
        super().__init__()
        self.tokens = layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)
        self.positions = layers.Embedding(LONGEST, WIDTH)

    def compute_mask(self, *given: Any, **named: Any) -> Any:
        return self.tokens.compute_mask(*given, **named)

    def call(self, x: Any) -> Any:
        return self.tokens(x) * WIDTH**0.5 + self.positions(ops.arange(ops.shape(x)[1]))


class PropagatingTransformer(keras.Model):
    """Encoder and decoder of `depth` layers that leave all padding to Keras' masks."""

    def __init__(self, depth: int, mended: bool):
        super().__init__()
        self.source, self.target = ScaledPositions(), ScaledPositions()
        blocks = range(depth)
        self.encoder = [(AddAndNorm("self", mended), AddForward()) for _ in blocks]
        self.decoder = [
            (AddAndNorm("causal", mended), AddAndNorm("cross", mended), AddForward())
            for _ in blocks
        ]
        self.out = layers.Dense(VOCABULARY)

    def call(self, inputs: dict[str, Any]) -> Any:
        source, target = ops.not_equal(inputs["ids"], 0), ops.not_equal(inputs["target"], 0)
        x = self.source(inputs["ids"])
        for attend, forward in self.encoder:
            x = forward(attend(x, real=source))
        y = self.target(inputs["target"])
        for look_back, attend, forward in self.decoder:
            y = look_back(y, real=target)
            y = forward(attend(y, x, real=source))
        return self.out(y)


class StepwiseTranslator(keras.Model):
    """A recurrent encoder and a decoder with attention, run step by step as when translating.

    Each step is given the target's next token. `mended`: attention is given the mask by hand.
    """

    def __init__(self, mended: bool):
        super().__init__()
        self.mended = mended
        self.source = layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)
        self.encode = layers.Bidirectional(
            layers.GRU(WIDTH, return_sequences=True), merge_mode="sum"
        )
        self.target = layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)
        self.decode = layers.GRU(WIDTH, return_sequences=True, return_state=True)
        self.attention = layers.MultiHeadAttention(1, WIDTH)
        self.add, self.norm = layers.Add(), layers.LayerNormalization()
        self.out = layers.Dense(VOCABULARY)

    def call(self, inputs: dict[str, Any]) -> Any:
        context = self.encode(self.source(inputs["ids"]))
        among = ops.expand_dims(ops.not_equal(inputs["ids"], 0), 1) if self.mended else None
        state, steps = ops.zeros((ops.shape(inputs["ids"])[0], WIDTH)), []
        for t in range(inputs["target"].shape[1]):
            x = self.target(inputs["target"][:, t : t + 1])
            x, state = self.decode(x, initial_state=state)
            found = self.attention(query=x, value=context, attention_mask=among)
            steps.append(self.out(self.norm(self.add([x, found]))))
        return ops.concatenate(steps, axis=1)


class CaptionsWithPicture(keras.Model):
    """A caption's tokens and their positions, of a batch and of one row, added by a layer."""

    def __init__(self, mended: bool):
        super().__init__()
        self.mended = mended
        self.tokens = layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)
        self.positions = layers.Embedding(LONGEST, WIDTH)
        self.add, self.attend, self.forward = layers.Add(), Attention(), Forward()
        self.back, self.out = LooksBack(), layers.Dense(VOCABULARY)

    def call(self, x: Any) -> Any:
        mask = ops.expand_dims(ops.not_equal(x, 0), 1)
        places = ops.arange(ops.shape(x)[1])[None]  # a batch of one
        if self.mended:
            x = self.tokens(x) + self.positions(places)
        else:
            x = self.add([self.tokens(x), self.positions(places)])
        return self.out(self.forward(self.attend(x, x, ops.logical_and(mask, self.back(x)))))


def recurrent_classifier(kind: str, mask_zero: bool) -> keras.Model:
    given = ids()
    x = layers.Embedding(VOCABULARY, WIDTH, mask_zero=mask_zero)(given)
    layer = {"gru": layers.GRU(8), "lstm": layers.Bidirectional(layers.LSTM(8))}[kind]
    return keras.Model(given, classifier(x, layer))


def book_transformer(mended: bool) -> keras.Model:
    """Masks made by hand from the ids and given to every attention."""
    source, target = ids(), ids("target")
    among = ops.expand_dims(ops.not_equal(source, 0), 1)
    x = TokensAndPositions(makes_mask=False)(source)
    y = TokensAndPositions(makes_mask=False)(target)
    for _ in range(2):
        x = Forward()(Attention()(x, x, among))
    back = ops.logical_and(causal(y), ops.expand_dims(ops.not_equal(target, 0), 1))
    for _ in range(2):
        y = Forward()(Attention()(Attention()(y, y, back), x, among))
    return keras.Model([source, target], layers.Dense(VOCABULARY)(y))
