"""Explorers: controls, one picture and a sentence, all moving together.

Introduced in notebook 00. An Explorer has three faces: the live widget in JupyterLab, Notebook,
VS Code or Colab; a static PNG of the default state (GitHub, nbviewer, exports); and plain text
(screen readers, and the test suite, which compares it).
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from html import escape
from typing import Any

from helpers import from_code, states
from helpers.fonts import house_style, wrapped
from helpers.heatmaps import Heatmaps, encode_png
from helpers.language import _
from helpers.panels import Axes2, Panel, as_panels

import ipywidgets as widgets
import numpy as np
from ipywidgets.widgets.interaction import interactive
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Caption = str | Callable[..., str] | None


def explore(
    compute: Callable[..., Any],
    *,
    caption: Caption = None,
    tokens: Any = None,
    polarity: str = "keep",
    axes: Axes2 | None = None,
    title: str = "",
    **controls: Any,
) -> Explorer:
    """Show what `compute` returns, with a control for each of its arguments.

    Args:
        compute: Called with the controls' values as keywords; returns *what to show*: a mask, a
            `Mask` or `Weights`, or a dict from titles to these. Defaults in its signature are
            the controls' first values.
        caption: What is seen, in words: a format string with the names of the controls, or a
            function `caption(shown, **values)` of what `compute` returned and the values.
            Without it the sentence counts what is kept.
        tokens, polarity, axes, title: As for `plot_mask`, for what `compute` returns bare.
        **controls: One for each argument of `compute`, abbreviated as ipywidgets does:
            `(1, 10)` or `(1, 10, 2)` is a slider of whole numbers, `(0.0, 1.0)` one of decimals,
            a list or a dict a drop-down, a bool a check box; or any ipywidgets control. They
            cannot have the names of the arguments above.

    Returns:
        An `Explorer`; put it last in a cell and it shows itself.

    Raises:
        TypeError: if the controls are not the arguments of `compute`, or a control is none.

    Example:
    >>> def first_steps(length=3):
    ...     return [step < length for step in range(8)]
    >>> explore(first_steps, length=(0, 8), caption="{length} of 8 steps are kept.")
    """
    return Explorer(
        compute, controls, caption, {"polarity": polarity, "axes": axes, "title": title}, tokens
    )


class Explorer(widgets.VBox):
    """What `explore` returns: a widget that can also show itself without a kernel.

    Attributes:
        controls: The ipywidgets controls, by name.
        picture: The `Image` widget; its `value` is the current PNG.
        sentence: What the picture shows, in words.
        problem: What went wrong at the last move, or `""`.
    """

    def __init__(self, compute, controls, caption, options, tokens):
        self._compute, self._caption = compute, caption
        self._options = {**options, "tokens": tokens}
        self._heatmaps: Heatmaps | None = None
        self._drawn: dict[tuple, Heatmaps] = {}  # the last few layouts, for the way back
        self.sentence = self.problem = ""
        self.controls = _controls(compute, controls)
        self.picture = widgets.Image(format="png")
        self._words = widgets.HTML()
        self._update()
        self._default = (self._state(), self.sentence, self.picture.value, self._description())
        for control in self.controls.values():
            control.observe(self._update, names="value")
        # Side by side, where there is room: picture and sentence shall be seen with them.
        controls = widgets.Box([*self.controls.values()])
        controls.layout.flex_flow = "row wrap"
        super().__init__([controls, self.picture, self._words])

    def _update(self, _change=None) -> None:
        try:
            panels, sentence = self._show({n: c.value for n, c in self.controls.items()})
            picture = self._draw(panels)
        except Exception as error:  # whatever the learner's function raises is shown, in words
            self.problem = f"{type(error).__name__}: {error}"
            head = _("This could not be drawn.")
            still = (
                _("The picture still shows the last state that worked.") if self.sentence else ""
            )
            self._words.value = (
                f'<p role="alert"><b>{head}</b> {escape(self.problem)}<br> {still}</p>'
            )
            return
        self.problem, self.sentence = "", sentence
        self.picture.value = picture
        self._words.value = f'<p role="status">{escape(sentence)}</p>'

    def _show(self, values: dict[str, Any]) -> tuple[list[Panel], str]:
        """What is seen at these values of the controls: the panels and the sentence."""
        shown = self._compute(**values)
        panels = as_panels(shown, **self._options)
        return panels, _sentence(self._caption, shown, values, panels)

    def _draw(self, panels: list[Panel]) -> bytes:
        layout = [p.layout for p in panels]
        if self._heatmaps is None or self._heatmaps.layout != layout:
            # A new shape gets a new picture, never a smaller one: the page must not jump.
            size = (0, 0) if self._heatmaps is None else self._heatmaps.figure.get_size_inches()
            known = self._drawn.get(tuple(layout))
            if known is None or tuple(known.figure.get_size_inches()) != tuple(size):
                known = Heatmaps(panels, size=size)
            self._drawn = {**dict(list(self._drawn.items())[-7:]), tuple(layout): known}
            self._heatmaps = known
            width, _ = self._heatmaps.figure.canvas.get_width_height()
            self.picture.layout.width = f"{width}px"
            self.picture.layout.max_width = "100%"
            self.picture.layout.object_fit = "contain"
        return self._heatmaps.png(panels)

    def _state(self) -> str:
        return " · ".join(f"{c.description} = {_value_text(c)}" for c in self.controls.values())

    def _description(self) -> str:
        return self._heatmaps.figure.words if self._heatmaps else ""

    def _repr_mimebundle_(self, **kwargs):
        """The live widget, and for those who have no kernel the first state as PNG and text."""
        bundle = super()._repr_mimebundle_(**kwargs)
        state, sentence, picture, description = self._default
        words = "\n".join(filter(None, [f"[{state}] {sentence or self.problem}", description]))
        bundle["text/plain"] = words
        if picture:
            png = _with_footer(picture, state, sentence)
            bundle["image/png"] = base64.b64encode(png).decode()
        if picture and states.wanted():
            bundle[states.MIME] = states.every_state(self.controls, self._show)
        return bundle, {"image/png": {"alt": f"[{state}] {sentence}"}}


def _controls(compute: Callable, given: dict[str, Any]) -> dict[str, widgets.Widget]:
    if not callable(compute):
        raise TypeError(
            _("explore takes a function first; {type} is not one.", type=type(compute).__name__)
        )
    signature = inspect.signature(compute)
    try:
        signature.bind(**given)
    except TypeError as error:
        raise TypeError(
            _(
                "The controls ({names}) must be the arguments of {function}: {error}.",
                names=", ".join(given) or _("none"),
                function=f"{getattr(compute, '__name__', 'compute')}{signature}",
                error=error,
            )
        ) from None
    result = {}
    for name, abbreviation in given.items():
        parameter = signature.parameters.get(name)
        default = parameter.default if parameter else inspect.Parameter.empty
        try:
            control = interactive.widget_from_abbrev(abbreviation, default)
        except Exception:  # such as (8, 0): ipywidgets' own words name none of our arguments
            control = None
        if control is None or not hasattr(control, "value"):
            raise TypeError(
                _(
                    "{name}={abbreviation!r} is no control: give (first, last) for a "
                    "slider, a list for a drop-down, True or False for a check box.",
                    name=name,
                    abbreviation=abbreviation,
                )
            )
        control.description = control.description or _(name.replace("_", " "))
        if hasattr(control, "_options_full"):  # of a drop-down: the code gets what it gave
            value, choices = control.value, control._options_full
            control.options = [(from_code.shown(label), choice) for label, choice in choices]
            control.value = value
        control.style.description_width = "8em"
        control.layout.width = "27em"
        result[name] = control
    return result


def _sentence(caption: Caption, shown: Any, values: dict, panels: list[Panel]) -> str:
    if caption is None:
        return "; ".join(p.words.splitlines()[0] for p in panels) + "."
    if callable(caption):
        return from_code.shown(str(caption(shown, **values)))
    try:
        return _(caption, **values)
    except (KeyError, IndexError) as error:
        raise ValueError(
            _(
                "The caption names {error}; the controls are {names}.",
                error=error,
                names=", ".join(values),
            )
        ) from None


def _value_text(control: widgets.Widget) -> str:
    label = getattr(control, "label", None)  # of a drop-down: what the reader sees
    return str(label if label is not None else control.value)


def _with_footer(picture: bytes, state: str, sentence: str) -> bytes:
    """`picture` with the controls' values and the sentence under it, as pixels."""
    import io

    from PIL import Image

    top = np.asarray(Image.open(io.BytesIO(picture)).convert("RGBA"))
    width = max(top.shape[1], 480)
    lines = wrapped(state, int(width / 7.6)) + wrapped(sentence, int(width / 7.6))
    with house_style():
        figure = Figure(figsize=(width / 100, 0.19 * len(lines) + 0.16))
        FigureCanvasAgg(figure)
        figure.text(8 / width, 0.97, "\n".join(lines), va="top", linespacing=1.3, parse_math=False)
        figure.canvas.draw()
        bottom = np.asarray(figure.canvas.buffer_rgba())
    page = np.full((top.shape[0] + bottom.shape[0], width, 4), 255, np.uint8)
    page[: top.shape[0], : top.shape[1]] = top
    page[top.shape[0] :] = bottom
    return encode_png(page)
