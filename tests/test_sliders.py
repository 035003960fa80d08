"""Explorers: three faces, every state of every control, and errors in words."""

import base64
import io
import itertools
import json

from helpers import Mask, Weights, explore, states

import ipywidgets as widgets
import numpy as np
import pytest
from PIL import Image


def first_steps(length=3, side="post"):
    kept = np.arange(8) < length
    return kept if side == "post" else kept[::-1]


CONTROLS = {"length": (0, 8), "side": ["post", "pre"]}


def size(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


@pytest.fixture
def explorer():
    return explore(first_steps, caption="{length} of 8 kept, {side}.", **CONTROLS)


def test_defaults_come_from_the_signature(explorer):
    assert explorer.controls["length"].value == 3
    assert isinstance(explorer.controls["length"], widgets.IntSlider)
    assert isinstance(explorer.controls["side"], widgets.Dropdown)
    assert explorer.sentence == "3 of 8 kept, post."
    assert explorer.problem == ""


def test_a_move_changes_picture_and_sentence_and_back_again(explorer):
    before = explorer.picture.value
    explorer.controls["length"].value = 7
    assert explorer.picture.value != before
    assert explorer.sentence == "7 of 8 kept, post."
    assert "7 of 8 kept, post." in explorer._words.value
    explorer.controls["length"].value = 3
    assert explorer.picture.value == before


def test_every_state_draws_the_mask_of_that_state(explorer):
    from tests.test_heatmaps import drawn_as_kept

    for side in ("post", "pre"):
        for length in range(9):
            explorer.controls["side"].value = side
            explorer.controls["length"].value = length
            image = np.asarray(Image.open(io.BytesIO(explorer.picture.value)))
            (ax,) = explorer._heatmaps.figure.axes
            assert (drawn_as_kept(ax, (1, 8), image)[0] == first_steps(length, side)).all()


def test_three_faces(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == (
        "[length = 3 · side = post] 3 of 8 kept, post.\n"
        "mask: 8 timesteps, 3 of 8 kept\n1 1 1 0 0 0 0 0"
    )
    assert metadata["image/png"]["alt"].startswith("[length = 3 · side = post]")
    width, height = size(base64.b64decode(data["image/png"]))
    assert height > size(explorer.picture.value)[1], "the sentence stands under the picture"
    assert width >= size(explorer.picture.value)[0]


def test_the_static_face_is_the_default_state_whatever_was_moved(explorer):
    before = explorer._repr_mimebundle_()[0]
    explorer.controls["length"].value = 8
    after = explorer._repr_mimebundle_()[0]
    assert (before["image/png"], before["text/plain"]) == (after["image/png"], after["text/plain"])


def test_no_layout_jump_when_the_shape_changes():
    def square(n=5):
        return Mask(np.ones((n, n)), axes=("query", "key"), tokens=list("abcdefgh")[:n])

    explorer = explore(square, n=(1, 8))
    sizes = []
    for n in (8, 1, 5, 2):
        explorer.controls["n"].value = n
        sizes.append(size(explorer.picture.value))
    assert len(set(sizes)) == 1
    assert explorer.picture.layout.width == f"{sizes[0][0]}px"


def test_an_error_in_compute_is_shown_and_the_picture_stays():
    def compute(length=3):
        if length > 5:
            raise RuntimeError("<b>too long</b>")
        return np.arange(8) < length

    explorer = explore(compute, length=(0, 8))
    before = explorer.picture.value
    explorer.controls["length"].value = 6
    assert explorer.picture.value == before
    assert explorer.problem == "RuntimeError: <b>too long</b>"
    assert "could not be drawn" in explorer._words.value
    assert "&lt;b&gt;too long" in explorer._words.value, "escaped"
    explorer.controls["length"].value = 2
    assert explorer.problem == "" and "2 of 8 kept" in explorer.sentence


@pytest.mark.parametrize(
    ("compute", "problem"),
    [
        (lambda n: None, "Is a `return` missing"),
        (lambda n: [[1, 1], [1]], "different lengths"),
        (lambda n: np.full((2, 2), np.nan), "NaN"),
        (lambda n: np.ones((0, 3)), "empty"),
        (lambda n: {}, "dictionary is empty"),
        (lambda n: Weights([[7.0]]), "before the softmax"),
    ],
)
def test_a_first_state_that_cannot_be_drawn_is_told_not_raised(compute, problem):
    explorer = explore(compute, n=(0, 3))
    assert problem in explorer.problem
    assert problem in explorer._repr_mimebundle_()[0]["text/plain"]
    assert explorer.picture.value == b""


def test_a_caption_that_fails_leaves_nothing_half_drawn():
    explorer = explore(first_steps, caption=lambda shown, length, side: 1 / length, **CONTROLS)
    before = explorer.picture.value
    explorer.controls["length"].value = 0
    assert "ZeroDivisionError" in explorer.problem
    assert explorer.picture.value == before


def test_a_caption_with_a_misspelt_control_says_so():
    explorer = explore(first_steps, caption="{lenght} of 8", **CONTROLS)
    assert "The caption names 'lenght'; the controls are length, side." in explorer.problem


def test_several_masks_weights_and_a_caption_that_sees_them():
    def compute(causal=True):
        mask = np.tril(np.ones((4, 4))) if causal else np.ones((4, 4))
        weights = mask / mask.sum(axis=1, keepdims=True)
        return {"mask": Mask(mask, axes=("query", "key")), "weights": Weights(weights, mask=mask)}

    explorer = explore(
        compute, caption=lambda shown, causal: f"{shown['mask'].values.sum():g} pairs", causal=True
    )
    assert explorer.sentence == "10 pairs"
    explorer.controls["causal"].value = False
    assert explorer.sentence == "16 pairs"
    assert len(explorer._heatmaps.figure.axes) == 2


def test_options_reach_the_picture():
    explorer = explore(
        lambda n=2: np.arange(4) >= n, n=(0, 4), polarity="drop", tokens=list("abcd"), title="T"
    )
    assert "2 of 4 kept (1 = masked)" in explorer.sentence and explorer.sentence.startswith("T")
    assert explorer._heatmaps.layout[0][2] == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("compute", "controls", "message"),
    [
        (3, {}, "explore takes a function first; int is not one"),
        (first_steps, {"lenght": (0, 3)}, "must be the arguments of first_steps"),
        (lambda n: [1], {}, r"The controls \(none\) must be"),
        (lambda n: [1], {"n": object()}, "is no control"),
        (lambda n: [1], {"n": (8, 0)}, r"n=\(8, 0\) is no control"),
    ],
)
def test_wrong_controls_are_refused_in_words(compute, controls, message):
    with pytest.raises(TypeError, match=message):
        explore(compute, **controls)


def test_every_control_has_a_label(explorer):
    def compute(some_name=1):
        return [True]

    assert explore(compute, some_name=(0, 2)).controls["some_name"].description == "some name"
    assert all(control.description for control in explorer.controls.values())


def test_captions_are_data_not_markup():
    explorer = explore(first_steps, caption="<script>{length}", **CONTROLS)
    assert "&lt;script&gt;3" in explorer._words.value


def test_moves_leave_no_figure_open():
    import matplotlib.pyplot as plt

    explorer = explore(lambda n=3: np.ones((n, n)), n=(1, 9))
    for n in range(1, 10):
        explorer.controls["n"].value = n
    assert plt.get_fignums() == []


def test_a_live_notebook_does_not_pay_for_the_states(explorer, monkeypatch):
    monkeypatch.delenv(states.VARIABLE, raising=False)
    assert states.MIME not in explorer._repr_mimebundle_()[0]
    monkeypatch.setenv(states.VARIABLE, "1")
    assert len(explorer._repr_mimebundle_()[0][states.MIME]["states"]) == 9 * 2


def test_stored_states_are_what_is_seen(explorer, monkeypatch):
    monkeypatch.setenv(states.VARIABLE, "1")
    data = explorer._repr_mimebundle_()[0][states.MIME]
    assert json.loads(json.dumps(data)) == data
    assert [(c["label"], c["kind"], c["first"]) for c in data["controls"]] == [
        ("length", "slider", 3),
        ("side", "select", 0),
    ]
    for (length, side), (picture, sentence) in zip(
        itertools.product(range(9), ("post", "pre")), data["states"], strict=True
    ):
        assert data["sentences"][sentence] == f"{length} of 8 kept, {side}."
        (panel,) = data["pictures"][picture]
        _, texts, cells, _ = data["panels"][panel]
        colours = [data["palette"][int(cells[i : i + 2], 16)] for i in range(0, 16, 2)]
        kept = first_steps(length, side)
        assert [c == "#08519c" for c in colours] == list(kept)
        assert data["texts"][texts] == [str(int(k)) for k in kept]
    assert len(data["pictures"]) == 16, "none kept and all kept look the same on both sides"


def test_weights_are_stored_with_their_colours_and_hatches(monkeypatch):
    monkeypatch.setenv(states.VARIABLE, "1")
    explorer = explore(
        lambda share=0.5: Weights([[share, 1 - share]], mask=[[1, 0]]), share=(0.0, 1.0, 0.25)
    )
    data = explorer._repr_mimebundle_()[0][states.MIME]
    assert data["controls"][0]["values"] == ["0", "0.25", "0.5", "0.75", "1"]
    assert "" in data["palette"] and len(data["palette"]) == 6
    assert ["0.25", "0.75"] in data["texts"]


def test_states_without_end_are_refused(monkeypatch):
    monkeypatch.setenv(states.VARIABLE, "1")
    with pytest.raises(ValueError, match="10000 states are too many"):
        explore(lambda a=1, b=1: [True], a=(1, 100), b=(1, 100))._repr_mimebundle_()
    with pytest.raises(TypeError, match="endless"):
        explore(lambda name="": [True], name=widgets.Text("x"))._repr_mimebundle_()


def test_a_legend_follows_the_picture_and_a_way_back_is_drawn_once(explorer):
    legends = []
    for length in (8, 3, 8, 0):
        explorer.controls["length"].value = length
        (legend,) = explorer._heatmaps.figure.legends
        legends.append([text.get_text() for text in legend.get_texts()])
    assert legends == [["kept (1)"], ["kept (1)", "masked (0)"], ["kept (1)"], ["masked (0)"]]
    assert len(explorer._drawn) == 3
