"""Models without a fault; some of them look suspicious, and Keras warns about some."""

from __future__ import annotations

from typing import Any

from helpers.language import N_
from helpers.patients.faults_at_the_reader import Pooled, Positions
from helpers.patients.faults_in_the_data import FlippedLookAhead, ReadIds, ReadSeries
from helpers.patients.faults_on_the_way import Operator, OwnLayer, TwoBlocks
from helpers.patients.own_layers import KeptSquash, MaskedWeighedSum, RightMeanOfKept

import keras
from keras import ops


class Sound:
    """Mixed into a kind whose fault is mended."""

    name = N_("sound")
    differ = where = ()
    leaks = False
    trace = "used"
    explanation = N_("Nothing is wrong with it.")


class SoundIds(Sound, ReadIds):
    pass


class SoundSeries(Sound, ReadSeries):
    pad_value = -99.0


class SoundOwnLayer(Sound, OwnLayer):
    def parts(self) -> dict[str, keras.layers.Layer]:
        return super().parts() | {"squash": KeptSquash()}


class SoundOperator(Sound, Operator):
    """Carries the mask past the operator."""

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs) * 4
        mask = parts.embedding.compute_mask(inputs)
        return parts.scores(parts.reader(x, mask=mask))


class SoundMean(Sound, Pooled):
    """Keras warns about the layer of its own, and need not."""

    def pool(self) -> keras.layers.Layer:
        return RightMeanOfKept()

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.hidden(parts.embedding(inputs))
        return parts.scores(parts.pool(x, mask=mask))


class SoundPool(SoundMean):
    def pool(self) -> keras.layers.Layer:
        return MaskedWeighedSum(self.dense(1))


class SoundBlocks(Sound, TwoBlocks):
    """The norm comes first: what `Add` gets still has its mask."""

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        y = parts.norm_1(x)
        x = parts.add_1([x, parts.attention_1(y, y)])
        y = parts.norm_2(x)
        return parts.scores(parts.add_2([x, parts.attention_2(y, y)]))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        keys, x = mask[:, None, :], parts.embedding(inputs)
        y = parts.norm_1(x)
        x = parts.add_1([x, parts.attention_1(y, y, attention_mask=keys)])
        y = parts.norm_2(x)
        return parts.scores(parts.add_2([x, parts.attention_2(y, y, attention_mask=keys)]))


class SoundPositions(Sound, Positions):
    """Counts the positions over real steps only."""

    sides = ("post", "pre")

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        keep = inputs != 0
        steps = ops.cumsum(ops.cast(keep, "int32"), axis=1) - 1
        x = parts.embedding(inputs) + parts.positions(ops.maximum(steps, 0))
        x = parts.attention(x, x, attention_mask=keep[:, None, :])
        return parts.scores(x)


class SoundLookAhead(Sound, FlippedLookAhead):
    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        keys = (inputs != 0)[:, None, :]
        x = parts.attention(x, x, attention_mask=keys, use_causal_mask=True)
        return parts.scores(x)


KINDS = [
    SoundIds,
    SoundSeries,
    SoundOwnLayer,
    SoundOperator,
    SoundMean,
    SoundPool,
    SoundBlocks,
    SoundPositions,
    SoundLookAhead,
]
