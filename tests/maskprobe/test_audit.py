"""`audit_masks` against models whose answer is written down beforehand."""

import math
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from maskprobe import Audit, audit_masks

import keras
import numpy as np
import pytest

L = keras.layers
IDS = np.array([[3, 7, 2, 0, 0, 0], [5, 1, 4, 8, 2, 6], [9, 2, 4, 3, 1, 0]])
MASK = IDS != 0
LENGTHS = MASK.sum(axis=1)
PRE = np.array([np.concatenate([row[row == 0], row[row != 0]]) for row in IDS])
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(3, 6, 2)).astype("float32")
pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask information")


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


def embed(mask_zero=True, name="embed", vocabulary=10):
    return L.Embedding(vocabulary, 4, normal(), mask_zero=mask_zero, name=name)


def normal():
    return keras.initializers.RandomNormal(stddev=1.0)


class Own(keras.Model):
    """A subclassed model: its layers one after the other."""

    def __init__(self, layers):
        super().__init__()
        self.steps = layers

    def call(self, inputs):
        for step in self.steps:
            inputs = step(inputs)
        return inputs


def functional(layers):
    inputs = x = keras.Input((None,), dtype="int32")
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


def nested(layers):
    inputs = x = keras.Input((None, 4))
    for layer in layers[1:]:
        x = layer(x)
    return keras.Sequential([layers[0], keras.Model(inputs, x, name="inner")])


FORMS = {
    "Sequential": keras.Sequential,
    "Functional": functional,
    "subclassed": Own,
    "nested": nested,
}


class Plus(L.Layer):
    """Forgets to hand the mask on."""

    def call(self, inputs):
        return inputs + 1


