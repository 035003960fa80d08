"""The exercises of notebook 08: find the leak."""

from __future__ import annotations

import re
from typing import Any

from helpers.exercises.engine import NotAttempted, NotYet, as_array, call, compare_values, in_words
from helpers.language import N_, _
from helpers.patients import Patient, patient

import numpy as np

_MASKS = ("wanted", "declared", "measured")
_EXAMPLE = '`{9: ("declared", "measured", "squash")}`'


# 8.1 and 8.2: a document of sentences of words


def _read_document(function: Any) -> str:
    import keras

    shown = "read_document(embedding, word_reader, sentence_reader, ids)"
    normal = keras.initializers.RandomNormal(stddev=0.7, seed=8)
    options = {"kernel_initializer": normal, "recurrent_initializer": normal}
    embedding = keras.layers.Embedding(40, 8, normal, mask_zero=True)
    words, sentences = keras.layers.LSTM(6, **options), keras.layers.GRU(5, **options)
    words(embedding(np.ones((1, 1), "int32"))), sentences(np.zeros((1, 1, 6), "float32"))
    weights = _weights(embedding, words, sentences)
    for where, ids in _documents().items():
        # Layers are not copied as `call` copies arrays: they go in by closure.
        got = as_array(
            call(lambda ids: function(embedding, words, sentences, ids), ids, shown=shown), shown
        )
        if not all(map(np.array_equal, weights, _weights(embedding, words, sentences))):
            raise NotYet(_("The weights of the layers have changed: read otherwise, with those."))
        kept = ids != 0
        right = _read(kept, kept.any(-1), ids, embedding, words, sentences)
        if got.shape == (*ids.shape[:2], 6):
            raise NotYet(
                _(
                    "`{shown}` has shape {shape}: that is a vector for each *sentence*. "
                    "The second reader makes one of each document.",
                    shown=shown,
                    shape=got.shape,
                )
            )
        mistakes = {}
        if not (got.shape == right.shape and np.allclose(got, right, atol=1e-5)):
            mistakes = _misread(where, ids, embedding, words, sentences)
        compare_values(got, right, mistakes, shown=shown, tolerance=1e-5)
    return _("Two masks, one for each level: the second is `any` of the first.")


def _weights(*layers: Any) -> list[np.ndarray]:
    return [weight for layer in layers for weight in layer.get_weights()]


def _read(
    word_mask: np.ndarray,
    sentence_mask: np.ndarray,
    ids: np.ndarray,
    embedding: Any,
    words: Any,
    sentences: Any,
) -> np.ndarray:
    """Documents `(B, S, W)` read with these masks, `(B, S, W)` and `(B, S)`."""
    flat = ids.reshape(-1, ids.shape[2])
    x = np.asarray(words(embedding(flat), mask=word_mask.reshape(flat.shape)))
    return np.asarray(sentences(x.reshape(*ids.shape[:2], -1), mask=sentence_mask))


def _misread(where: str, ids: np.ndarray, *layers: Any) -> dict:
    """What wrong masks make of these documents, by what is to be said of them."""
    kept = ids != 0
    some, all_words, all_sentences = kept.any(-1), np.ones_like(kept), kept.any(-1) | True
    wrong = {
        _(
            "{where}: padded words are read, and so are padded sentences. Which mask does "
            "each reader need?",
            where=_(where),
        ): (all_words, all_sentences),
        _(
            "{where}: the words are right, and padded *sentences* are read. A sentence is "
            "padding if none of its words is kept.",
            where=_(where),
        ): (kept, all_sentences),
        _("{where}: the sentences are right, and padded *words* are read.", where=_(where)): (
            all_words,
            some,
        ),
        _(
            "{where}: you look at the first word of a sentence. Padding may stand before "
            "the words, too: is *any* word kept?",
            where=_(where),
        ): (kept, kept[..., 0]),
        _(
            "{where}: you look at the last word of a sentence. Is *any* word kept?", where=_(where)
        ): (
            kept,
            kept[..., -1],
        ),
        _(
            "{where}: a sentence counts as real only if *all* of its words are kept. One "
            "is enough: `any`, not `all`.",
            where=_(where),
        ): (kept, kept.all(-1)),
        _("The word with id 1 is taken for padding: padding is id 0 alone."): (
            ids > 1,
            (ids > 1).any(-1),
        ),
        _("The polarity is flipped: True must mean *keep*."): (~kept, ~some),
    }
    return {said: _read(*masks, ids, *layers) for said, masks in wrong.items()}


