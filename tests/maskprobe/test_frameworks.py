"""Models of PyTorch and JAX, which take and give their own tensors; and neither at all.

What is not installed is skipped, and says so.
"""

import subprocess
import sys

from maskprobe import influence, measured_mask, padding_leak

import numpy as np
import pytest

IDS = np.array([[3, 1, 2, 4, 7], [5, 6, 0, 0, 0], [2, 2, 9, 0, 0]])
REAL = IDS != 0


def test_the_probes_import_no_framework_and_nothing_to_draw_with():
    code = (
        "import sys; from maskprobe.leak import padding_leak; "
        "from maskprobe.influence import influence; from maskprobe.measured import measured_mask; "
        "padding_leak(lambda x: x, [[1, 2], [3, 0]]); influence(lambda x: x, [1, 2]); "
        "print(sorted({'keras', 'tensorflow', 'torch', 'jax', 'matplotlib', 'IPython'} & "
        "set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- PyTorch


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    return torch


def torch_model(torch, kind):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(12, 8)
            self.lstm = torch.nn.LSTM(8, 4, batch_first=True)
            layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.encoder = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, ids):
            x, ignore = self.table(ids), ids == 0
            if kind == "lstm":
                return self.lstm(x.flip(1))[0].flip(1)
            if kind == "packed":
                pack = torch.nn.utils.rnn.pack_padded_sequence
                lengths = (~ignore).sum(1).cpu()
                packed = pack(x, lengths, batch_first=True, enforce_sorted=False)
                return self.lstm(packed)[1][0][0]
            mask = {"masked": ignore, "inverted": ~ignore, "forgotten": None}[kind]
            return self.encoder(x, src_key_padding_mask=mask)

    return Model().eval()


@pytest.mark.parametrize(
    ("kind", "sound"),
    [("masked", True), ("forgotten", False), ("lstm", False), ("packed", True)],
)
def test_pytorch_modules(torch, kind, sound):
    model = torch_model(torch, kind)
    leak = padding_leak(model, torch.tensor(IDS))
    assert leak.sound == sound and (leak.max() < 1e-5) == sound
    mask = measured_mask(model, torch.tensor(IDS))
    assert mask[REAL].all() and mask[~REAL].any() != sound


def test_a_pytorch_mask_of_the_other_polarity(torch):
    assert not padding_leak(torch_model(torch, "inverted"), torch.tensor(IDS)).sound


def test_influence_of_a_pytorch_module(torch):
    model = torch_model(torch, "masked")
    moved = influence(model, torch.tensor(IDS[2:])) > 1e-6
    assert moved[:3, :3].all() and not moved[:, 3:].any()


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_pytorch_in_other_types(torch, dtype):
    for kind, sound in (("masked", True), ("forgotten", False)):
        model = torch_model(torch, kind).to(getattr(torch, dtype))
        assert padding_leak(model, torch.tensor(IDS)).sound == sound
        # Converted before it comes back: the parameters still tell.
        as_float = type("Float", (torch.nn.Module,), {})()
        as_float.model = model
        as_float.forward = lambda ids, model=model: model(ids).float()
        assert padding_leak(as_float, torch.tensor(IDS)).sound == sound


def test_pytorch_features_with_gradients_and_dicts(torch):
    x = torch.randn(3, 5, 4, requires_grad=True)
    keep = torch.tensor(REAL)
    with torch.no_grad():
        x[~keep] = 0.0

    def model(batch):
        assert all(torch.is_tensor(part) for part in batch.values())
        out = batch["x"] * batch["mask"][..., None]
        return {"pooled": out.sum(1), "steps": batch["x"]}

    batch = {"x": x, "mask": keep}
    assert padding_leak(model, batch, which=("x", "mask"), output="pooled").sound
    assert padding_leak(model, batch, which=("x", "mask"), output="steps").sound
    assert x.grad is None


def test_pytorch_in_training_mode(torch):
    with pytest.raises(RuntimeError, match=r"in PyTorch model\.eval\(\)"):
        padding_leak(torch_model(torch, "masked").train(), torch.tensor(IDS))


def test_a_pytorch_module_given_arrays(torch):
    with pytest.raises(RuntimeError, match=r"torch\.as_tensor\(inputs\)"):
        padding_leak(torch_model(torch, "masked"), IDS)


# ---------------------------------------------------------------- JAX


@pytest.mark.parametrize("compiled", [False, True])
def test_jax(compiled):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    numpy = jax.numpy
    table = jax.random.normal(jax.random.PRNGKey(0), (12, 8))

    def mean(masked):
        def model(ids):
            assert isinstance(ids, jax.Array)
            kept = (ids != 0) if masked else numpy.ones_like(ids, bool)
            total = (table[ids] * kept[..., None]).sum(1)
            return total / kept.sum(1, keepdims=True)

        return jax.jit(model) if compiled else model

    ids = numpy.asarray(IDS)
    assert padding_leak(mean(True), ids).sound
    assert not padding_leak(mean(False), ids).sound
    np.testing.assert_array_equal(measured_mask(mean(True), ids), REAL)
    assert influence(mean(True), ids, row=1).shape == (5,)
    half = lambda ids: mean(True)(ids).astype("bfloat16")  # noqa: E731
    assert padding_leak(half, ids).sound
