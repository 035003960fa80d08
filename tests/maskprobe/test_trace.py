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
    assert trace.summary() == "No mask is made."


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
    reader = row_of(plus, "LSTM").name
    assert plus.summary() == (
        f"Mask dropped at: {name} (silently), and {reader} behind it would have used it."
    )
    assert layer.summary() == f"The mask arrives and is used at: {row_of(layer, 'LSTM').name}."


def test_slicing_in_a_functional_graph_is_a_silent_drop():
    trace = trace_masks(functional(lambda x: x[:, :3]), IDS)
    assert roles(trace)[1:] == [("GetItem (op)", "drops (silently)", False)]


def test_the_baked_in_mask_is_a_row_and_comes_in_at_its_consumer():
    trace = trace_masks(functional(lambda x: L.LSTM(2)(x)), IDS)
    assert sorted(row.class_name for row in trace) == ["Embedding", "LSTM", "NotEqual (op)"]
    assert row_of(trace, "NotEqual (op)").notes == ["computes a mask"]
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
    assert dense.symbolic_in == {"inputs": False}
    assert not dense.disagrees  # more than the graph promises does no harm: not said
    assert "symbolic" not in repr(trace)
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


def test_silent_drop_in_your_own_call_has_a_row():
    class Plus(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding, self.lstm = embed(), L.LSTM(3)

        def call(self, ids):
            return self.lstm(self.embedding(ids) + 1)

    trace = trace_masks(Plus(), IDS)
    assert [row.role for row in trace] == ["creates", "drops (silently)", "none"]
    embedding, lost, lstm = trace
    assert np.array_equal(lost.mask_in, MASK) and lost.matters and lost.used_by == lstm.name
    assert lost.notes == [f"between {embedding.name} and {lstm.name}"]


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


# --- Which of four holds ----------------------------------------------------------------------


class Pool(L.Layer):
    """Attention pooling: uses its mask up. Keras warns, wrongly."""

    def __init__(self, **options):
        super().__init__(**options)
        self.score = L.Dense(1)

    def call(self, inputs, mask=None):
        scores = self.score(inputs)[..., 0]
        if mask is not None:
            scores = keras.ops.where(mask, scores, -1e9)
        return keras.ops.sum(keras.ops.softmax(scores)[..., None] * inputs, axis=1)


def masked_mean(x, mask=None):
    weights = keras.ops.cast(mask, "float32")[..., None]
    return keras.ops.sum(x * weights, 1) / keras.ops.sum(weights, 1)


class MeanOf(L.Layer):
    """`call(ids, mask)`: the mask is an argument like any other."""

    def call(self, inputs, keep):
        return masked_mean(inputs, keep)


class Positions(L.Layer):
    """Makes a mask inside, and loses it by `+`."""

    def __init__(self, **options):
        super().__init__(**options)
        self.tokens, self.positions = embed(), L.Embedding(6, 4)

    def call(self, ids):
        return self.tokens(ids) + self.positions(keras.ops.arange(6))


def test_a_plain_embedding_makes_no_mask():
    trace = trace_masks(keras.Sequential([L.Embedding(10, 4), L.LSTM(3)]), IDS)
    assert trace.summary() == "No mask is made." and trace.remarks() == []
    assert trace.status == "none made"


def test_a_mask_that_nobody_uses():
    layers = [embed(name="embed"), L.GlobalMaxPooling1D(name="pool"), L.Dense(2)]
    trace = trace_masks(keras.Sequential(layers), IDS)
    assert trace.summary() == (
        "A mask is made at embed and never used; it comes to pool, which does not use it and "
        "reads padded steps."
    )
    assert trace[1].lets_in and trace[1].drops and not trace[1].matters
    assert trace.status == "unused"
    assert trace.remarks() == []


def test_a_mask_used_here_and_not_there():
    layers = [
        embed(),
        L.Bidirectional(L.LSTM(3, return_sequences=True), name="both"),
        L.GlobalMaxPooling1D(name="pool"),
    ]
    assert trace_masks(keras.Sequential(layers), IDS).summary() == (
        "The mask arrives and is used at: both. But it comes to pool, which does not use it and "
        "reads padded steps."
    )


def test_initial_state_arrives_and_is_not_used():
    def build(x):
        state = [keras.ops.zeros((3, 3))] * 2
        return L.LSTM(3, name="deaf")(x, initial_state=state)

    embedding = embed(name="words")
    lstm = L.LSTM(3, name="deaf")

    def model(ids):
        return lstm(embedding(ids), initial_state=[keras.ops.zeros((3, 3))] * 2)

    assert trace_masks(model, IDS).summary() == (
        "A mask is made at words and never used; it comes to deaf, which does not use it and "
        "reads padded steps."
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda x: L.LSTM(4, name="lstm")(L.Concatenate()([x, x])),
        lambda x: L.LSTM(4, name="lstm")(L.Concatenate()([x, L.Dense(2)(x), x])),
        lambda x: L.LSTM(4, name="lstm")(L.Average()([x, L.Dense(4)(x)])),
    ],
)
def test_operations_that_compute_a_mask_are_no_readers_of_the_data(build):
    trace = trace_masks(functional(build), IDS)
    assert trace.summary() == "The mask arrives and is used at: lstm."
    assert [row.name for row in trace if row.drops] == [] and trace.remarks() == []
    assert "zeros_like" not in repr(trace)