class MeanOverAll(L.Layer):
    """Uses its mask, and divides by the number of all steps."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return keras.ops.mean(inputs, axis=1)
        return keras.ops.mean(inputs * keras.ops.cast(mask, inputs.dtype)[..., None], axis=1)

    def compute_mask(self, inputs, mask=None):
        return None


# What each fault is called, which masks differ, where, and a word of the advice.
CASES = {
    "sound": (lambda: [embed(), L.LSTM(3)], "sound", (), "", ""),
    "sound, of two layers": (
        lambda: [embed(), L.GRU(3, return_sequences=True), L.Dense(2), L.LSTM(2)],
        *("sound", (), "", ""),
    ),
    "no mask is made": (
        lambda: [embed(False), L.LSTM(3)],
        *("no mask", ("wanted", "declared"), "embed", "mask_zero=True"),
    ),
    "dropped": (
        lambda: [embed(), Plus(name="plus"), L.LSTM(3, name="lstm")],
        *("dropped", ("declared", "measured"), "plus", "mask=mask"),
    ),
    "arrives and is not used": (
        lambda: [embed(), L.GlobalMaxPooling1D(name="pool")],
        *("unused", ("declared", "measured"), "pool", "GlobalMaxPooling1D"),
    ),
    "used wrongly": (
        lambda: [embed(), MeanOverAll(name="mean")],
        *("misused", ("declared", "measured"), "mean", "number of kept steps"),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form, side", [*((form, "post") for form in FORMS), ("Sequential", "pre")])
def test_a_known_fault_in_each_form(case, form, side):
    ids = IDS if side == "post" else PRE
    layers, cause, differ, where, word = CASES[case]
    audit = audit_masks(FORMS[form](layers()), ids)
    assert (audit.cause, audit.differ) == (cause, differ), str(audit)
    assert bool(audit) == (cause == "sound")
    assert audit.where == where and word in audit.advice
    wanted = ids != 0
    assert np.array_equal(audit.wanted, wanted)
    if cause == "no mask":
        assert audit.declared is None and "(no mask: every step is kept)" in str(audit)
    else:
        assert np.array_equal(audit.declared, wanted)
    if cause == "sound":
        assert np.array_equal(audit.measured, wanted)
    else:
        assert (audit.measured & ~wanted).any()
    assert audit.sentence in str(audit)


def test_an_rnn_with_initial_state():
    ids = keras.Input((None,), dtype="int32")
    x = embed()(ids)
    model = keras.Model(ids, L.GRU(4, name="deaf")(x, initial_state=keras.ops.zeros_like(x[:, 0])))
    audit = audit_masks(model, IDS)
    assert (audit.cause, audit.where) == ("unused", "deaf")
    assert "initial_state" in audit.advice


def test_two_blocks_of_attention():
    ids = keras.Input((None,), dtype="int32")
    x = embed()(ids)
    for n in (1, 2):
        x = L.Add(name=f"add_{n}")([x, L.MultiHeadAttention(2, 2, name=f"attention_{n}")(x, x)])
    audit = audit_masks(keras.Model(ids, x), IDS)
    assert (audit.cause, audit.where) == ("dropped", "add_1")
    assert "attention_2 behind it gets none" in audit.sentence


def test_unknown_words_with_the_id_of_padding():
    ids = IDS.copy()
    ids[1, 2] = 0
    audit = audit_masks(keras.Sequential([embed(), L.LSTM(3)]), ids, wanted=MASK)
    assert not audit and audit.cause == "real steps masked"
    assert audit.leak.sound  # the padding is not the fault
    assert "sequence 1, step 2" in audit.sentence and audit.differ == ("wanted", "declared")
    assert not audit.measured[1, 2] and audit.where == "embed"


def test_padding_that_is_not_the_pad_value_of_the_embedding():
    ids = np.where(MASK, IDS, 9)
    ids[2, 0] = 8
    model = keras.Sequential([embed(), L.LSTM(3)])
    audit = audit_masks(model, ids, lengths=LENGTHS)
    assert not audit and audit.cause == "wanted not declared" and audit.where == "embed"
    assert "sequence 0, steps 3, 4 and 5" in audit.sentence


@pytest.mark.parametrize("form", [keras.Sequential, Own])
def test_features_with_a_sentinel_that_was_scaled_away(form):
    layers = [L.Masking(-99.0, name="masking"), L.LSTM(3)]
    padded = np.where(MASK[..., None], FEATURES, -99.0).astype("float32")
    assert audit_masks(form(layers), padded, pad_value=-99.0)
    scaled = (padded - 10) / 30
    audit = audit_masks(form(layers), scaled, pad_value=(-99.0 - 10) / 30)
    assert not audit and audit.cause == "wanted not declared" and audit.where == "masking"
    assert "scaled after it was padded" in audit.advice
    audit = audit_masks(form(layers), scaled, wanted=MASK)
    assert not audit and audit.cause == "wanted not declared"


@pytest.mark.parametrize("kind", ["other polarity", "additive"])
def test_a_mask_the_wrong_way_round(kind):
    ids = keras.Input((None,), dtype="int32")
    x, keep = embed(False)(ids), keras.ops.not_equal(ids, 0)[:, None, :]
    mask = (
        keras.ops.logical_not(keep)
        if kind == "other polarity"
        else keras.ops.where(keep, 0.0, -1e9)
    )
    x = L.MultiHeadAttention(2, 2, name="attention")(x, x, attention_mask=mask)
    audit = audit_masks(keras.Model(ids, L.Dense(2)(x)), IDS[[0, 2]])
    assert (audit.cause, audit.where) == ("inverted", "attention")
    assert audit.differ == ("wanted", "declared")
    assert np.array_equal(audit.declared, ~MASK[[0, 2]])


def attention_with_positions(count):
    """One block of attention over words with position vectors; `count` numbers the steps."""
    ids = keras.Input((None,), dtype="int32")
    keep = keras.ops.not_equal(ids, 0)
    steps = L.Embedding(20, 4, normal(), name="positions")(count(ids, keep))
    x = embed(False)(ids) + steps
    x = L.MultiHeadAttention(2, 2, name="attention")(x, x, attention_mask=keep[:, None, :])
    return keras.Model(ids, x)


def every_step(ids, keep):
    return keras.ops.cumsum(keras.ops.ones_like(ids), axis=1) - 1


def real_steps(ids, keep):
    return keras.ops.maximum(keras.ops.cumsum(keras.ops.cast(keep, "int32"), axis=1) - 1, 0)


def test_positions_that_count_padding_before_the_words_are_known_by_name():
    audit = audit_masks(attention_with_positions(every_step), PRE)
    assert (audit.cause, audit.where) == ("positions", "positions")
    assert np.array_equal(audit.declared, PRE != 0)  # the mask is right
    assert "cumsum(mask) - 1" in audit.advice
    assert audit_masks(attention_with_positions(every_step), IDS)  # behind the words it is harmless
    assert audit_masks(attention_with_positions(real_steps), PRE)
    assert audit_masks(attention_with_positions(real_steps), IDS)


def test_a_missing_mask_is_not_taken_for_positions():
    model = keras.Sequential([embed(False), L.LSTM(3, return_sequences=True)])
    assert audit_masks(model, PRE).cause == "no mask"


def test_rows_that_depend_on_their_batch():
    class Scramble(L.Layer):
        def call(self, mask):
            shape = keras.ops.shape(mask)
            return keras.ops.transpose(keras.ops.reshape(mask, (shape[1], shape[0])))

    ids = keras.Input((None,), dtype="int32")
    x, mask = embed(False)(ids), keras.ops.not_equal(ids, 0)
    mask = Scramble(name="scramble")(mask)
    x = L.MultiHeadAttention(2, 2)(x, x, attention_mask=mask[:, None, :])
    audit = audit_masks(keras.Model(ids, x), IDS)
    assert not audit and audit.differ == ("rows",) and audit.where == "scramble"
    assert "rows depend on their batch" in audit.sentence and audit.measured is None


def test_a_constant_output_is_not_sound():
    layers = [embed(), L.Dense(1), L.Softmax(axis=-1)]
    model = keras.Sequential([*layers[:2], L.Activation("softmax")])
    audit = audit_masks(model, IDS)
    assert not audit and audit.cause == "constant" and "softmax over one value" in audit.advice


def test_harmless_in_this_batch_only():
    layer = L.GlobalMaxPooling1D(name="pool")
    embedding = embed()
    model = keras.Sequential([embedding, layer])
    model(IDS)
    table = np.abs(RNG.normal(size=(10, 4))).astype("float32")
    table[0], table[1] = 0, -1  # only the word 1 is smaller than a pad
    embedding.set_weights([table])
    audit = audit_masks(model, IDS)
    assert audit.leak.sound  # in each row another word is larger
    assert not audit and audit.where == "pool" and "in this batch" in audit.sentence


def test_a_convolution_that_reads_zeros_is_sound():
    padded = np.where(MASK[..., None], FEATURES, 0).astype("float32")
    model = keras.Sequential([L.Conv1D(3, 3, padding="same"), L.Dense(2)])
    audit = audit_masks(model, padded)
    assert audit and audit.declared is None


def test_a_maximum_that_ignores_real_steps_is_sound_and_said():
    def model(ids):
        x = keras.ops.cast(ids, "float32")
        return keras.ops.max(keras.ops.where(ids != 0, x, -1e9), axis=1)

    audit = audit_masks(model, IDS)
    assert audit and "Some real steps move nothing on their own" in audit.notes[-1]


# --- Several inputs --------------------------------------------------------------------------

TARGETS = np.array([[1, 2, 3, 0], [4, 5, 6, 7], [1, 2, 0, 0]])


def translator(mask_source=True):
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory = embed(mask_source, "source_words")(source)
    x = embed(True, "target_words")(target)
    x = L.MultiHeadAttention(2, 2, name="cross")(x, memory)
    return keras.Model({"source": source, "target": target}, L.Dense(3)(x))


@pytest.mark.parametrize("which", ["source", "target"])
def test_encoder_and_decoder(which):
    audit = audit_masks(translator(), {"source": IDS, "target": TARGETS}, which=which)
    assert audit, str(audit)
    wanted = {"source": IDS, "target": TARGETS}[which] != 0
    assert np.array_equal(audit.wanted, wanted) and np.array_equal(audit.declared, wanted)


@pytest.mark.parametrize("targets", [TARGETS, IDS, PRE], ids=["other T", "same", "same T"])
def test_an_encoder_without_a_mask(targets):
    batch = {"source": IDS, "target": targets}
    audit = audit_masks(translator(mask_source=False), batch, which="source")
    assert not audit and audit.differ[0] == "wanted"
    assert audit.declared is None and audit.cause == "no mask"
    assert audit.where == "source_words"


def test_which_input_must_be_said():
    with pytest.raises(ValueError, match="say with which="):
        audit_masks(translator(), {"source": IDS, "target": TARGETS})


# --- Not Keras -------------------------------------------------------------------------------


def masked_mean(ids):
    keep = ids != 0
    return (np.sin(ids) * keep).sum(axis=1) / keep.sum(axis=1)


def test_of_a_plain_function_what_is_declared_is_not_known():
    audit = audit_masks(masked_mean, IDS)
    assert audit and audit.trace is None and audit.declared is None
    assert "(not known: no Keras layers to ask)" in str(audit)
    audit = audit_masks(lambda ids: np.sin(ids + 1).mean(axis=1), IDS)
    assert not audit and audit.cause == "unknown" and audit.differ == ("wanted", "measured")


@pytest.mark.parametrize("good", [True, False])
def test_a_model_of_pytorch(good):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    embedding = torch.nn.Embedding(10, 4)

    class Mean(torch.nn.Module):
        def forward(self, ids):
            keep = (ids != 0) if good else torch.ones_like(ids, dtype=bool)
            return (embedding(ids) * keep[..., None]).sum(1) / keep.sum(1, keepdim=True)

    audit = audit_masks(Mean(), torch.tensor(IDS))
    assert bool(audit) == good and audit.trace is None
    assert np.array_equal(audit.wanted, MASK)


def test_an_audit_needs_no_framework():
    code = (
        "import sys, numpy as np\n"
        "from maskprobe import audit_masks\n"
        "ids = np.array([[3, 1, 0], [2, 4, 5]])\n"
        "audit = audit_masks(lambda x: np.cumsum(np.sin(x), axis=1), ids)\n"
        "assert audit, str(audit)\n"
        "print(audit)\n"
        "names = {'tensorflow', 'keras', 'torch', 'matplotlib', 'helpers'}\n"
        "assert not names & set(sys.modules)\n"
    )
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "wanted    # # ." in done.stdout


# --- Asked wrongly, or not measurable --------------------------------------------------------


def sound_model():
    return keras.Sequential([embed(), L.LSTM(3)])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"pad_value": -1}, "no step holds the pad value -1"),
        ({"wanted": np.ones_like(MASK)}, "every step is real"),
        ({"wanted": MASK[:, :3]}, "expected wanted as a mask"),
        ({"wanted": IDS}, "expected wanted as a mask"),
        ({"lengths": [1, 2]}, "expected 3 whole lengths"),
        ({"tokens": ["a", "b"]}, "expected 6 tokens"),
        ({"add_pads": 2}, "add_pads"),
        ({"which": "source"}, "say with which="),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_words(options, message):
    with pytest.raises(ValueError, match=message):
        audit_masks(sound_model(), IDS, **options)


@pytest.mark.parametrize("model", [None, "lstm", L.LSTM])
def test_what_is_no_model_is_refused_in_words(model):
    with pytest.raises(TypeError, match="expected a model or a function"):
        audit_masks(model, IDS)


def test_a_batch_without_padding_is_refused_and_pads_can_be_asked_for():
    with pytest.raises(ValueError, match="add_pads=3"):
        audit_masks(sound_model(), IDS[1:2])
    audit = audit_masks(sound_model(), IDS[1:2], add_pads=2)
    assert audit and audit.wanted.tolist() == [[True] * 6 + [False] * 2]
    assert "2 pads of 0 were added" in str(audit)
    assert not audit_masks(keras.Sequential([embed(False), L.LSTM(3)]), IDS[1:2], add_pads=2)


def test_rows_that_look_padded_with_another_value_are_named():
    ids = np.array([[5, 4, 3, 0, 0], [3, 2, 1, 1, 1]])
    assert "pad_value=1" in audit_masks(sound_model(), ids).sentence


def test_a_model_that_fails_is_not_sound_and_the_trace_goes_up_to_there():
    ids = np.arange(24).reshape(2, 3, 4) % 9
    ids[0, 2] = 0
    model = keras.Sequential([embed(), L.TimeDistributed(L.LSTM(5)), L.GRU(5, name="gru")])
    audit = audit_masks(model, ids)
    assert not audit and audit.cause == "not measured" and audit.where == "gru"
    assert "with a mask of shape (2, 3, 4)" in audit.sentence
    assert [row.class_name for row in audit.trace] == ["Embedding", "TimeDistributed", "GRU"]


def test_a_mask_the_wrong_way_round_that_leaves_nothing_to_average():
    class Inverted(L.Embedding):
        def compute_mask(self, inputs, mask=None):
            return keras.ops.equal(inputs, 0)

    model = keras.Sequential([Inverted(10, 4, name="words"), L.GlobalAveragePooling1D()])
    audit = audit_masks(model, IDS[[0, 2]])
    assert not audit and audit.differ == ("wanted", "declared"), str(audit)


def test_what_cannot_be_measured_is_not_sound():
    nan = keras.Sequential([embed(), L.Lambda(lambda x: x * math.nan)])
    audit = audit_masks(nan, IDS)
    assert not audit and "NaN" in audit.sentence and audit.measured is None
    fixed = keras.Sequential([L.Input((6,)), embed(), L.Flatten(), L.Dense(2)])
    audit = audit_masks(fixed, IDS)
    assert not audit and audit.sentence.startswith("Not measured, so not sound")
    noise = np.random.default_rng(0)
    audit = audit_masks(lambda ids: masked_mean(ids) + noise.normal(size=len(ids)), IDS)
    assert not audit and "output" in audit.sentence


# --- Look-ahead and loss ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen, causal, sound",
    [("earlier", True, True), ("later", True, False), ("all", True, False), ("all", False, True)],
)
def test_look_ahead_is_measured_if_asked_for(seen, causal, sound):
    ids = keras.Input((None,), dtype="int32")
    x, keep = embed(False)(ids), keras.ops.not_equal(ids, 0)[:, None, :]
    steps = keras.ops.cumsum(keras.ops.ones_like(ids), axis=1)
    mask = {
        "earlier": keep & (steps[:, :, None] >= steps[:, None, :]),
        "later": keep & (steps[:, :, None] <= steps[:, None, :]),
        "all": keep,
    }[seen]
    x = L.MultiHeadAttention(2, 2, name="attention")(x, x, attention_mask=mask)
    audit = audit_masks(keras.Model(ids, x), IDS, causal=causal)
    assert bool(audit) == sound, str(audit)
    if not sound:
        assert audit.cause == "look-ahead" and audit.where == "attention"
        assert "use_causal_mask" in audit.advice


def test_a_mask_that_shows_later_steps_only_is_said():
    dense, attention = embed(False), L.MultiHeadAttention(2, 2, name="attention")
    backwards = np.triu(np.ones((1, 6, 6), bool))

    def model(ids):
        steps = backwards[:, : ids.shape[1], : ids.shape[1]] & (ids != 0)[:, None, :]
        return attention(dense(ids), dense(ids), attention_mask=steps)

    audit = audit_masks(model, keras.ops.convert_to_tensor(IDS))
    assert any("each step sees later steps only" in note for note in audit.notes)


@pytest.mark.parametrize("loses", [False, True])
def test_the_loss_is_compared_with_the_mean_over_real_steps(loses):
    layers = [embed(), L.Dense(10)] + [L.Lambda(lambda x: x * 1.0)] * loses
    model = keras.Sequential(layers)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    audit = audit_masks(model, IDS, targets=IDS)
    assert bool(audit) != loses and audit_masks(model, IDS)
    if loses:
        assert audit.cause == "loss" and "sample_weight" in audit.advice
        assert audit.differ == ()
    else:
        assert "is the mean over the real steps" in audit.notes[-1]


def test_a_loss_that_cannot_be_compared_is_not_called_right():
    audit = audit_masks(sound_model(), IDS, targets=np.zeros((3, 3)))  # not compiled
    assert not audit and "not compared" in audit.notes[-1]


# --- What is seen ----------------------------------------------------------------------------


def test_tokens_are_data_in_html():
    audit = audit_masks(sound_model(), IDS, tokens=["<b>", "&", "c", "d", "e", "f"])
    table = audit._repr_html_()
    assert "&lt;b&gt;" in table and "<td>&amp;</td>" in table and "style" not in table
    assert repr(audit) == str(audit)


def test_the_patients_of_the_ward_are_diagnosed():
    from helpers import patient

    for number in range(6):
        sick = patient(number)
        truth = sick.reveal()
        audit = audit_masks(
            sick.model,
            sick.inputs,
            wanted=sick.wanted,
            pad_value=sick.pad_value,
            causal=sick.causal,
        )
        assert audit.differ == truth.differ, f"patient {number}: {audit}"
        assert bool(audit) == (not truth.differ)


def test_code_in_an_advice_is_marked_up_and_the_rest_escaped():
    audit = Audit(MASK, cause="dropped", where="<b>add</b>", sentence="`mask` is lost")
    shown = audit._repr_html_()
    assert "<code>mask</code> is lost" in shown
    assert "`" not in shown and "<b>add" not in shown
