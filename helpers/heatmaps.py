"""Heatmaps of masks and attention weights: keep is blue, masked is grey and hatched.

Introduced in notebook 00. Everything is drawn on a bare `Figure`, never through pyplot, so
nothing is shown twice and no figure stays open. All cell texts of a panel are one artist: a
`Text` object per cell is what makes other notebooks' sliders slow.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from itertools import pairwise
from typing import Any

from helpers import states
from helpers.fonts import families, house_style, width_of, wrapped
from helpers.language import _
from helpers.panels import (
    HATCH,
    INKS,
    KEEP,
    MASKED,
    Axes2,
    Mask,
    Panel,
    ThreeMasks,
    Weights,
    as_panels,
)

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import IdentityTransform
from PIL import Image

FONT_SIZE = 10  # points; the smallest text in any picture
PANELS_PER_ROW = 3
WIDEST, TALLEST = 6.0, 3.5  # inches, for the cells and their labels together, about


def plot_mask(
    mask: Any,
    *,
    tokens: Any = None,
    polarity: str = "keep",
    axes: Axes2 | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a mask: kept steps in blue, masked steps in hatched grey.

    Args:
        mask: Array-like of booleans or of 0 and 1, with shape `(T,)`, `(B, T)`, `(T, S)`,
            `(B, T, S)`, `(B, 1, 1, S)` or `(B, 1, T, S)`. Several sequences of queries by keys
            become several panels.
        tokens: Labels for the steps: a list of `T`, or of `S`, goes on the ticks; a list of `B`
            lists of `T` goes into the cells of a `(B, T)` mask; a tuple `(rows, columns)` labels
            the rows, too.
        polarity: `"keep"` if True means *kept*, as everywhere in Keras; `"drop"` if True means
            *masked*, as in PyTorch's `key_padding_mask`. Colour follows the meaning, the number
            in the cell shows the value.
        axes: Names of the rows and the columns. A 2-D mask is taken for
            `("sequence", "timestep")`; say `("query", "key")` for an attention mask.
        title: Title of the picture.
        ax: Matplotlib axes to draw into, for one panel. A new figure is made without it.

    Returns:
        The `Figure`. In a notebook it shows itself; its text form is the mask, in words.

    Raises:
        ValueError: if the mask is empty, ragged, holds anything but 0 and 1, or does not go with
            the tokens, the polarity or the axes.
        TypeError: if the mask is not an array of numbers.

    Example:
    >>> plot_mask([[1, 1, 1], [1, 0, 0]], title="Two sequences")
    """
    panels = Mask(mask, tokens=tokens, polarity=polarity, axes=axes).panels(title or "")
    return _draw(panels, ax)


def plot_masks(
    masks: Mapping[str, Any],
    *,
    tokens: Any = None,
    polarity: str = "keep",
    axes: Axes2 | None = None,
) -> Figure:
    """Draw several masks, or masks and weights, side by side.

    Args:
        masks: From titles to masks; a `Mask` or a `Weights` brings its own tokens and polarity.
        tokens, polarity, axes: As for `plot_mask`, where an entry does not say.

    Returns:
        The `Figure`.

    Raises:
        ValueError, TypeError: as for `plot_mask`.

    Example:
    >>> plot_masks({"padding": [[1, 1, 0]], "all": [[1, 1, 1]]})
    """
    if not isinstance(masks, Mapping):
        raise TypeError(
            _(
                "plot_masks takes a dict from titles to masks, not {type}.",
                type=type(masks).__name__,
            )
        )
    return _draw(as_panels(masks, tokens=tokens, polarity=polarity, axes=axes), None)


