"""Explorers and predictions as HTML that moves without a kernel.

The picture is the notebook's own: matplotlib draws what stands still (titles, ticks, legend,
hatched ground) once for each layout, as SVG, and `site/_static/masks.js` fills in the cells from
the stored states. Needs the stored notebooks, no TensorFlow.
"""

from __future__ import annotations

import io
import json
import re
from html import escape
from typing import Any

from helpers.heatmaps import FONT_SIZE, STYLE, Heatmaps, fitting_texts
from helpers.panels import INKS, Panel

import matplotlib
import numpy as np
from matplotlib import style

_GLYPH = re.compile(r'<path id="[A-Za-z]+-[0-9a-f]+" [^>]*/>')


def explorer_html(data: dict[str, Any], fallback: str, alt: str, number: int) -> str:
    """An Explorer as HTML.

    Args:
        data: Its stored states.
        fallback: The stored picture, as base64 PNG, for readers whose scripts are off.
        alt: The stored picture in words.
        number: Which Explorer of the page, for ids.
    """
    drawn = [[_panel(data, data["panels"][i]) for i in picture] for picture in data["pictures"]]
    scenes, places, glyphs = _scenes(drawn)
    texts: dict[tuple, int] = {}
    pictures = []
    for scene, stored, panels in zip(places, data["pictures"], drawn):
        cells = []
        for box, i, panel in zip(scenes[scene]["boxes"], stored, panels):
            shown = tuple(_written(panel, box))
            cells.append([texts.setdefault(shown, len(texts)), *data["panels"][i][2:]])
        pictures.append([scene, cells])
    controls = "".join(_control(c, f"explorer-{number}-{c['name']}") for c in data["controls"])
    moving = {
        "sizes": [len(c["values"]) for c in data["controls"]],
        "palette": data["palette"],
        "inks": INKS,
        "texts": list(texts),
        "pictures": pictures,
        "sentences": data["sentences"],
        "states": data["states"],
        "font": FONT_SIZE,
        "glyphs": glyphs,
        "scenes": scenes,
    }
    return (
        f'<figure class="masks-explorer" aria-label="Explorer">'
        f'<form class="masks-controls" hidden>{controls}</form>'
        f'<div class="masks-picture"><img alt="{escape(alt, quote=True)}" '
        f'src="data:image/png;base64,{fallback}"></div>'
        f'<figcaption role="status"></figcaption>'
        f'<script type="application/json">{_json(moving)}</script></figure>'
    )


def prediction_html(data: dict[str, Any], ask: str) -> str:
    """A grid of cells to click, with its answer."""
    rows, columns = data["rows"], data["columns"]
    down, across = data["axes"]
    head = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
    body = ""
    for r, row in enumerate(rows):
        cells = ""
        for c, column in enumerate(columns):
            text = data["texts"][r * len(columns) + c]
            where = ", ".join(f"{n} {v}" for n, v in ((down, row), (across, column)) if n)
            name = escape(", ".join(filter(None, [where, text])), quote=True)
            cells += (
                f'<td><button type="button" aria-pressed="false" data-name="{name}" '
                f'aria-label="{name}: you say kept" data-where="{escape(where, quote=True)}" '
                f"disabled>{escape(text) or '·'}</button></td>"
            )
        label = f"{down} {row}".strip()
        body += f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>'
    return (
        f'<div class="masks-prediction" data-answer="{data["answer"]}">'
        f'<div class="masks-scroll"><table><caption>{escape(across)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<p><button type="button" class="masks-check" disabled>Check</button> '
        f'<span role="status">{escape(ask)}</span></p></div>'
    )


