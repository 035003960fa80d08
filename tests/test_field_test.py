"""The field test: its lock, its protocol, and that page and data say the same. Needs no library."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tools.field_test import page
from tools.field_test.explained import EXPLAINED, explanation, kind_of
from tools.field_test.keras_hub_models import twice_as_deep
from tools.field_test.measure import rows_of
from tools.field_test.subjects import Subject
from tools.field_test.tutorials import TUTORIALS

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
DATA = json.loads((ROOT / "docs" / "field_test.json").read_text(encoding="utf-8"))
LEAKS = [
    (row, question)
    for row in DATA["rows"]
    for question in page.QUESTIONS
    if (row.get(question) or {}).get("sound") is False
]


def test_the_lock_has_hashes_no_address_and_no_gpu_build():
    lock = (ROOT / "requirements-field-test.lock").read_text(encoding="utf-8")
    pins = lock.split("make lock", 1)[1].split("# The following packages")[0]
    blocks = re.split(r"^(?=[A-Za-z0-9])", pins, flags=re.M)[1:]
    assert len(blocks) > 50 and all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|--index-url|^(nvidia|cuda|triton|torch=)", lock, re.M)


def test_pytorch_is_asked_for_by_one_version():
    asked = re.search(r"^torch==(\S+)", (ROOT / "requirements-field-test.in").read_text(), re.M)[1]
    assert f"\nTORCH := {asked}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_keras_is_the_learners():
    pins = [
        re.search(r"^keras==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.M)[1]
        for name in ("requirements.lock", "requirements-field-test.lock")
    ]
    assert pins[0] == pins[1]


def test_nothing_of_it_needs_a_framework_before_it_measures():
    code = "import sys, tools.field_test.run, tools.field_test.page\n"
    code += "from tools.field_test import keras_hub_models as k, transformers_models as t\n"
    code += "k.subjects(), t.subjects()\n"
    code += "sys.exit(any(m in sys.modules for m in ('keras', 'torch', 'tensorflow')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


class Averaging:
    """A model of arrays: the mean of what the mask keeps, at every step."""

    compute_dtype = "float32"

    def __init__(self, uses_mask: bool = True, back: bool = False, mixes_rows: bool = False):
        self.uses_mask, self.back, self.mixes_rows = uses_mask, back, mixes_rows

    def draw(self, seed: int) -> None:
        self.table = np.random.default_rng(seed).normal(size=(64, 4)).astype("float32")

    def forget_positions(self) -> None:
        pass

    def __call__(self, inputs):
        mask = inputs["mask"] if self.uses_mask else np.ones_like(inputs["mask"])
        if self.mixes_rows:
            mask = mask.reshape(mask.shape[::-1]).T
        x = self.table[inputs["ids"]] * mask[..., None]
        if self.back:
            return np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1)[:, None]
        kept = np.maximum(mask.sum(axis=1), 1)[:, None, None]
        return np.broadcast_to(x.sum(axis=1, keepdims=True) / kept, x.shape).astype("float32")


def measured(**options) -> dict:
    subject = Subject("here", "Averaging", "encoder", lambda size, dtype: Averaging(**options))
    (row,) = rows_of(subject)
    return row


def test_a_sound_model_is_found_sound():
    row = measured()
    assert row["after"]["sound"] and row["before"]["sound"] and row["mates"]["sound"]
    assert row["after"]["runs"] == 5
    assert row["sees"] == {"later": 66, "earlier": 66, "pairs": 66}
    assert [page.cell(row, q) for q in ("after", "before", "mates")] == ["sound"] * 3
    assert page.sees(row) == "all"


def test_a_model_that_reads_padding_leaks():
    row = measured(uses_mask=False)
    assert not row["after"]["sound"] and row["after"]["share"] > 0.1 and row["mates"]["sound"]
    assert page.cell(row, "after") == f"**{row['after']['share']:.2g}** open"


def test_a_model_that_counts_positions_is_told_from_one_that_leaks():
    row = measured(back=True)  # divides by the place where a step stands
    assert row["after"]["sound"] and not row["before"]["sound"]
    assert page.sees(row) == "earlier"
    row["skipping"] = {"sound": True, "share": 0.0, "runs": 2}
    assert kind_of(row, "before") == "positions"


def test_rows_that_depend_on_their_batch_are_found():
    row = measured(mixes_rows=True)
    assert not row["mates"]["sound"] and row["after"]["rows depend"]


def test_a_model_that_fails_is_a_row_with_its_reason():
    def build(size, dtype):
        raise ValueError("no such layer")

    (row,) = rows_of(Subject("here", "Broken", "encoder", build))
    assert row["failed"] == "not built: ValueError: no such layer"
    assert page.cell(row, "after") == "error"


def test_twice_as_deep():
    settings = {"num_layers": 2, "encoder_num_layers": 2, "hidden_dim": 8, "layer_types": ["a"]}
    assert twice_as_deep(settings) == {
        "num_layers": 4, "encoder_num_layers": 4, "hidden_dim": 8, "layer_types": ["a", "a"],
    }  # fmt: skip


def test_the_page_says_what_the_data_say():
    assert (ROOT / "docs" / "field_test.md").read_text(encoding="utf-8") == page.page(DATA)


def test_enough_was_measured():
    for library in ("KerasHub", "Transformers"):
        rows = [row for row in DATA["rows"] if row["library"] == library]
        ran = {row["model"] for row in rows if "share" in row.get("after", {})}
        assert len(ran) >= 25, library
    assert {row["tutorial"] for row in DATA["tutorials"]} == {t.name for t in TUTORIALS}


def test_every_leak_is_explained_or_said_not_to_be_understood():
    text = (ROOT / "docs" / "field_test.md").read_text(encoding="utf-8").lower()
    said = [line for line in text.splitlines() if "not understood" in line]
    assert LEAKS
    for row, question in LEAKS:
        if not explanation(row, question) and kind_of(row, question) == "open":
            assert any(row["model"].partition(", ")[0].lower() in line for line in said)


def test_every_explanation_explains_something():
    for found in EXPLAINED:
        for name in found.models:
            rows = [r for r in DATA["rows"] if r["model"].partition(", ")[0] == name]
            rows = [r for r in rows if found.special in ("", r["model"].partition(", ")[2])]
            rows = [r for r in rows if r["library"] == found.library]
            said = [r.get(q) or {} for r in rows for q in found.questions]
            assert any(
                x.get("sound") is False or "failed" in x or x.get("earlier") == 0 for x in said
            ), name


@pytest.mark.parametrize("found", [e for e in EXPLAINED if e.report], ids=lambda e: e.report)
def test_every_fault_has_a_text_to_send(found):
    text = (ROOT / "docs" / "upstream" / found.report).read_text(encoding="utf-8")
    assert "**Expected:**" in text and "**Actual**" in text
    code = re.search(r"```python\n(.*?)```", text, re.S)[1]
    compile(code, found.report, "exec")
    assert len(code.splitlines()) <= 25


def test_every_fault_is_reported():
    assert all(found.report for found in EXPLAINED if found.kind == "fault")
