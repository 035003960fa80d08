"""Run many copies of a batch's rows, each with one step changed, in passes that fit the memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Iterator

from maskprobe.inputs import Arrays
from maskprobe.running import ModelFailed, Runner
from maskprobe.words import _

import numpy as np

BUDGET = 2**30  # bytes that one pass is meant to need at most
MOST_ROWS = 1024
_UNCHANGED = 8  # copies of an unchanged row in a large pass
_PATIENCE = 3.0  # seconds without a sign of life


def rows_that_fit(steps: int, out: np.ndarray) -> int:
    """Rows of one pass, by an estimate of what each row needs.

    Attention scores `(heads, T, T)` of 16 heads in four copies (scores, masked, weights,
    work space), and eight copies of the output, for that of a vocabulary is the largest
    array of its model.
    """
    row = 16 * 4 * 4 * steps**2 + 8 * out[0].nbytes + 1
    return int(np.clip(BUDGET // row, 4, MOST_ROWS))


def changed_copies(
    runner: Runner,
    arrays: Arrays,
    key: Hashable,
    rows: np.ndarray,
    positions: np.ndarray,
    values: np.ndarray,
    *,
    most: int,
    progress: bool | None = None,
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, int]]:
    """Outputs of copies of `rows`, `(N,)`, with `values` at `positions` of input `key`.

    Every pass holds unchanged copies of its first row too, at both ends: what is shared by
    the batch, such as a capacity, may reach the first rows only.

    Yields:
        Which of the `N` copies, their outputs, the unchanged copies' outputs, and the row
        that these are copies of.
    """
    start, bar = 0, _Bar(len(rows), progress)
    while start < len(rows):
        same = min(_UNCHANGED, max(2, (most + 7) // 8))
        now = slice(start, min(start + max(most - same, 1), len(rows)))
        front = same - same // 2
        index = np.concatenate(
            [np.full(front, rows[start]), rows[now], np.full(same // 2, rows[start])]
        )
        copies = {name: array[index] for name, array in arrays.items()}
        changed = front + np.arange(now.stop - now.start)
        copies[key][changed, positions[now]] = values[now]
        try:
            what = _("{n} copies with one step changed", n=len(index))
            out = runner.or_in_batches_of(len(next(iter(arrays.values()))), copies, what)
        except ModelFailed as error:
            if error.out_of_memory and most > 4:
                most = max(most // 2, 4)
                continue
            raise RuntimeError(
                _("{error}. {why}", error=error, why=_why(error, len(index)))
            ) from error.cause
        unchanged = np.concatenate([out[:front], out[changed[-1] + 1 :]])
        yield now, out[changed], unchanged, int(rows[start])
        start = now.stop
        bar.show(start)
    bar.clear()


def _why(error: ModelFailed, rows: int) -> str:
    if error.out_of_memory:
        return _(
            "Out of memory even with {rows} rows at a time: give a shorter sequence", rows=rows
        )
    return _(
        "The batch as given runs. Either a table of the model lacks an id that was put "
        "in, then say which ids it knows, vocabulary=; or it takes another number of "
        "rows only"
    )


class _Bar:
    """One line on a terminal, for runs of more than a few seconds; nothing is left behind.

    By default a terminal only: a notebook would keep it among its outputs.
    """

    def __init__(self, total: int, wanted: bool | None):
        terminal = getattr(sys.stderr, "isatty", lambda: False)()
        self.on = terminal if wanted is None else wanted
        self.total, self.start, self.shown = total, time.monotonic(), False

    def show(self, done: int) -> None:
        passed = time.monotonic() - self.start
        if self.on and passed > _PATIENCE:
            left = passed / done * (self.total - done)
            filled = 30 * done // self.total
            bar = f"\r[{'#' * filled}{'.' * (30 - filled)}] {done}/{self.total}, "
            line = bar + _("{seconds:4.0f} s left", seconds=left) + " "
            print(line, end="", file=sys.stderr, flush=True)
            self.shown = True

    def clear(self) -> None:
        if self.shown:
            print("\r" + " " * 70 + "\r", end="", file=sys.stderr, flush=True)