def _control(control: dict[str, Any], name: str) -> str:
    label, values, first = escape(control["label"]), control["values"], control["first"]
    if control["kind"] == "select":
        options = "".join(
            f"<option{' selected' * (i == first)}>{escape(v)}</option>"
            for i, v in enumerate(values)
        )
        field = f'<select id="{name}">{options}</select>'
    elif control["kind"] == "checkbox":
        field = f'<input type="checkbox" id="{name}"{" checked" * first}>'
    else:
        field = (
            f'<input type="range" id="{name}" min="0" max="{len(values) - 1}" value="{first}" '
            f"data-values='{escape(json.dumps(values), quote=True)}' "
            f'aria-valuetext="{escape(values[first])}" data-lm-suppress-shortcuts="true">'
            f'<output for="{name}">{escape(values[first])}</output>'
        )
    return f'<div><label for="{name}">{label}</label>{field}</div>'


def _written(panel: Panel, box: list[float]) -> list[str]:
    """What is written in each cell of a panel that fills `box`."""
    _, _, width, height, rows, columns = box
    fitting = fitting_texts(panel, FONT_SIZE, width / columns, height / rows)
    return [fitting.get(text, "") for text in panel.texts]


def _scenes(drawn: list[list[Panel]]) -> tuple[list[dict], list[int], str]:
    """What stands still: a scene for each layout, the scene of each picture, and all glyphs."""
    keys = [tuple(p.layout for p in panels) for panels in drawn]
    first = {key: panels for key, panels in reversed(list(zip(keys, drawn)))}
    # All scenes have the size of the largest: the page must not jump.
    sizes = [Heatmaps(panels).figure.get_size_inches() for panels in first.values()]
    size = np.max(sizes, axis=0)
    scenes = [_scene(panels, size) for panels in first.values()]
    glyphs: dict[str, None] = {}
    for scene in scenes:
        glyphs |= dict.fromkeys(_GLYPH.findall(scene["svg"]))
        scene["svg"] = _GLYPH.sub("", scene["svg"])
    order = list(first)
    return scenes, [order.index(key) for key in keys], "".join(glyphs)


def _scene(panels: list[Panel], size: Any) -> dict[str, Any]:
    heatmaps = Heatmaps(panels, size=size)
    figure = heatmaps.figure
    heatmaps._show_cells(False)
    svg = io.StringIO()
    with style.context(STYLE), matplotlib.rc_context({"svg.hashsalt": "masks"}):
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    width, height = figure.get_size_inches() * 72  # the unit of matplotlib's SVG
    boxes = []
    for ax, panel in zip(figure.axes, panels):
        box = ax.get_position()
        rows, columns = panel.inks.shape
        x, y = box.x0 * width, (1 - box.y1) * height
        boxes.append([*_rounded(x, y, box.width * width, box.height * height), rows, columns])
    return {"svg": _body(svg.getvalue()), "size": _rounded(width, height), "boxes": boxes}


def _body(svg: str) -> str:
    """What is inside matplotlib's `<svg>`, with fewer digits."""
    inside = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    inside = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", inside, flags=re.S)
    inside = re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\d\.\d{2})\d+", r"\1", d[0]), inside)
    return re.sub(r"\s*\n\s*", " ", inside).strip()


def _panel(data: dict[str, Any], stored: list) -> Panel:
    layout, texts, cells, inks = stored
    kind = data["layouts"][layout]
    shape = len(kind["rows"]), len(kind["columns"])
    colours = [data["palette"][int(cells[i : i + 2], 16)] for i in range(0, len(cells), 2)]
    faces = [(*bytes.fromhex(c[1:]), 255) if c else (0, 0, 0, 0) for c in colours]
    return Panel(
        kind=kind["kind"],
        faces=np.array(faces, np.uint8).reshape(*shape, 4),
        texts=tuple(data["texts"][texts]),
        tokens=kind["tokens"],
        inks=np.array([int(i) for i in inks]).reshape(shape),
        rows=tuple(kind["rows"]),
        columns=tuple(kind["columns"]),
        axes=tuple(kind["axes"]),
        title=kind["title"],
        polarity=kind["polarity"],
        words="",
    )


def _rounded(*values: float) -> list[float]:
    return [round(float(v), 2) for v in values]


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