def plot_weights(
    weights: Any,
    *,
    mask: Any = None,
    tokens: Any = None,
    axes: Axes2 | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw attention weights on a fixed scale from 0 to 1; what is masked is hatched.

    Args:
        weights: Array-like of numbers between 0 and 1, with shape `(S,)`, `(T, S)`, `(B, T, S)`
            or `(B, H, T, S)` where `B` or `H` is 1. NaN is drawn as NaN.
        mask: The attention mask in force (True = allowed), of a shape that broadcasts to that of
            the weights.
        tokens, axes, title, ax: As for `plot_mask`; the axes are `("query", "key")` by default.

    Returns:
        The `Figure`.

    Raises:
        ValueError: if a weight is outside 0 to 1, or the mask does not broadcast.
        TypeError: if the weights are not an array of numbers.

    Example:
    >>> plot_weights([[1.0, 0.0], [0.3, 0.7]], mask=[[1, 0], [1, 1]])
    """
    return _draw(Weights(weights, mask=mask, tokens=tokens, axes=axes).panels(title or ""), ax)


def plot_three_masks(
    wanted: Any,
    declared: Any,
    measured: Any,
    *,
    tokens: Any = None,
    title: str | None = None,
) -> Figure:
    """Draw the three masks of each sequence under one another: a difference is where to look.

    Args:
        wanted: Which steps are real, `(B, T)` or `(T,)`. Only the author of the data knows.
        declared: What the layers say; `None` if no layer declares a mask, so that all steps are
            kept.
        measured: Which steps move the output, as `measured_mask` finds; `None` leaves it out.
        tokens: Labels for the steps: `T` of them, or a list of `T` for each sequence.
        title: Title of the picture.

    Returns:
        The `Figure`, a panel for each sequence. In a notebook it shows itself; its text form
        also says at which timesteps neighbouring masks differ.

    Raises:
        ValueError: if the masks differ in shape, hold anything but 0 and 1, or do not go with
            the tokens.
        TypeError: if the wanted mask is `None`, or a mask is not an array of numbers.

    Example:
    >>> plot_three_masks([1, 1, 0], None, [1, 1, 1], title="Padding leaks")
    """
    masks = ThreeMasks(wanted, declared, measured, tokens=tokens)
    return _draw(masks.panels(title or ""), None)


class MaskFigure(Figure):
    """A `Figure` that also says in words what it shows, so that text comparison sees it."""

    words = ""

    def _repr_mimebundle_(self, **_options):
        png = io.BytesIO()
        self.savefig(png, format="png", metadata={"Software": None})
        picture = base64.b64encode(png.getvalue()).decode()
        data = {"image/png": picture, "text/plain": self.words}
        if not states.wanted():  # JupyterLab gives a bare PNG no alternative text
            alt = escape(self.words, quote=True)
            data["text/html"] = f'<img alt="{alt}" src="data:image/png;base64,{picture}">'
        return data, {"image/png": {"alt": self.words}}


class Heatmaps:
    """Panels side by side on one figure, whose cells can be drawn again without the rest.

    Args:
        panels: What to show.
        ax: Axes to draw a single panel into; a new figure is made without it.
        size: Least width and height of a new figure, in inches.
    """

    def __init__(self, panels: list[Panel], *, ax: Axes | None = None, size=(0.0, 0.0)):
        self.layout = [p.layout for p in panels]
        fonts = families()
        with house_style(fonts):
            if ax is None:
                self.figure = MaskFigure(figsize=(8, 8))
                FigureCanvasAgg(self.figure)
                per_row = min(len(panels), PANELS_PER_ROW)
                cell = _cell_size(panels, per_row)
                axes = [self.figure.add_axes((0.3, 0.3, 0.3, 0.3)) for _ in panels]
            else:
                if len(panels) > 1:
                    raise ValueError(
                        _("One ax was given, but there are {n} panels.", n=len(panels))
                    )
                cell, axes, self.figure = None, [ax], ax.figure
            self._cells = [_draw_panel(p, a, cell, fonts) for p, a in zip(panels, axes)]
            legend = _draw_legend(self.figure if ax is None else ax, panels)
            if ax is None:
                for i, (left, right) in enumerate(pairwise(panels), start=1):
                    if i % per_row and (left.rows, left.axes) == (right.rows, right.axes):
                        axes[i].yaxis.set_visible(False)  # the panel to the left names these rows
                _lay_out(self.figure, axes, panels, cell, per_row, legend, size)
        self._ground = None
        self.describe(panels)

    def describe(self, panels: list[Panel]) -> None:
        self.figure.words = "\n\n".join(p.words for p in panels)

    def png(self, panels: list[Panel]) -> bytes:
        """The picture of `panels`, which must have this layout, as PNG.

        The labels, ticks and legends are drawn once and kept; only the cells are drawn again.
        """
        canvas = self.figure.canvas
        if self._ground is None:
            self._show_cells(False)
            canvas.draw()
            self._ground = canvas.copy_from_bbox(self.figure.bbox)
            self._show_cells(True)
        canvas.restore_region(self._ground)
        for (cells, *lines), panel in zip(self._cells, panels, strict=True):
            cells.panel = panel
            for artist in (cells, *lines):
                artist.axes.draw_artist(artist)
        self.describe(panels)
        return encode_png(np.asarray(canvas.buffer_rgba()))

    def _show_cells(self, visible: bool) -> None:
        for artists in self._cells:
            for artist in artists:
                artist.set_visible(visible)


def encode_png(pixels: np.ndarray) -> bytes:
    """`pixels` (height, width, 4) as PNG; little compression, since a slider is waiting."""
    png = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(png, format="PNG", compress_level=1)
    return png.getvalue()


def _draw(panels: list[Panel], ax: Axes | None) -> Figure:
    return Heatmaps(panels, ax=ax).figure


class _Cells(Artist):
    """All cells of a panel as one artist: their faces as one image, equal texts as one marker.

    Texts that do not fit their cell are shortened or left out.
    """

    def __init__(self, panel: Panel, fonts: tuple[str, ...]):
        super().__init__()
        self.panel, self.fonts = panel, fonts

    def draw(self, renderer):
        if not self.get_visible():
            return
        rows, columns = self.panel.inks.shape
        (left, top), (right, bottom) = self.axes.transData.transform(
            [(-0.5, -0.5), (columns - 0.5, rows - 0.5)]
        )
        gc = renderer.new_gc()
        gc.set_linewidth(0)
        self._draw_faces(renderer, gc, left, right, bottom, top)
        self._draw_texts(renderer, gc, left, (right - left) / columns, top, (top - bottom) / rows)
        gc.restore()

    def _draw_faces(self, renderer, gc, left, right, bottom, top):
        rows, columns = self.panel.inks.shape
        x, y = np.arange(round(left), round(right)), np.arange(round(bottom), round(top))
        column = np.clip((x + 0.5 - left) / (right - left) * columns, 0, columns - 1).astype(int)
        row = np.clip((top - y - 0.5) / (top - bottom) * rows, 0, rows - 1).astype(int)
        renderer.draw_image(gc, x[0], y[0], self.panel.faces[row[:, None], column])

    def _draw_texts(self, renderer, gc, left, width, top, height):
        size = round(renderer.points_to_pixels(FONT_SIZE), 2)
        texts, inks = self.panel.texts, self.panel.inks.ravel()
        fitting = fitting_texts(self.panel, size, width, height, self.fonts)
        paths = {text: _text_path(fits, size, self.fonts) for text, fits in fitting.items()}
        places: dict[tuple[str, int], list[int]] = {}
        for i, (text, ink) in enumerate(zip(texts, inks)):
            if text in paths:
                places.setdefault((text, int(ink)), []).append(i)
        for (text, ink), cells in places.items():
            row, column = np.divmod(cells, self.panel.inks.shape[1])
            middles = np.stack([left + (column + 0.5) * width, top - (row + 0.5) * height], axis=1)
            nowhere = IdentityTransform()
            renderer.draw_markers(gc, paths[text], nowhere, Path(middles), nowhere, _rgb(INKS[ink]))


def fitting_texts(
    panel: Panel, size: float, width: float, height: float, fonts: tuple[str, ...] | None = None
) -> dict[str, str]:
    """What is written in cells of `width` by `height` pixels, in letters of `size` pixels.

    Returns:
        From the texts of the panel to as much of each as fits. A token is shortened; numbers
        stand in every cell, or in none. A text that is missing is not written.
    """
    if height < 1.1 * size:
        return {}
    texts = {text for text in panel.texts if text.strip()}
    look = (size, fonts or families(), width - 3, panel.tokens)
    fitting = {text: _fitting(text, *look) for text in texts}
    if None in fitting.values() and not panel.tokens:
        return {}
    return {text: fits for text, fits in fitting.items() if fits is not None}


@lru_cache(maxsize=4096)
def _fitting(
    text: str, size: float, fonts: tuple[str, ...], width: float, shorten: bool
) -> str | None:
    cuts = []
    if shorten:  # a cell with a token never looks empty
        longest = text[:40]
        cuts = [longest[:n].rstrip() + "…" for n in range(len(longest) - 1, -1, -1)] + ["·"]
    wide = (cut for cut in (text[:60] if shorten else text, *cuts))
    return next((t for t in wide if _text_path(t, size, fonts).get_extents().width <= width), None)


@lru_cache(maxsize=4096)
def _text_path(text: str, size: float, fonts: tuple[str, ...]) -> Path:
    font = FontProperties(family=list(fonts))
    outline = TextPath((0, 0), text.replace("$", r"\$"), size=size, prop=font)
    extents = outline.get_extents()
    digit = (
        TextPath((0, 0), "0", size=size, prop=font).get_extents().y1
    )  # one base line for all texts
    middle = np.array([(extents.x0 + extents.x1) / 2, digit / 2])
    return Path(outline.vertices - middle, outline.codes)


def _draw_panel(panel: Panel, ax: Axes, cell: tuple[float, float] | None, fonts: tuple[str, ...]):
    rows, columns = panel.inks.shape
    ax.set(facecolor=MASKED, xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    ax.patch.set(hatch="///", edgecolor=HATCH, linewidth=0)
    cells = _Cells(panel, fonts)
    cells.set_in_layout(False)  # it stays within its axes
    cells.set_zorder(1)
    ax.add_artist(cells)
    line = {
        "colors": "#8C8C8C" if panel.kind == "blank" else "white",
        "linewidth": 1 if max(rows, columns) <= 20 else 0.4 if max(rows, columns) <= 40 else 0,
        "zorder": 2,
    }
    lines = (
        ax.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, **line),
        ax.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, **line),
    )
    ax.set_title(panel.title if cell is None else _wrapped(panel, cell[0]), parse_math=False)
    _label(ax.xaxis, _(panel.axes[1]), panel.columns, cell[0] if cell else 1.0)
    _label(ax.yaxis, _(panel.axes[0]), panel.rows, cell[1] if cell else 1.0)
    return cells, *lines


def _wrapped(panel: Panel, cell: float) -> str:
    """The title in lines that are no wider than the panel, whose neighbours are close."""
    room = max(cell * panel.inks.shape[1] + 0.3, 1.2)
    return "\n".join(wrapped(panel.title, max(10, int(room / 0.1))))


def _label(axis, name: str, labels: tuple[str, ...], cell: float) -> None:
    """Name an axis and its ticks; every n-th tick only, where there is no room for all."""
    across = axis.axis_name == "x"
    longest = max(map(width_of, labels)) * 0.085  # inches, about, at 10 points
    turned = across and longest > cell - 0.03
    step = max(1, int(np.ceil((0.17 if turned or not across else longest) / cell - 1e-9)))
    if longest < 0.25 and across:  # numbers stay upright
        turned, step = False, max(1, int(np.ceil((longest + 0.06) / cell - 1e-9)))
    ticks = range(0, len(labels), step)
    if any(labels):
        axis.set_ticks(list(ticks), [_shortened(labels[i]) for i in ticks], parse_math=False)
    else:
        axis.set_ticks([])
    axis.set_tick_params(rotation=60 if turned else 0, length=0, pad=3)
    if turned:  # slanted, so that "!" does not read as a dash
        for label in axis.get_ticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axis.set_label_text(name)


def _shortened(label: str, most: int = 14) -> str:
    if width_of(label) <= most:
        return label
    return next(c for n in range(most, -1, -1) if width_of(c := label[:n] + "…") <= most)


def _draw_legend(place: Figure | Axes, panels: list[Panel]):
    masked = {"facecolor": MASKED, "edgecolor": HATCH, "hatch": "////"}
    entries: dict[str, Patch] = {}
    named_masked = ""
    for panel in panels:
        if panel.kind == "mask":
            keep, drop = (1, 0) if panel.polarity == "keep" else (0, 1)
            if panel.holds_kept:
                entries[_("kept ({value})", value=keep)] = Patch(color=KEEP)
            if panel.holds_masked:
                named_masked = _("masked ({value})", value=drop)
                entries[named_masked] = Patch(**masked)
        elif panel.kind == "weights":
            from matplotlib import colormaps

            least = _("{scale} 0", scale=_(panel.scale))
            for label, value in {least: 0.0, "0.5": 0.5, "1": 1.0}.items():
                entries[label] = Patch(color=colormaps["cividis"](value))
            if panel.holds_masked and not named_masked:
                named_masked = _("masked")
                entries[named_masked] = Patch(**masked)
    if not entries:
        return None
    columns = len(entries) if len(entries) <= 4 else 3
    look = {"ncols": columns, "columnspacing": 1.2, "borderaxespad": 0.3}
    if isinstance(place, Axes):
        look |= {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25)}
    return place.legend(entries.values(), entries, **look)


def _cell_size(panels: list[Panel], per_row: int) -> tuple[float, float]:
    """Width and height of a cell in inches: roomy for a few steps, small for many."""
    rows = -(-len(panels) // per_row)
    tallest = max(p.inks.shape[0] for p in panels)
    widest = sum(sorted((p.inks.shape[1] for p in panels), reverse=True)[:per_row])
    longest = max((min(width_of(t), 9) for p in panels for t in p.texts), default=1)
    labels = max(width_of(_shortened(t)) for p in panels for t in p.rows) * 0.085 + 0.35
    room = WIDEST + (1.0 if per_row > 1 else 0.0) - labels
    width = min(0.48 if longest < 3 else 0.16 + 0.09 * longest, room / widest)
    height = min(0.42, (TALLEST + 1.8 * (rows - 1) - 0.9 * rows) / (tallest * rows))
    if any(p.axes == ("query", "key") for p in panels):
        width = height = min(width, height)
    return width, max(height, 0.02)


def _lay_out(figure, axes, panels, cell, per_row, legend, least) -> None:
    """Give each panel cells of one size and exactly the room that its labels and title need.

    A figure that must be larger keeps its panels where they are, top left. (Matplotlib's layout
    engines shrink the panels instead, and move things a little at each draw.)
    """
    renderer, dpi, gap = figure.canvas.get_renderer(), figure.dpi, 0.08
    shapes = np.array([p.inks.shape[::-1] for p in panels])
    wide, high = (np.round(shapes * cell * dpi) / dpi).T  # whole pixels, so that edges are sharp
    width, height = figure.get_size_inches()
    around = []  # what stands out at the left, right, bottom and top of each panel, in inches
    for ax, w, h in zip(axes, wide, high):
        ax.set_position((0.3, 0.3, w / width, h / height))
        inner, outer = ax.get_window_extent(renderer), ax.get_tightbbox(renderer)
        extents = (inner.x0 - outer.x0, outer.x1 - inner.x1, inner.y0 - outer.y0)
        around.append([e / dpi for e in (*extents, outer.y1 - inner.y1)])
    left, right, bottom, top = np.array(around).T
    column, row = np.arange(len(axes)) % per_row, np.arange(len(axes)) // per_row

    def most(values, index):  # of the panels in each column, or in each row
        return np.array([values[index == i].max() for i in range(index.max() + 1)])

    lefts, rights, widths = most(left, column), most(right, column), most(wide, column)
    bottoms, tops, heights = most(bottom, row), most(top, row), most(high, row)
    box = legend.get_window_extent(renderer) if legend else None
    legend_size = (box.width / dpi, box.height / dpi) if legend else (0.0, 0.0)
    across = (lefts + widths + rights + gap).sum() + gap
    margin = max(0.0, legend_size[0] + 2 * gap - across) / 2
    needed = (across + 2 * margin, (bottoms + heights + tops + gap).sum() + gap + legend_size[1])
    size = np.ceil(np.maximum(needed, least) * dpi) / dpi  # whole pixels
    figure.set_size_inches(size)
    x = margin + gap + np.cumsum(lefts + widths + rights + gap) - (widths + rights + gap)
    y = size[1] - np.cumsum(tops + heights + bottoms + gap) + bottoms
    for i, ax in enumerate(axes):
        corner = (
            np.round(np.array([x[column[i]], y[row[i]] + heights[row[i]] - high[i]]) * dpi) / dpi
        )
        ax.set_position((*(corner / size), wide[i] / size[0], high[i] / size[1]))
    if legend:
        anchor = (needed[0] / 2 / size[0], 1 - needed[1] / size[1])
        legend.set_loc("lower center")
        legend.set_bbox_to_anchor(anchor, transform=figure.transFigure)


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
