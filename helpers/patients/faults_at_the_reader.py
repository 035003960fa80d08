"""Declared and measured differ although the mask arrives: its reader does not use it, or not well.

And one kind in which rows depend on the rows beside them.
"""

from __future__ import annotations

from typing import Any

from helpers.language import N_
from helpers.patients.faults_in_the_data import ReadIds
from helpers.patients.kinds import Kind
from helpers.patients.own_layers import KeysOf, MeanOfKept, WeighedSum

import keras
import numpy as np
from keras import ops


class InitialState(ReadIds):
    name = N_("the mask is not given to a layer with an initial state")
    differ = ("declared", "measured")
    where = ("reader",)
    trace = "unused"
    forms = ("Functional", "subclassed")
    explanation = N_(
        "With `initial_state` the call has two tensor arguments, and Keras 3 fills in "
        "`mask` only if there is one."
    )

    def parts(self) -> dict[str, keras.layers.Layer]:
        recurrent = str(self.rng.choice(["SimpleRNN", "GRU"]))  # one state each
        return super().parts() | {"reader": self.reader(recurrent=recurrent)}

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        start = ops.ones_like(x[:, 0])
        return parts.scores(parts.reader(x, initial_state=start))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.embedding(inputs)
        start = ops.ones_like(x[:, 0])
        return parts.scores(parts.reader(x, initial_state=start, mask=mask))


class Pooled(ReadIds):
    """Ids → embedding → hidden → one vector → scores."""

    differ = ("declared", "measured")
    where = ("pool",)
    trace = "unused"

    def pool(self) -> keras.layers.Layer:
        raise NotImplementedError

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {
            "embedding": self.embedding(),
            "hidden": self.dense(self.width),
            "pool": self.pool(),
            "scores": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.hidden(parts.embedding(inputs))
        return parts.scores(parts.pool(x))


class MaxPool(Pooled):
    name = N_("the largest value is taken over the padding, too")
    shows = False
    explanation = N_("`GlobalMaxPooling1D` does not look at the mask that it gets.")

    def pool(self) -> keras.layers.Layer:
        return keras.layers.GlobalMaxPooling1D()

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.hidden(parts.embedding(inputs))
        x = ops.where(mask[..., None], x, -1e9)
        return parts.scores(parts.pool(x))


class OwnPool(Pooled):
    name = N_("the owner's layer takes no mask")
    explanation = N_(
        "`WeighedSum.call` has no argument `mask`, so its softmax goes over the padding."
    )

    def pool(self) -> keras.layers.Layer:
        return WeighedSum(self.dense(1))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.hidden(parts.embedding(inputs))
        scores = ops.where(mask[..., None], parts.pool.score(x), -1e9)
        return parts.scores(ops.sum(ops.softmax(scores, axis=1) * x, axis=1))


class MeanOverAll(Pooled):
    name = N_("a masked mean divides by the number of all steps")
    trace = "used"
    explanation = N_(
        "`MeanOfKept` uses its mask, and then divides by T instead of by the kept steps."
    )

    def pool(self) -> keras.layers.Layer:
        return MeanOfKept()

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.hidden(parts.embedding(inputs))
        kept = ops.cast(mask, x.dtype)[..., None]
        return parts.scores(ops.sum(x * kept, axis=1) / ops.sum(kept, axis=1))


class Positions(Kind):
    name = N_("positions count the padding")
    differ = ("declared", "measured")
    where = ("positions",)
    sides = ("pre",)
    explanation = N_(
        "The padding stands before the words and is counted, so the first word has "
        "another position in each batch. The attention mask is right."
    )

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {
            "embedding": self.embedding(mask_zero=False),
            "positions": keras.layers.Embedding(32, self.width, self.normal(1.0)),
            "attention": self.attention(),
            "scores": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        keep = inputs != 0
        steps = ops.cumsum(ops.ones_like(inputs), axis=1) - 1
        x = parts.embedding(inputs) + parts.positions(steps)
        x = parts.attention(x, x, attention_mask=keep[:, None, :])
        return parts.scores(x)

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        steps = ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1
        x = parts.embedding(inputs) + parts.positions(ops.maximum(steps, 0))
        x = parts.attention(x, x, attention_mask=mask[:, None, :])
        return parts.scores(x)


class Scrambled(Kind):
    name = N_("rows depend on the rows beside them")
    differ = ("rows",)
    where = ("keys", "attention")
    explanation = N_(
        "`reshape` where `transpose` is meant: the mask is scrambled over the batch. A "
        "row of full length moves, too, and a batch of one is right."
    )

    def lengths(self, rng: np.random.Generator) -> np.ndarray:
        """Lengths with which the scrambled mask touches the row of full length."""
        while True:
            lengths = super().lengths(rng)
            kept = np.arange(lengths.max()) < lengths[:, None]
            for mask in (kept, kept[:, ::-1]):
                if mask.reshape(mask.shape[::-1]).T[lengths.argmax()].all():
                    break
            else:
                return lengths

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {
            "embedding": self.embedding(mask_zero=False),
            "keys": KeysOf(),
            "attention": self.attention(),
            "scores": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        mask = parts.keys(inputs != 0)
        x = parts.attention(x, x, attention_mask=mask)
        return parts.scores(x)

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.embedding(inputs)
        x = parts.attention(x, x, attention_mask=mask[:, None, :])
        return parts.scores(x)


KINDS = [InitialState, MaxPool, OwnPool, MeanOverAll, Positions, Scrambled]