def _documents() -> dict[str, np.ndarray]:
    """Documents of sentences of words, `(B, S, W)`, padded in many ways."""
    rng = np.random.default_rng(8)

    def document(*rows: str) -> np.ndarray:
        """`"xx. x.. ..."` is three sentences, the last one padding."""
        cells = np.array([[[c == "x" for c in s] for s in row.split()] for row in rows])
        ids = np.where(cells, rng.integers(2, 40, cells.shape), 0).astype("int32")
        ids[tuple(np.argwhere(cells)[0])] = 1  # a word like any other
        return ids

    return {
        N_("Padding between"): document("x.x .xx xx.", "xxx ... x.x"),
        N_("Padding after"): document("xxx. x... ....", "xx.. xxxx xxx.", "x... .... ...."),
        N_("Padding before"): document(".... ..xx .xxx", "...x xxxx ..xx"),
        N_("No padding"): document("xxxx xxxx", "xxxx xxxx", "xxxx xxxx"),
        N_("A batch of one"): document("xx. x.. xxx ..."),
        N_("As many documents as sentences as words"): document("xx ..", "x. xx"),
        N_("Words padded before, sentences after"): document("..x .xx ...", ".xx xxx ..x"),
    }


def _diagnosis(answer: Any) -> str:
    if not isinstance(answer, dict):
        raise NotYet(
            _(
                "A dict is asked for, from numbers of patients to what you found: {example}",
                example=_EXAMPLE,
            )
        )
    if any(found is ... for found in answer.values()):
        raise NotAttempted
    if len(answer) < 3:
        raise NotYet(_("Three patients at least. Take those of the text, or call in others."))
    kinds = set()
    for number, found in answer.items():
        one = _called(number)
        _diagnosed(one, found)
        kinds.add(one.reveal().differ)
    if len(kinds) < 2:
        raise NotYet(
            _(
                "All of that is right. Add a patient of another sort: in these the same "
                "two masks differ, or none."
            )
        )
    return _("Which two masks differ, and where: now there is something to mend.")


def _called(number: Any) -> Patient:
    try:
        return patient(number)
    except Exception as error:
        raise NotYet(
            _("There is no patient {number!r}: {error}", number=number, error=in_words(error))
        ) from None


def _diagnosed(one: Patient, found: Any) -> None:
    """Raise `NotYet` unless `found` is the diagnosis of `one`."""
    truth, name = one.reveal(), _("Patient {number}", number=one.number)
    try:
        given = re.findall(r"[\w*]+", found if isinstance(found, str) else " ".join(found))
    except Exception:
        raise NotYet(
            _(
                "{name}: that is no diagnosis. It looks like this: {example}",
                name=name,
                example=_EXAMPLE,
            )
        ) from None
    given = [word.lower() for word in given]
    masks = {word for word in given if word in _MASKS}
    rows, sound = "rows" in given, "sound" in given
    known = {part.lower() for part in vars(one.parts)} | {*truth.where}
    places = [word for word in given if word in known]
    if sound + rows + bool(masks) != 1 or (masks and len(masks) != 2):
        raise NotYet(
            _(
                "{name}: name *two* of wanted, declared, measured and the place, as in "
                '{example}; or `("rows", …)` if rows depend on the rows beside them; or '
                '`("sound",)`.',
                name=name,
                example=_EXAMPLE,
            )
        )
    said = () if sound else ("rows",) if rows else tuple(m for m in _MASKS if m in masks)
    if said != truth.differ and {*said} != {"wanted", "measured"}:
        raise NotYet(f"{name}: {_why_not(one, said)}")
    if {*said} == {"wanted", "measured"}:
        raise NotYet(
            _(
                "{name}: wanted and measured differ in every patient with a fault. Where "
                "does it begin: is what is *declared* already another mask than the wanted "
                "one, or not?",
                name=name,
            )
            if truth.differ
            else f"{name}: {_why_not(one, said)}"
        )
    if not truth.differ:
        return
    if not places:
        raise NotYet(
            _(
                "{name}: right about the masks. And where? Its parts: {parts}.",
                name=name,
                parts=_parts(one),
            )
        )
    if {*places} - {*truth.where}:
        raise NotYet(
            _(
                "{name}: right about the masks, but not all of these places. Name the one "
                "where it goes wrong. {hint}",
                name=name,
                hint=_place(one),
            )
            if {*places} & {*truth.where}
            else _(
                "{name}: right about the masks, wrong about the place. {hint}",
                name=name,
                hint=_place(one),
            )
        )


