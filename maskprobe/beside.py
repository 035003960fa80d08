"""What `audit_masks` looks at beside padding, if it is asked to: the loss, and later steps."""

from __future__ import annotations

from typing import Any

from maskprobe.rows import LATER_ONLY
from maskprobe.words import _

import numpy as np


def compare_loss(audit: Any, model: Any, inputs: Any, targets: Any) -> None:
    """Compares the loss of a compiled Keras model with the mean over the wanted steps."""
    try:
        import keras

        outputs = model(inputs, training=False)
        loss = float(np.asarray(model.compute_loss(x=inputs, y=targets, y_pred=outputs)))
        loss -= float(sum(np.asarray(extra).sum() for extra in model.losses))
        function = keras.losses.get(model.loss)
        steps = getattr(function, "call", function)(keras.ops.convert_to_tensor(targets), outputs)
        steps = np.asarray(steps)
    except Exception as error:
        audit.notes.append(
            _("The loss was not compared: {type}: {error}", type=type(error).__name__, error=error)
        )
        audit.sound = False
        return
    if steps.shape != audit.wanted.shape:
        audit.notes.append(
            _(
                "The loss was not compared: it has shape {shape}, not one value for each "
                "step {expected}.",
                shape=steps.shape,
                expected=audit.wanted.shape,
            )
        )
        return
    mean = float(steps[audit.wanted].mean())
    if abs(loss - mean) <= 1e-4 * max(abs(mean), abs(loss)):
        audit.notes.append(_("The loss, {loss:.4g}, is the mean over the real steps.", loss=loss))
        return
    said = _(
        "the loss is {loss:.4g}, and its mean over the real steps {mean:.4g}", loss=loss, mean=mean
    )
    if audit.sound:
        audit.sound, audit.cause = False, "loss"
        audit.sentence = _("Unsound: the outputs are right, and {what}.", what=said)
    else:
        audit.notes.append(_("Besides, {what}.", what=said))


def look_ahead(
    audit: Any, model: Any, inputs: Any, key: Any, output: Any, pad: Any, seed: int
) -> None:
    """Measures whether a step of the longest row sees a later one."""
    from maskprobe import influence

    row = int(audit.wanted.sum(axis=1).argmax())
    options = {"row": row, "which": key, "output": output, "pad_value": pad, "seed": seed}
    try:
        moved = np.asarray(influence(model, inputs, **options))
    except (ValueError, TypeError, RuntimeError) as error:
        audit.sound, audit.cause = False, "not measured"
        audit.sentence = _(
            "Not measured, so not sound: whether steps see later ones: {error}", error=error
        )
        return
    if moved.ndim != 2 or moved.shape[0] != moved.shape[1]:
        audit.notes.append(_("The output has no step for each input step: causal= does not apply."))
        return
    ahead = np.triu(np.nan_to_num(moved), 1) > audit.leak.tolerance
    if not ahead.any():
        audit.notes.append(_("No step sees a later one."))
        return
    seer, seen = np.argwhere(ahead)[0]
    what = _(
        "sequence {row}, step {seer} sees step {seen}, which is later",
        row=row,
        seer=seer,
        seen=seen,
    )
    later = [] if audit.trace is None else audit.trace
    wrong = [r for r in later if LATER_ONLY in r.kinds.values()]
    if not audit.sound:
        audit.notes.append(_("Besides, {what}.", what=what))
        return
    audit.sound, audit.cause, audit.differ = False, "look-ahead", ("wanted", "declared")
    readers = wrong or (audit.trace.consumers if audit.trace is not None else [])
    audit.where = readers[0].name if readers else ""
    audit.sentence = _("Unsound: padding does not move the output, but {what}.", what=what)
