"""Masks drawn are the masks given: read back from what was drawn, not from what was asked for."""

import io
import subprocess
import sys
import time
from itertools import combinations, pairwise

from helpers import (
    Mask,
    Weights,
    plot_mask,
    plot_masks,
    plot_three_masks,
    plot_weights,
    states,
    words,
)
from helpers.heatmaps import Heatmaps
from helpers.panels import HATCH, INKS, KEEP, MASKED, NAN, ON_KEEP, ON_MASKED, ON_NAN, as_panels

import hypothesis.extra.numpy as hnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

POST = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0]], bool)
CAUSAL = np.tril(np.ones((4, 4), bool))


def pixels(figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def cells(ax, shape, image=None, at=(-0.4, -0.36)) -> np.ndarray:
    """The colour at one place of each cell; by default upper left, clear of text and lines."""
    image = pixels(ax.figure) if image is None else image
    rows, columns = shape
    x, y = np.meshgrid(np.arange(columns) + at[0], np.arange(rows) + at[1])
    across, up = ax.transData.transform(np.stack([x.ravel(), y.ravel()], axis=1)).T
    down = image.shape[0] - up
    return image[down.astype(int), across.astype(int)].reshape(rows, columns, 3)


def drawn_as_kept(ax, shape, image=None) -> np.ndarray:
    """Which cells show the blue of *keep*; a text may hide one place, but not all."""
    wide = ax.get_window_extent().width / shape[1] > 8  # pixels; in narrow cells only the middle
    places = [(-0.36, -0.33), (-0.3, 0.0), (0.0, 0.0)] if wide else [(0.0, 0.0)]
    seen = [(cells(ax, shape, image, at) == rgb(KEEP)).all(axis=-1) for at in places]
    return np.any(seen, axis=0)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def ticks(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize("kind", [list, np.array, "tensor", int, float, "float32"])
def test_any_array_like_is_drawn_as_it_is(kind):
    if kind == "tensor":
        import tensorflow as tf

        mask = tf.constant(POST)
    elif kind is list:
        mask = POST.tolist()
    else:
        mask = POST.astype(bool if kind is np.array else kind)
    figure = plot_mask(mask)
    assert (drawn_as_kept(figure.axes[0], POST.shape) == POST).all()
    assert "14 of 18 kept" in figure.words


@pytest.mark.parametrize(
    ("shape", "panels", "axes"),
    [
        ((6,), [(1, 6)], ("", "timestep")),
        ((3, 6), [(3, 6)], ("sequence", "timestep")),
        ((3, 1, 1, 6), [(3, 6)], ("sequence", "key")),
        ((1, 1, 1, 6), [(1, 6)], ("sequence", "key")),
        ((1, 1, 5, 6), [(5, 6)], ("query", "key")),
        ((2, 1, 5, 6), [(5, 6)] * 2, ("query", "key")),
        ((2, 5, 6), [(5, 6)] * 2, ("query", "key")),
        ((1, 3, 5, 6), [(5, 6)] * 3, ("query", "key")),
        ((5, 1, 4, 4), [(4, 4)] * 5, ("query", "key")),
        ((1,), [(1, 1)], ("", "timestep")),
    ],
)
def test_shapes(shape, panels, axes):
    mask = np.random.default_rng(1).random(shape) < 0.6
    figure = plot_mask(mask)
    assert len(figure.axes) == len(panels)
    flat = mask.reshape(len(panels), *panels[0])
    for ax, shape, right in zip(figure.axes, panels, flat):
        assert (drawn_as_kept(ax, shape) == right).all()
        assert (ax.get_ylabel(), ax.get_xlabel()) == axes


def test_drop_polarity_colours_the_meaning_and_writes_the_value():
    figure = plot_mask(~POST, polarity="drop")
    assert (drawn_as_kept(figure.axes[0], POST.shape) == POST).all()
    assert "0 0 0 1 1 1" in figure.words and "1 = masked" in figure.words
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["kept (0)", "masked (1)"]


def test_tokens_on_ticks_in_cells_and_on_rows():
    figure = plot_mask(POST, tokens=list("abcdef"))
    assert ticks(figure.axes[0].xaxis) == list("abcdef")
    figure = plot_mask(CAUSAL, tokens=list("abcd"), axes=("query", "key"))
    assert ticks(figure.axes[0].yaxis) == list("abcd")
    figure = plot_mask(POST, tokens=(["x", "y", "z"], range(6)))
    assert ticks(figure.axes[0].yaxis) == ["x", "y", "z"]
    (panel,) = Mask(POST, tokens=words([[711] * 6] * 3)).panels()
    assert panel.texts == ("hello",) * 18
    (panel,) = Mask([1, 0], tokens=np.array([b"hi", b""])).panels()
    assert panel.columns == ("hi", "")


def test_tokens_are_text_not_markup():
    figure = plot_mask([[1, 0, 1]], tokens=[["$x^2$", "<b>", "a_b"]], title="$$ and _")
    assert drawn_as_kept(figure.axes[0], (1, 3)).tolist() == [[True, False, True]]
    assert figure.axes[0].get_title() == "$$ and _"


def test_several_masks_share_their_rows():
    figure = plot_masks({"a": CAUSAL, "b": ~CAUSAL}, axes=("query", "key"))
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]
    assert [ax.yaxis.get_visible() for ax in figure.axes] == [True, False]
    assert (drawn_as_kept(figure.axes[1], (4, 4)) == ~CAUSAL).all()


def test_weights_on_a_fixed_scale_not_allowed_is_hatched_and_zero_is_not():
    weights = np.array([[0.0, 1.0], [0.5, 0.5]])
    allowed = np.array([[False, True], [True, True]])
    half = cells(plot_weights(weights, mask=allowed).axes[0], (2, 2))
    zero = cells(plot_weights(weights * 0).axes[0], (2, 2))
    assert (half[1, 0] == half[1, 1]).all()
    assert tuple(half[0, 0]) in (rgb(MASKED), rgb(HATCH)) or half[0, 0].min() > 190
    assert zero.max() < 100, "an allowed zero is the dark end of the scale"
    lone = cells(plot_weights([[0.5, 0.0]]).axes[0], (1, 2))
    assert (lone[0, 0] == half[1, 0]).all(), "the scale does not depend on the values"


def test_weights_show_nan_as_nan():
    figure = plot_weights([[np.nan, 0.5]])
    assert "1 NaN" in figure.words and "NaN 0.50" in figure.words


def test_weights_take_a_mask_that_broadcasts():
    figure = plot_weights(np.full((2, 1, 3, 4), 0.25), mask=np.ones((2, 1, 1, 4)))
    assert len(figure.axes) == 2
    (panel,) = Weights(np.full((3, 4), 0.25), mask=[1, 1, 1, 0]).panels()
    assert panel.words.count("/") == 1 + 3


@pytest.mark.parametrize("steps", [1, 2, 7, 16, 33, 64])
@pytest.mark.parametrize("axes", [("sequence", "timestep"), ("query", "key")])
def test_from_1_to_64_steps_the_picture_stays_readable(steps, axes):
    rows = steps if axes[0] == "query" else 3
    mask = np.random.default_rng(steps).random((rows, steps)) < 0.5
    figure = plot_mask(mask, axes=axes, title="A title that is not cut")
    image = pixels(figure)
    ax = figure.axes[0]
    assert (drawn_as_kept(ax, mask.shape, image) == mask).all()
    width, height = figure.get_size_inches()
    assert width <= 7.2 and height <= 4.6
    renderer = figure.canvas.get_renderer()
    for text in [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.title]:
        assert text.get_fontsize() >= 10
        box = text.get_window_extent(renderer)
        assert box.x0 >= -1 and box.y0 >= -1
        assert box.x1 <= image.shape[1] + 1 and box.y1 <= image.shape[0] + 1
    boxes = [t.get_window_extent(renderer) for t in ax.get_xticklabels()]
    assert all(a.x1 <= b.x0 for a, b in pairwise(boxes)), "tick labels overlap"


SHAPES = {
    "one row": {"a": [[1, 1, 0]]},
    "one row without a title": {"": [[1, 1, 0]]},
    "three queries": {"": Weights(np.full((3, 3), 1 / 3))},
    "both polarities": {"a": [[1, 1, 0]], "keys": Mask([[0, 0, 1]], polarity="drop")},
    "mask and weights": {
        "mask": Mask(np.tri(3), axes=("query", "key")),
        "weights of the first sentence": Weights(np.tri(3) / 3),
    },
    "four heads": {"": Weights(np.full((1, 4, 3, 3), 1 / 3))},
    "eight heads": {"head": Weights(np.ones((1, 8, 6, 6)) / 6)},
    "two sizes": {"small": np.ones((1, 3)), "large": np.ones((8, 8))},
    "a long title": {"A rather long title over a small mask, to see where it goes": [[1, 0, 1]]},
}


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_is_cut_off_and_nothing_overlaps(name):
    figure = plot_masks(SHAPES[name])
    height, width = pixels(figure).shape[:2]
    assert width <= 720
    renderer = figure.canvas.get_renderer()
    boxes = [ax.get_tightbbox(renderer) for ax in figure.axes]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    for a, b in combinations(boxes, 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, (a.bounds, b.bounds)


def test_long_tokens_are_shortened_and_never_leave_a_cell_empty():
    figure = plot_mask([[1] * 24], tokens=[["weather", "a"] * 12])
    plain = plot_mask([[1] * 24], tokens=[["", ""] * 12])
    drawn, empty = pixels(figure), pixels(plain)
    (ax,) = figure.axes
    for step in range(24):
        (left, right), (bottom, top) = ax.transData.transform(
            [(step - 0.4, 0.3), (step + 0.4, -0.3)]
        ).T
        cell = np.s_[len(drawn) - int(top) : len(drawn) - int(bottom), int(left) : int(right)]
        assert (drawn[cell] != empty[cell]).any(), f"nothing is written in cell {step}"
    start = time.perf_counter()
    plot_mask([[1, 0]], tokens=[["x " * 700, "y"]])
    assert time.perf_counter() - start < 5


def test_one_artist_for_the_texts_of_all_cells():
    figure = plot_mask(np.ones((16, 16)), axes=("query", "key"))
    assert len(figure.axes[0].texts) == 0
    assert len(figure.axes[0].get_children()) < 25


def test_contrast_of_text_on_cells_is_at_least_4_5():
    def luminance(colour):
        c = np.array(rgb(colour)) / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    def contrast(a, b):
        low, high = sorted([luminance(a), luminance(b)])
        return (high + 0.05) / (low + 0.05)

    assert contrast(INKS[ON_KEEP], KEEP) >= 4.5
    assert contrast(INKS[ON_MASKED], MASKED) >= 4.5
    assert contrast(INKS[ON_MASKED], HATCH) >= 4.5, "the hatch runs under the text"
    assert contrast(INKS[ON_NAN], NAN) >= 4.5
    for value in np.linspace(0, 1, 101):
        (panel,) = Weights([[value]]).panels()
        face = "#" + bytes(panel.faces[0, 0, :3]).hex()
        assert contrast(INKS[panel.inks[0, 0]], face) >= 4.5


def test_draws_into_an_ax_and_leaves_pyplot_alone():
    before = plt.get_fignums()
    plot_mask(POST)
    assert plt.get_fignums() == before
    figure, ax = plt.subplots()
    assert plot_mask(POST, ax=ax) is figure
    assert (drawn_as_kept(ax, POST.shape) == POST).all()
    plt.close(figure)
    with pytest.raises(ValueError, match="One ax was given, but there are 2 panels"):
        plot_mask(np.ones((2, 3, 3)), ax=ax)


def test_notebook_output_is_picture_and_words():
    figure = plot_mask(POST, title="Padding")
    data, metadata = figure._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == (
        "Padding: 3 sequences × 6 timesteps, 14 of 18 kept\n1 1 1 1 1 1\n1 1 1 1 1 0\n1 1 1 0 0 0"
    )
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert figure._repr_mimebundle_()[0] == data, "the same picture twice"


def test_a_live_picture_has_an_alternative_text_where_jupyterlab_reads_it(monkeypatch):
    monkeypatch.delenv(states.VARIABLE, raising=False)
    html = plot_mask([[1, 0]], title='<"a">')._repr_mimebundle_()[0]["text/html"]
    assert html.startswith('<img alt="&lt;&quot;a&quot;&gt;: 1 sequence × 2 timesteps')


@pytest.mark.parametrize(
    ("mask", "options", "error", "message"),
    [
        ([[1, 1], [1]], {}, ValueError, r"different lengths \(1, 2\): pad them"),
        ([[0.5, 1]], {}, ValueError, r"holds 0.5 at \[0, 0\].*plot_weights"),
        ([[1, np.nan]], {}, ValueError, r"NaN, first at \[0, 1\]"),
        ([], {}, ValueError, "empty"),
        (np.ones((0, 6)), {}, ValueError, r"empty: its shape is \(0, 6\)"),
        (3, {}, ValueError, "one to four axes"),
        (np.ones((1, 1, 1, 1, 2)), {}, ValueError, "one to four axes"),
        (np.ones((2, 3, 4, 4)), {}, ValueError, "2 sequences with 3 heads each: choose"),
        ("101", {}, TypeError, "array of numbers"),
        (None, {}, TypeError, "mask is None"),
        (["True", "False"], {}, TypeError, "array of numbers"),
        ([[83, 91, 0]], {}, ValueError, "Are these token ids"),
        (POST, {"polarity": "up"}, ValueError, '"keep" or "drop"'),
        (POST, {"tokens": ["a"]}, ValueError, "1 given for 6 timesteps"),
        (POST, {"tokens": [["a"] * 6] * 2}, ValueError, "2 lists given for 3 sequences"),
        (POST, {"tokens": [["a"] * 5] * 3}, ValueError, "5 given for 6 timesteps"),
        (POST, {"tokens": "abcdef"}, TypeError, "tokens must be a list"),
        (POST, {"axes": ("query",)}, ValueError, "names the rows and the columns"),
        (np.ones((2, 4, 4)), {"tokens": [["a"] * 4] * 3}, ValueError, "3 lists given for 2"),
    ],
)
def test_bad_masks_are_refused_in_words(mask, options, error, message):
    with pytest.raises(error, match=message):
        plot_mask(mask, **options)


def test_three_masks_stand_under_one_another_and_say_where_they_differ():
    figure = plot_three_masks(POST, POST, np.ones_like(POST), title="Lost")
    assert len(figure.axes) == 3, "a panel for each sequence"
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["wanted", "declared", "measured"]
    assert "Lost · sequence 2: 6 timesteps" in figure.words
    assert "wanted    1 1 1 0 0 0\ndeclared  1 1 1 0 0 0\nmeasured  1 1 1 1 1 1" in figure.words
    assert "declared ≠ measured at timesteps 3, 4, 5" in figure.words
    assert "wanted ≠ declared" not in figure.words


def test_no_declared_mask_keeps_every_step():
    figure = plot_three_masks(POST[2], None, None, tokens=list("abcdef"))
    assert figure.words == (
        "three masks: 6 timesteps\nwanted          1 1 1 0 0 0\ndeclared: none  1 1 1 1 1 1\n"
        "wanted ≠ declared at timesteps 3, 4, 5"
    )
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == list("abcdef")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((None, POST, POST), {}, TypeError, "Only you know"),
        ((POST, POST[:2], POST), {}, ValueError, r"wanted has shape \(3, 6\), declared \(2, 6\)"),
        ((POST, POST, POST[..., None]), {}, ValueError, r"measured \(3, 6, 1\)"),
        ((POST, [[7] * 6] * 3, POST), {}, ValueError, "token ids"),
        ((POST, POST, POST), {"tokens": [list("abcdef")] * 2}, ValueError, "2 lists given for 3"),
        ((POST, POST, POST), {"tokens": list("abc")}, ValueError, "3 given for 6"),
    ],
)
def test_three_masks_that_do_not_go_together_are_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        plot_three_masks(*arguments, **options)


