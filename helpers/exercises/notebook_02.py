"""The exercises of notebook 02: the mask that `Embedding` makes."""

from typing import Any

from helpers.exercises.engine import (
    NotYet,
    as_array,
    call,
    call_layer,
    compare_mask,
    compare_values,
    id_batches,
)
from helpers.language import _

import numpy as np


def _make_embedding(function: Any) -> str:
    from keras.layers import Embedding, Layer

    if isinstance(function, Layer):
        raise NotYet(_("That is a layer; the function that makes one is asked for."))
    for words, features in ((13, 4), (2, 7), (40, 3), (600, 2), (1, 5)):
        shown = f"make_embedding({words}, {features})"
        layer = call(function, words, features, shown=shown)
        if not isinstance(layer, Embedding):
            raise NotYet(
                _(
                    "An `Embedding` layer is asked for; `{shown}` is of the type {type}.",
                    shown=shown,
                    type=type(layer).__name__,
                )
            )
        rows, size = _table_shape(layer, shown)
        if rows != words + 1 and (rows, size) in ((features, words + 1), (features, words)):
            raise NotYet(_("The two sizes are swapped: `input_dim`, the rows, comes first."))
        if rows == words:
            raise NotYet(
                _(
                    "Id {words} has no row: `{shown}` has `input_dim={rows}`, rows 0 to "
                    "{last}. Id 0 needs a row, too.",
                    words=words,
                    shown=shown,
                    rows=rows,
                    last=rows - 1,
                )
            )
        if rows == words + 2:
            raise NotYet(
                _(
                    "One row too many: ids 0 to {words} are {count} rows. (Keras' "
                    "documentation once said |vocabulary| + 2, too.)",
                    words=words,
                    count=words + 1,
                )
            )
        if rows != words + 1:
            raise NotYet(
                _(
                    "`{shown}` has `input_dim={rows}`; ids go from 0 to {words}.",
                    shown=shown,
                    rows=rows,
                    words=words,
                )
            )
        if size != features:
            raise NotYet(
                _(
                    "`{shown}` makes vectors of {size} numbers; {features} are asked for.",
                    shown=shown,
                    size=size,
                    features=features,
                )
            )
        every = np.array([[*range(1, words + 1), 0, 0], [0, *range(words, 0, -1), 0]])
        batches = [every, *id_batches(largest=words, empty_rows=True).values()]
        for ids in batches:
            mistakes = {_("It masks id 1, a word like any other."): ids > 1}
            _compare_declared(layer, ids, ids != 0, mistakes, shown=shown, tokens=ids)
        _compare_arriving(layer, batches, batches, shown=shown)
    return _(
        "A row for each word and one for the padding; and id 0 is masked, for all layers behind."
    )


def _table_shape(layer: Any, shown: str) -> tuple[int, int]:
    """Rows and columns of the table of an `Embedding`, which is filled with random numbers."""
    call_layer(layer, np.zeros((1, 1), "int32"), shown=f"{shown}(ids)")
    draw = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(draw.normal(size=tuple(weight.shape)))
    return tuple(layer.embeddings.shape)


def _compare_declared(
    layer: Any, ids: np.ndarray, right: np.ndarray, mistakes: dict, *, shown: str, tokens: Any
) -> None:
    """What the layer says when it is asked for its mask."""
    asked = f"{shown}.compute_mask(ids)"
    if (mask := layer.compute_mask(ids)) is None:
        raise NotYet(
            _(
                "It makes no mask: `{asked}` is None. Which argument of `Embedding` does?",
                asked=asked,
            )
        )
    compare_mask(mask, right, mistakes, shown=asked, tokens=tokens)


def _compare_arriving(layer: Any, batches: list, tokens: list, *, shown: str) -> None:
    """What the output holds, and what a layer behind is given: alone, and in a model."""
    import keras

    given = []

    class Behind(keras.layers.Layer):
        def call(self, inputs, mask=None):
            given.append(mask)
            return inputs

    def both(ids):
        return behind(call_layer(layer, ids, shown=shown))

    behind, shown = Behind(), f"{shown}(ids)"
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, both(inputs))
    table = np.asarray(layer.embeddings).astype("float32")
    for ids, texts in zip(batches, tokens):
        for read in (both, model):
            vectors, kept = as_array(call(read, ids, shown=shown), shown), ids != 0
            if vectors.shape != (right := (*ids.shape, layer.output_dim)):
                raise NotYet(
                    _(
                        "`{shown}` has shape {shape}; expected {right}.",
                        shown=shown,
                        shape=vectors.shape,
                        right=right,
                    )
                )
            if not np.allclose(vectors[kept], table[ids[kept]], rtol=0.01, atol=0.01):
                raise NotYet(
                    _(
                        "`{shown}` does not hold the rows of the table that the ids name.",
                        shown=shown,
                    )
                )
            if given[-1] is None:
                raise NotYet(
                    _(
                        "Asked for it, the layer names the right mask; but its output "
                        "carries none, so a layer behind gets no mask. Keras settles that "
                        "while the layer is made: say `mask_zero=True` there, not later."
                    )
                )
            compare_mask(
                given[-1], kept, {}, shown=_("the mask on {shown}", shown=shown), tokens=texts
            )


