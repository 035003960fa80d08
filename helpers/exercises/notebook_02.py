"""The exercises of notebook 02: the mask that `Embedding` makes."""

from typing import Any

from helpers.exercises.engine import NotYet, as_array, call, compare_mask, compare_values

import numpy as np


def _make_embedding(function: Any) -> str:
    from keras.layers import Layer

    if isinstance(function, Layer):
        raise NotYet("That is a layer; the function that makes one is asked for.")
    for words, features in ((13, 4), (2, 7), (40, 3)):
        shown = f"make_embedding({words}, {features})"
        layer = call(function, words, features, shown=shown)
        if not isinstance(layer, Layer) or not hasattr(layer, "input_dim"):
            raise NotYet(
                f"An `Embedding` layer is asked for; `{shown}` is a {type(layer).__name__}."
            )
        rows, size = layer.input_dim, layer.output_dim
        if (rows, size) in ((features, words + 1), (features, words)):
            raise NotYet("The two sizes are swapped: `input_dim`, the rows, comes first.")
        if rows == words:
            raise NotYet(
                f"Id {words} has no row: `{shown}` has `input_dim={rows}`, rows 0 to {rows - 1}. "
                "Id 0 needs a row, too."
            )
        if rows == words + 2:
            raise NotYet(
                f"One row too many: ids 0 to {words} are {words + 1} rows. (Keras' "
                "documentation once said |vocabulary| + 2, too.)"
            )
        if rows != words + 1:
            raise NotYet(f"`{shown}` has `input_dim={rows}`; ids go from 0 to {words}.")
        if size != features:
            raise NotYet(f"`{shown}` makes vectors of {size} numbers; {features} are asked for.")
        ids = np.array([[*range(1, words + 1), 0, 0], [0, *range(words, 0, -1), 0]])
        mask = layer.compute_mask(ids)
        if mask is None:
            raise NotYet("The sizes are right; but it makes no mask: `compute_mask` is None.")
        mistakes = {"It masks id 1, a word like any other.": ids > 1}
        compare_mask(mask, ids != 0, mistakes, shown=f"{shown}.compute_mask(ids)", tokens=ids)
        call(layer, ids, shown=f"{shown}(ids)")  # no id may lack its row
    return "A row for each word and one for the padding; and id 0 is masked."


def _masked_mean(function: Any) -> str:
    draw = np.random.default_rng(2)
    square = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0]], bool)
    before = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1]], bool)
    gaps = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0]], bool)
    # Three sentences of three steps of three features: here a forgotten axis raises nothing.
    for mask, features in ((square, 3), (before[:, ::-1], 4), (before, 4), (gaps, 5)):
        vectors = draw.normal(size=(*mask.shape, features)).astype("float32")
        vectors[0, 0, 0] = 0.0  # of a kept step: a 0 is a number like any other
        kept, count = vectors * mask[..., None], mask.sum(axis=1)
        total = kept.sum(axis=1)
        right = total / count[:, None]
        first = np.arange(mask.shape[1]) < count[:, None]
        mistakes = {
            "That is the published line: it divides by all steps, not by those that are "
            "kept.": total / mask.shape[1],
            "The mask is not used: that is the mean of all steps.": vectors.mean(axis=1),
            "The polarity is flipped: that adds up the masked steps.": (vectors - kept).sum(axis=1)
            / np.maximum((~mask).sum(axis=1), 1)[:, None],
            "That is the sum; divide it by the number of kept steps.": total,
            "A 0 in a kept vector is a number, too: divide by the kept steps, counted in the "
            "mask.": total / np.maximum((kept != 0).sum(axis=1), 1),
            "It divides by the kept steps of the whole batch; each sentence has its own "
            "number.": total / mask.sum(),
            "It averages over the features; the steps are axis 1.": kept.mean(axis=-1),
            "It averages over the sentences; the steps are axis 1.": kept.sum(axis=0)
            / np.maximum(mask.sum(axis=0), 1)[:, None],
            "Padding may stand before the words, or between: do not count, multiply.": (
                vectors * first[..., None]
            ).sum(axis=1)
            / count[:, None],
            "The mean is taken over the whole batch; one vector for each sentence is asked "
            "for.": vectors[mask].mean(axis=0),
        }
        if mask.shape[0] == mask.shape[1] == features:
            mistakes |= {
                "The mask lies over the features: it needs an axis of its own for them, "
                "`(batch, timesteps, 1)`.": (vectors * mask).sum(axis=1) / count[:, None],
                "The numbers of kept steps lie over the features: they need the shape "
                "`(batch, 1)`.": total / count,
                "Mask and numbers lie over the features: both need an axis for them, "
                "`mask[..., None]`.": (vectors * mask).sum(axis=1) / count,
            }
        got = call(function, vectors, mask, shown="masked_mean(vectors, mask)")
        compare_values(got, right, mistakes, shown="masked_mean(vectors, mask)", tolerance=1e-5)
    return (
        "The sum of what is kept, divided by how much is kept. (`GlobalAveragePooling1D` does the "
        "same, and reads the mask by itself.)"
    )


