"""The three sentences that run through the series, so that pictures can show words for ids."""

from __future__ import annotations

from typing import Any

import numpy as np

VOCABULARY = {
    0: "",  # padding
    83: "the", 91: "weather", 1: "will", 645: "be", 1253: "nice", 927: "today",
    73: "how", 8: "are", 3215: "you", 55: "doing",
    711: "hello", 632: "world", 71: "!",
}  # fmt: skip


def words(ids: Any) -> list:
    """The words for token ids, as nested lists of the same shape; `""` for padding.

    Args:
        ids: Integers, of any shape. An id without a word is shown as a number.

    Returns:
        A list, or a list of lists, of strings: what `tokens=` takes.

    Example:
    >>> words([[711, 632, 71, 0]])
    [['hello', 'world', '!', '']]
    """
    ids = np.asarray(ids)
    if ids.ndim == 0:
        return VOCABULARY.get(int(ids), str(int(ids)))
    return [words(row) for row in ids]