def _masked_mean(function: Any) -> str:
    draw = np.random.default_rng(2)
    square = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1]], bool)
    before = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1]], bool)
    gaps = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0]], bool)
    one, step = np.array([[1, 1, 0, 0]], bool), np.ones((4, 1), bool)
    # Three sentences of three steps of three features: here a forgotten axis raises nothing.
    cases = (
        (square, 3),
        (before[:, ::-1], 4),
        (before, 4),
        (gaps, 5),
        (one, 2),
        (step, 1),
        (gaps, 1),
    )
    for mask, features in cases:
        vectors = draw.normal(size=(*mask.shape, features)).astype("float32")
        vectors[0, 0, 0] = 0.0  # of a kept step: a 0 is a number like any other
        if mask is not square:
            vectors[0, 0] = 0.0  # and so is a vector of zeros
        got = call(function, vectors, mask, shown="masked_mean(vectors, mask)")
        kept, count = vectors * mask[..., None], mask.sum(axis=1)
        total = kept.sum(axis=1)
        right = total / count[:, None]
        steps, ends = np.arange(mask.shape[1]), mask.shape[1] - mask[:, ::-1].argmax(axis=1)
        span = (steps >= mask.argmax(axis=1)[:, None]) & (steps < ends[:, None])
        first = steps < count[:, None]
        mistakes = {
            _(
                "That is the published line: it divides by all steps, not by those that are kept."
            ): total / mask.shape[1],
            _("That is the mean of all steps, of the masked ones, too."): vectors.mean(axis=1),
            _("The polarity is flipped: that adds up the masked steps."): (vectors - kept).sum(
                axis=1
            )
            / np.maximum((~mask).sum(axis=1), 1)[:, None],
            _("That is the sum; divide it by the number of kept steps."): total,
            _("A kept step may have a vector of zeros: count the kept steps in the mask."): total
            / np.maximum((kept != 0).any(axis=-1, keepdims=True).sum(axis=1), 1),
            _(
                "A 0 in a kept vector is a number, too: divide by the kept steps, counted "
                "in the mask."
            ): total / np.maximum((kept != 0).sum(axis=1), 1),
            _(
                "It divides by the kept steps of the whole batch; each sentence has its own number."
            ): total / mask.sum(),
            _(
                "It divides by the kept steps of the longest sentence; each has its own number."
            ): total / count.max(),
            _("It averages over the features; the steps are axis 1."): kept.mean(axis=-1),
            _("It averages over the sentences; the steps are axis 1."): kept.sum(axis=0)
            / np.maximum(mask.sum(axis=0), 1)[:, None],
            _("Padding may stand before the words, or between: do not count, multiply."): _mean(
                vectors, first
            ),
            _("The kept steps are not always the last ones: do not count, multiply."): _mean(
                vectors, first[:, ::-1]
            ),
            _(
                "It averages from the first kept step to the last; masked steps in between "
                "count, too."
            ): _mean(vectors, span),
        }
        if mask is square:
            mistakes |= {
                _(
                    "The mean is taken over the whole batch; one vector for each sentence "
                    "is asked for."
                ): vectors[mask].mean(axis=0),
                _(
                    "The mask lies over the features: it needs an axis of its own for "
                    "them, `(batch, timesteps, 1)`."
                ): (vectors * mask).sum(axis=1) / count[:, None],
                _(
                    "The numbers of kept steps lie over the features: they need the shape "
                    "`(batch, 1)`."
                ): total / count,
                _(
                    "Mask and numbers lie over the features: both need an axis for them, "
                    "`mask[..., None]`."
                ): (vectors * mask).sum(axis=1) / count,
            }
        compare_values(got, right, mistakes, shown="masked_mean(vectors, mask)", tolerance=1e-5)
    return _(
        "The sum of what is kept, divided by how much is kept. "
        "(`GlobalAveragePooling1D` does the same, and reads the mask by itself.)"
    )