def _make_layers(function: Any) -> str:
    shown = "make_layers(vocabulary, features)"
    for known, features in ((["hello", "world", "!"], 4), (["how", "are", "you", "doing"], 9)):
        pair = call(function, known, features, shown=shown)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise NotYet(f"`{shown}` returns two layers, `lookup, embedding`.")
        lookup, embedding = pair
        if hasattr(lookup, "input_dim") or not hasattr(embedding, "input_dim"):
            raise NotYet("The lookup comes first, then an `Embedding`.")
        if getattr(lookup, "num_oov_indices", 1) == 0:
            raise NotYet("With `num_oov_indices=0` an unknown word is an error; it needs an id.")
        texts = np.array([[*known, "keras"], ["masks", known[0], *[""] * (len(known) - 1)]])
        ids = as_array(call(lookup, texts, shown="lookup(texts)"), "lookup(texts)")
        if ids.shape != texts.shape:
            raise NotYet(f"`lookup(texts)` has shape {ids.shape}; expected {texts.shape}.")
        if ids.min() < 0:
            raise NotYet(f"{ids.min()} is an id without a row of its own in an `Embedding`.")
        words = ids[0, :-1].tolist()
        mask = embedding.compute_mask(ids)
        if mask is None:
            raise NotYet("The `embedding` makes no mask: `compute_mask` is None.")
        padding = texts == ""
        unknown = ~np.isin(texts, ["", *known])
        mistakes = {
            "Unknown words still get id 0, like the padding.": ~padding & ~unknown,
            "The empty string does not get id 0: it is kept, as if it were a word.": np.ones_like(
                padding
            ),
            "Now the padding is kept, and the unknown words are masked.": ~unknown,
        }
        asked = "embedding.compute_mask(lookup(texts))"
        compare_mask(mask, ~padding, mistakes, shown=asked, tokens=texts)
        if len({*words, int(ids[0, -1])}) < len(known) + 1:
            raise NotYet(f"Two different words share an id: {texts[0].tolist()} → {ids[0]}.")
        rows, most = embedding.input_dim, int(ids.max())
        if rows <= most:
            raise NotYet(
                f"Id {most} has no row: {len(known)} words, padding *and unknown* have the ids 0 "
                f"to {most}; `input_dim` is {rows}."
            )
        if rows > most + 1:
            raise NotYet(f"The ids go from 0 to {most}; `input_dim` is {rows}, more than needed.")
        if embedding.output_dim != features:
            raise NotYet(f"The vectors have {embedding.output_dim} numbers; asked: {features}.")
    return "Only the empty string has id 0, and each id has its row."


JUDGES = {"2.1": _make_embedding, "2.2": _masked_mean, "2.3": _make_layers}
