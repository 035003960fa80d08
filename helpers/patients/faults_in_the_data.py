"""Wanted and declared differ: the mask that is made is not the one that is meant."""

from __future__ import annotations

from typing import Any

from helpers.language import N_
from helpers.patients.kinds import WORDS, Features, Kind

import keras
import numpy as np
from keras import ops

CHAIN = ("Sequential", "Functional", "subclassed")


class ReadIds(Kind):
    """Ids → embedding → recurrent layer → scores."""

    differ = ("wanted", "declared")
    where = ("embedding", "data", "inputs")
    forms = CHAIN

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {"embedding": self.embedding(), "reader": self.reader(), "scores": self.dense()}

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        return parts.scores(parts.reader(x))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.embedding(inputs)
        return parts.scores(parts.reader(x, mask=mask))


class NoMaskMade(ReadIds):
    name = N_("no mask is made")
    where = ("embedding",)
    trace = "none made"
    explanation = N_(
        "The embedding was built without `mask_zero=True`; no mask means keep everything."
    )

    def parts(self) -> dict[str, keras.layers.Layer]:
        return super().parts() | {"embedding": self.embedding(mask_zero=False)}


class UnknownWords(ReadIds):
    name = N_("unknown words have the id of padding")
    leaks = False
    explanation = N_("Words that are not in the vocabulary got id 0, and so they are masked.")

    def with_disputed(self, rng: Any, values: Any, lengths: Any, side: str) -> Any:
        return _with_zeros(rng, values, lengths, side)


class OtherPad(ReadIds):
    name = N_("the padding is not 0")
    explanation = N_("The batch is padded with another id than 0, and `mask_zero` masks 0 only.")

    def __init__(self, rng: Any):
        super().__init__(rng)
        self.pad_value = int(rng.choice([-1, 1, WORDS - 1]))  # never among the words drawn


class ReadSeries(Features):
    """Features → `Masking` → recurrent layer → values."""

    differ = ("wanted", "declared")
    where = ("masking", "data", "inputs")
    forms = CHAIN
    sentinel = -99.0

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {
            "masking": keras.layers.Masking(self.sentinel),
            "reader": self.reader(),
            "values": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.masking(inputs)
        return parts.values(parts.reader(x))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        return parts.values(parts.reader(inputs, mask=mask))


class ScaledSentinel(ReadSeries):
    name = N_("the sentinel was scaled with the data")
    explanation = N_(
        "The data was padded first and scaled then, so no step holds the sentinel any more."
    )

    def __init__(self, rng: Any):
        super().__init__(rng)
        mean, deviation = rng.uniform(5, 20), rng.uniform(20, 50)
        self.pad_value = float(np.float32((self.sentinel - mean) / deviation))


class OtherSentinel(ReadSeries):
    name = N_("the padding is not the sentinel")
    pad_value = -1.0
    explanation = N_("`Masking` was left at its default, 0, and the batch is padded with −1.")
    sentinel = 0.0


class RealZero(ReadSeries):
    name = N_("a real reading of 0 is masked")
    leaks = False
    sentinel = 0.0
    explanation = N_("The sentinel is 0, and so is a real reading.")

    def with_disputed(self, rng: Any, values: Any, lengths: Any, side: str) -> Any:
        return _with_zeros(rng, values, lengths, side)


def _with_zeros(rng: Any, values: np.ndarray, lengths: np.ndarray, side: str) -> np.ndarray:
    """A 0 at the second real step of each row that has three, so that words surround it."""
    values = values.copy()
    for row, length in enumerate(lengths):
        if length > 2:
            first = 0 if side == "post" else values.shape[1] - length
            values[row, first + 1 + rng.integers(length - 2)] = 0
    return values


class FlippedKeys(Kind):
    name = N_("the attention mask has the other polarity")
    differ = ("wanted", "declared")
    where = ("attention", "mask", "attention_mask")
    explanation = N_(
        "The mask is True at the padding; in Keras True is keep: words see padding only."
    )

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {
            "embedding": self.embedding(mask_zero=False),
            "attention": self.attention(),
            "scores": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        mask = ops.equal(inputs, 0)[:, None, :]
        x = parts.attention(x, x, attention_mask=mask)
        return parts.scores(x)

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.embedding(inputs)
        x = parts.attention(x, x, attention_mask=mask[:, None, :])
        return parts.scores(x)


class FlippedLookAhead(FlippedKeys):
    name = N_("the look-ahead mask is the wrong way round")
    causal = True
    leaks = False
    explanation = N_(
        "Each step sees itself and the *later* ones. No padding leaks: ask `influence`."
    )

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        steps = ops.cumsum(ops.ones_like(inputs), axis=1)
        look_ahead = steps[:, :, None] <= steps[:, None, :]
        mask = (inputs != 0)[:, None, :] & look_ahead
        x = parts.attention(x, x, attention_mask=mask)
        return parts.scores(x)

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.embedding(inputs)
        keys = mask[:, None, :]
        x = parts.attention(x, x, attention_mask=keys, use_causal_mask=True)
        return parts.scores(x)


KINDS = [
    NoMaskMade,
    UnknownWords,
    OtherPad,
    ScaledSentinel,
    OtherSentinel,
    RealZero,
    FlippedKeys,
    FlippedLookAhead,
]
