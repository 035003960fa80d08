"""The layer atlas: what each layer of Keras does with a mask, measured. Introduced in notebook 10.

`examine` measures one layer, `atlas` all of them, `browse` shows the records as a table with a
drop-down. `python -m helpers.atlas` writes them as JSON.
"""

from helpers.atlas.browse import browse
from helpers.atlas.collect import as_json, atlas
from helpers.atlas.excused import EXCUSED, layer_classes
from helpers.atlas.forms import FORMS
from helpers.atlas.measure import Form, Given, examine
from helpers.atlas.record import Record

__all__ = [
    "EXCUSED",
    "FORMS",
    "Form",
    "Given",
    "Record",
    "as_json",
    "atlas",
    "browse",
    "examine",
    "layer_classes",
]
