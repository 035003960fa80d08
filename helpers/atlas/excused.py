"""The classes of `keras.layers` that are not examined, and why."""

from __future__ import annotations

import inspect
from typing import Any

from helpers.language import N_

_REASONS = {
    N_("changes pictures before a model sees them: pixels, no timesteps"): """
        AugMix AutoContrast CenterCrop ContrastLimitedAdaptiveHistogramEqualization CutMix
        Equalization MaxNumBoundingBoxes MixUp RandAugment RandomBrightness
        RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
        RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
        RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
        RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom Resizing
        Solarization""",
    N_("takes waves: a frame is made of many samples, no mask of steps fits"): """
        MelSpectrogram STFTSpectrogram""",
    N_("chains preprocessing layers, one after the other"): "Pipeline",
    N_("crosses two columns of a table: one value a row, no timesteps"): "HashedCrossing",
    N_("stands for an input while a model is built, computes nothing"): "InputLayer",
    N_("is a base class: what a subclass does is the subclass' own"): "Layer Wrapper",
    N_("describes an input, is no layer"): "InputSpec",
    N_("needs JAX, which these notebooks do without"): "FlaxLayer JaxLayer",
    N_("needs PyTorch, which these notebooks do without"): ("TorchModuleWrapper"),
    N_("runs a SavedModel: what it does was settled when it was saved"): ("TFSMLayer"),
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
