"""`trace_masks` against models whose answer is written down beforehand."""

import os
import subprocess
import sys
import warnings
from html.parser import HTMLParser

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from maskprobe import trace_masks

import keras
import numpy as np
import pytest

L = keras.layers
IDS = np.array([[3, 7, 2, 0, 0, 0], [5, 1, 4, 8, 2, 6], [9, 2, 4, 3, 1, 0]])
MASK = IDS != 0
# Models are also run untraced here.
pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask information")


def embed(**options):
    return L.Embedding(10, 4, mask_zero=True, **options)


def functional(build):
    ids = keras.Input((6,), dtype="int32")
    return keras.Model(ids, build(embed(name="embed")(ids)))


def roles(trace):
    return [(row.class_name, row.role, row.warned) for row in trace]


def row_of(trace, class_name, index=0):
    return [row for row in trace if row.class_name == class_name][index]


class Scale(L.Layer):
    """Uses its mask, but forgets to say that it supports masking."""

    def call(self, inputs, mask=None):
        if mask is None:
            return inputs
        return inputs * keras.ops.cast(mask, inputs.dtype)[..., None]


class GoodScale(Scale):
    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True


class Halve(L.Layer):
    """Changes the mask."""

    def call(self, inputs):
        return inputs[:, :3]

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else mask[:, :3]


class MaskOnes(L.Layer):
    """Creates a mask, and hands its input on: the mask ends up on the caller's tensor."""

    def call(self, inputs):
        return inputs

    def compute_mask(self, inputs, mask=None):
        return keras.ops.not_equal(inputs, 1)


class Boom(L.Layer):
    def call(self, inputs):
        raise RuntimeError("boom")


# --- Known answers: (class, role, warned) per row -------------------------------------------


SEQUENTIAL = {
    "lstm uses the mask up": (
        lambda: [L.LSTM(3)],
        [("LSTM", "consumes", False)],
    ),
    "lstm of sequences also passes it on": (
        lambda: [L.LSTM(3, return_sequences=True)],
        [("LSTM", "consumes, passes on", False)],
    ),
    "dense passes on": (
        lambda: [L.Dense(3), L.LSTM(3)],
        [("Dense", "passes on", False), ("LSTM", "consumes", False)],
    ),
    "convolution drops, and lstm is left without": (
        lambda: [L.Conv1D(4, 3, padding="same"), L.LSTM(3)],
        [("Conv1D", "drops", True), ("LSTM", "none", False)],
    ),
    "flatten drops": (
        lambda: [L.Flatten(), L.Dense(2)],
        [("Flatten", "drops", True), ("Dense", "none", False)],
    ),
    "bidirectional": (
        lambda: [L.Bidirectional(L.LSTM(2, return_sequences=True)), L.Bidirectional(L.GRU(2))],
        [("Bidirectional", "consumes, passes on", False), ("Bidirectional", "consumes", False)],
    ),
    "time distributed dense": (
        lambda: [L.TimeDistributed(L.Dense(2)), L.GlobalAveragePooling1D()],
        [("TimeDistributed", "passes on", False), ("GlobalAveragePooling1D", "consumes", False)],
    ),
    "a maximum over time ignores padding's mask": (
        lambda: [L.GlobalMaxPooling1D()],
        [("GlobalMaxPooling1D", "drops", True)],
    ),
    "a mask argument is not use: batch normalisation at inference": (
        lambda: [L.BatchNormalization(), L.Dropout(0.5)],
        [("BatchNormalization", "passes on", False), ("Dropout", "passes on", False)],
    ),
    "custom consumer, support not declared": (
        lambda: [Scale()],
        [("Scale", "consumes, drops", True)],
    ),
    "custom consumer, support declared": (
        lambda: [GoodScale(), L.LSTM(2)],
        [("GoodScale", "consumes, passes on", False), ("LSTM", "consumes", False)],
    ),
    "compute_mask changes": (
        lambda: [Halve(), L.LSTM(2)],
        [("Halve", "changes", False), ("LSTM", "consumes", False)],
    ),
    "a stateful lstm": (
        lambda: [L.LSTM(3, stateful=True, return_sequences=True)],
        [("LSTM", "consumes, passes on", False)],
    ),
}


