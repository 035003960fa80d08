"""The three masks under one another: as text for terminals and logs, and as an HTML table."""

from __future__ import annotations

import functools
import html
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from maskprobe.words import _, _n

import numpy as np

MOST_SEQUENCES = 8  # more would hide the ones that matter: those with a difference come first
MOST_LINES = 72
LINE = 76  # characters; longer sequences are broken
CLOSE = 32  # steps; marks of longer sequences stand side by side


class Row(NamedTuple):
    """One of the masks: its name, the mask `(B, T)`, and what to say if there is none."""

    name: str
    mask: np.ndarray | None
    missing: str = ""


def text_picture(rows: Sequence[Row], *, tokens: Any = None, encoding: str | None = None) -> str:
    """Draws masks `(B, T)` as text, one sequence after the other.

    Args:
        rows: The masks, True = keep, of one shape. Of `None`, only the words are shown.
        tokens: Labels for the steps: `T` of them, or a list of `T` for each sequence.
        encoding: What the text is written in; by default as standard output is. Where it lacks
            the blocks `█` and `░`, `#` and `.` stand for them.

    Returns:
        The text. A column where two of the masks differ has a `^` under it.
    """
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "ascii"
    kept, masked = ("█", "░") if _can("█░", encoding) else ("#", ".")
    batch, steps = _shape(rows)
    labels = token_rows(tokens, batch, steps)
    lines = [_("{kept} kept  {masked} masked", kept=kept, masked=masked)]
    different = differences(rows)
    if different.any():
        lines = [_("{kept} kept  {masked} masked  ^ masks differ", kept=kept, masked=masked)]
    wide = max(_width(row.name) for row in rows) + 2
    gap = "" if labels is None and steps > CLOSE else " "
    parts = 1 if labels is not None else -(-steps * (1 + len(gap)) // (LINE - wide))
    shown, hidden = _chosen(different, max(1, MOST_LINES // (parts * (len(rows) + 2))))
    for sequence in shown:
        cells = [""] * steps
        if labels is not None:
            cells = [_encodable(token, encoding) for token in labels[sequence]]
        widths = [max(1, _width(cell)) for cell in cells]
        lines += ["", _("sequence {i}", i=sequence)]
        broken = _broken(widths, LINE - wide, len(gap))
        for part in broken:
            if labels is not None:
                lines.append(_line("", cells, widths, part, wide, gap))
            elif len(broken) > 1:
                steps_shown = _("steps {first} to {last}", first=part[0], last=part[-1])
                lines.append(" " * wide + steps_shown)
            for row in rows:
                if row.mask is None:
                    lines.append(_padded(row.name, wide) + row.missing)
                    continue
                marks = [kept if keep else masked for keep in row.mask[sequence]]
                lines.append(_line(row.name, marks, widths, part, wide, gap))
            carets = ["^" if yes else " " for yes in different[sequence]]
            if any(different[sequence][part[0] : part[-1] + 1]):
                lines.append(_line("", carets, widths, part, wide, gap))
    lines += ["", hidden] * bool(hidden)
    return _encodable("\n".join(line.rstrip() for line in lines), encoding)


def html_table(rows: Sequence[Row], *, tokens: Any = None) -> str:
    """Draws masks as an HTML table: symbols and words, no colours and no styles needed.

    Args:
        rows: The masks, see `text_picture`.
        tokens: Labels for the steps; they are escaped.

    Returns:
        A `<table>`, which GitHub leaves as it is. A cell where two masks differ is bold.
    """
    batch, steps = _shape(rows)
    labels = token_rows(tokens, batch, steps)
    different = differences(rows)
    shown, hidden = _chosen(different)
    head = "".join(f"<th scope='col'>{step}</th>" for step in range(steps))
    body = []
    for sequence in shown:
        if labels is not None:
            cells = "".join(f"<td>{html.escape(token)}</td>" for token in labels[sequence])
            name = _("sequence {i}", i=sequence)
            body.append(f"<tr><td></td><th scope='row'>{name}</th>{cells}</tr>")
        for row in rows:
            start = f"<th scope='row'>{row.name}</th>"
            if row.mask is None:
                cells = f"<td colspan='{steps}'>{html.escape(row.missing)}</td>"
            else:
                cells = ""
                for keep, marked in zip(row.mask[sequence], different[sequence]):
                    sign = "■" if keep else "□"
                    cells += f"<td><b>{sign}</b></td>" if marked else f"<td>{sign}</td>"
            body.append(f"<tr><td>{sequence}</td>{start}{cells}</tr>")
    caption = _("■ kept, □ masked")
    if different.any():
        caption = _("■ kept, □ masked; bold where masks differ")
    first, second = _("sequence"), _("mask")
    return (
        f"<table><caption>{caption}</caption><thead><tr><th scope='col'>{first}</th>"
        f"<th scope='col'>{second}</th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        + f"<p>{hidden}</p>"
        * bool(hidden)
    )


def places(where: np.ndarray, most: int = 3) -> str:
    """Names the steps of a mask `(B, T)` in words: `sequence 0, steps 3 and 4; sequence 2, …`."""
    said = []
    rows = np.flatnonzero(where.any(axis=1))
    for row in rows[:most]:
        steps = [str(step) for step in np.flatnonzero(where[row])]
        listed = both([_(", ").join(steps[:-1]), steps[-1]] if len(steps) > 1 else steps)
        if len(steps) > 6:
            first = _(", ").join(steps[:3])
            listed = _("{steps} … ({n} in all)", steps=first, n=len(steps))
        said.append(
            _n(
                "sequence {i}, step {steps}",
                "sequence {i}, steps {steps}",
                len(steps),
                i=row,
                steps=listed,
            )
        )
    if (more := len(rows) - most) > 0:
        said.append(_("and {n} more", n=more))
    return _("; ").join(said)


def both(things: Sequence[str]) -> str:
    """`"one"`, `"one and two"`."""
    return functools.reduce(lambda a, b: _("{first} and {last}", first=a, last=b), things)


def differences(rows: Sequence[Row]) -> np.ndarray:
    """Where the masks are not all equal, `(B, T)`."""
    masks = [np.asarray(row.mask) for row in rows if row.mask is not None]
    return np.any([mask != masks[0] for mask in masks], axis=0)


def token_rows(tokens: Any, batch: int, steps: int) -> list[list[str]] | None:
    """The tokens of each sequence as texts, `B` lists of `T`, on one line each."""
    if tokens is None:
        return None
    if hasattr(tokens, "numpy"):
        tokens = tokens.numpy()
    tokens = list(tokens)
    if all(isinstance(t, (str, bytes)) or np.ndim(t) == 0 for t in tokens):
        tokens = [tokens] * batch
    tokens = [list(row) for row in tokens]
    if len(tokens) != batch or any(len(row) != steps for row in tokens):
        raise ValueError(
            _(
                "expected {steps} tokens, or {batch} lists of {steps}; got {given} lists "
                "of {lengths}",
                steps=steps,
                batch=batch,
                given=len(tokens),
                lengths=sorted({len(row) for row in tokens}),
            )
        )
    return [[_plain(token) for token in row] for row in tokens]


def _plain(token: Any) -> str:
    text = token.decode(errors="replace") if isinstance(token, bytes) else str(token)
    return "".join(c if c.isprintable() else "·" for c in text)


def _shape(rows: Sequence[Row]) -> tuple[int, int]:
    return next(np.shape(row.mask) for row in rows if row.mask is not None)


def _chosen(different: np.ndarray, most: int = MOST_SEQUENCES) -> tuple[list[int], str]:
    """Which sequences to show, and what to say of the others."""
    order = np.argsort(~different.any(axis=1), kind="stable")
    most = min(most, MOST_SEQUENCES)
    shown, more = sorted(order[:most].tolist()), len(order) - most
    return shown, _("and {n} more sequences", n=more) if more > 0 else ""


def _line(name: str, cells: list[str], widths: list[int], part: range, wide: int, gap: str) -> str:
    padded = (cells[i] + " " * (widths[i] - _width(cells[i])) for i in part)
    return _padded(name, wide) + gap.join(padded)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _broken(widths: list[int], room: int, gap: int) -> list[range]:
    """The steps of one line after the other."""
    parts, start, used = [], 0, 0
    for i, width in enumerate(widths):
        if used + width > room and i > start:
            parts.append(range(start, i))
            start, used = i, 0
        used += width + gap
    return [*parts, range(start, len(widths))]


def _width(text: str) -> int:
    """How many columns a text takes in a terminal."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _can(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _encodable(text: str, encoding: str) -> str:
    if _can(text, encoding):
        return text
    return text.encode("ascii", errors="replace").decode()
