"""What a kind of fault is: the parts of a model, how they are called, and how they should be."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import keras
import numpy as np

WORDS = 30  # ids 1 to 29 are words


class Kind:
    """One kind of fault; a subclass says which, an instance draws sizes and weights.

    `forward` is the owner's forward pass and `cured` one without the fault, which is given the
    wanted mask. Both are what readers see, so they are kept short.

    Args:
        rng: Draws whatever varies between patients of one kind.
    """

    name: ClassVar[str]
    differ: ClassVar[tuple[str, ...]]
    where: ClassVar[tuple[str, ...]]
    explanation: ClassVar[str]
    leaks: ClassVar[bool] = True
    shows: ClassVar[bool] = True  # in every batch; else one is drawn in which it does
    trace: ClassVar[str] = "used"
    forms: ClassVar[Sequence[str]] = ("Functional", "subclassed")
    sides: ClassVar[Sequence[str]] = ("post", "pre")
    causal: ClassVar[bool] = False
    pad_value: float = 0

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.width = int(rng.choice([8, 12, 16]))

    def parts(self) -> dict[str, keras.layers.Layer]:
        """New layers with random weights, by name; in order, if the model can be Sequential."""
        raise NotImplementedError

    @staticmethod
    def forward(parts: SimpleNamespace, inputs: Any) -> Any:
        raise NotImplementedError

    @staticmethod
    def cured(parts: SimpleNamespace, inputs: Any, mask: Any) -> Any:
        raise NotImplementedError

    def batch(
        self, rng: np.random.Generator, lengths: np.ndarray, side: str, disputed: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """A padded batch with rows of these lengths, and the wanted mask."""
        steps = np.arange(lengths.max())
        wanted = steps < lengths[:, None]
        if side == "pre":
            wanted = wanted[:, ::-1].copy()
        values = self.values(rng, wanted.shape)
        if disputed:
            values = self.with_disputed(rng, values, lengths, side)
        real = wanted if values.ndim == 2 else wanted[..., None]
        return np.where(real, values, self.pad_value).astype(values.dtype), wanted

    def values(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        """Ids of words, `(B, T)`."""
        return rng.integers(2, WORDS - 1, shape).astype("int32")

    def with_disputed(
        self, rng: np.random.Generator, values: np.ndarray, lengths: np.ndarray, side: str
    ) -> np.ndarray:
        """`values` with such over which masks may differ; by default there are none."""
        return values

    def lengths(self, rng: np.random.Generator) -> np.ndarray:
        """Lengths of three to five rows; one fills all steps, two at least do not."""
        steps = int(rng.integers(6, 10))
        others = rng.integers(2, steps, int(rng.integers(2, 5)))
        return rng.permutation([steps, *others])

    def normal(self, deviation: float) -> keras.initializers.Initializer:
        """An initialiser of random normal weights, seeded."""
        return keras.initializers.RandomNormal(stddev=deviation, seed=int(self.rng.integers(2**31)))

    def embedding(self, *, mask_zero: bool = True) -> keras.layers.Embedding:
        return keras.layers.Embedding(WORDS, self.width, self.normal(1.0), mask_zero=mask_zero)

    def reader(self, *, recurrent: str = "") -> keras.layers.Layer:
        """A recurrent layer that returns one vector for each row."""
        recurrent = recurrent or str(self.rng.choice(["LSTM", "GRU", "Bidirectional"]))
        options = {
            "kernel_initializer": self.normal(0.5),
            "recurrent_initializer": self.normal(0.3),
            "name": "reader",
        }
        if recurrent == "Bidirectional":
            forward = keras.layers.LSTM(self.width // 2, **options)
            return keras.layers.Bidirectional(forward, name="reader")
        return getattr(keras.layers, recurrent)(self.width, **options)

    def attention(self) -> keras.layers.MultiHeadAttention:
        normal = self.normal(0.3)
        return keras.layers.MultiHeadAttention(2, self.width // 2, kernel_initializer=normal)

    def dense(self, units: int | None = None) -> keras.layers.Dense:
        return keras.layers.Dense(
            units or int(self.rng.integers(1, 4)), None, True, self.normal(0.5)
        )


class Features(Kind):
    """A kind whose data are measurements, `(B, T, F)`."""

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.features = int(rng.integers(1, 4))

    def values(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return rng.normal(size=(*shape, self.features)).astype("float32")