def _mean(vectors: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The mean of the marked steps of each sentence."""
    return vectors.mean(axis=1, where=steps[..., None])


def _make_layers(function: Any) -> str:
    many = [f"word {i}" for i in range(300)]
    cases = ["hello", "world", "!"], ["how", "are", "you", "doing"], ["!"], many
    for known, features in zip(cases, (4, 9, 2, 3)):
        shown = "make_layers(vocabulary, features)"
        pair = call(function, known, features, shown=shown)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise NotYet(_("`{shown}` returns two layers, `lookup, embedding`.", shown=shown))
        _compare_layers(*pair, known, features)
    return _("Only the empty string has id 0, each id has its row, and layers behind get the mask.")


def _compare_layers(lookup: Any, embedding: Any, known: list[str], features: int) -> None:
    from keras.layers import Embedding

    if isinstance(lookup, Embedding) or not isinstance(embedding, Embedding):
        raise NotYet(_("The lookup comes first, then an `Embedding`."))
    if getattr(lookup, "num_oov_indices", 1) == 0:
        raise NotYet(_("With `num_oov_indices=0` an unknown word is an error; it needs an id."))
    first, last = known[0], known[-1]
    every = np.array([[*known, "keras"], ["masks", first, *[""] * (len(known) - 1)]])
    before = np.array([["", "", "", first], ["", "masks", "Hello", last], [""] * 4])
    between = np.array([[last, "", first, "", "masks"]])
    batches = [every, before, between, np.array([[first], [""], ["keras"]])]
    found = [_ids(lookup, texts, known, embedding) for texts in batches]
    words = found[0][0].tolist()
    if len({*words[:-1]}) < len(known) or words[-1] in words[:-1]:
        raise NotYet(
            _(
                "Two different words share an id: {words} → {ids}.",
                words=every[0, -6:].tolist(),
                ids=words[-6:],
            )
        )
    rows, most = _table_shape(embedding, "embedding")[0], max(int(ids.max()) for ids in found)
    if rows <= most:
        raise NotYet(
            _(
                "Id {most} has no row: {count} words, padding *and unknown* have the ids 0 "
                "to {most}; `input_dim` is {rows}.",
                most=most,
                count=len(known),
                rows=rows,
            )
        )
    if rows > most + 1:
        raise NotYet(
            _(
                "The ids go from 0 to {most}; `input_dim` is {rows}, more than needed.",
                most=most,
                rows=rows,
            )
        )
    if embedding.output_dim != features:
        raise NotYet(
            _(
                "The vectors have {output_dim} numbers; asked: {features}.",
                output_dim=embedding.output_dim,
                features=features,
            )
        )
    _compare_arriving(embedding, found, batches, shown="embedding")


def _ids(lookup: Any, texts: np.ndarray, known: list[str], embedding: Any) -> np.ndarray:
    """The ids of the texts, if no word's is that of the padding and the embedding masks that."""
    ids = as_array(call(lookup, texts, shown="lookup(texts)"), "lookup(texts)")
    if ids.shape != texts.shape:
        raise NotYet(
            _(
                "`lookup(texts)` has shape {shape}; expected {expected}.",
                shape=ids.shape,
                expected=texts.shape,
            )
        )
    if ids.dtype.kind not in "iu":
        raise NotYet(_("`lookup(texts)` has dtype {dtype}; ids are integers.", dtype=ids.dtype))
    if ids.min() < 0:
        raise NotYet(_("{id} is an id without a row of its own in an `Embedding`.", id=ids.min()))
    kept, unknown = texts != "", ~np.isin(texts, ["", *known])
    mistakes = {
        _("Unknown words still get id 0, like the padding."): kept & ~unknown,
        _("The empty string does not get id 0: it is kept, as if it were a word."): np.ones_like(
            kept
        ),
        _("Now the padding is kept, and the unknown words are masked."): ~unknown,
    }
    compare_mask(ids != 0, kept, mistakes, shown="lookup(texts) != 0", tokens=texts)
    mistakes = {_("The embedding masks id 1, the one of the unknown words."): ids > 1}
    _compare_declared(embedding, ids, kept, mistakes, shown="embedding", tokens=texts)
    return ids


JUDGES = {"2.1": _make_embedding, "2.2": _masked_mean, "2.3": _make_layers}
