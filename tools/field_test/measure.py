"""The protocol: what is measured of every subject, and how several runs become one row."""

from __future__ import annotations

import re
import time
from typing import Any

from maskprobe import batch_mates, influence, padding_leak
from tools.field_test.subjects import FIRST_ID, VOCABULARY, Inputs, Model, Subject, with_target

import numpy as np

SEEDS = {1: (0, 1, 2), 2: (3, 4)}  # by size
FEWER = {1: (0,), 2: (3,)}  # for everything but padding after in float32
DOUBTFUL = 1e-3  # less than this may be rounding that layers have made large
ANOTHER_MODEL = 0.1  # of the largest output, moved by bfloat16 alone
OUT_OF_ROUNDING = 1e-5  # of the largest change of a step by itself


def rows_of(subject: Subject) -> list[dict[str, Any]]:
    """What was measured of a subject: a row, or one for the source and one for the target.

    A question that could not be answered has its reason in place of numbers.
    """
    begun = time.monotonic()
    parts = ("source", "target") if subject.kind == "encoder–decoder" else ("",)
    rows = [
        {"library": subject.library, "model": subject.name, "kind": subject.kind, "part": part}
        for part in parts
    ]
    try:
        models = {size: subject.build(size, "float32") for size in (1, 2)}
        coarse = {1: subject.build(1, "bfloat16")}
    except Exception as error:
        for row in rows:
            row["failed"] = f"not built: {reason(error)}"
        return rows
    for row in rows:
        row["model"] = getattr(models[1], "name", subject.name)
        target = row["part"] == "target"
        row["after"] = leak(subject, models, SEEDS, "post", target)
        row["before"] = (
            {"failed": "not asked: samples in front shift the frames"}
            if subject.kind == "audio"
            else leak(subject, models, FEWER, "pre", target)
        )
        row["skipping"] = (
            leak(subject, models, FEWER, "pre", target, skip=True) if subject.positions else None
        )
        if row["skipping"] is None and row["before"].get("sound") is False:
            # What if all positions were alike? Then padding in front cannot move them.
            row["no positions"] = leak(subject, models, FEWER, "pre", target, forget=True)
        row["bfloat16"] = leak(subject, coarse, {1: (0, 1)}, "post", target)
        if row["after"].get("sound") and row["bfloat16"].get("sound") is False:
            row["bfloat16"] |= rounding(subject, models[1], coarse[1], target)
            row["bfloat16"]["sound"] = within(row["bfloat16"])
        row["mates"] = mates(subject, models) if not target else rows[0]["mates"]
        row["sees"] = sees(subject, models[1], target)
        row["seconds"] = round(time.monotonic() - begun, 1)
    return rows


def leak(
    subject: Subject,
    models: dict[int, Model],
    seeds: dict[int, tuple[int, ...]],
    side: str,
    target: bool,
    skip: bool = False,
    double: bool = False,
    forget: bool = False,
) -> dict[str, Any]:
    """The largest leak over seeds and sizes, as a share of the largest output.

    What float32 leaves in doubt is asked again in float64, which then decides.
    """
    found: dict[str, Any] = {"share": 0.0, "sound": True, "runs": 0}
    for size, model in models.items():
        for seed in seeds[size]:
            inputs, lengths = subject.batch(size, side if not target else "post", seed)
            options: dict[str, Any] = {"which": ("ids", "mask"), "side": side}
            if target:
                inputs, lengths = with_target(inputs, size, side, seed)
                options["which"] = ("target", "target_mask")
            elif subject.kind == "encoder–decoder":
                options["output_mask"] = inputs["target_mask"]
            if skip:
                inputs["positions"] = np.maximum(inputs["mask"].cumsum(axis=1) - 1, 0)
                options["which"] = (*options["which"], "positions")
            if steps := subject.steps(model):
                options["output_lengths"] = steps
            try:
                model.draw(seed)
                if forget:
                    model.forget_positions()
                size_of_output = largest(model, inputs)
                result = padding_leak(
                    model, inputs, lengths=lengths, replace_pads=subject.fixed, **options
                )
            except (ValueError, TypeError, RuntimeError) as error:
                return {"failed": reason(error)}
            share = float(result.max()) / size_of_output
            if not result.sound and share < DOUBTFUL and not double:
                exact = {size: subject.build(size, "float64")}
                again = leak(subject, exact, {size: (seed,)}, side, target, skip, True, forget)
                if "failed" not in again:
                    found["float64"] = again["share"]
                    found["sound"] &= again["sound"]
            else:
                found["sound"] &= result.sound
            found["runs"] += 1
            found["share"] = max(found["share"], float(f"{share:.2g}"))
            if result.rows_depend:
                found["rows depend"] = True
    return found


