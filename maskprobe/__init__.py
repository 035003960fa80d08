"""Measure what a mask really does: a library of probes, for any model that takes padded batches.

Needs NumPy only. No framework is imported before a model brings its tensors along.
"""

from maskprobe.probes import influence, padding_leak
from maskprobe.traces import trace_masks

__all__ = ["influence", "padding_leak", "trace_masks"]
