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

from helpers.fonts import STYLE
from helpers.from_code import shown
from helpers.heatmaps import FONT_SIZE, Heatmaps, fitting_texts
from helpers.panels import INKS, Panel

import matplotlib
import numpy as np
from matplotlib import style

PIXELS = 100 / 72  # to a point: pictures have 100 dots an inch
_GLYPH = re.compile(r'<path id="[A-Za-z-]+-[0-9a-f]+" [^>]*/>')


def explorer_html(data: dict[str, Any], fallback: str, number: int, words: dict[str, str]) -> str:
    """An Explorer as HTML.

    Args:
        data: Its stored states.
        fallback: The stored picture, as HTML, for readers whose scripts are off.
        number: Which Explorer of the page, for ids.
        words: What the site says, in the page's language.
    """
    drawn = panels_of(data)
    scenes, places = _scenes(drawn)
    pieces, glyphs = _shared(scenes)
    texts: dict[tuple, int] = {}
    pictures = []
    for scene, stored, panels in zip(places, data["pictures"], drawn):
        cells = []
        for box, i, panel in zip(scenes[scene]["boxes"], stored, panels):
            written = tuple(_written(panel, box))
            cells.append([texts.setdefault(written, len(texts)), *data["panels"][i][2:]])
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
        "pieces": pieces,
        "scenes": scenes,
    }
    first = data["sentences"][data["states"][first_state(data)][1]]
    return (
        f'<figure class="masks-explorer" aria-label="{escape(words["explorer"])}">'
        f'<form class="masks-controls" hidden>{controls}</form>'
        f'<div class="masks-picture"><noscript>{fallback}</noscript></div>'
        f'<figcaption><p role="status">{escape(first)}</p></figcaption>'
        f'<script type="application/json">{_json(moving)}</script></figure>'
    )


def first_state(data: dict[str, Any]) -> int:
    """The place in `states` of the controls' first values."""
    place = 0
    for control in data["controls"]:
        place = place * len(control["values"]) + control["first"]
    return place


def panels_of(data: dict[str, Any]) -> list[list[Panel]]:
    """The panels of each stored picture."""
    return [[_panel(data, data["panels"][i]) for i in picture] for picture in data["pictures"]]


def prediction_html(data: dict[str, Any], words: dict[str, str]) -> str:
    """A grid of cells to click, with its answer.

    Args:
        data: The stored question and answer.
        words: What the site says, in the page's language.
    """
    rows, columns = data["rows"], data["columns"]
    down, across = map(shown, data["axes"])
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
                f'data-where="{escape(where, quote=True)}" disabled>'
                f"{escape(text) or '·'}</button></td>"
            )
        label = f"{down} {row}".strip()
        body += f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>'
    return (
        f'<div class="masks-prediction" data-answer="{data["answer"]}">'
        f'<div class="masks-scroll"><table><caption>{escape(across)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<p><button type="button" class="masks-check" disabled>{escape(words["check"])}</button> '
        f'<span role="status">{escape(words["predict"])}</span></p></div>'
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
            f'<span aria-hidden="true">{escape(values[first])}</span>'
        )
    return f'<div><label for="{name}">{label}</label>{field}</div>'


def _written(panel: Panel, box: list[float]) -> list[str]:
    """What is written in each cell of a panel that fills `box`."""
    _, _, width, height, rows, columns = box
    # In the notebook's pixels, so that what fits there fits here.
    cell = PIXELS * width / columns, PIXELS * height / rows
    fitting = fitting_texts(panel, round(PIXELS * FONT_SIZE, 2), *cell)
    return [fitting.get(text, "") for text in panel.texts]


def _scenes(drawn: list[list[Panel]]) -> tuple[list[dict], list[int]]:
    """What stands still: a scene for each layout, and the scene of each picture."""
    keys = [tuple(p.layout for p in panels) for panels in drawn]
    first = {key: panels for key, panels in reversed(list(zip(keys, drawn)))}
    # All scenes have the size of the largest: the page must not jump.
    heatmaps = [Heatmaps(panels) for panels in first.values()]
    size = np.max([h.figure.get_size_inches() for h in heatmaps], axis=0)
    scenes = []
    for each, panels in zip(heatmaps, first.values()):
        fits = np.array_equal(each.figure.get_size_inches(), size)
        scenes.append(_scene(each if fits else Heatmaps(panels, size=size), panels))
    order = {key: place for place, key in enumerate(first)}
    return scenes, [order[key] for key in keys]


def _shared(scenes: list[dict]) -> tuple[list[str], str]:
    """Take out of the scenes what several have: the pieces of their SVG, and all glyphs."""
    pieces: dict[str, int] = {}
    glyphs: dict[str, None] = {}
    for scene in scenes:
        glyphs |= dict.fromkeys(_GLYPH.findall(scene["svg"]))
        svg = _GLYPH.sub("", scene["svg"])
        used = set(re.findall(r"#([\w-]+)", svg))
        svg = re.sub(r' id="([\w-]+)"', lambda i, u=used: i[0] if i[1] in u else "", svg)
        scene["svg"] = [pieces.setdefault(p, len(pieces)) for p in re.split(r"(?=<g>)", svg)]
    return list(pieces), "".join(glyphs)


def _scene(heatmaps: Heatmaps, panels: list[Panel]) -> dict[str, Any]:
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
    places = r' d="[^"]*"| [xy]="[^"]*"|translate\([^)]*\)'
    inside = re.sub(places, lambda p: re.sub(r"(\d\.\d{2})\d+", r"\1", p[0]), inside)
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
        scale=kind["scale"],
        words="",
    )


def _rounded(*values: float) -> list[float]:
    return [round(float(v), 2) for v in values]


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
