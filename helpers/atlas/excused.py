"""The classes of `keras.layers` that are not examined, and why."""

from __future__ import annotations

import inspect
from typing import Any

_REASONS = {
    "changes pictures before the model sees them: pixels have no timesteps": """
        AugMix AutoContrast CenterCrop ContrastLimitedAdaptiveHistogramEqualization CutMix
        Equalization MaxNumBoundingBoxes MixUp RandAugment RandomBrightness
        RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
        RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
        RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
        RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom Resizing
        Solarization""",
    "takes waves: each of its frames is made of many samples, so no mask of steps fits": """
        MelSpectrogram STFTSpectrogram""",
    "a chain of preprocessing layers, called one after the other": "Pipeline",
    "crosses two columns of a table: one value for each row, no timesteps": "HashedCrossing",
    "stands for an input while a Functional model is built, and computes nothing": "InputLayer",
    "a base class: what its subclass does is the subclass' own": "Layer Wrapper",
    "describes an input: it is no layer": "InputSpec",
    "runs JAX code, and JAX is not installed with these notebooks": "FlaxLayer JaxLayer",
    "runs a PyTorch module, and PyTorch is not installed with these notebooks": (
        "TorchModuleWrapper"
    ),
    "runs a SavedModel from a folder: what its functions do was settled when it was saved": (
        "TFSMLayer"
    ),
}
EXCUSED: dict[str, str] = {name: why for why, names in _REASONS.items() for name in names.split()}


def layer_classes(keras: Any) -> set[str]:
    """Returns the names of all classes in `keras.layers`, each class once.

    A class with two names (`Conv1D`, `Convolution1D`) goes by its own.
    """
    names: dict[type, list[str]] = {}
    for name, member in vars(keras.layers).items():
        if inspect.isclass(member) and not name.startswith("_"):
            names.setdefault(member, []).append(name)
    return {c.__name__ if c.__name__ in known else known[0] for c, known in names.items()}