@pytest.mark.parametrize("case", SEQUENTIAL)
def test_roles_in_a_sequential_model(case):
    layers, expected = SEQUENTIAL[case]
    model = keras.Sequential([embed(), *layers()])
    model(IDS)
    assert roles(trace_masks(model, IDS)) == [("Embedding", "creates", False), *expected]


def test_masks_are_numpy_bools_with_the_right_values():
    trace = trace_masks(keras.Sequential([embed(), Halve(), L.Flatten()]), IDS)
    created, halved, flat = trace
    assert created.mask_in is None
    for mask, expected in (
        (created.mask_out, MASK),
        (halved.mask_in, MASK),
        (halved.mask_out, MASK[:, :3]),
        (flat.mask_in, MASK[:, :3]),
    ):
        assert isinstance(mask, np.ndarray) and mask.dtype == bool
        assert np.array_equal(mask, expected)
    assert flat.mask_out is None


def test_masking_layer_creates():
    readings = np.where(MASK[..., None], np.ones((3, 6, 2), "float32"), 0)
    trace = trace_masks(keras.Sequential([L.Masking(), L.GRU(2)]), readings)
    assert roles(trace) == [("Masking", "creates", False), ("GRU", "consumes", False)]
    assert np.array_equal(trace[0].mask_out, MASK)


def test_unmasked_model_has_no_roles():
    trace = trace_masks(keras.Sequential([L.Embedding(10, 4), L.LSTM(3)]), IDS)
    assert [row.role for row in trace] == ["none", "none"]
    assert trace.summary() == "No mask is dropped."


# --- The findings ---------------------------------------------------------------------------


def two_blocks(x):
    for _ in range(2):
        x = L.Add()([x, L.MultiHeadAttention(2, 2)(x, x)])
    return x


def test_finding_1_residual_around_attention_drops_the_mask_silently():
    trace = trace_masks(functional(two_blocks), IDS)
    assert roles(trace) == [
        ("Embedding", "creates", False),
        ("MultiHeadAttention", "consumes, passes on", False),
        ("Add", "drops (silently)", False),
        ("MultiHeadAttention", "none", False),
        ("Add", "none", False),
    ]
    attention, add = trace[1:3]
    assert "takes the mask off its input" in attention.notes
    assert not attention.disagrees and add.disagrees
    assert add.masks_in["inputs[0]"] is None
    assert np.array_equal(add.masks_in["inputs[1]"], MASK)
    assert add.symbolic_in == {"inputs[0]": True, "inputs[1]": True}
    assert add.symbolic_out == {"output": True} and add.masks_out == {"output": None}
    assert "symbolic: yes, run-time: none" in repr(trace)
    assert "symbolic: yes, run-time: none" in trace._repr_html_()


def test_finding_1_cured_by_an_explicit_attention_mask():
    ids = keras.Input((6,), dtype="int32")
    x, keep = L.Embedding(10, 4)(ids), keras.ops.not_equal(ids, 0)
    for _ in range(2):
        x = L.Add()([x, L.MultiHeadAttention(2, 2)(x, x, attention_mask=keep[:, None, :])])
    trace = trace_masks(keras.Model(ids, x), IDS)
    for index in range(2):
        attention = row_of(trace, "MultiHeadAttention", index)
        assert attention.consumes
        assert np.array_equal(attention.masks_in["attention_mask"], MASK[:, None])


def test_finding_3_initial_state_makes_an_lstm_deaf():
    def build(x):
        state = [keras.ops.zeros_like(x[:, 0, :3])] * 2
        return L.LSTM(3, return_sequences=True)(x, initial_state=state)

    lstm = row_of(trace_masks(functional(build), IDS), "LSTM")
    assert (lstm.role, lstm.consumes) == ("passes on", False)
    assert lstm.notes == ["its call is not given the mask"]
    assert list(lstm.masks_in) == ["sequences"]  # and no row of `None`s for the states


