"""Every state of an Explorer, and the answer to a prediction, as data.

For comparison, and for pages that have no kernel.

Stored beside the picture when the notebooks are refreshed, compared by nbval, and moved by the
script of the published pages. A reader's live notebook computes none of it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

from helpers.language import _
from helpers.panels import Panel

import numpy as np

MIME = "application/vnd.masks-you-can-see.explorer+json"
PREDICTION_MIME = "application/vnd.masks-you-can-see.prediction+json"
VARIABLE = "MASKS_STORE_STATES"  # set where notebooks are refreshed and compared
MOST_STATES = 2000


def wanted() -> bool:
    """Whether this process stores states: `make refresh`, `make test`."""
    return bool(os.environ.get(VARIABLE))


def values_of(control: Any) -> dict[str, Any]:
    """All values of a control, by the label that the reader sees.

    Raises:
        TypeError: if the control is neither slider, drop-down nor check box.
    """
    if hasattr(control, "_options_full"):
        return dict(control._options_full)
    if isinstance(control.value, bool):
        return {"False": False, "True": True}
    if all(hasattr(control, name) for name in ("min", "max", "step")):
        count = round((control.max - control.min) / control.step) + 1
        values = [control.min + i * control.step for i in range(count)]
        kind = type(control.value)
        return {_number(kind(v)): kind(v) for v in values if v <= control.max + 1e-9}
    raise TypeError(
        _(
            "{control}: the values of a {type} are endless.",
            control=control.description,
            type=type(control).__name__,
        )
    )


def every_state(
    controls: dict[str, Any], show: Callable[[dict], tuple[list[Panel], str]]
) -> dict[str, Any]:
    """All states of an Explorer, each distinct picture, text and sentence once.

    Args:
        controls: The ipywidgets controls, by name.
        show: From the controls' values to the panels and the sentence.

    Returns:
        `controls`: name, label, kind, value labels and the first value's place, each; `states`:
        for each combination of values, the last control fastest, the places of its picture and
        its sentence; `pictures`: the places of their panels; `panels`: layout, texts, and for
        each cell two hexadecimal digits, its place in `palette`, and one digit, its ink;
        `palette`: colours, `""` where the hatched ground shows.

    Raises:
        ValueError: if there are more than 2,000 states.
    """
    values = {name: values_of(control) for name, control in controls.items()}
    count = np.prod([len(v) for v in values.values()], dtype=int)
    if count > MOST_STATES:
        raise ValueError(
            _("{n} states are too many to store: at most {most}.", n=count, most=MOST_STATES)
        )
    palette, layouts, texts, panels, pictures, sentences = (_Table() for _ in range(6))
    states = []
    for chosen in itertools.product(*(v.values() for v in values.values())):
        shown, sentence = show(dict(zip(controls, chosen)))
        picture = []
        for p in shown:
            faces = p.faces.reshape(-1, 4)
            hexes = [f"#{bytes(f[:3]).hex()}" if f[3] else "" for f in faces]
            cells = "".join(f"{palette.place(h):02x}" for h in hexes)
            inks = "".join(map(str, p.inks.ravel()))
            layout = (p.kind, p.title, p.axes, p.rows, p.columns, p.polarity, p.tokens, p.scale)
            picture.append(panels.place((layouts.place(layout), texts.place(p.texts), cells, inks)))
        states.append([pictures.place(tuple(picture)), sentences.place(sentence)])
    names = ("kind", "title", "axes", "rows", "columns", "polarity", "tokens", "scale")
    return {
        "version": 1,
        "controls": [
            {
                "name": name,
                "label": control.description,
                "kind": _kind(control),
                "values": list(values[name]),
                "first": list(values[name].values()).index(control.value),
            }
            for name, control in controls.items()
        ],
        "palette": list(palette),
        "layouts": [dict(zip(names, _plain(layout))) for layout in layouts],
        "texts": _plain(texts),
        "panels": _plain(panels),
        "pictures": _plain(pictures),
        "sentences": list(sentences),
        "states": states,
    }


def prediction(panel: Panel, answer: np.ndarray) -> dict[str, Any]:
    """A prediction's question and its answer, 1 = kept, row by row."""
    return {
        "version": 1,
        "axes": list(panel.axes),
        "rows": list(panel.rows),
        "columns": list(panel.columns),
        "texts": list(panel.texts),
        "answer": "".join(map(str, answer.astype(int).ravel())),
    }


class _Table(dict):
    """Distinct things, in the order in which they came."""

    def place(self, thing: Any) -> int:
        return self.setdefault(thing, len(self))


def _plain(thing: Any) -> Any:
    return [_plain(x) for x in thing] if isinstance(thing, tuple | _Table) else thing


def _kind(control: Any) -> str:
    if hasattr(control, "_options_full"):
        return "select"
    return "checkbox" if isinstance(control.value, bool) else "slider"


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
