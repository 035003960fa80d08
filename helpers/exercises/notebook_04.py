"""The exercises of notebook 04: propagation."""

from typing import Any

from helpers.exercises.engine import NotYet, call, compare_mask, compare_values
from maskprobe import padding_leak
from helpers.sentences import words
from maskprobe import trace_masks

import numpy as np

POST = np.array([[83, 91, 1, 645, 1253, 927], [73, 8, 3215, 55, 927, 0], [711, 632, 71, 0, 0, 0]])
PRE = np.array([[83, 91, 1, 645, 1253, 927], [0, 73, 8, 3215, 55, 927], [0, 0, 0, 711, 632, 71]])
NO_DATA = -99999.99


def _merged_mask(function: Any) -> str:
    shown = "merged_mask(first, second)"
    short = np.arange(6) < np.array([[2], [3], [4]])
    for first, second in ((POST != 0, short), (short, POST != 0)):
        compare_mask(
            call(function, first, second, shown=shown),
            first | second,
            {
                "That keeps a step only where *both* inputs do, as Keras 2 did. Keras 3 keeps one "
                "where *either* does.": first & second,
                "That is the mask of the first input; the second has one, too.": first,
                "That is the mask of the second input; the first has one, too.": second,
                "That keeps the steps where the two *differ*; where both keep, keep, too.": first
                ^ second,
                "That keeps everything; where both inputs are padding, the sum is padding.": (
                    np.ones_like(first)
                ),
            },
            shown=shown,
            tokens=words(np.where(first | second, 71, 0)),
        )
    mask = POST != 0
    for pair in ((mask, None), (None, mask), (None, None)):
        said = ", ".join("None" if m is None else "mask" for m in pair)
        try:
            got = function(*pair)
        except Exception as error:
            raise NotYet(
                f"Right for two masks, but `merged_mask({said})` raised {type(error).__name__}: "
                f"{error}"
            ) from error
        if got is not None:
            raise NotYet(
                f"Right for two masks, but `merged_mask({said})` is not None. An `Add` with one "
                "input that has no mask makes none."
            )
    return "Either keeps, and one input without a mask is enough to lose it."


def _read_on(function: Any) -> str:
    if not callable(function):
        raise NotYet(f"A function is asked for, and this is a {type(function).__name__}.")
    import keras

    shown = "read_on(embedding, lstm, ids, state)"
    normal = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    embedding = keras.layers.Embedding(5000, 16, normal, mask_zero=True)
    lstm = keras.layers.LSTM(8, kernel_initializer=keras.initializers.GlorotUniform(seed=2))
    state = [keras.random.normal((3, 8), seed=seed) for seed in (3, 4)]
    for ids in (POST, PRE):
        mask, x = ids != 0, embedding(ids)
        zeroed = keras.ops.convert_to_tensor(np.asarray(x) * mask[..., None])
        mistakes = {
            "The LSTM still reads the padding: with `initial_state` it is not given the mask, "
            "unless you pass it.": lstm(x, initial_state=state),
            "The padding is ignored, and so is the state: the LSTM starts from zeros.": lstm(x),
            "The mask is flipped: True must mean *keep*.": lstm(x, initial_state=state, mask=~mask),
            "Setting vectors to zero is not masking: the LSTM still takes a step for each of "
            "them.": lstm(zeroed, initial_state=state),
            "The two states have changed places.": lstm(x, initial_state=state[::-1], mask=mask),
            "That is the word vectors, or something of their shape; call the LSTM.": x,
        }
        # Layers are not copied as `call` copies arrays, hence the closure without arguments.
        got = call(lambda ids=ids: function(embedding, lstm, ids.copy(), state), shown=shown)
        right = np.asarray(lstm(x, initial_state=state, mask=mask))
        compare_values(got, right, mistakes, shown=shown, tolerance=1e-5)
    return "The state is used and the padding is not, on either side."


def _rescued(function: Any) -> str:
    import keras

    model = function
    if not isinstance(function, keras.Model):
        model = call(function, shown="rescued()")
    if not isinstance(model, keras.Model):
        raise NotYet(f"`rescued()` returns a {type(model).__name__}; a Keras model is asked for.")
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Conv1D) and layer.padding == "valid":
            raise NotYet(
                "Your `Conv1D` gives fewer steps than it gets, so the mask no longer fits. Keep "
                '`padding="same"`.'
            )
    series, lengths = np.random.default_rng(0).normal(size=(3, 8, 1)), [8, 5, 3]
    late = np.arange(8) < np.array(lengths)[:, None]  # padding after
    for side, mask in (("post", late), ("pre", late[:, ::-1])):
        padded = np.where(mask[..., None], series, NO_DATA).astype("float32")
        rows = trace_masks(model, padded)
        convolutions = [row for row in rows if row.class_name == "Conv1D"]
        readers = [row for row in rows if row.class_name == "GRU"]
        if not convolutions:
            raise NotYet("The convolution is gone. It shall stay, between `Masking` and the GRUs.")
        if not readers:
            raise NotYet("The GRUs are gone. They shall stay, after the convolution.")
        if len(readers) < 2 or rows[-1].class_name != "Dense":
            raise NotYet("One of the five layers is missing: after the two GRUs comes a `Dense`.")
        leak = padding_leak(model, padded, pad_value=NO_DATA, side=side).max()
        if leak < 1e-5:
            continue
        used, names = readers[0].mask_in, [row.class_name for row in rows]
        if "Masking" in names[names.index("Conv1D") :]:
            raise NotYet("`Masking` now stands after the convolution: no sentinel is left there.")
        if all(row.mask_in is None for row in readers):
            raise NotYet(
                f"Padding still moves the output, by {leak:.3f}: `Conv1D` drops the mask, so the "
                "GRUs are given none."
            )
        if used is not None and np.array_equal(used, ~mask):
            raise NotYet("The mask is flipped: True must mean *keep*.")
        if used is None and side == "pre":
            raise NotYet(
                "Right when padding stands after the values. Put it before them and the first GRU "
                "starts with padding: it needs the mask, too."
            )
        raise NotYet(
            f"The GRUs have a mask, and padding still moves the output, by {leak:.3f}: the "
            "convolution reads the sentinel. Padded steps must be 0 before it, as `Masking` makes "
            "them."
        )
    if convolutions[0].warned:
        return "No leak on either side. The warning still comes, and here you may ignore it."
    return "No leak on either side; right, because this convolution keeps the number of steps."


JUDGES = {"4.1": _merged_mask, "4.2": _read_on, "4.3": _rescued}