SOUND_CONSUMERS = {
    "attention pooling, Sequential": lambda: keras.Sequential([embed(), Pool(), L.Dense(2)]),
    "attention pooling, Functional": lambda: functional(lambda x: L.Dense(2)(Pool()(x))),
    "a Lambda with mask": lambda: keras.Sequential([embed(), L.Lambda(masked_mean), L.Dense(2)]),
    "call(x, keep)": lambda: functional(lambda x: L.Dense(2)(MeanOf()(x, x._keras_mask))),
}


@pytest.mark.parametrize("case", SOUND_CONSUMERS)
def test_a_sound_consumer_that_keras_warns_about_is_no_drop(case):
    trace = trace_masks(SOUND_CONSUMERS[case](), IDS)
    (consumer,) = trace.consumers
    assert consumer.warned and consumer.role == "consumes" and not consumer.drops
    assert consumer.cells()[-1] == "yes, a false alarm"
    assert trace.summary() == f"The mask arrives and is used at: {consumer.name}."


def test_a_consumer_that_hands_steps_on_without_their_mask_is_a_drop_if_it_is_missed():
    trace = trace_masks(keras.Sequential([embed(), Scale(name="scale"), L.LSTM(2, name="l")]), IDS)
    assert row_of(trace, "Scale").role == "consumes, drops"
    assert trace.summary() == "Mask dropped at: scale (warned), and l behind it would have used it."


def own_model(tail):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.start, self.end = Positions(name="start"), tail

        def call(self, ids):
            return self.end(self.start(ids))

    return Own()


@pytest.mark.parametrize("tail", [L.LSTM, L.GRU])
@pytest.mark.parametrize("form", ["sequential", "functional", "subclassed", "nested"])
def test_a_mask_made_inside_a_layer_and_lost_by_plus(form, tail):
    tail = tail(3, name="tail")
    ids = keras.Input((6,), dtype="int32")
    start = Positions(name="start")
    model = {
        "sequential": lambda: keras.Sequential([start, tail]),
        "functional": lambda: keras.Model(ids, tail(start(ids))),
        "subclassed": lambda: own_model(tail),
        "nested": lambda: keras.Sequential([keras.Model(ids, start(ids)), tail]),
    }[form]()
    trace = trace_masks(model, IDS)
    assert (
        trace.summary()
        == "Mask dropped at: start (silently), and tail behind it would have used it."
    )
    (drop,) = trace.drops
    assert drop.role == "creates, drops (silently)"


def test_what_is_lost_behind_the_last_reader_is_said_apart():
    def build(x):
        return L.Dense(2)(L.LSTM(3, return_sequences=True, name="lstm")(x) * 2.0)

    trace = trace_masks(functional(build), IDS)
    (drop,) = trace.harmless
    assert trace.summary() == "The mask arrives and is used at: lstm."
    assert trace.remarks() == [
        f"Dropped where it makes no difference to this output: {drop.name} (silently).",
        "The output carries no mask: a loss or metric would count padded steps.",
    ]