def test_mask_passed_by_hand_reaches_the_deaf_lstm():
    class Decoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding, self.lstm = embed(), L.LSTM(3, return_sequences=True)

        def call(self, ids):
            x, mask = self.embedding(ids), self.embedding.compute_mask(ids)
            state = [keras.ops.zeros((3, 3))] * 2
            return self.lstm(x, initial_state=state, mask=mask)

    assert roles(trace_masks(Decoder(), IDS))[1] == ("LSTM", "consumes, passes on", False)


def branches(second_mask_zero):
    ids = [keras.Input((6,), dtype="int32") for _ in range(2)]
    out = L.Add()([embed()(ids[0]), L.Embedding(10, 4, mask_zero=second_mask_zero)(ids[1])])
    return keras.Model(ids, out)


def test_finding_9_merging_with_an_unmasked_branch_drops():
    add = row_of(trace_masks(branches(False), [IDS, IDS[::-1]]), "Add")
    assert (add.role, add.warned, add.mask_out) == ("drops (silently)", False, None)
    assert not add.disagrees
    assert add.cells()[2] == "inputs[0]: (3, 6) 14 of 18 kept; inputs[1]: none"


def test_finding_9_merging_two_masked_branches_is_an_or():
    add = row_of(trace_masks(branches(True), [IDS, IDS[::-1]]), "Add")
    assert add.role == "changes"
    assert np.array_equal(add.mask_out, MASK | MASK[::-1])


# --- Graph operations -----------------------------------------------------------------------


def test_plus_in_a_functional_graph_is_a_silent_drop_and_add_layer_is_not():
    plus = trace_masks(functional(lambda x: L.LSTM(2)(x + x)), IDS)
    layer = trace_masks(functional(lambda x: L.LSTM(2)(L.Add()([x, x]))), IDS)
    assert roles(plus)[1:] == [("Add (op)", "drops (silently)", False), ("LSTM", "none", False)]
    assert row_of(layer, "Add").role == "passes on"
    assert row_of(layer, "LSTM").role == "consumes"
    name = plus[1].name
    assert plus.summary() == f"Mask dropped at: {name} (silently)."


def test_slicing_in_a_functional_graph_is_a_silent_drop():
    trace = trace_masks(functional(lambda x: x[:, :3]), IDS)
    assert roles(trace)[1:] == [("GetItem (op)", "drops (silently)", False)]


def test_the_baked_in_mask_is_a_row_and_comes_in_at_its_consumer():
    trace = trace_masks(functional(lambda x: L.LSTM(2)(x)), IDS)
    assert sorted(row.class_name for row in trace) == ["Embedding", "LSTM", "NotEqual (op)"]
    assert row_of(trace, "NotEqual (op)").notes == ["its output is a mask"]
    lstm = row_of(trace, "LSTM")
    assert np.array_equal(lstm.mask_in, MASK) and lstm.symbolic_in == {"sequences": True}


def test_a_shared_layer_has_a_row_for_each_of_its_calls():
    dense = L.Dense(4)
    trace = trace_masks(functional(lambda x: dense(dense(x) + 1)), IDS)
    rows = [row for row in trace if row.class_name == "Dense"]
    assert [row.role for row in rows] == ["passes on", "none"]
    assert [row.symbolic_out for row in rows] == [{"output": True}, {"output": False}]


# --- Kinds of models ------------------------------------------------------------------------


def test_nested_models_are_opened_and_indented():
    x = keras.Input((6, 4))
    inner = keras.Model(x, L.LSTM(2)(L.Dense(4)(x)), name="inner")
    trace = trace_masks(keras.Sequential([embed(), inner]), IDS)
    assert [(row.class_name, row.depth) for row in trace] == [
        ("Embedding", 0),
        ("Functional", 0),
        ("Dense", 1),
        ("LSTM", 1),
    ]
    outer, dense, lstm = trace[1:]
    assert lstm.role == "consumes"  # the graph of `inner` knows of no mask, yet it arrives
    assert dense.symbolic_in == {"inputs": False} and dense.disagrees
    # Keras warns, although nothing inside drops the mask.
    assert (outer.role, outer.warned, outer.drops) == ("consumes", True, False)
    assert outer.cells()[-1] == "yes, a false alarm"


