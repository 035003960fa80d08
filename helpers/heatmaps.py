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
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any

from helpers.panels import HATCH, INKS, KEEP, MASKED, Axes2, Mask, Panel, Weights, as_panels

import numpy as np
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import IdentityTransform
from PIL import Image

STYLE = FilePath(__file__).with_name("style.mplstyle")
FONT_SIZE = 10  # points; the smallest text in any picture
PANELS_PER_ROW = 3
WIDEST, TALLEST = 6.0, 3.5  # inches, for the cells and their labels together


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
            f"plot_masks takes a dict from titles to masks, not {type(masks).__name__}."
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
    """Draw attention weights on a fixed scale from 0 to 1; what is not allowed is hatched.

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


class MaskFigure(Figure):
    """A `Figure` that also says in words what it shows, so that text comparison sees it."""

    words = ""

    def _repr_mimebundle_(self, **_):
        png = io.BytesIO()
        self.savefig(png, format="png", metadata={"Software": None})
        data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": self.words}
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
        with style.context(STYLE):
            if ax is None:
                columns = min(len(panels), PANELS_PER_ROW)
                rows = -(-len(panels) // columns)
                cell, needed = _sizes(panels, rows, columns)
                size = np.ceil(np.maximum(needed, size) * 100) / 100  # whole pixels
                self.figure = MaskFigure(figsize=size, layout="compressed")
                FigureCanvasAgg(self.figure)
                # In a figure that is larger than needed the panels keep their size, top left.
                used = np.divide(needed, size)
                self.figure.get_layout_engine().set(rect=(0, 1 - used[1], *used))
                grid = list(self.figure.subplots(rows, columns, squeeze=False).flat)
                for spare in grid[len(panels) :]:
                    spare.remove()
            else:
                if len(panels) > 1:
                    raise ValueError(f"One ax was given, but there are {len(panels)} panels.")
                cell, grid, self.figure = None, [ax], ax.figure
            self._cells = [_draw_panel(p, axes, cell) for p, axes in zip(panels, grid)]
            for i, (left, right) in enumerate(pairwise(panels), start=1):
                if i % PANELS_PER_ROW and (left.rows, left.axes) == (right.rows, right.axes):
                    grid[i].yaxis.set_visible(False)  # the panel to the left names these rows
            _draw_legend(self.figure if ax is None else ax, panels)
        if ax is None:  # lay out once: a layout engine moves things a little at each draw
            self.figure.canvas.draw()
            self.figure.set_layout_engine("none")
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
        for (image, lines, texts), panel in zip(self._cells, panels, strict=True):
            image.set_data(panel.faces)
            texts.panel = panel
            for artist in (image, *lines, texts):
                artist.axes.draw_artist(artist)
        self.describe(panels)
        return encode_png(np.asarray(canvas.buffer_rgba()))

    def _show_cells(self, visible: bool) -> None:
        for image, lines, texts in self._cells:
            for artist in (image, *lines, texts):
                artist.set_visible(visible)


def encode_png(pixels: np.ndarray) -> bytes:
    """`pixels` (height, width, 4) as PNG; little compression, since a slider is waiting."""
    png = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(png, format="PNG", compress_level=1)
    return png.getvalue()


def _draw(panels: list[Panel], ax: Axes | None) -> Figure:
    return Heatmaps(panels, ax=ax).figure


class _CellTexts(Artist):
    """The texts of all cells as one artist; those that do not fit their cell are left out."""

    def __init__(self, panel: Panel):
        super().__init__()
        self.panel = panel

    def draw(self, renderer):
        if not self.get_visible():
            return
        rows, columns = self.panel.inks.shape
        (left, top), (right, bottom) = self.axes.transData.transform(
            [(-0.5, -0.5), (columns - 0.5, rows - 0.5)]
        )
        width, height = abs(right - left) / columns, abs(top - bottom) / rows
        size = renderer.points_to_pixels(FONT_SIZE)
        if height < 1.1 * size:
            return
        glyphs = [_fitting_path(text, round(size, 2), width - 3) for text in self.panel.texts]
        if not all(glyphs) and not any(len(t) > 4 for t in self.panel.texts):
            return  # numbers in every cell, or in none
        inks = self.panel.inks.ravel()
        for ink in np.unique(inks):
            parts, codes = [], []
            for i in np.flatnonzero(inks == ink):
                if glyphs[i] is None:
                    continue
                path, half_width, half_height = glyphs[i]
                x = left + (i % columns + 0.5) * width - half_width
                y = top - (i // columns + 0.5) * height - half_height
                parts.append(path.vertices + np.array([x, y]))
                codes.append(path.codes)
            if parts:
                gc = renderer.new_gc()
                gc.set_linewidth(0)
                path = Path(np.concatenate(parts), np.concatenate(codes))
                renderer.draw_path(gc, path, IdentityTransform(), _rgb(INKS[ink]))
                gc.restore()


@lru_cache(maxsize=4096)
def _fitting_path(text: str, size: float, width: float) -> tuple[Path, float, float] | None:
    """The outline of `text` and its half extents in pixels, shortened to `width`, if it fits."""
    for cut in (text, *(text[:n].rstrip() + "…" for n in range(len(text) - 1, 1, -1))):
        if not cut.strip():
            return Path(np.empty((0, 2)), np.empty(0, Path.code_type)), 0.0, 0.0
        path, half_width = _text_path(cut, size)
        if 2 * half_width <= width:
            return path, half_width, _text_path("0", size)[0].get_extents().y1 / 2
    return None


@lru_cache(maxsize=4096)
def _text_path(text: str, size: float) -> tuple[Path, float]:
    outline = TextPath((0, 0), text.replace("$", r"\$"), size=size)
    extents = outline.get_extents()
    return Path(outline.vertices - np.array([extents.x0, 0]), outline.codes), extents.width / 2


def _draw_panel(panel: Panel, ax: Axes, cell: tuple[float, float] | None):
    rows, columns = panel.inks.shape
    ax.set(facecolor=MASKED, xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    ax.set_aspect(cell[1] / cell[0] if cell else "auto", anchor="C")
    ax.patch.set(hatch="///", edgecolor=HATCH, linewidth=0)
    image = ax.imshow(panel.faces, aspect=ax.get_aspect(), zorder=1)
    line = {
        "colors": "#8C8C8C" if panel.kind == "blank" else "white",
        "linewidth": 1 if max(rows, columns) <= 20 else 0.4 if max(rows, columns) <= 40 else 0,
        "zorder": 2,
    }
    lines = (
        ax.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, **line),
        ax.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, **line),
    )
    texts = _CellTexts(panel)
    texts.set_zorder(3)
    ax.add_artist(texts)
    ax.set_title(panel.title, parse_math=False)
    _label(ax.xaxis, panel.axes[1], panel.columns, cell[0] if cell else 1.0)
    _label(ax.yaxis, panel.axes[0], panel.rows, cell[1] if cell else 1.0)
    return image, lines, texts


def _label(axis, name: str, labels: tuple[str, ...], cell: float) -> None:
    """Name an axis and its ticks; every n-th tick only, where there is no room for all."""
    across = axis.axis_name == "x"
    longest = max(map(len, labels)) * 0.085  # inches, about, at 10 points
    turned = across and longest > cell - 0.03
    step = max(1, int(np.ceil((0.17 if turned or not across else longest) / cell - 1e-9)))
    if longest < 0.25 and across:  # numbers stay upright
        turned, step = False, max(1, int(np.ceil((longest + 0.06) / cell - 1e-9)))
    ticks = range(0, len(labels), step)
    if any(labels):
        axis.set_ticks(list(ticks), [_shortened(labels[i]) for i in ticks], parse_math=False)
    else:
        axis.set_ticks([])
    axis.set_tick_params(rotation=90 if turned else 0, length=0, pad=3)
    axis.set_label_text(name)


def _shortened(label: str, most: int = 14) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def _draw_legend(place: Figure | Axes, panels: list[Panel]) -> None:
    masked = {"facecolor": MASKED, "edgecolor": HATCH, "hatch": "////"}
    entries: dict[str, Patch] = {}
    for panel in panels:
        if panel.kind == "mask":
            keep, drop = (1, 0) if panel.polarity == "keep" else (0, 1)
            entries[f"kept ({keep})"] = Patch(color=KEEP)
            entries[f"masked ({drop})"] = Patch(**masked)
        elif panel.kind == "weights":
            from matplotlib import colormaps

            for value in (0.0, 0.5, 1.0):
                entries[f"{value:g}"] = Patch(color=colormaps["cividis"](value))
            entries["not allowed"] = Patch(**masked)
    if entries:
        where = (
            {"loc": "outside lower center"}
            if isinstance(place, Figure)
            else {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25)}
        )
        title = "weight" if "0.5" in entries else None
        place.legend(entries.values(), entries, ncols=4, title=title, columnspacing=1.2, **where)


def _sizes(panels: list[Panel], rows: int, columns: int):
    """Width and height of a cell, and of the figure, in inches."""
    widest = max(p.inks.shape[1] for p in panels)
    tallest = max(p.inks.shape[0] for p in panels)
    square = panels[0].axes == ("query", "key")
    row_labels = max(min(len(t), 14) for p in panels for t in p.rows) * 0.085 + 0.3
    room = (WIDEST if columns == 1 else 7.0) / columns - row_labels - 0.15
    tokens = max((min(len(t), 9) for p in panels for t in p.texts), default=1)
    width = min(0.48 if tokens < 3 else 0.16 + 0.09 * tokens, room / widest)
    height = min(0.42, (TALLEST - 1.1) / tallest)
    if square:
        width = height = min(width, height)
    column_labels = max(len(t) for p in panels for t in p.columns) * 0.085
    under = (min(column_labels, 1.25) if column_labels > max(width, 0.25) else 0.18) + 0.28
    title = max(len(p.title) for p in panels) * 0.105
    total = columns * max(row_labels + 0.15 + width * widest, title + 0.2)
    weights = any(p.kind == "weights" for p in panels)
    high = rows * (height * tallest + under + 0.33 * any(p.title for p in panels)) + 0.45
    high += 0.25 * weights  # the legend has a title
    legend = 3.3 if weights else 2.6 if panels[0].kind == "mask" else 0
    return (width, height), (max(total, legend), high)


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
