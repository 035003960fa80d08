"""Tensors of TensorFlow, PyTorch and JAX to NumPy and back, without importing any of them.

A tensor is known by the package of its type; whoever holds one has imported that package.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

_PACKAGES = {"tensorflow": "tensorflow", "torch": "torch", "jax": "jax", "jaxlib": "jax"}


def framework(x: Any) -> str | None:
    """`"tensorflow"`, `"torch"`, `"jax"`, or `None` for anything else."""
    for cls in type(x).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in _PACKAGES:
            return _PACKAGES[package]
    return None


def dtype_name(x: Any) -> str:
    """Such as `"bfloat16"`, the same in each framework; a plain number or list counts, too."""
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        dtype = np.asarray(x).dtype
    return getattr(dtype, "name", None) or str(dtype).rpartition(".")[2]


def coarsest_dtype(model: Any, output: str) -> str:
    """The coarsest float type among the output's and those that the model computes in.

    A float32 head on bfloat16 layers rounds as bfloat16 does. A Keras model tells through
    its `layers`, a PyTorch module through its `parameters()`; a function hides it.
    """
    names = {output}
    for layer in (model, *getattr(model, "layers", ())):
        names.add(str(getattr(layer, "compute_dtype", output)))
    if framework(model) == "torch" and hasattr(model, "parameters"):
        names |= {dtype_name(parameter) for parameter in model.parameters()}
    order = ("bfloat16", "float16", "float32")
    if output not in (*order, "float64"):
        return output  # integers are exact, whatever they were made of
    return next((name for name in order if name in names), output)


def to_numpy(x: Any) -> np.ndarray:
    """`x` as an array. NumPy has no bfloat16 of its own: those become float32, which is exact."""
    if framework(x) == "torch":
        x = x.detach().cpu()
        return (x.float() if dtype_name(x) == "bfloat16" else x).numpy()
    array = np.asarray(x)
    return array.astype("float32") if dtype_name(array) == "bfloat16" else array


def like(x: Any, array: np.ndarray) -> Any:
    """`array` as what `x` is: a tensor of its framework, dtype and device, or an array."""
    kind = framework(x)
    if kind is None:
        return array.astype(x.dtype) if dtype_name(x) == "bfloat16" else array
    package = sys.modules[kind]
    if kind == "torch":
        return package.as_tensor(array).to(dtype=x.dtype, device=x.device)
    if kind == "jax":
        return package.numpy.asarray(array, dtype=x.dtype)
    return package.constant(array, dtype=x.dtype)
