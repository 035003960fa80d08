"""Run a model on copies of its inputs, and say in words why it fails if it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any

from maskprobe.frameworks import coarsest_dtype, dtype_name, framework, to_numpy
from maskprobe.inputs import Arrays, is_several, items_of
from maskprobe.words import _

import numpy as np

_NO_MEMORY = ("memory", "resourceexhausted", "resource exhausted", "oom ", "failed to allocate")


class ModelFailed(RuntimeError):
    """The model raised an error; `cause` is the model's own."""

    def __init__(self, message: str, cause: Exception):
        super().__init__(message)
        self.cause = cause

    @property
    def out_of_memory(self) -> bool:
        text = f"{type(self.cause).__name__}: {self.cause}".lower()
        return any(word in text for word in _NO_MEMORY)


class Runner:
    """Calls a model on dicts of arrays and returns the chosen output as an array.

    Attributes:
        dtype: Name of the coarsest type that the output went through.
        batch: Rows of every forward pass, for a model built for one batch size; else `None`.
    """

    def __init__(self, model: Any, pack: Callable[[Arrays], Any], output: Hashable | None):
        if not callable(model):
            raise TypeError(_("expected a callable model, got {type}", type=type(model).__name__))
        self.model, self.pack, self.output = model, pack, output
        self.dtype, self.batch = "float32", None

    def __call__(self, arrays: Arrays, what: str) -> np.ndarray:
        """The output for `arrays`, with `B` rows.

        Raises:
            ModelFailed: If the model raises an error on `what`.
        """
        rows = len(next(iter(arrays.values())))
        if self.batch is None or rows == self.batch:
            return self._once(arrays, what)
        outputs = []
        for start in range(0, rows, self.batch):  # the last pass is filled up with copies
            index = np.minimum(np.arange(start, start + self.batch), rows - 1)
            part = self._once({key: array[index] for key, array in arrays.items()}, what)
            outputs.append(part[: rows - start])
        return np.concatenate(outputs)

    def or_in_batches_of(self, batch: int, arrays: Arrays, what: str) -> np.ndarray:
        """Runs `arrays`; a model that fails may be built for `batch` rows, so tries that."""
        try:
            return self(arrays, what)
        except ModelFailed as error:
            if self.batch is not None or error.out_of_memory:
                raise
            self.batch = batch
            try:
                return self(arrays, what)
            except ModelFailed:
                self.batch = None
                raise error from None

    def _once(self, arrays: Arrays, what: str) -> np.ndarray:
        try:
            result = self.model(self.pack(arrays))
        except Exception as error:
            raise ModelFailed(
                _("the model failed on {what}: {error}", what=what, error=said(error, arrays)),
                error,
            ) from error
        if is_several(result):
            parts = items_of(result)
            if len(parts) == 1 and self.output is None:
                result = next(iter(parts.values()))
            elif self.output not in parts:
                raise ValueError(
                    _(
                        "choose with output= one of {names}, got {output!r}",
                        names=list(parts),
                        output=self.output,
                    )
                )
            else:
                result = parts[self.output]
        elif self.output not in (None, 0):
            raise ValueError(
                _("the model has one output, got output={output!r}", output=self.output)
            )
        self.dtype = coarsest_dtype(self.model, dtype_name(result))
        try:
            out = to_numpy(result)
        except (TypeError, ValueError) as error:
            raise TypeError(
                _("the output is no array of numbers: {type}", type=type(result).__name__)
            ) from error
        if out.dtype.kind not in "biufc":
            raise TypeError(
                _("the output is no array of numbers: {type}", type=type(result).__name__)
            )
        out = out.astype("float64" if out.dtype.kind in "biu" else np.result_type(out, "f4"))
        rows = len(next(iter(arrays.values())))
        if out.shape[:1] != (rows,):
            raise ValueError(
                _(
                    "expected {rows} rows in the output, got shape {shape}",
                    rows=rows,
                    shape=out.shape,
                )
            )
        return out


def said(error: Exception, arrays: Arrays) -> str:
    """What the model said, shapes of its inputs, and a hint where the cause can be told."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # Keras colours its messages
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    message = " ".join(lines[:2])  # the first often says no more than that there was an error
    message = message if len(message) < 300 else f"{message[:300]} …"
    shapes = ", ".join(f"{key!r} {a.shape} {a.dtype}" for key, a in arrays.items())
    return _("{error} (inputs {shapes})", error=f"{type(error).__name__}: {message}", shapes=shapes)


def hint(error: ModelFailed, arrays: Arrays, model: Any) -> str:
    """What to try after the model failed on the batch as given."""
    text = f"{type(error.cause).__name__}: {error.cause}".lower()
    if error.out_of_memory:
        return _("the batch does not fit in memory: give fewer rows, or shorter ones")
    module = framework(model) == "torch"
    if "must be tensor, not" in text or (module and "numpy" in text) or (module and "list" in text):
        return _("a PyTorch model takes PyTorch tensors: give torch.as_tensor(inputs)")
    if module and "dict" in text:
        return _(
            "a PyTorch module is given the dict as it is; models of Transformers want what is in "
            "it by name: lambda x: model(**x)"
        )
    floats = [key for key, a in arrays.items() if a.dtype.kind == "f" and (a == np.floor(a)).all()]
    if floats and any(word in text for word in ("float", "double", "int", "index")):
        return _(
            "input {key!r} holds floats that are all whole numbers: if they are ids, "
            'give integers, ids.astype("int32")',
            key=floats[0],
        )
    if any(a.dtype == "int64" for a in arrays.values()) and "int" in text:
        return _('the ids are int64, NumPy\'s own type for integers: try ids.astype("int32")')
    if any(a.dtype == "int32" for a in arrays.values()) and ("int" in text or "long" in text):
        return _('the ids are int32: try ids.astype("int64")')
    if any(word in text for word in ("out of range", "out of bounds", "not in [0", "indices[")):
        return _(
            "an id is too large for a table of the model, or the batch longer than its positions"
        )
    return _("model(inputs) must run first: try that by itself, with inputs as they are given here")