def _parts(one: Patient) -> str:
    return ", ".join(vars(one.parts))


def _why_not(one: Patient, said: tuple[str, ...]) -> str:
    """Why the masks that were named do not differ, or are not all: what to measure."""
    truth = one.reveal()
    if not truth.differ:
        return _(
            "it is sound. Take each row out of its batch: nothing moves, and every step counts."
        )
    if not said:
        if truth.leaks:
            return _(
                "it is not sound. Measure again: `padding_leak` with its `lengths` and `side`."
            )
        if one.causal:
            return _(
                "no padding leaks, that is right. But no step may see a later one: ask `influence`."
            )
        return _("no padding leaks, that is right. But is each *real* step kept? Look at `inputs`.")
    if truth.differ == ("rows",):
        return _(
            "look at the row without padding. It moves, too, so it is not the padding: "
            "what else stands beside it in the batch?"
        )
    if said == ("rows",):
        return _("the row without padding does not move, so rows do not depend on the rows beside.")
    if said == ("wanted", "declared"):
        return _(
            "what is declared is what is wanted: lay the mask that its first layer "
            "makes beside `wanted`. It goes wrong later."
        )
    return _(
        "it goes wrong earlier: lay the mask that is *declared*, by a layer or as "
        "`attention_mask`, beside `wanted`. They differ."
    )


def _place(one: Patient) -> str:
    truth = one.reveal()
    if truth.trace == "dropped":
        return _("Read the last line of its trace: at which call is the mask dropped?")
    if truth.trace == "unused":
        return _("Read the last line of its trace: who gets the mask and does not use it?")
    if truth.differ == ("wanted", "declared"):
        return _("Which part makes the mask, or is given it by hand?")
    return _(
        "The mask arrives. Read the code: which part does something with padding all the same?"
    )


# 8.3: a cure


def _cure(answer: Any) -> str:
    if callable(answer):
        raise NotYet(_("A dict is asked for, so that I know whose cure it is: `{24: cure_24}`."))
    if not isinstance(answer, dict) or not answer:
        raise NotYet(_("A dict is asked for, from patients to their cures: `{24: cure_24}`."))
    if any(function is ... for function in answer.values()):
        raise NotAttempted
    for number, function in answer.items():
        one = _called(number)
        if not one.reveal().differ:
            raise NotYet(
                _(
                    "Patient {number} is sound: there is nothing to cure. Take another one.",
                    number=number,
                )
            )
        if not callable(function):
            raise NotYet(
                _(
                    "The cure of patient {number} is to be a function; it is of the type {type}.",
                    number=number,
                    type=type(function).__name__,
                )
            )
        _cured(one, function)
    names = ", ".join(str(number) for number in answer)
    return _(
        "Nothing leaks on either side, and all else is as it was: {names} may go home.", names=names
    )