@pytest.mark.parametrize("ids", [IDS, np.maximum(IDS, 1)], ids=["padded", "full"])
def test_a_drop_that_no_kept_step_notices_is_said_as_what_it_is(ids):
    lstm = L.LSTM(3, return_sequences=True, name="lstm")
    trace = trace_masks(functional(lambda x: L.Dense(2)(lstm(x * 4.0))), ids)
    (drop,) = trace.missed
    assert trace.status == "dropped" and not trace.drops
    assert trace.summary() == (
        f"Mask dropped at: {drop.name} (silently), and lstm behind it would have used it. "
        "In this batch no kept step of the output moves."
    )
    pre = trace_masks(functional(lambda x: L.Dense(2)(lstm(x * 4.0))), IDS[:, ::-1])
    assert pre.status == "dropped" and pre.drops and not pre.missed


def test_a_drop_inside_a_nested_model_is_not_said_twice():
    inner = keras.Sequential([L.Dense(4), L.Conv1D(4, 1, name="conv")])
    trace = trace_masks(keras.Sequential([embed(), inner, L.LSTM(2, name="lstm")]), IDS)
    assert trace.summary() == (
        "Mask dropped at: conv (warned), and lstm behind it would have used it."
    )
    assert trace.remarks() == []


class Block(L.Layer):
    """As KerasHub writes them: masks by hand, residuals by `+`."""

    def __init__(self):
        super().__init__()
        self.attention, self.norm, self.dense = (
            L.MultiHeadAttention(2, 2),
            L.LayerNormalization(),
            L.Dense(4),
        )

    def call(self, x, padding_mask=None):
        x = self.norm(x + self.attention(x, x, attention_mask=padding_mask[:, None, :]))
        return x + self.dense(x)


def test_a_sound_model_with_masks_by_hand_makes_little_noise():
    class Encoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.tokens, self.positions = embed(), L.Embedding(6, 4)
            self.blocks = [Block(), Block()]

        def call(self, ids):
            mask = self.tokens.compute_mask(ids)
            x = self.tokens(ids) + self.positions(keras.ops.arange(6))
            for block in self.blocks:
                x = block(x, padding_mask=mask)
            return x

    trace = trace_masks(Encoder(), IDS)
    readers = [row.name for row in trace if row.class_name == "MultiHeadAttention"]
    assert trace.summary() == f"The mask arrives and is used at: {', '.join(readers)}."
    assert len(trace.harmless) == 1  # `tokens + positions`, and not again in each block


def test_an_encoder_as_a_tf_function_gives_no_mask_away():
    import tensorflow as tf

    class Encoder(keras.Model):
        def __init__(self, **options):
            super().__init__(**options)
            self.tokens, self.dense = embed(), L.Dense(4)

        @tf.function
        def call(self, ids):
            return self.dense(self.tokens(ids))

    encoder, lstm = Encoder(name="encoder"), L.LSTM(3, name="lstm")
    trace = trace_masks(lambda ids: lstm(encoder(ids)), IDS)
    assert trace.summary() == (
        "Mask dropped at: encoder (silently), and lstm behind it would have used it."
    )
    assert trace[0].notes == ["a tf.function: no mask crosses its border"]
    trace = trace_masks(Encoder(), IDS)  # alone: what is inside is seen
    assert [row.role for row in trace] == ["creates", "passes on"]


# --- Masks that do not say True = keep ---------------------------------------------------------

KEEP = MASK[:, None, :]
OTHERS = {
    "bool": (~KEEP, "True = ignore", True),
    "int": ((~KEEP).astype("int32"), "True = ignore", True),
    "additive": (np.where(KEEP, 0, -1e9).astype("float32"), "additive", True),
    "additive, infinite": (np.where(KEEP, 0, -np.inf).astype("float32"), "additive", True),
    "keep": (KEEP, None, False),
    "keep as float": (KEEP.astype("float32"), None, False),
}


@pytest.mark.parametrize("case", OTHERS)
def test_masks_of_other_kinds_are_named_and_not_counted_as_kept(case):
    mask, kind, inverted = OTHERS[case]
    embedding, attention = L.Embedding(10, 4), L.MultiHeadAttention(2, 2, name="attention")

    def model(ids):
        x = embedding(ids)
        return attention(x, x, attention_mask=mask)

    trace = trace_masks(model, IDS)
    row = row_of(trace, "MultiHeadAttention")
    assert np.array_equal(row.masks_in["attention_mask"], KEEP)  # as it is meant
    assert row.kinds == ({"attention_mask": kind} if kind else {})
    words = f"(3, 1, 6) {kind}, 4 of 18 masked" if kind else "(3, 1, 6) 14 of 18 kept"
    assert words in row.cells()[2]
    assert ("the wrong way round at: attention" in trace.summary()) == inverted


