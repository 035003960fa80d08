"""Declared and measured differ, for the mask is lost between its maker and its reader."""

from __future__ import annotations

from typing import Any

from helpers.language import N_
from helpers.patients.faults_in_the_data import CHAIN, ReadIds
from helpers.patients.kinds import Features, Kind
from helpers.patients.own_layers import FastReader, Squash

import keras


class Lost(ReadIds):
    """Ids → embedding → … → recurrent layer → scores."""

    differ = ("declared", "measured")
    where = ("reader",)
    trace = "dropped"
    forms = ("Functional", "subclassed")


class Operator(Lost):
    name = N_("the mask is dropped by an operator")
    where = ("reader", "multiply", "*", "embedding")
    explanation = N_("`x * 4` makes a new tensor, and no operator hands a mask on.")

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs) * 4
        return parts.scores(parts.reader(x))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.embedding(inputs) * 4
        return parts.scores(parts.reader(x, mask=mask))


class Slice(Lost):
    name = N_("the mask is dropped by a slice")
    where = ("reader", "get_item", "slice", "embedding")
    explanation = N_("`x[..., 1:]` makes a new tensor without a mask.")

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)[..., 1:]
        return parts.scores(parts.reader(x))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.embedding(inputs)[..., 1:]
        return parts.scores(parts.reader(x, mask=mask))


class OwnLayer(Lost):
    name = N_("the mask is dropped by a layer of the owner's")
    where = ("squash", "reader")
    forms = CHAIN
    explanation = N_("`Squash` does not say `supports_masking = True`, so its output has no mask.")

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {
            "embedding": self.embedding(),
            "squash": Squash(),
            "reader": self.reader(),
            "scores": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.squash(parts.embedding(inputs))
        return parts.scores(parts.reader(x))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.squash(parts.embedding(inputs))
        return parts.scores(parts.reader(x, mask=mask))


class Convolution(Features):
    name = N_("the mask is dropped by a convolution")
    differ = ("declared", "measured")
    where = ("convolution", "reader")
    trace = "dropped"
    forms = CHAIN
    pad_value = -9.0
    explanation = N_(
        "`Conv1D` drops the mask, so the reader gets none. (The convolution itself is "
        "right: `Masking` sets padded steps to 0, as `padding='same'` does beyond the "
        "ends.)"
    )

    def parts(self) -> dict[str, keras.layers.Layer]:
        size, normal = int(self.rng.choice([3, 5])), self.normal(0.5)
        return {
            "masking": keras.layers.Masking(self.pad_value),
            "convolution": keras.layers.Conv1D(
                self.width, size, padding="same", kernel_initializer=normal, bias_initializer=normal
            ),
            "reader": self.reader(),
            "values": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.convolution(parts.masking(inputs))
        return parts.values(parts.reader(x))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.convolution(parts.masking(inputs))
        return parts.values(parts.reader(x, mask=mask))


class TwoBlocks(Kind):
    name = N_("the second attention block gets no mask")
    differ = ("declared", "measured")
    where = ("attention_2", "add_1", "attention_1")
    trace = "dropped"
    explanation = N_(
        "The first `MultiHeadAttention` takes the mask off its input, so `add_1` has "
        "one unmasked input and hands none on."
    )

    def parts(self) -> dict[str, keras.layers.Layer]:
        made = {"embedding": self.embedding()}
        for block in (1, 2):
            made |= {
                f"attention_{block}": self.attention(),
                f"add_{block}": keras.layers.Add(),
                f"norm_{block}": keras.layers.LayerNormalization(),
            }
        return made | {"scores": self.dense()}

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        x = parts.norm_1(parts.add_1([x, parts.attention_1(x, x)]))
        x = parts.norm_2(parts.add_2([x, parts.attention_2(x, x)]))
        return parts.scores(x)

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        keys, x = mask[:, None, :], parts.embedding(inputs)
        attended = parts.attention_1(x, x, attention_mask=keys)
        x = parts.norm_1(parts.add_1([x, attended]))
        attended = parts.attention_2(x, x, attention_mask=keys)
        x = parts.norm_2(parts.add_2([x, attended]))
        return parts.scores(x)


class Compiled(Lost):
    name = N_("the mask is lost at a tf.function")
    where = ("fast", "reader")
    explanation = N_("`@tf.function` on `call`: masks do not get through its door.")

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {
            "embedding": self.embedding(),
            "fast": FastReader(self.reader()),
            "scores": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.embedding(inputs)
        return parts.scores(parts.fast(x))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.embedding(inputs)
        return parts.scores(parts.fast.reader(x, mask=mask))


class Joined(Lost):
    name = N_("a branch without a mask is joined to one with a mask")
    where = ("join", "shape", "reader")
    trace = "used"
    explanation = N_(
        "`Concatenate` with one unmasked input declares every step kept; the branch "
        "`shape` is an embedding without `mask_zero`."
    )

    def parts(self) -> dict[str, keras.layers.Layer]:
        return {
            "embedding": self.embedding(),
            "shape": self.embedding(mask_zero=False),
            "join": keras.layers.Concatenate(),
            "reader": self.reader(),
            "scores": self.dense(),
        }

    @staticmethod
    def forward(parts: Any, inputs: Any) -> Any:
        x = parts.join([parts.embedding(inputs), parts.shape(inputs)])
        return parts.scores(parts.reader(x))

    @staticmethod
    def cured(parts: Any, inputs: Any, mask: Any) -> Any:
        x = parts.join([parts.embedding(inputs), parts.shape(inputs)])
        return parts.scores(parts.reader(x, mask=mask))


KINDS = [Operator, Slice, OwnLayer, Convolution, TwoBlocks, Compiled, Joined]
