"""The layer atlas: nothing is left out, what it says is measured, and notebook 04 says the same."""

import inspect
import json
import re
import runpy

from helpers.atlas import (
    EXCUSED,
    FORMS,
    Form,
    Given,
    Record,
    as_json,
    atlas,
    browse,
    examine,
    layer_classes,
)
from helpers.atlas.measure import AFTER, BEFORE, OTHER_MASK
from maskprobe import trace_masks
from tests import notebooks

import keras
import numpy as np
import pytest
from keras import layers

pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask")


@pytest.fixture(scope="module")
def records():
    return {record.form: record for record in atlas()}


# --- nothing is left out -----------------------------------------------------------------------


def test_every_class_of_keras_layers_is_examined_or_excused(records):
    examined = {name for record in records.values() for name in record.classes}
    assert not examined & set(EXCUSED), "examined, so there is nothing to excuse"
    assert examined | set(EXCUSED) == layer_classes(keras)
    assert as_json(list(records.values()))["unexamined"] == []


def test_a_class_counts_once_and_a_new_one_is_missed():
    class Other:
        class layers:
            Conv1D = Convolution1D = layers.Conv1D
            BrandNew = type("BrandNew", (layers.Layer,), {})

    assert layer_classes(Other) == {"Conv1D", "BrandNew"}
    Other.__name__, Other.__version__ = "other", "1"
    assert as_json([], keras=Other)["unexamined"] == ["BrandNew", "Conv1D"]


def test_excuses_hold():
    for name, why in EXCUSED.items():
        layer = getattr(layers, name)
        if "pictures" in why:
            assert "image_preprocessing" in layer.__module__ or name in ("CenterCrop", "Resizing")
        elif "waves" in why:
            assert "pectrogram" in name
        elif "base class" in why:
            assert any(name in {c.__name__ for c in m.__mro__[1:]} for m in _classes())
        elif "no layer" in why:
            assert not issubclass(layer, layers.Layer)
        elif "do without" in why:
            with pytest.raises(Exception):  # noqa: B017
                layer(lambda x: x)


def _classes():
    return [c for c in vars(layers).values() if inspect.isclass(c)]


def test_forms_are_named_once():
    assert len({form.name for form in FORMS}) == len(FORMS)


# --- what it says is so ------------------------------------------------------------------------


def test_what_fails_is_known(records):
    failing = {r.form for r in records.values() if r.role == "fails"}
    assert failing == {"Softmax() on vectors", "TimeDistributed(LSTM)"}
    assert not [r.form for r in records.values() if "leak not measured" in r.note]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_roles_are_those_of_a_trace(form, records):
    record = records[form.name]
    if record.role == "fails":
        pytest.skip("it fails")
    keras.utils.set_random_seed(0)
    layer = form.build(layers)
    if isinstance(layer, tuple):
        pytest.skip("two layers: two rows")
    if "first output" in form.note:
        pytest.skip("the trace looks at both outputs")

    def call(ids):
        return form.call(layer, Given(ids, form.step, other=OTHER_MASK))

    call(AFTER)
    row = next(row for row in trace_masks(call, AFTER) if row.depth == 0)
    assert row.role == record.role
    assert row.warned == record.warned