def test_a_legend_shows_only_what_the_picture_holds():
    def entries(figure):
        return [text.get_text() for text in figure.legends[0].get_texts()]

    assert entries(plot_mask(np.ones((2, 3)))) == ["kept (1)"]
    assert entries(plot_mask(np.zeros((2, 3)))) == ["masked (0)"]
    assert entries(plot_mask(POST)) == ["kept (1)", "masked (0)"]
    change = plot_masks({"": Weights([[0.5, 0.5]], scale="change")})
    assert entries(change) == ["change 0", "0.5", "1"]
    assert "masked" not in entries(plot_weights([[0.5, 0.5]]))
    assert "masked" in entries(plot_weights([[0.5, 0.5]], mask=[[1, 0]]))


def test_what_an_entry_does_not_say_is_taken_from_the_call():
    figure = plot_masks({"": Weights([[0.5, 0.5]])}, axes=("unit", "timestep"))
    assert figure.axes[0].get_xlabel() == "timestep"
    figure = plot_masks({"": Weights([[0.5, 0.5]], axes=("a", "b"))}, axes=("unit", "timestep"))
    assert figure.axes[0].get_xlabel() == "b"


def test_bad_weights_are_refused_in_words():
    with pytest.raises(ValueError, match="before the softmax"):
        plot_weights([[3.2, -1.0]])
    with pytest.raises(ValueError, match="does not broadcast"):
        plot_weights(np.full((2, 2), 0.5), mask=np.ones((3, 2)))
    with pytest.raises(ValueError, match="may mean"):
        plot_weights(np.full((3, 3, 3), 1 / 3), mask=np.ones((3, 3)))
    with pytest.raises(TypeError, match="dict from titles"):
        plot_masks([POST])
    with pytest.raises(ValueError, match="dictionary is empty"):
        plot_masks({})


def test_a_symbolic_tensor_is_refused_in_words():
    import keras

    with pytest.raises(TypeError, match="symbolic and has no values yet"):
        plot_mask(keras.Input((3,)))


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.data())
def test_a_moved_picture_equals_a_new_one(mask, data):
    """Drawing only the cells again must give the very pixels of drawing everything."""
    other = data.draw(hnp.arrays(bool, mask.shape))
    first, second = as_panels(mask), as_panels(other)
    assume(first[0].layout == second[0].layout)  # the legend shows what the picture holds
    moved = Heatmaps(first)
    moved.png(first)
    png = moved.png(second)
    fresh = Heatmaps(second).png(second)
    assert png == fresh
    image = np.asarray(Image.open(io.BytesIO(png)))
    assert (drawn_as_kept(moved.figure.axes[0], mask.shape, image) == other).all()


def test_import_needs_neither_tensorflow_nor_pyplot():
    code = (
        "import helpers, os, sys; "
        "assert not {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules); "
        "assert os.environ['TF_CPP_MIN_LOG_LEVEL'] == '3'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
