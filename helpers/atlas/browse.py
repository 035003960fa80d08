"""The atlas as a table with a drop-down: live, as HTML without a kernel, and as text."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from helpers.atlas.record import COLUMNS, Record
from helpers.language import N_, _

import ipywidgets as widgets

ROLES = (
    N_("creates"), N_("passes on"), N_("consumes"), N_("changes"), N_("drops"), N_("none"),
    N_("fails"),
)  # fmt: skip
# What the drop-down can be set to, beside the roles.
FINDINGS: dict[str, Callable[[Record], Any]] = {
    N_("padding moves real steps"): lambda r: r.leaks,
    N_("padding moves real steps, Keras says nothing"): lambda r: r.leaks and not r.warned,
    N_("Keras warns falsely"): lambda r: r.warned and not r.rightly,
    N_("padding counts in training"): lambda r: r.training.endswith("padding counts"),
    N_("NaN for a row of padding only"): lambda r: r.empty_row == "NaN",
}


def browse(records: list[Record]) -> Browser:
    """Shows records as a table, with a drop-down for their role and for what was found.

    Introduced in notebook 10. Without a kernel each choice is a line to unfold.

    Args:
        records: What `atlas` returned, or some of it.

    Returns:
        A `Browser`; put it last in a cell and it shows itself.

    Raises:
        TypeError: If `records` are no list of records.
        ValueError: If there are none.
    """
    records = list(records)
    if not all(isinstance(record, Record) for record in records):
        raise TypeError(_("Expected a list of records, as `atlas()` returns it."))
    if not records:
        raise ValueError(_("There are no records to show."))
    return Browser(records)


class Browser(widgets.VBox):
    """What `browse` returns.

    Attributes:
        choices: From what the drop-down says (in English) to the records shown then.
        choice: The drop-down.
        table: The `HTML` widget under it.
    """

    def __init__(self, records: list[Record]) -> None:
        self.choices = {role: [r for r in records if role in _roles(r)] for role in ROLES}
        self.choices |= {words: [r for r in records if has(r)] for words, has in FINDINGS.items()}
        self.choices[N_("everything")] = records  # last: a long table is not for a first look
        self.choices = {words: found for words, found in self.choices.items() if found}
        self.choice = widgets.Dropdown(
            options=[(_(words), words) for words in self.choices], description=_("show")
        )
        self.table = widgets.HTML()
        self.choice.observe(self._update, names="value")
        self._update()
        super().__init__([self.choice, self.table])

    def _update(self, _change: Any = None) -> None:
        self.table.value = _html(self.choices[self.choice.value])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The live widget; for those without a kernel one line to unfold for each choice."""
        bundle = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = text(self.choices["everything"])
        # Each form has a role, so all of them are there.
        bundle["text/html"] = "".join(
            f"<details><summary>{escape(_(words))}: {len(found)}</summary>{_html(found)}</details>"
            for words, found in list(self.choices.items())[:-1]
        )
        return bundle


def _roles(record: Record) -> list[str]:
    return [role.split(" (")[0] for role in record.role.split(", ")]


def text(records: list[Record]) -> str:
    """Returns records as lines of text, one column under the other."""
    lines = [tuple(map(_, COLUMNS)), *(record.cells() for record in records)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(" | ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _html(records: list[Record]) -> str:
    style = "style='text-align:left'"  # no colours: the table takes on the reader's theme
    head = "".join(f"<th {style}>{_(column)}</th>" for column in COLUMNS)
    lines = []
    for record in records:
        first, *rest = map(escape, record.cells())
        cells = [f"<code>{first}</code>", *rest]
        lines.append("".join(f"<td {style}>{cell}</td>" for cell in cells))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