def rounding(subject: Subject, model: Model, coarse: Model, target: bool) -> dict[str, float]:
    """How far bfloat16 itself moves the outputs from those in float32, padding left as it is."""
    from maskprobe.frameworks import to_numpy

    most = 0.0
    coarse.start = model.start  # first weights are drawn otherwise in bfloat16
    for seed in (0, 1):
        inputs, _ = subject.batch(1, "post", seed)
        if target:
            inputs, _ = with_target(inputs, 1, "post", seed)
        model.draw(seed)
        coarse.draw(seed)
        exact, rough = to_numpy(model(inputs)), to_numpy(coarse(inputs))
        where = np.isfinite(exact) & np.isfinite(rough)
        steps = inputs.get("target_mask", inputs["mask"])
        if steps.shape == exact.shape[:2]:
            where &= steps.astype(bool)[..., None]
        most = max(most, float(np.abs(exact - rough)[where].max() / np.abs(exact[where]).max()))
    return {"rounding": float(f"{most:.2g}")}


def within(found: dict[str, Any]) -> bool | None:
    """Whether what moved in bfloat16 is rounding, where float32 shows no leak.

    The padded and the unpadded run may each be off by as much as was measured. `None` where
    bfloat16 makes another model of it, as where it sends steps to other experts.
    """
    if found["rounding"] > ANOTHER_MODEL:
        return None
    return found["share"] <= 2 * found["rounding"]


def largest(model: Model, inputs: Inputs) -> float:
    """The largest size of the output, in its own units."""
    from maskprobe.frameworks import to_numpy

    out = to_numpy(model(inputs))
    return float(np.abs(out[np.isfinite(out)]).max())


def mates(subject: Subject, models: dict[int, Model], double: bool = False) -> dict[str, Any]:
    """How far an answer moves with the other rows, as a share of the largest output."""
    found: dict[str, Any] = {"share": 0.0, "sound": True, "runs": 0}
    for size, model in models.items():
        for seed in FEWER[size]:
            inputs, _ = subject.batch(size, "post", seed)
            key = "target" if "target" in inputs else "ids"
            wanted = None if subject.kind == "audio" else inputs.get("target_mask", inputs["mask"])
            try:
                model.draw(seed)
                result = batch_mates(
                    model,
                    inputs,
                    which=key,
                    wanted=np.ones_like(inputs["mask"]) if wanted is None else wanted,
                )
                share = float(result.max()) / largest(model, inputs)
            except (ValueError, TypeError, RuntimeError) as error:
                return {"failed": reason(error)}
            found["runs"] += 1
            found["share"] = max(found["share"], float(f"{share:.2g}"))
            if not result.sound and share < DOUBTFUL and not double:
                again = mates(subject, {size: subject.build(size, "float64")}, double=True)
                found["float64"], found["sound"] = again["share"], found["sound"] & again["sound"]
            else:
                found["sound"] &= result.sound
    return found


def sees(subject: Subject, model: Model, target: bool, double: bool = False) -> dict[str, Any]:
    """Which steps a step sees, in one sequence without padding.

    Returns:
        `later` and `earlier`: of the pairs of steps, how many lie within reach.
    """
    if subject.kind == "audio" and subject.steps(model):
        return {"failed": "not asked: the output has other steps than the input"}
    inputs, _ = subject.batch(1, "post", 0)
    one = {key: x[:1] for key, x in inputs.items()}
    key = "target" if target else "ids"
    if subject.kind == "encoder–decoder" and not target:
        return {"failed": "not asked: the output has the target's steps"}
    vocabulary = None if one[key].dtype.kind == "f" else range(FIRST_ID, VOCABULARY)
    try:
        model.draw(0)
        moved = influence(model, one, which=key, pad_value=None, vocabulary=vocabulary, samples=2)
    except (ValueError, TypeError, RuntimeError) as error:
        if not double:  # rounding that layers make large looks like chance
            return sees(subject, subject.build(1, "float64"), target, double=True)
        return {"failed": reason(error)}
    reached = moved > OUT_OF_ROUNDING * moved.max()
    return {
        "later": int(np.triu(reached, 1).sum()),
        "earlier": int(np.tril(reached, -1).sum()),
        "pairs": len(moved) * (len(moved) - 1) // 2,
    }


def reason(error: Exception) -> str:
    """An error in one line, without what varies."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # Keras colours its messages
    text = " ".join(f"{type(error).__name__}: {said}".split())
    return text if len(text) < 240 else f"{text[:240]} …"
