"""Layers that the owners of patients wrote themselves, right and wrong ones."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops


class Squash(keras.layers.Layer):
    """Step by step; a mask that comes in does not go out."""

    def call(self, x):
        return ops.tanh(x) * 2


class KeptSquash(keras.layers.Layer):
    """Step by step, and hands its mask on."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x):
        return ops.tanh(x) * 2


class WeighedSum(keras.layers.Layer):
    """A sum over the steps, weighed by a learnt score. Looks at no mask."""

    def __init__(self, score, **kwargs):
        super().__init__(**kwargs)
        self.score = score

    def call(self, x):
        weights = ops.softmax(self.score(x), axis=1)
        return ops.sum(weights * x, axis=1)


class MaskedWeighedSum(WeighedSum):
    """A sum over the kept steps, weighed by a learnt score."""

    def call(self, x, mask=None):
        scores = self.score(x)
        if mask is not None:
            scores = ops.where(mask[..., None], scores, -1e9)
        return ops.sum(ops.softmax(scores, axis=1) * x, axis=1)


class MeanOfKept(keras.layers.Layer):
    """A mean in which masked steps are zeros. Divides by the number of all steps."""

    def call(self, x, mask=None):
        x = x * ops.cast(mask, x.dtype)[..., None]
        return ops.mean(x, axis=1)


class RightMeanOfKept(keras.layers.Layer):
    """A mean over the kept steps."""

    def call(self, x, mask=None):
        kept = ops.cast(mask, x.dtype)[..., None]
        return ops.sum(x * kept, axis=1) / ops.sum(kept, axis=1)


class FastReader(keras.layers.Layer):
    """A recurrent layer with a compiled `call`."""

    def __init__(self, reader, **kwargs):
        super().__init__(**kwargs)
        self.reader = reader

    @tf.function(reduce_retracing=True)
    def call(self, x):
        return self.reader(x)


class KeysOf(keras.layers.Layer):
    """From a mask `(batch, steps)` to one for the keys of attention, by way of time-major."""

    def call(self, mask):
        batch, steps = ops.shape(mask)
        time_major = ops.reshape(mask, (steps, batch))
        return ops.transpose(time_major)[:, None, :]
