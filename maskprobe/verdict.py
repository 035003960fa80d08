"""From three masks, a leak and a trace to a cause: what `audit_masks` says."""

from __future__ import annotations

from typing import Any

from maskprobe.rows import LATER_ONLY
from maskprobe.second_look import SecondLook
from maskprobe.show import places
from maskprobe.words import _

import numpy as np


def declared_mask(
    trace: Any, wanted: np.ndarray, numbers: set[int] | None = None
) -> tuple[np.ndarray | None, Any]:
    """What the layers say of the steps, `(B, T)`, and the call that says it.

    Masks come from layers that make them, or by hand to layers that use them. Of several with
    the right number of steps, the one that is as wanted counts. `numbers` are the calls whose
    masks come from the input in question, where there are several inputs.
    """
    found = []
    for row in trace:
        if numbers is not None and row.number not in numbers:
            continue
        passed = row.masks_in if row.consumes else {}
        for masks in (row.masks_out if row.mask_in is None else {}, passed):
            for mask in masks.values():
                steps = None if mask is None else _per_step(mask, wanted.shape)
                if steps is not None:
                    found.append((~steps if row.inverted else steps, row))
    made = [pair for pair in found if pair[1].mask_in is None] or found
    right = [pair for pair in made if np.array_equal(pair[0], wanted)]
    return (right or made or [(None, None)])[0]


def _per_step(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
    """A mask `(B, T)`, or an attention mask `(B, …, T)`, as `(B, T)`: keys that any query sees."""
    if mask.ndim < 2 or mask.shape[0] not in (1, shape[0]) or mask.shape[-1] != shape[1]:
        return None
    steps = mask.reshape(mask.shape[0], -1, mask.shape[-1]).any(axis=1)
    return np.broadcast_to(steps, shape) if mask.ndim > 2 or mask.shape == shape else None


def judge(audit: Any, maker: Any, look: SecondLook) -> None:
    """Names the cause, the masks that differ, and the place."""
    wanted, declared, leak, trace = audit.wanted, audit.declared, audit.leak, audit.trace
    numbers = leak.sentence[0].upper() + leak.sentence[1:]

    def found(cause: str, differ: tuple[str, ...], where: str, what: str) -> None:
        audit.cause, audit.differ, audit.where = cause, differ, where
        audit.sentence = _("Unsound: {what}. {numbers}.", what=what, numbers=numbers)

    if leak.rows_depend:
        what = _("rows depend on their batch, not only on padding")
        return found("rows depend", ("rows",), look.mixer(leak), what)
    if leak.constant:
        return found("constant", ("wanted", "measured"), "", _("no real step moves the output"))
    masked = wanted & ~audit.measured
    if leak.sound:
        lost = masked & ~declared if declared is not None else np.zeros_like(wanted)
        if lost.any():
            what = _("real steps are masked ({places})", places=places(lost))
            return found("real steps masked", ("wanted", "declared"), _name(maker), what)
        if trace is not None and trace.entries and look.elsewhere():
            name = trace.entries[0].name
            what = _(
                "the mask comes to {name}, which does not use it. It does no harm in "
                "this batch, but does in one of the same steps in other rows",
                name=name,
            )
            return found("unused", ("declared", "measured"), name, what)
        if declared is not None and (declared & ~wanted).any():
            audit.notes.append(
                _(
                    "More is declared kept than wanted ({places}); it does not move this output.",
                    places=places(declared & ~wanted),
                )
            )
        if masked.any():
            audit.notes.append(
                _(
                    "Some real steps move nothing on their own ({places}): right for a "
                    "maximum, a slice or a last step, wrong otherwise.",
                    places=places(masked),
                )
            )
        for about, remark in trace.told() if trace is not None else ():
            if about in ("loss", LATER_ONLY):
                audit.notes.append(remark)
        audit.sound, audit.cause = True, "sound"
        audit.sentence = _("Sound: padding does not move the output. {numbers}.", numbers=numbers)
        return None
    if trace is None:
        return found("unknown", ("wanted", "measured"), "", _("padded steps move the output"))
    if declared is None and (trace.status == "none made" or look.makers == set()):
        plain = [row for row in trace if row.mask_out is None and "Embedding" in row.class_name]
        first = plain[0].name if plain else ""
        what = _("no mask is made, so every step is kept")
        given = [row.name for row in trace if row.mask_in is not None]
        if given:  # by hand
            what = _(
                "no layer makes a mask, and the one that {layer} is given lets padding in",
                layer=given[0],
            )
        return found("no mask", ("wanted", "declared"), first, what)
    wrong = [row for row in trace if row.inverted]
    if wrong:
        what = _("the mask comes to {name} the wrong way round", name=wrong[0].name)
        return found("inverted", ("wanted", "declared"), wrong[0].name, what)
    if declared is not None and (declared != wanted).any():
        what = _("wanted and declared differ ({places})", places=places(declared != wanted))
        return found("wanted not declared", ("wanted", "declared"), _name(maker), what)
    differ = ("declared", "measured")
    if trace.drops:
        drop = trace.drops[0]
        where = f"{drop.name} {drop.between}".strip()
        what = _("the mask is lost at {place}", place=where)
        if drop.used_by:
            what = _("{what}, and {reader} behind it gets none", what=what, reader=drop.used_by)
        return found("dropped", differ, where, what)
    if trace.entries:
        name = trace.entries[0].name
        return found(
            "unused", differ, name, _("the mask comes to {name}, which does not use it", name=name)
        )
    changed = [
        row
        for row in trace
        if row.mask_in is not None and _is_other(row.mask_out, wanted) and row.mask_out is not None
    ]
    if changed:
        name = changed[0].name
        return found(
            "changed", differ, name, _("{name} hands on another mask than it got", name=name)
        )
    if look.side == "pre" and look.moved_behind():
        place = next((r.name for r in trace if "osition" in r.name + r.class_name), "")
        what = _("the masks are right, and the padding in front moves the positions")
        return found("positions", differ, place, what)
    if not trace.consumers:
        last = [row.name for row in trace if row.mask_out is not None]
        what = _("a mask is made, and no layer uses it")
        return found("unused", differ, last[-1] if last else "", what)
    name = trace.consumers[-1].name
    what = _("{name} uses the mask, and padding moves the output all the same", name=name)
    return found("misused", differ, name, what)


def _is_other(mask: np.ndarray | None, wanted: np.ndarray) -> bool:
    return mask is not None and mask.shape == wanted.shape and not np.array_equal(mask, wanted)


def _name(row: Any) -> str:
    return row.name if row is not None else ""
