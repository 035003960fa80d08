"""The whole atlas, as a list and as JSON."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from helpers.atlas.excused import EXCUSED, layer_classes
from helpers.atlas.forms import FORMS
from helpers.atlas.measure import examine
from helpers.atlas.record import Record


def atlas(*, keras: Any = None) -> list[Record]:
    """Examines every form of every layer.

    Introduced in notebook 10.

    Args:
        keras: Another Keras to measure, such as the module `tf_keras`.

    Returns:
        A list of `Record`, in the order of `FORMS`. Measured once in a process: about 20 seconds.
    """
    return list(_measured(keras or import_module("keras")))


@cache
def _measured(keras: Any) -> tuple[Record, ...]:
    return tuple(examine(form, keras=keras) for form in FORMS)


def as_json(records: list[Record], *, keras: Any = None) -> dict[str, Any]:
    """Returns the atlas as data, to be compared with that of another Keras.

    Args:
        records: What `atlas` returned.
        keras: The Keras that was measured.

    Returns:
        `keras`, its name and version; `records`, one dict each; `excused`, from classes to
        reasons; `unexamined`, the classes that are neither.
    """
    keras = keras or import_module("keras")
    examined = {name for record in records for name in record.classes}
    known = layer_classes(keras)
    return {
        "keras": f"{keras.__name__} {keras.__version__}",
        "records": [record.as_dict() for record in records],
        "excused": {name: why for name, why in EXCUSED.items() if name in known},
        "unexamined": sorted(known - examined - set(EXCUSED)),
    }
