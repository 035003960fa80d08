"""Measure what a mask really does: a library of probes, for any model that takes padded batches.

Needs NumPy only. No framework is imported before a model brings its tensors along.
"""

from maskprobe.audit import Audit, audit_masks
from maskprobe.influence import influence
from maskprobe.leak import Leak, padding_leak
from maskprobe.mates import batch_mates
from maskprobe.measured import measured_mask
from maskprobe.trace import Trace, trace_masks

__all__ = [
    "Audit",
    "Leak",
    "Trace",
    "audit_masks",
    "batch_mates",
    "influence",
    "measured_mask",
    "padding_leak",
    "trace_masks",
]