KNOWN = {  # seen in the open in other notebooks, or worked out by hand
    "Dense": ("passes on", "no", "no", "as without a mask"),
    "LSTM": ("consumes", "no", "no", "zeros"),
    "GlobalAveragePooling1D": ("consumes", "no", "no", "NaN"),
    "RMSNormalization": ("drops", "rightly", "no", "as without a mask"),
    "SpectralNormalization(Dense)": ("passes on", "falsely", "no", "as without a mask"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_rows(name, records):
    r = records[name]
    assert (r.role, r.warning, r.leak, r.empty_row) == KNOWN[name]


def test_sides_of_a_leak(records):
    causal = records['Conv1D(padding="causal")']
    assert causal.leak_after == 0 < causal.leak_before
    zeroed = records["LSTM(zero_output_for_mask=True)"]
    assert zeroed.leak_before == 0 < zeroed.leak_after
    assert records["GroupNormalization(groups=2)"].leak_after > 0
    # Largest values over the real steps and over all, by hand.
    given = Given(AFTER)
    x = np.asarray(given.x)
    real = np.where((AFTER != 0)[..., None], x, -np.inf).max(axis=1)
    largest = float(f"{abs(x.max(axis=1) - real).max():.2g}")
    assert records["GlobalMaxPooling1D"].leak_after == pytest.approx(largest)


def test_rules_of_merged_masks(records):
    assert records["Add()([x, y])"].mask_out == "OR"
    assert records["Concatenate()([x, y]), y without a mask"].mask_out == "all kept"
    assert records["Concatenate(axis=1)([x, y])"].mask_out == "one behind the other"
    either = (AFTER != 0) | OTHER_MASK
    assert records["Add()([x, y])"].masks["out"] == either.astype(int).tolist()


def test_what_training_does(records):
    assert records["Dropout(0.5)"].training == "random"
    assert records["LSTM"].training == "the same"
    assert records["BatchNormalization"].training == "updates itself: padding does not count"


class NormalizesAll(layers.BatchNormalization):
    def call(self, inputs, training=False, mask=None):
        return super().call(inputs, training=training)


class Pads(layers.Layer):
    """A leak of exactly 3, at the last real step, with padding after the words only."""

    def call(self, x):
        return keras.ops.concatenate([x[:, :-1], x[:, -1:] * 0 + 3.0], axis=1)


class Quiet(layers.Layer):
    def __init__(self, keep=True):
        super().__init__()
        self.keep = keep

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask if self.keep else None

    def call(self, x, mask=None):
        return x + 1


class Remembers(Quiet):
    """Adds up all that it saw in training, padding included; its output does not show it."""

    def build(self, shape):
        self.total = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.total.assign_add(keras.ops.sum(x))
        return x * 1.0


class HalfMasked(Quiet):
    def compute_mask(self, inputs, previous_mask=None):
        return None if previous_mask is None else ~previous_mask

    def call(self, x, mask=None):
        return x if mask is None else x * keras.ops.cast(mask, x.dtype)[..., None]


def test_layers_that_are_known_by_construction():
    r = examine(NormalizesAll())
    assert (r.role, r.training) == ("passes on", "updates itself: padding counts")
    assert examine(Remembers()).training == "updates itself: padding counts"
    assert examine(Quiet()).role == "passes on"
    assert examine(Quiet(keep=False)).role == "drops (silently)"
    r = examine(HalfMasked())
    assert (r.role, r.empty_row, r.warning) == ("consumes, changes", "zeros", "no")
    r = examine(layers.Lambda(lambda x: x + 1), step=(2, 3))
    assert (r.role, r.warning) == ("drops", "rightly")
    r = examine(Pads())
    assert r.leak_after > 0 and r.warned


def test_a_change_in_keras_is_noticed(monkeypatch):
    def average(self, x, mask=None):
        return keras.ops.mean(x, axis=1)

    assert examine("GlobalAveragePooling1D").role == "consumes"
    monkeypatch.setattr(layers.GlobalAveragePooling1D, "call", average)
    r = examine("GlobalAveragePooling1D")
    assert r.role == "drops (silently)" and r.leaks
    monkeypatch.setattr(layers.LayerNormalization, "compute_mask", lambda *a: None)
    assert examine("LayerNormalization").role == "drops (silently)"
    monkeypatch.delattr(layers, "RMSNormalization")
    missing = examine("RMSNormalization")
    assert (missing.role, missing.note) == ("fails", "there is no RMSNormalization")


def test_a_layer_is_as_it_was_after_it_was_examined():
    layer = layers.BatchNormalization()
    layer.build((None, None, 6))
    before = [w.copy() for w in layer.get_weights()]
    examine(layer)
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights()))


