"""What is measured, and on which batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

VOCABULARY = 64
FIRST_ID = 5  # those below are special tokens; 0 is the padding
LENGTHS = {1: [12, 9, 5, 7], 2: [40, 31, 17, 8, 24]}  # by size, as `TARGETS`, `SAMPLES`
TARGETS = {1: [8, 4, 6, 3], 2: [11, 20, 6, 14, 9]}
FRAMES = {1: [64, 48, 24, 36], 2: [96, 40, 64, 28, 80]}

Inputs = dict[str, np.ndarray]


class Model(Protocol):
    """A model as the field test calls it.

    Attributes:
        start: Its trained weights in float32, before they are moved.
    """

    start: Any

    def __call__(self, inputs: Inputs) -> Any:
        """Outputs for `ids`, `mask` and, as they apply, `positions`, `target`, `target_mask`."""

    def draw(self, seed: int) -> None:
        """Moves all trained weights at random; `seed` decides where to."""

    def forget_positions(self) -> None:
        """Sets the tables of positions to zero, so that all positions are alike."""


@dataclass(frozen=True)
class Subject:
    """A published architecture, small and with random weights.

    Attributes:
        library: `"KerasHub"` or `"Transformers"`.
        name: The class that is measured.
        kind: `"encoder"`, `"decoder"`, `"encoder–decoder"` or `"audio"`.
        build: Called with the size, 1 or 2 (twice as many layers), and the float type.
        positions: Whether the model takes position ids.
        features: Features of a frame for audio models that do not take samples.
        fixed: Whether the model is built for one number of steps.
        steps: For outputs with another number of steps: how many are real of `n`.
        lengths: For audio models that take samples: how many, by size.
    """

    library: str
    name: str
    kind: str
    build: Callable[[int, str], Model]
    positions: bool = False
    features: int = 0
    fixed: bool = False
    steps: Callable[[Model], Callable[[int], int] | None] = field(default=lambda model: None)
    lengths: dict[int, list[int]] | None = None

    def batch(self, size: int, side: str, seed: int) -> tuple[Inputs, list[int]]:
        """A padded batch, and the true length of each row."""
        rng = np.random.default_rng(seed)
        if self.kind == "audio":
            lengths = self.lengths[size] if self.lengths else FRAMES[size]
            return _signal(rng, lengths, self.features, side), lengths
        inputs = dict(zip(("ids", "mask"), _ids(rng, LENGTHS[size], side)))
        if self.kind == "encoder–decoder":
            inputs |= zip(("target", "target_mask"), _ids(rng, TARGETS[size], "post"))
        return inputs, LENGTHS[size]


def _ids(rng: np.random.Generator, lengths: list[int], side: str) -> tuple[np.ndarray, np.ndarray]:
    mask = real(lengths, side)
    ids = rng.integers(FIRST_ID, VOCABULARY, size=mask.shape)
    return np.where(mask, ids, 0).astype("int32"), mask.astype("int32")


def _signal(rng: np.random.Generator, lengths: list[int], features: int, side: str) -> Inputs:
    mask = real(lengths, side)
    x = rng.normal(size=(*mask.shape, features) if features else mask.shape).astype("float32")
    x *= mask[..., None] if features else mask
    return {"ids": x, "mask": mask.astype("int32")}


def real(lengths: list[int], side: str) -> np.ndarray:
    """The wanted mask `(B, T)`, True = real."""
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    return mask if side == "post" else mask[:, ::-1]


def with_target(inputs: Inputs, size: int, side: str, seed: int) -> tuple[Inputs, list[int]]:
    """The batch with its *target* padded on `side`, and the true lengths of the targets."""
    target = _ids(np.random.default_rng(seed + 1), TARGETS[size], side)
    return inputs | dict(zip(("target", "target_mask"), target)), TARGETS[size]