def test_subclassed_model_with_the_mask_passed_by_hand():
    class ByHand(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding, self.conv, self.lstm = embed(), L.Conv1D(4, 1), L.LSTM(3)

        def call(self, ids):
            mask = self.embedding.compute_mask(ids)
            return self.lstm(self.conv(self.embedding(ids)), mask=mask)

    trace = trace_masks(ByHand(), IDS)
    assert roles(trace) == [
        ("Embedding", "creates", False),
        ("Conv1D", "drops", True),
        ("LSTM", "consumes", False),
    ]
    assert np.array_equal(trace[2].mask_in, MASK)
    assert trace[2].symbolic_in is None and not trace[2].disagrees


def test_silent_drop_in_your_own_call_shows_at_the_next_layer():
    class Plus(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding, self.lstm = embed(), L.LSTM(3)

        def call(self, ids):
            return self.lstm(self.embedding(ids) + 1)

    assert [row.role for row in trace_masks(Plus(), IDS)] == ["creates", "none"]


def test_custom_layers_are_opened_and_keras_layers_are_not():
    class Block(L.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True
            self.lstm = L.Bidirectional(L.LSTM(2, return_sequences=True))

        def call(self, inputs):
            return self.lstm(inputs)

    trace = trace_masks(keras.Sequential([embed(), Block()]), IDS)
    assert [(row.class_name, row.depth, row.role) for row in trace[1:]] == [
        ("Block", 0, "consumes, passes on"),
        ("Bidirectional", 1, "consumes, passes on"),
    ]


def test_functions_and_single_layers_can_be_traced():
    embedding, lstm = embed(), L.LSTM(2)

    def encode(ids):
        return lstm(embedding(ids))

    assert [row.role for row in trace_masks(encode, IDS)] == ["creates", "consumes"]
    assert [row.role for row in trace_masks(embedding, IDS.tolist())] == ["creates"]


def test_layer_with_two_outputs():
    class Split(L.Layer):
        def call(self, inputs):
            return inputs[:, :3], inputs[:, 3:]

        def compute_mask(self, inputs, mask=None):
            return mask  # one mask for two outputs: the second gets none

    row = trace_masks(keras.Sequential([embed(), L.Dense(4)]), IDS)[1]
    assert list(row.masks_out) == ["output"]
    row = trace_masks(functional(Split()), IDS)[1]
    assert np.array_equal(row.masks_out["output[0]"], MASK)
    assert row.masks_out["output[1]"] is None


# --- What is measured -----------------------------------------------------------------------


def test_noise_is_not_taken_for_use_of_the_mask():
    class Noisy(L.Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            return inputs + np.random.default_rng().random()

    layer = Noisy()
    layer.supports_masking = True
    assert row_of(trace_masks(functional(layer), IDS), "Noisy").role == "passes on"


def test_measuring_changes_no_state_and_prints_nothing(capsys):
    class Diary(L.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, inputs, mask=None):
            print("called")
            self.seen = mask
            self.calls.assign(self.calls + 1)
            return inputs * keras.ops.cast(mask, inputs.dtype)[..., None]

    diary, lstm = Diary(), L.LSTM(3, stateful=True)
    embedding = embed()
    twin = L.LSTM(3, stateful=True)

    def model(ids, lstm=lstm):
        return lstm(diary(embedding(ids)))

    model(IDS)
    capsys.readouterr()
    twin(embedding(IDS))
    twin.set_weights(lstm.get_weights())
    states = [keras.ops.convert_to_numpy(state) for state in lstm.states]
    for state, value in zip(twin.states, states):
        state.assign(value)
    trace_masks(model, IDS)
    assert capsys.readouterr().out == "called\n"
    assert int(diary.calls) == 2  # one before, one traced
    assert np.array_equal(diary.seen, MASK)  # the last repetition uses the real mask
    model(IDS, twin)
    for state, expected in zip(lstm.states, twin.states):
        assert np.array_equal(state, expected)


def test_a_layer_that_refuses_other_masks_is_said_to_be_unmeasured():
    class Picky(L.Layer):
        def call(self, inputs, mask=None):
            assert np.array_equal(mask, MASK)
            return inputs

        def compute_mask(self, inputs, mask=None):
            return mask

    picky = Picky()
    trace = trace_masks(lambda ids: picky(embed()(ids)), IDS)
    assert trace[1].role == "passes on"
    assert trace[1].notes == ["use of the mask not measured: AssertionError"]


def test_finding_8_the_first_call_of_a_layer_that_wraps_attention_is_unmasked():
    class Wrapper(L.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True
            self.attention = L.MultiHeadAttention(2, 2)

        def call(self, inputs):
            return self.attention(inputs, inputs)

    embedding, wrapper = embed(), Wrapper()
    first = trace_masks(lambda ids: wrapper(embedding(ids)), IDS)
    second = trace_masks(lambda ids: wrapper(embedding(ids)), IDS)
    assert [row.role for row in first] == ["creates", "drops (silently)", "none"]
    assert [row.role for row in second] == ["creates", *["consumes, passes on"] * 2]


@pytest.mark.parametrize("ids", [np.ones((2, 6), int), np.array([[3]]), np.array([[1, 0, 0]])])
def test_use_is_found_whatever_the_mask(ids):
    trace = trace_masks(keras.Sequential([embed(), L.LSTM(3)]), ids)
    assert [row.role for row in trace] == ["creates", "consumes"]


# --- Keras is left as it was found ----------------------------------------------------------


def state_of_keras():
    module = sys.modules[L.Layer.__module__]
    registry = dict(vars(module).get("__warningregistry__", {}))
    return (
        L.Layer.__call__,
        keras.Operation.__call__,
        module.warnings,
        list(warnings.filters),
        warnings.showwarning,
        registry,
    )


def test_keras_is_restored_after_a_run():
    model = keras.Sequential([embed(), L.Flatten()])
    model(IDS)
    before = state_of_keras()
    assert trace_masks(model, IDS)[1].warned
    assert state_of_keras() == before
    assert before[0] is L.Layer.__call__


def test_keras_is_restored_after_an_error():
    model = keras.Sequential([embed(), Boom()])
    before = state_of_keras()
    with pytest.raises(RuntimeError, match="boom"):
        trace_masks(lambda ids: Boom()(embed()(ids)), IDS)
    with pytest.raises(RuntimeError, match="boom"):
        trace_masks(model, IDS)
    after = state_of_keras()
    assert after[:-1] == before[:-1]
    assert L.Layer.__call__ is before[0]


def test_the_warning_is_seen_every_time_and_never_shown(recwarn):
    model = keras.Sequential([L.Input((6,)), embed(), L.Flatten()])
    recwarn.clear()
    assert [trace_masks(model, IDS)[1].warned for _ in range(3)] == [True, True, True]
    assert len(recwarn) == 0
    warnings.simplefilter("error")
    assert trace_masks(model, IDS)[1].warned


def test_other_warnings_get_through():
    class Talkative(L.Layer):
        def call(self, inputs):
            warnings.warn("hello", stacklevel=2)
            return inputs

    with pytest.warns(UserWarning, match="hello"):
        trace_masks(Talkative(), np.ones((2, 3), "float32"))


def test_the_callers_tensors_stay_clean():
    plain = keras.ops.convert_to_tensor(IDS)
    assert row_of(trace_masks(keras.Sequential([MaskOnes()]), plain), "MaskOnes").role == "creates"
    assert getattr(plain, "_keras_mask", None) is None
    masked, attention = embed()(IDS), L.MultiHeadAttention(2, 2)
    trace = trace_masks(lambda x: attention(x, x), masked)
    assert trace[0].role == "consumes, passes on"
    assert np.array_equal(masked._keras_mask, MASK)  # attention took it off its copy only


def test_tracing_does_not_change_what_a_model_returns():
    model = functional(two_blocks)
    before = np.array(model(IDS))
    trace_masks(model, IDS)
    assert np.array_equal(model(IDS), before)


# --- What the reader sees -------------------------------------------------------------------


def test_text_table():
    layers = [embed(name="embed"), L.Conv1D(4, 3, name="conv"), L.LSTM(3, name="lstm")]
    assert repr(trace_masks(keras.Sequential(layers), IDS)) == (
        "layer | class     | mask in              | mask out             | role    | warned\n"
        "----- | --------- | -------------------- | -------------------- | ------- | ------\n"
        "embed | Embedding | –                    | (3, 6) 14 of 18 kept | creates | no\n"
        "conv  | Conv1D    | (3, 6) 14 of 18 kept | –                    | drops   | yes\n"
        "lstm  | LSTM      | –                    | –                    | none    | no\n"
        "Mask dropped at: conv (warned)."
    )


def test_the_shown_forms_are_deterministic():
    model = functional(two_blocks)
    first, second = trace_masks(model, IDS), trace_masks(model, IDS)
    assert repr(first) == repr(second)
    assert first._repr_html_() == second._repr_html_()
    assert "0x" not in repr(first) + first._repr_html_()


def test_html_is_escaped_and_well_formed():
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.seen, self.text = [], set(), ""

        def handle_starttag(self, tag, attrs):
            self.open.append(tag)
            self.seen.add(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

        def handle_data(self, data):
            self.text += data

    evil = type("<script>", (L.Layer,), {"call": lambda self, inputs: inputs + 1})
    trace = trace_masks(keras.Sequential([embed(), evil(name="<i>&amp;")]), IDS)
    parser = Tags()
    parser.feed(trace._repr_html_())
    assert parser.open == []
    assert parser.seen == {"table", "thead", "tbody", "tr", "th", "td", "code", "b", "p"}
    assert "<i>&amp;" in parser.text and "<script>" in parser.text
    assert "<b>drops</b>" in trace._repr_html_()


def test_plot_draws_the_masks_given_and_says_drops_in_words():
    trace = trace_masks(keras.Sequential([embed(), L.Flatten(name="flat")]), IDS)
    figure = trace.plot()
    assert figure.get_figwidth() <= 6.5
    (axes,) = figure.axes
    drawn = [
        np.array([face[3] > 0 for face in cells.get_facecolor()]).reshape(MASK.shape)
        for cells in axes.collections
    ]
    assert len(drawn) == 2  # out of the embedding, into flatten
    assert all(np.array_equal(mask, MASK) for mask in drawn)
    words = {text.get_text(): text for text in axes.texts}
    assert words["drops"].get_fontweight() == "bold"
    assert words["creates"].get_fontweight() == "normal"
    assert min(text.get_fontsize() for text in axes.texts) >= 10
    assert "pyplot" not in str(figure.canvas.manager)


# --- Bad arguments --------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["lstm", None, 3, L.LSTM])
def test_what_is_no_model_is_refused_in_words(model):
    with pytest.raises(
        TypeError, match=r"Expected a model or layer, received .*(str|None|int|LSTM)"
    ):
        trace_masks(model, IDS)


@pytest.mark.parametrize("inputs", [None, [], {}, [[]], np.zeros((0, 6)), [IDS, np.zeros((2, 0))]])
def test_empty_inputs_are_refused_in_words(inputs):
    with pytest.raises(ValueError, match="`inputs` are empty"):
        trace_masks(embed(), inputs)


def test_a_function_that_calls_no_layer_is_refused_in_words():
    with pytest.raises(ValueError, match="No Keras layer was called"):
        trace_masks(len, IDS)


def test_importing_the_module_imports_no_tensorflow():
    code = "import sys, maskprobe; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
