"""Helpers of *Masks You Can See*: they draw, poke and check; what is taught is in the notebooks.

Importing this package does not import TensorFlow. It does prepare for it: when TensorFlow is
imported later in the same process it stays quiet, computes the same floats on more kinds of
processor, and Keras uses it as its backend. Import `helpers` first, therefore.
"""

import os

for _name, _value in {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # no log lines in the notebooks' outputs
    "TF_ENABLE_ONEDNN_OPTS": "0",  # the same sums in the same order
    "KERAS_BACKEND": "tensorflow",
}.items():
    os.environ.setdefault(_name, _value)

from helpers.exercises import check  # noqa: E402
from helpers.heatmaps import (  # noqa: E402
    plot_mask,
    plot_masks,
    plot_three_masks,
    plot_weights,
)
from helpers.panels import Mask, ThreeMasks, Weights  # noqa: E402
from helpers.patients import patient  # noqa: E402
from helpers.predict import predict_mask  # noqa: E402
from helpers.sentences import words  # noqa: E402
from helpers.sliders import explore  # noqa: E402
from maskprobe import (  # noqa: E402
    audit_masks,
    influence,
    measured_mask,
    padding_leak,
    trace_masks,
)

__all__ = [
    "Mask",
    "ThreeMasks",
    "Weights",
    "audit_masks",
    "check",
    "explore",
    "influence",
    "measured_mask",
    "padding_leak",
    "patient",
    "plot_mask",
    "plot_masks",
    "plot_three_masks",
    "plot_weights",
    "predict_mask",
    "trace_masks",
    "words",
]