def test_wrong_questions_are_told_in_words():
    with pytest.raises(TypeError, match="received GRU"):
        examine(layers.GRU)
    with pytest.raises(TypeError, match="received int"):
        examine(3)
    with pytest.raises(ValueError, match="of GRU there are: GRU, GRU"):
        examine("GRU(5)")
    r = examine(layers.LSTM(4), step=())
    assert r.role == "fails" and "ValueError" in r.note, "another shape of steps"


def test_padding_is_not_zero_and_differs_from_step_to_step():
    for ids in (AFTER, BEFORE):
        given = Given(ids, (6,))
        pads = np.asarray(given.x)[ids == 0]
        assert (pads != 0).all() and len(np.unique(pads.round(4), axis=0)) == len(pads)
        other = Given(ids, (6,), table=1)
        same = np.isclose(np.asarray(other.x), np.asarray(given.x)).all(axis=-1)
        assert np.array_equal(same, ids != 0), "another table changes padded steps only"


# --- notebook 04 is the atlas in small ----------------------------------------------------------

FORM_OF = {  # a name in 04 and the row it speaks of
    "Embedding(mask_zero=True)": "Embedding(mask_zero=True)",
    "Masking": "Masking()",
    "Dense": "Dense",
    "Dropout": "Dropout(0.5)",
    "ReLU": "ReLU",
    "LayerNormalization": "LayerNormalization",
    "LSTM": "LSTM(return_sequences=True)",
    "GRU": "GRU(return_sequences=True)",
    "Bidirectional": "Bidirectional(LSTM(return_sequences=True))",
    "GlobalAveragePooling1D": "GlobalAveragePooling1D",
    "GlobalMaxPooling1D": "GlobalMaxPooling1D",
    "MaxPooling1D": "MaxPooling1D",
    "Flatten": "Flatten",
    "Reshape": "Reshape((-1, 2, 3))",
    "RMSNormalization": "RMSNormalization",
    "Conv1D": "Conv1D",
    "Average": "Average()([x, y])",
    "Multiply": "Multiply()([x, y])",
    "Maximum": "Maximum()([x, y])",
}
OF_ROLE = {  # names that mean another form in a row of the table
    ("changes", "Add"): "Add()([x, y])",
    ("changes", "Masking"): "Masking() on a masked input",
    ("changes", "Concatenate"): "Concatenate()([x, y]), y without a mask",
    ("drops silently", "Add"): "Add()([x, y]), y without a mask",
}
NO_LAYERS = {"+", "*", "keras.ops", "return_sequences=True", "initial_state", "mask="}


@pytest.fixture(scope="module")
def notebook_04():
    return notebooks.read(next(p for p in notebooks.PATHS if p.name.startswith("04_")))


def test_the_table_of_04_is_that_of_the_atlas(notebook_04, records):
    prose = "\n".join(c.source for c in notebook_04.cells if c.cell_type == "markdown")
    table = re.search(r"^\| role \| who \|\n\|.*\n((?:\|.*\n)+)", prose, re.M).group(1)
    compared = 0
    for role, who in re.findall(r"^\| (.*?) \| (.*) \|$", table, re.M):
        names = [n for n in re.findall(r"`([^`]+)`", who) if n not in NO_LAYERS]
        if who.startswith("the same without it"):
            assert records["LSTM"].role == records["GRU"].role == role
        expected = {"drops, Keras warns": "drops", "drops silently": "drops (silently)"}
        for name in names:
            form = OF_ROLE.get((role, name)) or FORM_OF.get(name)
            assert form, f"04 speaks of {name}: say in FORM_OF which row that is"
            record = records[form]
            assert record.role == expected.get(role, role), f"04 says of {name}: {role}"
            if role.startswith("drops"):
                assert record.warned == ("warns" in role)
            compared += 1
        if "(OR)" in who:
            assert records["Add()([x, y])"].mask_out == records["Average()([x, y])"].mask_out
            assert records["Add()([x, y])"].mask_out == "OR"
    assert compared >= 20
    deaf = records["LSTM, initial_state=…"]
    assert deaf.leaks and not records["LSTM, initial_state=…, mask=mask"].leaks