def test_a_look_ahead_mask_of_the_other_polarity():
    dense, attention = L.Embedding(10, 4), L.MultiHeadAttention(2, 2)
    ahead = np.triu(np.ones((1, 6, 6), bool), 1)
    for mask, kinds in ((ahead, {"attention_mask": "True = ignore"}), (~ahead, {})):
        trace = trace_masks(
            lambda ids, mask=mask: attention(dense(ids), dense(ids), attention_mask=mask), IDS
        )
        assert trace[-1].kinds == kinds


def test_an_own_layer_that_reads_other_polarity_is_not_blamed():
    class Weigh(L.Layer):
        def call(self, x, ignore):
            return x * keras.ops.cast(keras.ops.logical_not(ignore), x.dtype)[..., None]

    embedding, weigh = L.Embedding(10, 4), Weigh()
    trace = trace_masks(
        lambda ids: weigh(embedding(ids), ids == 0), keras.ops.convert_to_tensor(IDS)
    )
    assert trace[-1].kinds == {"ignore": "True = ignore"} and not trace[-1].inverted


# --- Errors -----------------------------------------------------------------------------------


def test_rows_survive_an_error_in_the_model():
    ids = np.arange(24).reshape(2, 3, 4) % 9
    ids[:, :, 2:] = 0
    layers = [embed(), L.TimeDistributed(L.LSTM(5)), L.GRU(5, name="gru")]
    trace = trace_masks(keras.Sequential(layers), ids)
    assert trace.error is not None and trace.failed is trace[-1]
    assert [row.class_name for row in trace] == ["Embedding", "TimeDistributed", "GRU"]
    assert trace[-1].mask_in.shape == (2, 3, 4)
    said = "The model failed at gru (GRU), given (2, 3, 5) with a mask of shape (2, 3, 4): Invalid"
    assert trace.summary().startswith(said)
    assert said in repr(trace) and said in trace._repr_html_()
    assert "\x1b" not in repr(trace) and "{{" not in repr(trace)


def test_an_error_before_the_first_layer_is_shown():
    def model(ids):
        raise KeyError("no such input")

    trace = trace_masks(model, IDS)
    assert list(trace) == []
    assert trace.summary() == "The model failed: KeyError: 'no such input'"


def test_an_interrupt_gets_through():
    def model(ids):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace_masks(model, IDS)


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
    import tensorflow as tf

    module = sys.modules[L.Layer.__module__]
    registry = dict(vars(module).get("__warningregistry__", {}))
    return (
        L.Layer.__call__,
        keras.Operation.__call__,
        type(tf.function(len)).__call__,
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
    assert isinstance(trace_masks(lambda ids: Boom()(embed()(ids)), IDS).error, RuntimeError)
    assert isinstance(trace_masks(model, IDS).error, RuntimeError)
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
        "Mask dropped at: conv (warned), and lstm behind it would have used it."
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
    trace = trace_masks(keras.Sequential([embed(), evil(name="<i>&amp;"), L.LSTM(2)]), IDS)
    parser = Tags()
    parser.feed(trace._repr_html_())
    assert parser.open == []
    assert parser.seen == {"table", "thead", "tbody", "tr", "th", "td", "code", "b", "p"}
    assert "<i>&amp;" in parser.text and "<script>" in parser.text
    assert "<b>drops</b>" in trace._repr_html_()


def test_masks_for_a_picture_have_titles_of_their_own():
    dense = L.Dense(4, name="dense")
    trace = trace_masks(functional(lambda x: L.Flatten(name="flat")(dense(dense(x)))), IDS)
    masks = trace.masks()
    assert list(masks) == [
        "embed: creates",
        "dense: passes on",
        "dense: passes on #2",
        "flat: drops",
    ]
    assert all(np.array_equal(mask, MASK) for mask in masks.values())


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


def test_importing_the_module_imports_no_framework_and_no_notebook_side():
    names = "{'tensorflow', 'keras', 'torch', 'matplotlib', 'helpers'}"
    code = f"import sys, maskprobe; assert not {names} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
