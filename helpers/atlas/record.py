"""What is written down about one layer in one form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from helpers.language import N_, _

COLUMNS = (
    N_("form"),
    N_("role"),
    N_("mask out"),
    N_("Keras warns"),
    N_("padding moves real steps"),
    N_("in training"),
    N_("a row of padding only"),
    N_("note"),
)


@dataclass(frozen=True)
class Record:
    """One row of the atlas: one layer in one form, as it was measured.

    Attributes:
        form: The call, as one would write it.
        group: `"recurrent"`, `"merging"`, …
        classes: The classes of `keras.layers` at work in it.
        role: As in notebook 04: *creates, passes on, consumes, changes, drops*, one or two of
            them, *none* if there is no mask, or *fails*.
        mask_out: What goes out: `"as it came"`, `"OR"`, `"AND"`, `"all kept"`, `"none"`, …
        warned: Whether Keras warned that the mask is destroyed.
        rightly: Whether it is; `None` without a warning.
        leak_after: How far real steps of the output move, in units of the output, when the
            padding after them is taken away (of `fixed` forms: is filled otherwise); two digits,
            0.0 within rounding. `None`: not measured, for `note` says why.
        leak_before: The same with the padding before the words.
        training: What differs with `training=True`, and whether padding counts in it.
        empty_row: What a row of padding only gives.
        strips: Whether the call takes the mask off the tensor it was given.
        masks: The masks that come in (`"in"`, `"in, second"`) and the first one that goes out
            (`"out"`), `(B, T)`, 1 = keep.
        note: What else there is to know, such as the error of a form that fails.
    """

    form: str
    group: str
    classes: tuple[str, ...]
    role: str = "fails"
    mask_out: str = ""
    warned: bool = False
    rightly: bool | None = None
    leak_after: float | None = None
    leak_before: float | None = None
    training: str = ""
    empty_row: str = ""
    strips: bool = False
    masks: dict[str, list[list[int]]] = field(default_factory=dict)
    note: str = ""

    @property
    def leaks(self) -> bool:
        """Whether padding moves real steps, on either side."""
        return bool(self.leak_after or self.leak_before)

    @property
    def warning(self) -> str:
        """`"no"`, `"rightly"` or `"falsely"`."""
        return N_("no") if not self.warned else N_("rightly") if self.rightly else N_("falsely")

    @property
    def leak(self) -> str:
        """Both leaks in words."""
        after, before = self.leak_after, self.leak_before
        if after is None and before is None:
            return "–"
        told = [
            said if x is None else _(measured, leak=x)
            for x, measured, said in (
                (after, N_("after {leak:g}"), _("after ?")),
                (before, N_("before {leak:g}"), _("before ?")),
            )
            if x != 0
        ]
        return ", ".join(told) or _("no")

    @property
    def sentence(self) -> str:
        """The row in words, for a picture of its masks."""
        if self.role == "fails":
            return _("It fails: {why}.", why=_told(self.note))
        said = {
            "no": _("Keras says nothing"),
            "rightly": _("Keras warns"),
            "falsely": _("Keras warns falsely"),
        }
        if self.leak_after is None and self.leak_before is None:
            moved = _("there is no padding to take away")
        elif self.leak_after == 0 and self.leak_before == 0:
            moved = _("padding moves no real step")
        else:
            moved = _("padding moves real steps ({leak})", leak=self.leak)
        return _(
            "{role}; mask out: {out}. {warning}; {moved}.",
            role=_told(self.role),
            out=_told(self.mask_out or "none"),
            warning=said[self.warning],
            moved=moved,
        )

    def cells(self) -> tuple[str, ...]:
        """Returns the texts of the row, in the order of `COLUMNS` and the reader's language."""
        strips = _("takes the mask off its input") if self.strips else ""
        return (
            self.form,
            _told(self.role),
            _told(self.mask_out) or "–",
            _(self.warning),
            self.leak,
            _told(self.training) or "–",
            _told(self.empty_row) or "–",
            _("; ").join(filter(None, [strips, _told(self.note)])) or "–",
        )

    def __str__(self) -> str:
        names = [_(name) for name in COLUMNS]
        width = max(map(len, names))
        return "\n".join(f"{name:<{width}}  {cell}" for name, cell in zip(names, self.cells()))

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields, for JSON."""
        return {**asdict(self), "classes": list(self.classes)}


_SILENTLY = N_("drops (silently)")  # the one role that no choice of `browse` names


def _told(text: str) -> str:
    """What was written down in English, in the language of the reader, part by part."""
    said = _(text)
    if said == text:
        for mark in (N_("; "), N_(", "), N_(": ")):
            if mark in text:
                return _(mark).join(map(_told, text.split(mark)))
    return said
