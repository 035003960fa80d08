"""One row of a trace: what one call did with its masks, and how that is said."""

from dataclasses import dataclass, field
from typing import Any

from maskprobe.words import N_, _

import numpy as np

COLUMNS = (
    N_("layer"), N_("class"), N_("mask in"), N_("mask out"), N_("role"), N_("warned"),
)  # fmt: skip
OTHER_POLARITY, ADDITIVE = N_("True = ignore"), N_("additive")
LATER_ONLY = N_("later steps only")  # no step sees an earlier one: reads backwards, or a mistake


@dataclass(eq=False)
class LayerCall:
    """One row of a trace: what one call of one layer (or graph operation) did with its masks.

    Masks go by the name of the argument they belong to (`"inputs"`, `"query"`, `"inputs[0]"`,
    `"output"` …); each is a NumPy array of bools (True = keep) or `None`. One that was given with
    True for *ignore*, or as 0 and -1e9 to be added, is turned round, and named in `kinds`.
    `symbolic_in` and `symbolic_out` say for the same names whether the *graph* promises a mask.
    They are `None` where there is no graph, that is outside Functional and Sequential models.

    `drops` says that a mask came in, or was made inside, and did not come out. `matters` says
    that with the mask put back there the model's output is another one; `None`: not measured,
    or a drop inside explains it. `used_by` is then the first layer behind it that would have
    used the mask. `lets_in` says that the call was given a mask, did not use it, and read the
    padded steps.
    """

    name: str
    class_name: str
    depth: int = 0
    number: int = -1  # which call of the run
    masks_in: dict[str, np.ndarray | None] = field(default_factory=dict)
    masks_out: dict[str, np.ndarray | None] = field(default_factory=dict)
    symbolic_in: dict[str, bool] | None = None
    symbolic_out: dict[str, bool] | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    takes_mask: bool = False  # whether its `call` has an argument for one
    consumes: bool = False
    drops: bool = False
    matters: bool | None = None
    used_by: str = ""
    lets_in: bool = False
    inverted: bool = False  # Keras' own layer, given a mask in which True is not *keep*
    warned: bool = False
    notes: list[str] = field(default_factory=list)
    between: str = ""  # of plain code: between which calls it stands, in words
    compiled: bool = False  # whether a tf.function was called in it
    # Where the lost mask can be put back, see `Recorder`: (call, argument or `None`, mask).
    lost: tuple[int, str | None, np.ndarray] | None = field(default=None, repr=False)

    @property
    def mask_in(self) -> np.ndarray | None:
        """The first mask that came in, or `None`."""
        return next((m for m in self.masks_in.values() if m is not None), None)

    @property
    def mask_out(self) -> np.ndarray | None:
        """The first mask that went out, or `None`."""
        return next((m for m in self.masks_out.values() if m is not None), None)

    @property
    def disagrees(self) -> bool:
        """Whether the graph promises a mask that is not there at run time."""
        pairs = ((self.symbolic_in, self.masks_in), (self.symbolic_out, self.masks_out))
        return any(
            yes and masks.get(name) is None
            for promised, masks in pairs
            for name, yes in (promised or {}).items()
        )

    @property
    def role(self) -> str:
        """What the call did with its masks, in words, for example `"consumes, passes on"`."""
        came = [m for m in self.masks_in.values() if m is not None]
        went = [m for m in self.masks_out.values() if m is not None]
        drops = N_("drops") if self.warned else N_("drops (silently)")
        if not came:
            return N_("creates") if went else f"creates, {drops}" if self.drops else N_("none")
        roles = [N_("consumes")] * self.consumes
        if went:
            same = all(any(np.array_equal(w, c) for c in came) for w in went)
            roles.append(N_("passes on") if same else N_("changes"))
        elif self.drops:
            roles.append(drops)
        return ", ".join(roles) or "none"

    def role_in_words(self) -> str:
        """The role in the language of the reader."""
        return _(", ").join(map(_, self.role.split(", ")))

    def cells(self) -> tuple[str, ...]:
        """Returns the texts of the row, in the order of `COLUMNS`."""
        warned = _("yes") if self.warned else _("no")
        if self.warned and not self.drops:
            warned = _("yes, a false alarm")
        return (
            "  " * self.depth + self.name,
            self.class_name,
            _masks_in_words(self.masks_in, self.symbolic_in, self.kinds),
            _masks_in_words(self.masks_out, self.symbolic_out, self.kinds),
            self.role_in_words() + "".join(f" ({note})" for note in self.notes),
            warned,
        )


def _masks_in_words(
    masks: dict[str, Any], symbolic: dict[str, bool] | None, kinds: dict[str, str]
) -> str:
    """Sums masks up, such as `(3, 6) 14 of 18 kept`, and says where the graph promised one."""
    words, nothing = {}, _("none")
    for name in dict.fromkeys([*masks, *(symbolic or {})]):
        mask = masks.get(name)
        if mask is None:
            promised = (symbolic or {}).get(name)
            words[name] = _("symbolic: yes, run-time: none") if promised else nothing
        elif kinds.get(name) in (OTHER_POLARITY, ADDITIVE):
            words[name] = _(
                "{shape} {kind}, {n} of {all} masked",
                shape=mask.shape,
                kind=_(kinds[name]),
                n=(~mask).sum(),
                all=mask.size,
            )
        else:
            words[name] = _(
                "{shape} {n} of {all} kept", shape=mask.shape, n=mask.sum(), all=mask.size
            )
    different = set(words.values())
    if different <= {nothing}:
        return "–"
    if len(different) == 1:
        return different.pop() + f" (×{len(words)})" * (len(words) > 1)
    return _("; ").join(f"{name}: {text}" for name, text in words.items())
