"""What is written down about one layer in one form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

COLUMNS = (
    "form",
    "role",
    "mask out",
    "Keras warns",
    "padding moves real steps",
    "in training",
    "a row of padding only",
    "note",
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
        return "no" if not self.warned else "rightly" if self.rightly else "falsely"

    @property
    def leak(self) -> str:
        """Both leaks in words."""
        after, before = self.leak_after, self.leak_before
        if after is None and before is None:
            return "–"
        parts = [("after", after), ("before", before)]
        told = [f"{side} {x:g}" if x is not None else f"{side} ?" for side, x in parts if x != 0]
        return ", ".join(told) or "no"

    @property
    def sentence(self) -> str:
        """The row in words, for a picture of its masks."""
        if self.role == "fails":
            return f"It fails: {self.note}."
        out = self.mask_out or "none"
        said = {
            "no": "Keras says nothing",
            "rightly": "Keras warns",
            "falsely": "Keras warns falsely",
        }
        moves = {"no": "padding moves no real step", "–": "there is no padding to take away"}
        moved = moves.get(self.leak, f"padding moves real steps ({self.leak})")
        return f"{self.role}; mask out: {out}. {said[self.warning]}; {moved}."

    def cells(self) -> tuple[str, ...]:
        """Returns the texts of the row, in the order of `COLUMNS`."""
        notes = [note for note in ("takes the mask off its input" * self.strips, self.note) if note]
        return (
            self.form,
            self.role,
            self.mask_out or "–",
            self.warning,
            self.leak,
            self.training or "–",
            self.empty_row or "–",
            "; ".join(notes) or "–",
        )

    def __str__(self) -> str:
        width = max(map(len, COLUMNS))
        return "\n".join(f"{name:<{width}}  {cell}" for name, cell in zip(COLUMNS, self.cells()))

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields, for JSON."""
        return {**asdict(self), "classes": list(self.classes)}
