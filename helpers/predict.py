"""Predict before you look: a grid of cells to click, and a verdict.

Introduced in notebook 00.
"""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from helpers import states
from helpers.heatmaps import Heatmaps
from helpers.language import N_, _
from helpers.panels import INKS, KEEP, MASKED, ON_KEEP, ON_MASKED, Mask, blank_panel, mask_array

import ipywidgets as widgets
import numpy as np

MOST_CELLS = 144
ASK = N_("Click the cells you expect to be masked, then press Check.")


def predict_mask(answer: Any, *, tokens: Any = None, axes: Any = None) -> Prediction:
    """Ask the reader to click the cells that `answer` masks.

    Args:
        answer: The right mask, `(T,)`, `(B, T)` or `(T, S)`, True = keep; as for `plot_mask`.
        tokens, axes: As for `plot_mask`: tokens on the columns, or one in each cell.

    Returns:
        A `Prediction`; put it last in a cell and it shows itself.

    Raises:
        ValueError: if the mask is not valid, has more than 144 cells, or the tokens do not fit.

    Example:
    >>> predict_mask([[1, 1, 0]], tokens=["how", "are", ""])
    """
    return Prediction(answer, tokens, axes)


class Prediction(widgets.VBox):
    """What `predict_mask` returns.

    Attributes:
        cells: The buttons, row by row.
        check: The *Check* button.
        verdict: What the last *Check* said, or `""`.
    """

    def __init__(self, answer, tokens, axes):
        panels = Mask(answer, tokens=tokens, axes=axes).panels()
        if len(panels) > 1 or panels[0].inks.size > MOST_CELLS:
            raise ValueError(
                _(
                    "A prediction has rows and columns and at most {most} cells; the mask "
                    "has shape {shape}.",
                    most=MOST_CELLS,
                    shape=np.shape(answer),
                )
            )
        self._panel = blank_panel(np.shape(answer), tokens, axes, _("Which steps are masked?"))
        self._answer = mask_array(answer).reshape(self._panel.inks.shape)
        self._masked = np.zeros(self._answer.shape, bool)
        self.verdict = ""
        self.cells = [self._cell(i) for i in range(self._answer.size)]
        self.check = widgets.Button(description=_("Check"), button_style="primary")
        self.check.on_click(self._judge)
        self._words = widgets.HTML(f'<p role="status">{_(ASK)}</p>')
        super().__init__([self._grid(), self.check, self._words])

    def _cell(self, index: int) -> widgets.Button:
        cell = widgets.Button(layout=widgets.Layout(width="auto", margin="1px"))
        cell.on_click(lambda _button: self._toggle(index))
        self._paint(cell, index)
        return cell

    def _toggle(self, index: int) -> None:
        self._masked.flat[index] ^= True
        self._paint(self.cells[index], index)
        if self.verdict:  # it was about another prediction
            self.verdict, self._words.value = "", f'<p role="status">{_(ASK)}</p>'

    def _paint(self, cell: widgets.Button, index: int, mark: str = "") -> None:
        masked = bool(self._masked.flat[index])
        row, column = divmod(index, self._answer.shape[1])
        panel = self._panel
        cell.description = f"{mark} {panel.texts[index]}".strip() or "·"
        cell.style.button_color = MASKED if masked else KEEP
        cell.style.text_color = INKS[ON_MASKED if masked else ON_KEEP]
        cell.style.text_decoration = "line-through" if masked else ""
        where = self._where(row, column)
        said = N_("{place}: you say masked") if masked else N_("{place}: you say kept")
        cell.tooltip = _(said, place=", ".join(where))

    def _places(self, row: int, column: int):
        names = self._panel.axes
        return (names[0], self._panel.rows, row), (names[1], self._panel.columns, column)

    def _where(self, row: int, column: int) -> list[str]:
        """The place of a cell, as its row and its column are called: `["timestep 2"]`."""
        places = [(_(n), labels[i]) for n, labels, i in self._places(row, column) if n]
        return [_("{axis} {label}", axis=axis, label=label) for axis, label in places]

    def _judge(self, _button) -> None:
        right = self._masked == ~self._answer
        for i, cell in enumerate(self.cells):
            self._paint(cell, i, "✓" if right.flat[i] else "✗")
        counts = {"n": int(right.sum()), "all": right.size}
        if right.all():
            self.verdict = _("{n} of {all} right. That is the mask.", **counts)
        else:
            row, column = np.argwhere(~right)[0]
            text = self._panel.texts[row * right.shape[1] + column]
            spots = self._where(row, column)
            if text not in ("", "?"):
                spots.append(_("“{token}”", token=text))
            said = (
                N_("{n} of {all} right. Look again at {place}: it is not masked.")
                if self._masked[row, column]
                else N_("{n} of {all} right. Look again at {place}: it is not kept.")
            )
            self.verdict = _(said, place=", ".join(spots), **counts)
        self._words.value = f'<p role="status"><b>{escape(self.verdict)}</b></p>'

    def _grid(self) -> widgets.GridBox:
        rows, columns = self._answer.shape
        longest = max(map(len, self._panel.texts))
        width = f"{max(3.2, min(1.8 + 0.62 * (longest + 2), 8)):.1f}em"
        down, across = self._panel.axes
        end = widgets.Layout(justify_content="flex-end", padding="0 0.6em 0 0")
        middle = widgets.Layout(justify_content="center")
        children = [widgets.Label(_(across), layout=end)]
        children += [widgets.Label(column, layout=middle) for column in self._panel.columns]
        for row in range(rows):
            label = f"{_(down)} {self._panel.rows[row]}".strip()
            children.append(widgets.Label(label, layout=end))
            children += self.cells[row * columns : (row + 1) * columns]
        layout = widgets.Layout(
            grid_template_columns=f"max-content repeat({columns}, minmax(2.4em, {width}))",
            max_width="100%",
        )
        return widgets.GridBox(children, layout=layout)

    def _repr_mimebundle_(self, **kwargs):
        """The live grid, and for those who have no kernel the question as PNG and text."""
        bundle = super()._repr_mimebundle_(**kwargs)
        png = Heatmaps([self._panel]).png([self._panel])
        bundle["image/png"] = base64.b64encode(png).decode()
        rows = [
            " ".join(text or "·" for text in line)
            for line in np.array(self._panel.texts, object).reshape(self._answer.shape)
        ]
        bundle["text/plain"] = "\n".join([_(ASK), *rows])
        if states.wanted():
            bundle[states.PREDICTION_MIME] = states.prediction(self._panel, self._answer)
        return bundle, {"image/png": {"alt": _(ASK)}}
