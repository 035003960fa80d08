"""What models of published libraries bring along, shown by models of arrays; no framework."""

from collections import OrderedDict

from maskprobe import batch_mates, influence, padding_leak

import numpy as np
import pytest

IDS = np.array([[3, 1, 2, 4, 6, 7], [5, 6, 8, 9, 0, 0]])
BATCH = {"input_ids": IDS, "attention_mask": (IDS != 0).astype("int64")}
TABLE = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")


class ModelOutput(OrderedDict):
    """Outputs by name, and by attribute, some of them no arrays."""

    __getattr__ = OrderedDict.__getitem__


def mean(ids, mask):
    kept = mask[..., None]
    total = (TABLE[ids] * kept).sum(axis=1, keepdims=True) / kept.sum(axis=1, keepdims=True)
    return np.broadcast_to(total, (*ids.shape, 3))


def named(batch):
    out = mean(batch["input_ids"], batch["attention_mask"])
    return ModelOutput(last_hidden_state=out, pooled=out[:, 0], cache=None)


def test_one_of_several_named_outputs():
    keys = ("input_ids", "attention_mask")
    for output in ("last_hidden_state", "pooled"):
        assert padding_leak(named, BATCH, which=keys, output=output).sound
        assert batch_mates(named, BATCH, which="input_ids", output=output).sound
    with pytest.raises(ValueError, match="choose with output="):
        padding_leak(named, BATCH, which=keys)


def test_outputs_of_half_as_many_steps():
    def halved(batch):
        return named(batch)["last_hidden_state"][:, ::2]

    options = {"which": ("input_ids", "attention_mask"), "output_lengths": lambda n: (n + 1) // 2}
    assert padding_leak(halved, BATCH, **options).sound
    mates = batch_mates(halved, BATCH, which="input_ids")
    assert mates.sound and mates.shape == (2,)


def test_a_fixed_length():
    def fixed(batch):
        assert batch["input_ids"].shape[1] == 6, "six steps"
        return mean(batch["input_ids"], batch["attention_mask"])

    keys = ("input_ids", "attention_mask")
    with pytest.raises(RuntimeError, match="replace_pads=True"):
        padding_leak(fixed, BATCH, which=keys)
    assert padding_leak(fixed, BATCH, which=keys, replace_pads=True).sound
    moved = influence(fixed, {k: x[:1] for k, x in BATCH.items()}, which="input_ids")
    assert (moved > 0).all()


class Module:
    """A PyTorch module in name only, called as those of Transformers are."""

    __module__ = "torch.nn.modules.module"

    def __call__(self, input_ids, attention_mask=None):
        if isinstance(input_ids, dict):
            raise AttributeError("'dict' object has no attribute 'shape'")
        return mean(input_ids, attention_mask)


def test_a_module_that_wants_its_inputs_by_name():
    model, keys = Module(), ("input_ids", "attention_mask")
    for probe in (
        lambda f: padding_leak(f, BATCH, which=keys),
        lambda f: batch_mates(f, BATCH, which="input_ids"),
    ):
        with pytest.raises(RuntimeError, match=r"lambda x: model\(\*\*x\)"):
            probe(model)
        assert probe(lambda x: model(**x)).sound
