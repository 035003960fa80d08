"""Further runs that tell one cause from another, made only where `audit_masks` needs them."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from typing import Any

from maskprobe.inputs import unpack

import numpy as np


class SecondLook:
    """What can be asked of a model about a batch, a run or two at a time.

    Args:
        model: See `audit_masks`; `inputs`, too.
        key: The padded input; `others` are cut together with it.
        real: The wanted mask, `(B, T)`.
        side: `"post"` or `"pre"`.
        options: What `padding_leak` was given.
    """

    def __init__(
        self,
        model: Any,
        inputs: Any,
        key: Hashable,
        others: Sequence[Hashable],
        real: np.ndarray,
        side: str,
        options: dict[str, Any],
    ) -> None:
        self.model, self.inputs, self.keys = model, inputs, (key, *others)
        self.real, self.side, self.options = real, side, options
        self.arrays, self.pack = unpack(inputs)

    def moved_behind(self) -> bool:
        """Whether the same rows with their padding behind them are sound."""
        real, moved = self.real, dict(self.arrays)
        for key in self.keys:
            rows = zip(moved[key], real)
            moved[key] = np.stack([np.concatenate([row[k], row[~k]]) for row, k in rows])
        leak = self._leak(moved, wanted=np.sort(~real, axis=1) == 0, side="post")
        return leak is not None and leak.sound

    def elsewhere(self) -> bool:
        """Whether padding moves the output for rows in which one step is repeated."""
        options = self.options
        if len(self.arrays) > 1 or options["output_lengths"] or options["output_mask"] is not None:
            return False
        (x,), real = self.arrays.values(), self.real
        steps = x[real][:32]
        kept = np.arange(real.shape[1]) < real.sum(axis=1).min()
        kept = np.repeat((kept if self.side == "post" else kept[::-1])[None], len(steps), axis=0)
        rows = np.repeat(steps[:, None], real.shape[1], axis=1)
        rows[~kept] = x[~real][0]
        leak = self._leak({self.keys[0]: rows}, wanted=kept)
        return leak is not None and not (leak.sound or leak.rows_depend or leak.constant)

    @functools.cached_property
    def makers(self) -> set[int] | None:
        """The calls whose masks come from this input, and not from another one."""
        if len(self.arrays) == 1:
            return None
        from maskprobe.trace import masks_that_follow

        changed = dict(self.arrays)
        for key in self.keys:
            x = changed[key].copy()
            if x.shape[:2] == self.real.shape:
                x[~self.real] = x[self.real][0]
            changed[key] = x
        try:
            return masks_that_follow(self.model, self.inputs, self.pack(changed))
        except Exception:
            return None

    def mixer(self, leak: Any) -> str:
        """The layer that mixes rows, `""` if that is not known."""
        row = int(np.argmax(np.asarray(leak).reshape(len(self.real), -1).max(axis=1)))
        try:
            from maskprobe.trace import mixes_rows

            return mixes_rows(self.model, self.inputs, row)
        except Exception:  # no Keras layers; or the model does not take a batch of one
            return ""

    def _leak(self, arrays: dict[Hashable, np.ndarray], **changed: Any) -> Any:
        from maskprobe import padding_leak

        try:
            return padding_leak(
                self.model, self.pack(arrays), **self.options | {"lengths": None} | changed
            )
        except (ValueError, TypeError, RuntimeError):
            return None