def _trials(one: Patient) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Batches that no cure has seen, with their wanted masks; those without padding first."""
    full, ragged = [5, 5, 5], [7, 3, 5, 2]
    inputs, wanted = one.draw(8, lengths=ragged, disputed=False)
    if inputs.ndim == 2:  # ids, and 1 is one like any other
        inputs[np.arange(len(inputs)), wanted.argmax(axis=1)] = 1
    return {
        N_("without padding"): one.draw(1, lengths=full, disputed=False),
        N_("a batch of one, without padding"): one.draw(2, lengths=[4], disputed=False),
        N_("padding after"): one.draw(3, lengths=ragged, side="post", disputed=False),
        N_("padding before"): one.draw(4, lengths=ragged, side="pre", disputed=False),
        N_("as many rows as steps"): one.draw(5, lengths=[4, 3, 2, 3], disputed=False),
        N_("id 1"): (inputs, wanted),
        N_("values in dispute"): one.draw(6, lengths=[6, 4, 5], disputed=True),
        N_("its own batch"): (one.inputs, one.wanted),
    }


def _cured(one: Patient, function: Any) -> None:
    """Raise `NotYet` unless `function` answers as `one` would without its fault."""
    shown, name = "cure(parts, inputs, mask)", _("Patient {number}", number=one.number)
    before = [weight.numpy().copy() for weight in one.model.weights]

    def answer(inputs: np.ndarray, mask: np.ndarray) -> np.ndarray:
        # The parts are not copied as `call` copies arrays: they go in by closure.
        got = call(lambda x, m: function(one.parts, x, m), inputs, mask, shown=shown)
        return as_array(got, shown)

    for where, (inputs, wanted) in _trials(one).items():
        got, faulty = answer(inputs, wanted), np.asarray(one.model(inputs))
        after = [weight.numpy() for weight in one.model.weights]
        if not all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
            raise NotYet(
                _("{name}: the weights are others now. A cure leaves them alone.", name=name)
            )
        right = _alone(one, inputs, wanted)
        if got.shape != right.shape:
            raise NotYet(
                _(
                    "{name}: `{shown}` has shape {shape}; expected {expected}.",
                    name=name,
                    shown=shown,
                    shape=got.shape,
                    expected=right.shape,
                )
            )
        read = wanted[..., None] if got.ndim == 3 else np.ones(got.shape, bool)
        if not np.isfinite(np.where(read, got, 0)).all():
            raise NotYet(_("{name}, {where}: NaN or infinite answers.", name=name, where=_(where)))
        off = np.abs(np.where(read, got - right, 0)).max()
        if off < 1e-4 * max(1.0, np.abs(right).max()):
            continue
        same_as_before = np.allclose(np.where(read, got - faulty, 0), 0, atol=1e-5)
        if where.endswith("without padding"):
            raise NotYet(
                _("{name}: nothing is mended; without padding this fault shows as well.", name=name)
                if same_as_before
                else _(
                    "{name}: answers on input *without padding* are others now, by "
                    "{off:.2g}. Padding is to be kept out, and all else to stay as it was.",
                    name=name,
                    off=off,
                )
            )
        if where in ("id 1", "values in dispute"):
            raise NotYet(
                _(
                    "{name}: padding is kept out, but a real step still is, too, or is "
                    "made of something else. The argument `mask` knows which steps are "
                    "real.",
                    name=name,
                )
            )
        if same_as_before:
            raise NotYet(
                _(
                    "{name}, {where}: the answers are those it gave before: not mended yet.",
                    name=name,
                    where=_(where),
                )
            )
        raise NotYet(
            _(
                "{name}, {where}: padding still moves the answers, by {off:.2g}. {hint}",
                name=name,
                where=_(where),
                off=off,
                hint=_side_hint(where),
            )
        )
    _must_train(one, function, name)


def _side_hint(where: str) -> str:
    if where == "padding before":
        return _(
            "After the real steps it is right: you count on one side, or what stands "
            "in the place of padding can still win."
        )
    return _("Does everything that reads several steps know the mask?")


def _alone(one: Patient, inputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The right answers: each row by itself, without padding, by the model without its fault."""
    result = None
    for row, kept in enumerate(wanted):
        x = inputs[row][kept][None]
        answer = np.asarray(one.cured(x, np.ones(x.shape[:2], bool)))[0]
        if result is None:
            steps = wanted.shape[1:] if answer.ndim == 2 else ()
            result = np.zeros((len(wanted), *steps, answer.shape[-1]))
        result[(row, kept) if answer.ndim == 2 else row] = answer
    return result


def _must_train(one: Patient, function: Any, name: str) -> None:
    import tensorflow as tf

    inputs, wanted = one.draw(7, lengths=[5, 3])
    variables = [weight.value for weight in one.model.trainable_weights]
    try:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(function(one.parts, inputs, wanted) ** 2)
        gradients = tape.gradient(loss, variables)
    except Exception:  # NumPy or lists came out
        gradients = [None]
    if all(gradient is None for gradient in gradients):
        raise NotYet(
            _(
                "{name}: the answers are right, but nothing could be trained: there is no "
                "gradient. Use the layers in `parts`, and stay with tensors: NumPy ends "
                "the tape.",
                name=name,
            )
        )
    if any(
        np.isnan(np.asarray(g.values if hasattr(g, "values") else g)).any()
        for g in gradients
        if g is not None
    ):
        raise NotYet(_("{name}: the answers are right, but a gradient is NaN.", name=name))


JUDGES = {"8.1": _read_document, "8.2": _diagnosis, "8.3": _cure}
