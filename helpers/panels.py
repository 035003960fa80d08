"""What a picture shows: from any array-like mask or weights to the cells of a heatmap.

Nothing here draws. `heatmaps.py` turns panels into pictures, `sliders.py` into moving ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

KEEP = "#08519C"
MASKED = "#E5E5E5"
HATCH = "#CACACA"
NAN = "#FDE0DD"
# The inks of cell texts: on keep, on masked, for NaN, on a blank cell. Contrast is tested.
INKS = ("#FFFFFF", "#4F4F4F", "#A50F15", "#000000")
ON_KEEP, ON_MASKED, ON_NAN, ON_BLANK = range(4)

MOST_IN_WORDS = 64 * 64  # cells; of a larger picture the words give the counts only

Axes2 = tuple[str, str]


@dataclass(frozen=True)
class Panel:
    """One heatmap, ready to draw: `R` rows by `C` columns of cells."""

    kind: str  # "mask", "weights" or "blank": which legend it needs
    faces: np.ndarray  # (R, C, 4) uint8 RGBA; alpha 0 lets the hatched ground show
    texts: tuple[str, ...]  # R * C, row by row
    tokens: bool  # whether the texts are tokens, which may be shortened, or numbers, which not
    inks: np.ndarray  # (R, C), indices into INKS
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    axes: Axes2
    title: str
    polarity: str
    words: str  # the same, for those who cannot see it
    scale: str = "weight"  # what the colours of "weights" are, for the legend

    @property
    def layout(self) -> tuple:
        """What a redraw of the cells alone cannot change."""
        held = self.holds_kept, self.holds_masked
        looks = (self.kind, self.scale, self.polarity, *held)
        return (looks, self.rows, self.columns, self.axes, self.title)

    @property
    def holds_kept(self) -> bool:
        """Whether any cell is drawn in its own colour, for the legend."""
        return bool(self.faces[..., 3].any())

    @property
    def holds_masked(self) -> bool:
        """Whether the hatched ground shows in any cell, for the legend."""
        return not self.faces[..., 3].all()


@dataclass(frozen=True)
class Mask:
    """A mask to show, with its tokens. See `plot_mask` for the arguments."""

    values: Any
    tokens: Any = field(default=None, kw_only=True)
    polarity: str = field(default="keep", kw_only=True)
    axes: Axes2 | None = field(default=None, kw_only=True)

    def panels(self, title: str = "") -> list[Panel]:
        if self.polarity not in ("keep", "drop"):
            raise ValueError(f'polarity is "keep" or "drop", not {self.polarity!r}.')
        values = mask_array(self.values)
        result = []
        for name, sheet, axes, labels in _sheets(values, self.tokens, self.axes, title):
            kept = sheet if self.polarity == "keep" else ~sheet
            faces = np.zeros((*sheet.shape, 4), np.uint8)
            faces[kept] = _rgba(KEEP)
            texts = labels.cells or tuple(str(int(v)) for v in sheet.flat)
            result.append(
                Panel(
                    kind="mask",
                    faces=faces,
                    texts=texts,
                    tokens=labels.cells is not None,
                    inks=np.where(kept, ON_KEEP, ON_MASKED),
                    rows=labels.rows,
                    columns=labels.columns,
                    axes=axes,
                    title=name,
                    polarity=self.polarity,
                    words=_mask_words(name or "mask", sheet, kept, axes, self.polarity),
                )
            )
        return result


@dataclass(frozen=True)
class ThreeMasks:
    """The wanted, the declared and the measured mask to show. See `plot_three_masks`."""

    wanted: Any
    declared: Any
    measured: Any
    tokens: Any = field(default=None, kw_only=True)

    def panels(self, title: str = "") -> list[Panel]:
        given = {"wanted": self.wanted, "declared": self.declared, "measured": self.measured}
        masks = {name: np.atleast_2d(mask_array(m)) for name, m in given.items() if m is not None}
        if "wanted" not in masks:
            raise TypeError("The wanted mask is None. Only you know which steps are real.")
        wanted = masks["wanted"]
        for name, mask in masks.items():
            if mask.shape != wanted.shape or mask.ndim != 2:
                raise ValueError(
                    f"The three masks have one value for each step, (batch, timesteps): wanted has "
                    f"shape {wanted.shape}, {name} {mask.shape}."
                )
        batch, steps = wanted.shape
        names = [name for name in given if name in masks or name == "declared"]
        masks.setdefault("declared", np.ones_like(wanted))  # no mask: every step is kept
        no_mask = {"declared": "declared: none"} if self.declared is None else {}
        labels = [no_mask.get(name, name) for name in names]
        tokens = self.tokens
        if tokens is None:
            tokens = [list(range(steps))] * batch
        elif not _nested(tokens):
            tokens = [tokens] * batch
        if len(tokens) != batch:
            raise ValueError(f"tokens: {len(tokens)} lists given for {batch} sequences.")
        result = []
        for i in range(batch):
            rows = np.stack([masks[name][i] for name in names])
            head = f"{title} · sequence {i}".strip(" ·") if batch > 1 else title
            panel = Mask(rows, tokens=(labels, tokens[i]), axes=("", "timestep")).panels(head)[0]
            result.append(replace(panel, words=_three_in_words(head, labels, rows)))
        return result


def _three_in_words(title: str, labels: Sequence[str], rows: np.ndarray) -> str:
    width = max(map(len, labels))
    lines = [f"{title or 'three masks'}: {rows.shape[1]} timesteps"]
    lines += [
        f"{label:<{width}}  {' '.join(map(str, row.astype(int)))}"
        for label, row in zip(labels, rows)
    ]
    for (one, first), (two, second) in pairwise(zip(labels, rows)):
        where = np.flatnonzero(first != second)
        if where.size:
            steps = f"timestep{'s' * (where.size > 1)} {', '.join(map(str, where))}"
            lines.append(f"{one.split(':')[0]} ≠ {two.split(':')[0]} at {steps}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Weights:
    """Attention weights to show, with the mask that was in force. See `plot_weights`.

    Other numbers between 0 and 1 look alike: say in `scale` what they are, for the legend.
    """

    values: Any
    mask: Any = field(default=None, kw_only=True)
    tokens: Any = field(default=None, kw_only=True)
    axes: Axes2 | None = field(default=None, kw_only=True)
    scale: str = field(default="weight", kw_only=True)

    def panels(self, title: str = "") -> list[Panel]:
        values = _weights_array(self.values)
        if self.mask is None:
            allowed = np.ones(values.shape, bool)
        else:
            allowed = mask_array(self.mask)
            if values.ndim == 3 and allowed.ndim == 2 and values.shape[0] == values.shape[1] > 1:
                raise ValueError(
                    f"A mask of shape {allowed.shape} for weights of shape {values.shape} may mean "
                    "(batch, keys) or (queries, keys): give it as (B, 1, S) or as (1, T, S)."
                )
            try:
                allowed = np.broadcast_to(allowed, values.shape)
            except ValueError:
                raise ValueError(
                    f"The mask has shape {allowed.shape}, which does not broadcast "
                    f"to the weights' shape {values.shape}."
                ) from None
        sheets = _sheets(values, self.tokens, self.axes or _weights_axes(values), title)
        masks = _sheets(allowed, None, self.axes, title)
        return [
            replace(_weights_panel(name, sheet, allowed_sheet, axes, labels), scale=self.scale)
            for (name, sheet, axes, labels), (_, allowed_sheet, *_) in zip(sheets, masks)
        ]


def _weights_panel(name, sheet, allowed, axes, labels) -> Panel:
    from matplotlib import colormaps

    nan = np.isnan(sheet)
    faces = colormaps["cividis"](np.where(nan, 0.0, sheet), bytes=True)
    light = _luminance(faces) > 0.179  # above it black text has more contrast than white
    faces[nan] = _rgba(NAN)
    hidden = ~allowed & ~nan
    faces[hidden] = 0
    inks = np.where(nan, ON_NAN, np.where(hidden, ON_MASKED, np.where(light, ON_BLANK, ON_KEEP)))
    texts = tuple("NaN" if np.isnan(v) else f"{v:.2f}" for v in sheet.flat)
    marked = np.array(texts, object) + np.where(hidden, "/", "").ravel().astype(object)
    lines = [" ".join(row) for row in marked.reshape(sheet.shape)]
    head = f"{name or 'weights'}: {_count(sheet.shape, axes)}"
    head += f", {int(hidden.sum())} masked (/)" * bool(hidden.any())
    head += f", {int(nan.sum())} NaN" * bool(nan.any())
    return Panel(
        kind="weights",
        faces=faces,
        texts=labels.cells or texts,
        tokens=labels.cells is not None,
        inks=inks,
        rows=labels.rows,
        columns=labels.columns,
        axes=axes,
        title=name,
        polarity="keep",
        words="\n".join([head, *lines][: None if sheet.size <= MOST_IN_WORDS else 1]),
    )


def blank_panel(shape: tuple[int, ...], tokens: Any, axes: Axes2 | None, title: str) -> Panel:
    """Cells that say nothing yet: the question side of a prediction."""
    _, sheet, axes, labels = _sheets(np.zeros(shape, bool), tokens, axes, title)[0]
    faces = np.full((*sheet.shape, 4), 255, np.uint8)
    return Panel(
        kind="blank",
        faces=faces,
        texts=labels.cells or ("?",) * sheet.size,
        tokens=True,
        inks=np.full(sheet.shape, ON_BLANK),
        rows=labels.rows,
        columns=labels.columns,
        axes=axes,
        title=title,
        polarity="keep",
        words=title,
    )


def as_panels(
    shown: Any,
    *,
    tokens: Any = None,
    polarity: str = "keep",
    axes: Axes2 | None = None,
    title: str = "",
) -> list[Panel]:
    """The panels of whatever `compute` returned: a mask, `Mask`, `Weights`, or a dict of them.

    Args:
        shown: A mask (array-like), a `Mask`, a `Weights`, or a dict from titles to these.
        tokens, polarity, axes: Used where `shown` does not say.
        title: Title of a single picture.

    Raises:
        ValueError: if there is nothing to show, or a mask, its tokens or weights are not valid.
    """
    if shown is None:
        raise ValueError("There is nothing to show: compute returned None. Is a `return` missing?")
    if isinstance(shown, Mapping):
        if not shown:
            raise ValueError("There is nothing to show: the dictionary is empty.")
        parts = [(str(name), value) for name, value in shown.items()]
    else:
        parts = [(title, shown)]
    result: list[Panel] = []
    for name, value in parts:
        if not isinstance(value, Mask | Weights | ThreeMasks):
            value = Mask(value, tokens=tokens, polarity=polarity, axes=axes)
        else:  # what it does not say
            given = {"tokens": tokens} | ({"axes": axes} if hasattr(value, "axes") else {})
            value = replace(value, **{k: v for k, v in given.items() if getattr(value, k) is None})
        result += value.panels(name)
    return result


def mask_array(mask: Any) -> np.ndarray:
    """`mask` as a boolean NumPy array, or an error that says what is wrong with it."""
    values = _array(mask, "mask")
    if values.dtype == bool:
        return values
    if np.isnan(values).any():
        raise ValueError(f"The mask holds NaN, first at {_first(np.isnan(values))}.")
    odd = (values != 0) & (values != 1)
    if odd.any():
        advice = (
            "Are these token ids? Their mask is `ids != 0`."
            if values.dtype.kind in "iu"
            else "Weights are drawn by plot_weights."
        )
        raise ValueError(
            f"A mask holds True and False, or 1 and 0; this one holds {values[odd].flat[0]:g} "
            f"at {_first(odd)}. {advice}"
        )
    return values.astype(bool)


def _weights_array(weights: Any) -> np.ndarray:
    values = _array(weights, "weights").astype(float)
    odd = (values < 0) | (values > 1 + 1e-6)  # NaN is neither: it is drawn, as NaN
    if odd.any():
        raise ValueError(
            f"Attention weights lie between 0 and 1; this array holds {values[odd].flat[0]:g} at "
            f"{_first(odd)}. Are these scores, before the softmax?"
        )
    return values


def _array(data: Any, what: str) -> np.ndarray:
    """`data` as a non-empty numeric array of one to four axes."""
    if data is None:
        raise TypeError(f"The {what} is None: whatever should have made it made none.")
    try:
        values = np.asarray(data)
    except Exception:  # ragged lists, symbolic tensors: NumPy's own words do not help here
        values = np.empty(0, object)
    if values.dtype == object or values.dtype.kind not in "biuf":
        lengths = {len(row) for row in data if _rows(row)} if _rows(data) else set()
        if len(lengths) > 1:
            raise ValueError(
                f"The {what}'s rows have different lengths ({_listed(lengths)}): pad them first."
            )
        symbolic = " It is symbolic and has no values yet: call the model on data."
        raise TypeError(
            f"The {what} must be an array of numbers or booleans; {type(data).__name__} is not."
            + symbolic * (type(data).__name__ in ("KerasTensor", "SymbolicTensor"))
        )
    if not 1 <= values.ndim <= 4:
        raise ValueError(f"The {what} must have one to four axes; its shape is {values.shape}.")
    if values.size == 0:
        raise ValueError(f"The {what} is empty: its shape is {values.shape}.")
    return values


def _rows(data: Any) -> bool:
    return isinstance(data, Sequence) and not isinstance(data, str)


@dataclass(frozen=True)
class _Labels:
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[str, ...] | None


def _weights_axes(values: np.ndarray) -> Axes2 | None:
    return ("query", "key") if values.ndim == 2 else ("", "key") if values.ndim == 1 else None


def _sheets(
    values: np.ndarray, tokens: Any, axes: Axes2 | None, title: str
) -> list[tuple[str, np.ndarray, Axes2, _Labels]]:
    """Cut `(T,)`, `(B, T)`, `(B, T, S)` or `(B, H, T, S)` into sheets of rows by columns."""
    if axes is not None and (len(axes) != 2 or not all(isinstance(a, str) for a in axes)):
        raise ValueError(f'axes names the rows and the columns, as ("query", "key"); not {axes!r}.')
    unit = "sequence"
    if values.ndim == 4:
        batch, heads, *rest = values.shape
        if batch > 1 and heads > 1:
            raise ValueError(
                f"Shape {values.shape} holds {batch} sequences with {heads} heads each: "
                "choose one sequence or one head."
            )
        unit = "head" if heads > 1 else "sequence"
        values = values.reshape(max(batch, heads), *rest)
    if values.ndim == 3 and values.shape[1] == 1:  # (B, 1, 1, S): one row for each sequence
        values, default = values[:, 0, :], (unit, "key")
    elif values.ndim == 3:
        default = ("query", "key")
    elif values.ndim == 2:
        default = ("sequence", "timestep")
    else:
        values, default = values[None], ("", "timestep")
    names = axes or default
    if values.ndim == 2:
        return [(title, values, names, _labels(tokens, values.shape, names))]
    count, *shape = values.shape
    per_sheet = [tokens] * count
    if _nested(tokens) and not isinstance(tokens, tuple):
        if len(tokens) != count:
            raise ValueError(f"tokens: {len(tokens)} lists given for {count} {unit}s.")
        per_sheet = list(tokens)
    return [
        (
            f"{title} · {unit} {i}".strip(" ·") if count > 1 else title,
            sheet,
            names,
            _labels(per_sheet[i], shape, names),
        )
        for i, sheet in enumerate(values)
    ]


def _labels(tokens: Any, shape: Sequence[int], axes: Axes2) -> _Labels:
    rows, columns = shape
    numbers = _Labels(
        tuple(map(str, range(rows))) if axes[0] else ("",) * rows,
        tuple(map(str, range(columns))),
        None,
    )
    if hasattr(tokens, "numpy"):  # a tensor of strings
        tokens = tokens.numpy()
    if tokens is None:
        return numbers
    if isinstance(tokens, tuple) and len(tokens) == 2 and all(map(_nested_item, tokens)):
        return _Labels(
            _texts(tokens[0], rows, f"{axes[0] or 'row'}s"),
            _texts(tokens[1], columns, f"{axes[1]}s"),
            None,
        )
    if _nested(tokens):
        if len(tokens) != rows:
            raise ValueError(f"tokens: {len(tokens)} lists given for {rows} {axes[0] or 'row'}s.")
        cells = [text for row in tokens for text in _texts(row, columns, f"{axes[1]}s")]
        return _Labels(numbers.rows, numbers.columns, tuple(cells))
    texts = _texts(tokens, columns, f"{axes[1]}s")
    square = axes == ("query", "key") and rows == columns
    return _Labels(texts if square else numbers.rows, texts, None)


def _nested_item(item: Any) -> bool:
    return isinstance(item, list | tuple | range | np.ndarray)


def _nested(tokens: Any) -> bool:
    if isinstance(tokens, np.ndarray):
        return tokens.ndim > 1
    return isinstance(tokens, list | tuple) and len(tokens) > 0 and _nested_item(tokens[0])


def _texts(tokens: Any, count: int, what: str) -> tuple[str, ...]:
    if isinstance(tokens, str) or not hasattr(tokens, "__len__"):
        raise TypeError(f"tokens must be a list, one token for each of the {what}; not {tokens!r}.")
    if len(tokens) != count:
        raise ValueError(f"tokens: {len(tokens)} given for {count} {what}.")
    return tuple(t.decode() if isinstance(t, bytes) else str(t) for t in tokens)


def _mask_words(name: str, sheet, kept, axes: Axes2, polarity: str) -> str:
    head = f"{name}: {_count(sheet.shape, axes)}, {int(kept.sum())} of {kept.size} kept"
    head += " (1 = masked)" * (polarity == "drop")
    if sheet.size > MOST_IN_WORDS:
        return head
    return "\n".join([head, *(" ".join(map(str, row.astype(int))) for row in sheet)])


def _count(shape: Sequence[int], axes: Axes2) -> str:
    plural = {"query": "queries"}
    return " × ".join(
        f"{n} {name if n == 1 or ' ' in name else plural.get(name, name + 's')}"
        for n, name in zip(shape, axes)
        if name
    )


def _luminance(faces: np.ndarray) -> np.ndarray:
    """Relative luminance, 0 to 1, of sRGB bytes (WCAG 2.2, "relative luminance")."""
    c = faces[..., :3] / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


def _rgba(colour: str) -> tuple[int, int, int, int]:
    return (*bytes.fromhex(colour[1:]), 255)


def _first(where: np.ndarray) -> str:
    return f"[{', '.join(str(int(i)) for i in np.argwhere(where)[0])}]"


def _listed(items: set) -> str:
    return ", ".join(map(str, sorted(items)))
