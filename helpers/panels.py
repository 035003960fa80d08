"""What a picture shows: from any array-like mask or weights to the cells of a heatmap.

Nothing here draws. `heatmaps.py` turns panels into pictures, `sliders.py` into moving ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from helpers import from_code
from helpers.fonts import width_of
from helpers.language import N_, _, _n

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
    scale: str = N_("weight")  # what the colours of "weights" are, for the legend

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
            raise ValueError(
                _('polarity is "keep" or "drop", not {polarity!r}.', polarity=self.polarity)
            )
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
                    words=_mask_words(name or _("mask"), sheet, kept, axes, self.polarity),
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
        given = {
            N_("wanted"): self.wanted,
            N_("declared"): self.declared,
            N_("measured"): self.measured,
        }
        masks = {name: np.atleast_2d(mask_array(m)) for name, m in given.items() if m is not None}
        if "wanted" not in masks:
            raise TypeError(_("The wanted mask is None. Only you know which steps are real."))
        wanted = masks["wanted"]
        for name, mask in masks.items():
            if mask.shape != wanted.shape or mask.ndim != 2:
                raise ValueError(
                    _(
                        "The three masks have one value for each step, (batch, timesteps): "
                        "wanted has shape {wanted_shape}, {name} {shape}.",
                        wanted_shape=wanted.shape,
                        name=_(name),
                        shape=mask.shape,
                    )
                )
        batch, steps = wanted.shape
        names = [name for name in given if name in masks or name == "declared"]
        masks.setdefault("declared", np.ones_like(wanted))  # no mask: every step is kept
        labels = [_(name) for name in names]
        if self.declared is None:
            labels[names.index("declared")] = _("declared: none")
        tokens = self.tokens
        if tokens is None:
            tokens = [list(range(steps))] * batch
        elif not _nested(tokens):
            tokens = [tokens] * batch
        if len(tokens) != batch:
            count = _counted(batch, "sequence")
            raise ValueError(
                _("tokens: {given} lists given for {count}.", given=len(tokens), count=count)
            )
        result = []
        for i in range(batch):
            rows = np.stack([masks[name][i] for name in names])
            head = _part(title, _("sequence {i}", i=i)) if batch > 1 else from_code.shown(title)
            panel = Mask(rows, tokens=(labels, tokens[i]), axes=("", "timestep")).panels(head)[0]
            result.append(replace(panel, words=_three_in_words(head, names, labels, rows)))
        return result


def _three_in_words(
    title: str, names: Sequence[str], labels: Sequence[str], rows: np.ndarray
) -> str:
    width = max(map(width_of, labels))
    steps = _counted(rows.shape[1], "timestep")
    lines = [_("{title}: {count}", title=title or _("three masks"), count=steps)]
    lines += [
        f"{label}{' ' * (width - width_of(label))}  {' '.join(map(str, row.astype(int)))}"
        for label, row in zip(labels, rows)
    ]
    for (one, first), (two, second) in pairwise(zip(names, rows)):
        where = np.flatnonzero(first != second)
        if where.size:
            differ = _n(
                "{one} ≠ {two} at timestep {steps}",
                "{one} ≠ {two} at timesteps {steps}",
                where.size,
                one=_(one),
                two=_(two),
                steps=", ".join(map(str, where)),
            )
            lines.append(differ)
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
                    _(
                        "A mask of shape {mask_shape} for weights of shape {shape} may "
                        "mean (batch, keys) or (queries, keys): give it as (B, 1, S) or as "
                        "(1, T, S).",
                        mask_shape=allowed.shape,
                        shape=values.shape,
                    )
                )
            try:
                allowed = np.broadcast_to(allowed, values.shape)
            except ValueError:
                raise ValueError(
                    _(
                        "The mask has shape {mask_shape}, which does not broadcast to the "
                        "weights' shape {shape}.",
                        mask_shape=allowed.shape,
                        shape=values.shape,
                    )
                ) from None
        sheets = _sheets(values, self.tokens, self.axes or _weights_axes(values), title)
        masks = _sheets(allowed, None, self.axes, title)
        return [
            replace(_weights_panel(name, sheet, allowed_sheet, axes, labels), scale=self.scale)
            for (name, sheet, axes, labels), (_name, allowed_sheet, *_rest) in zip(sheets, masks)
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
    count = _count(sheet.shape, axes)
    head = _("{title}: {count}", title=name or _("weights"), count=count)
    if hidden.any():
        head = _("{head}, {n} masked (/)", head=head, n=int(hidden.sum()))
    if nan.any():
        head = _("{head}, {n} NaN", head=head, n=int(nan.sum()))
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
    title, sheet, axes, labels = _sheets(np.zeros(shape, bool), tokens, axes, title)[0]
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
        raise ValueError(
            _("There is nothing to show: compute returned None. Is a `return` missing?")
        )
    if isinstance(shown, Mapping):
        if not shown:
            raise ValueError(_("There is nothing to show: the dictionary is empty."))
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
    values = _array(mask, N_("mask"))
    if values.dtype == bool:
        return values
    if np.isnan(values).any():
        raise ValueError(_("The mask holds NaN, first at {place}.", place=_first(np.isnan(values))))
    odd = (values != 0) & (values != 1)
    if odd.any():
        advice = (
            _("Are these token ids? Their mask is `ids != 0`.")
            if values.dtype.kind in "iu"
            else _("Weights are drawn by plot_weights.")
        )
        raise ValueError(
            _(
                "A mask holds True and False, or 1 and 0; this one holds {value:g} at "
                "{place}. {advice}",
                value=values[odd].flat[0],
                place=_first(odd),
                advice=advice,
            )
        )
    return values.astype(bool)


def _weights_array(weights: Any) -> np.ndarray:
    values = _array(weights, N_("weights")).astype(float)
    odd = (values < 0) | (values > 1 + 1e-6)  # NaN is neither: it is drawn, as NaN
    if odd.any():
        raise ValueError(
            _(
                "Attention weights lie between 0 and 1; this array holds {value:g} at "
                "{place}. Are these scores, before the softmax?",
                value=values[odd].flat[0],
                place=_first(odd),
            )
        )
    return values


def _array(data: Any, what: str) -> np.ndarray:
    """`data` as a non-empty numeric array of one to four axes."""
    if data is None:
        raise TypeError(
            _("The {what} is None: whatever should have made it made none.", what=_(what))
        )
    try:
        values = np.asarray(data)
    except Exception:  # ragged lists, symbolic tensors: NumPy's own words do not help here
        values = np.empty(0, object)
    if values.dtype == object or values.dtype.kind not in "biuf":
        lengths = {len(row) for row in data if _rows(row)} if _rows(data) else set()
        if len(lengths) > 1:
            raise ValueError(
                _(
                    "The {what}'s rows have different lengths ({lengths}): pad them first.",
                    what=_(what),
                    lengths=_listed(lengths),
                )
            )
        said = _(
            "The {what} must be an array of numbers or booleans; {type} is not.",
            what=_(what),
            type=type(data).__name__,
        )
        if type(data).__name__ in ("KerasTensor", "SymbolicTensor"):
            said = _(
                "{message} It is symbolic and has no values yet: call the model on data.",
                message=said,
            )
        raise TypeError(said)
    if not 1 <= values.ndim <= 4:
        raise ValueError(
            _(
                "The {what} must have one to four axes; its shape is {shape}.",
                what=_(what),
                shape=values.shape,
            )
        )
    if values.size == 0:
        raise ValueError(
            _("The {what} is empty: its shape is {shape}.", what=_(what), shape=values.shape)
        )
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
        raise ValueError(
            _('axes names the rows and the columns, as ("query", "key"); not {axes!r}.', axes=axes)
        )
    unit = N_("sequence")
    if values.ndim == 4:
        batch, heads, *rest = values.shape
        if batch > 1 and heads > 1:
            raise ValueError(
                _(
                    "Shape {shape} holds {batch} sequences with {heads} heads each: choose "
                    "one sequence or one head.",
                    shape=values.shape,
                    batch=batch,
                    heads=heads,
                )
            )
        unit = N_("head") if heads > 1 else "sequence"
        values = values.reshape(max(batch, heads), *rest)
    if values.ndim == 3 and values.shape[1] == 1:  # (B, 1, 1, S): one row for each sequence
        values, default = values[:, 0, :], (unit, "key")
    elif values.ndim == 3:
        default = (N_("query"), N_("key"))
    elif values.ndim == 2:
        default = ("sequence", N_("timestep"))
    else:
        values, default = values[None], ("", "timestep")
    names = axes or default
    if values.ndim == 2:
        return [(from_code.shown(title), values, names, _labels(tokens, values.shape, names))]
    count, *shape = values.shape
    per_sheet = [tokens] * count
    part = N_("head {i}") if unit == "head" else N_("sequence {i}")
    if _nested(tokens) and not isinstance(tokens, tuple):
        if len(tokens) != count:
            raise ValueError(
                _(
                    "tokens: {given} lists given for {count}.",
                    given=len(tokens),
                    count=_counted(count, unit),
                )
            )
        per_sheet = list(tokens)
    return [
        (
            _part(title, _(part, i=i)) if count > 1 else from_code.shown(title),
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
        rows_named = _texts(tokens[0], rows, axes[0] or N_("row"))
        if not axes[0]:  # these are no tokens, but names for what stands in the rows
            rows_named = tuple(map(_, rows_named))
        return _Labels(
            rows_named,
            _texts(tokens[1], columns, axes[1]),
            None,
        )
    if _nested(tokens):
        if len(tokens) != rows:
            count = _counted(rows, axes[0] or "row")
            raise ValueError(
                _("tokens: {given} lists given for {count}.", given=len(tokens), count=count)
            )
        cells = [text for row in tokens for text in _texts(row, columns, axes[1])]
        return _Labels(numbers.rows, numbers.columns, tuple(cells))
    texts = _texts(tokens, columns, axes[1])
    square = axes == ("query", "key") and rows == columns
    return _Labels(texts if square else numbers.rows, texts, None)


def _nested_item(item: Any) -> bool:
    return isinstance(item, list | tuple | range | np.ndarray)


def _nested(tokens: Any) -> bool:
    if isinstance(tokens, np.ndarray):
        return tokens.ndim > 1
    return isinstance(tokens, list | tuple) and len(tokens) > 0 and _nested_item(tokens[0])


def _texts(tokens: Any, count: int, axis: str) -> tuple[str, ...]:
    if isinstance(tokens, str) or not hasattr(tokens, "__len__"):
        raise TypeError(
            _(
                "tokens must be a list, one token for each {axis}; not {tokens!r}.",
                axis=_(axis),
                tokens=tokens,
            )
        )
    if len(tokens) != count:
        raise ValueError(
            _("tokens: {given} given for {count}.", given=len(tokens), count=_counted(count, axis))
        )
    return tuple(t.decode() if isinstance(t, bytes) else str(t) for t in tokens)


def _mask_words(name: str, sheet, kept, axes: Axes2, polarity: str) -> str:
    count, n = _count(sheet.shape, axes), int(kept.sum())
    head = _("{title}: {count}, {n} of {all} kept", title=name, count=count, n=n, all=kept.size)
    if polarity == "drop":
        head = _("{head} (1 = masked)", head=head)
    if sheet.size > MOST_IN_WORDS:
        return head
    return "\n".join([head, *(" ".join(map(str, row.astype(int))) for row in sheet)])


def _count(shape: Sequence[int], axes: Axes2) -> str:
    return " × ".join(_counted(n, name) for n, name in zip(shape, axes) if name)


def _counted(n: int, axis: str) -> str:
    """So many steps of an axis: `"6 timesteps"`."""
    if axis == "query":
        return _n("{n} query", "{n} queries", n)
    # Names of several words have no plural here.
    return _n("{n} {name}", "{n} {name}s", 1 if " " in axis else n, n=n, name=_(axis))


def _part(title: str, part: str) -> str:
    """The title of one panel of several."""
    return f"{from_code.shown(title)} · {part}" if title else part


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