# --- as a table and as data ---------------------------------------------------------------------


def _some():
    masks = {"in": [[1, 0]]}
    return [
        Record("A", "g", ("A",), "passes on", "as it came", leak_after=0.5, leak_before=0.0),
        Record("B<b>", "g", ("B",), "consumes, drops", warned=True, rightly=True, masks=masks),
        Record("C", "g", ("C",), note="ValueError"),
        Record("D", "g", ("D",), "drops (silently)", leak_before=1.0, leak_after=0.0),
        Record("E", "g", ("E",), "drops", warned=True, rightly=True, leak_after=1.0),
    ]


def test_the_table_is_chosen_from():
    table = browse(_some())
    assert next(iter(table.choices)) == table.choice.value == "passes on"
    assert table.choices["everything"] == _some()
    assert [r.form for r in table.choices["drops"]] == ["B<b>", "D", "E"]
    assert [r.form for r in table.choices["padding moves real steps, Keras says nothing"]] == [
        "A",
        "D",
    ]
    table.choice.value = "consumes"
    assert "B&lt;b&gt;" in table.table.value and ">A<" not in table.table.value
    assert "creates" not in table.choices, "nothing to show"


def test_the_table_has_three_faces():
    bundle = browse(_some())._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    lines = bundle["text/plain"].splitlines()
    assert lines[0].startswith("form | role") and len(lines) == 2 + 5
    assert re.search(r"A +\| passes on +\| as it came \| no +\| after 0.5 ", bundle["text/plain"])
    html = bundle["text/html"]
    assert html.count("<details>") == len(browse(_some()).choices) - 1, "all, once"
    assert "<b>" not in html and "drops: 3</summary>" in html


def test_wrong_records_are_told_in_words():
    with pytest.raises(TypeError, match="list of records"):
        browse([1])
    with pytest.raises(ValueError, match="no records"):
        browse([])


def test_as_json(records):
    data = json.loads(json.dumps(as_json(list(records.values()))))
    assert data["keras"] == f"keras {keras.__version__}"
    assert data["records"][0]["form"] == "Embedding(mask_zero=True)"
    assert Record(**{**data["records"][0], "classes": ()}).role == "creates"
    assert len(data["records"]) == len(FORMS)


def test_the_command_writes_json(monkeypatch, capsys):
    monkeypatch.setattr("helpers.atlas.atlas", lambda keras: _some())
    monkeypatch.setattr("sys.argv", ["atlas"])
    runpy.run_module("helpers.atlas", run_name="__main__")
    data = json.loads(capsys.readouterr().out)
    assert [r["form"] for r in data["records"]] == ["A", "B<b>", "C", "D", "E"]
    assert "Dense" in data["unexamined"] and data["excused"]["Pipeline"]


class FixedSteps(layers.Layer):
    """Works on four steps only."""

    def call(self, x):
        return keras.ops.reshape(x, (3, 4, 6)) * 2


def test_a_leak_that_cannot_be_measured_is_none_and_says_why():
    r = examine(FixedSteps())
    assert (r.role, r.leak, r.leak_after) == ("drops", "–", None)
    assert "leak not measured: the model failed" in r.note


def test_words_of_a_record():
    after, both = _some()[0], Record("x", "g", (), leak_after=0.1, leak_before=2.0)
    assert (after.leak, both.leak, Record("x", "g", ()).leak) == (
        "after 0.5",
        "after 0.1, before 2",
        "–",
    )
    assert Record("x", "g", (), "none", leak_after=0.0, leak_before=0.0).leak == "no"
    assert "Keras says nothing; padding moves real steps (after 0.5)" in after.sentence
    assert _some()[2].sentence == "It fails: ValueError."
    assert "consumes, drops" in str(_some()[1])
    assert str(_some()[2]).endswith("note                      ValueError")


def test_a_form_of_ones_own():
    form = Form("twice", "own", ("Dense",), lambda k: k.Dense(6), lambda d, g, **o: d(d(g.x)))
    assert examine(form).role == "passes on"
