import keras
import numpy as np
from keras import layers, ops


def read(word_mask, sentence_mask):
    """A reader of documents with these two masks, functions of the ids."""

    def read_document(embedding, word_reader, sentence_reader, ids):
        flat = ops.reshape(ids, (-1, ids.shape[2]))
        x = word_reader(embedding(flat), mask=ops.convert_to_tensor(word_mask(flat)))
        x = ops.reshape(x, (*ids.shape[:2], -1))
        return sentence_reader(x, mask=ops.convert_to_tensor(sentence_mask(ids)))

    return read_document


def everything(ids):
    return np.ones(ids.shape, bool)


def every_sentence(ids):
    return np.ones(ids.shape[:2], bool)


def kept(ids):
    return np.asarray(ids) != 0


def some(ids):
    return kept(ids).any(-1)


def as_published(embedding, word_reader, sentence_reader, ids):
    x = layers.TimeDistributed(word_reader)(embedding(ids))
    return sentence_reader(x)


def embedded_in_time(embedding, word_reader, sentence_reader, ids):
    x = layers.TimeDistributed(embedding)(ids)
    return sentence_reader(layers.TimeDistributed(word_reader)(x))


def by_wrapper(embedding, word_reader, sentence_reader, ids):
    mask = embedding.compute_mask(ids)
    x = layers.TimeDistributed(word_reader)(embedding(ids), mask=mask)
    return sentence_reader(x, mask=ops.any(mask, axis=-1))


def by_wrapper_automatic(embedding, word_reader, sentence_reader, ids):
    x = layers.TimeDistributed(word_reader)(embedding(ids))
    return sentence_reader(x, mask=ops.any(ops.not_equal(ids, 0), axis=2))


def by_sentence(embedding, word_reader, sentence_reader, ids):
    sentences = [word_reader(embedding(ids[:, s])) for s in range(ids.shape[1])]
    return sentence_reader(ops.stack(sentences, axis=1), mask=(ids != 0).any(axis=2))


def of_sentences(embedding, word_reader, sentence_reader, ids):
    mask = embedding.compute_mask(ids)
    return layers.TimeDistributed(word_reader)(embedding(ids), mask=mask)


def mixed_up(embedding, word_reader, sentence_reader, ids):
    """Sentences of all documents in one row, and back by way of the wrong axes."""
    flat = ops.reshape(ids, (-1, ids.shape[2]))
    x = ops.reshape(word_reader(embedding(flat)), (ids.shape[1], ids.shape[0], -1))
    return sentence_reader(ops.transpose(x, (1, 0, 2)), mask=ops.convert_to_tensor(some(ids)))


def both_readers(embedding, word_reader, sentence_reader, ids):
    return by_wrapper(embedding, word_reader, sentence_reader, ids), some(ids)


# Patients of the first rounds, by their kinds.
STATE, POOL, SQUASH, ZERO, SOUND = 5, 24, 9, 10, 12
AHEAD, ROWS, POSITIONS, FLIPPED = 15, 20, 21, 2

DIAGNOSES = {
    SQUASH: ("declared", "measured", "squash"),
    ZERO: ("wanted", "declared", "masking"),
    SOUND: ("sound",),
    ROWS: ("rows", "keys"),
    POSITIONS: ("declared", "measured", "positions"),
}


def but(number, *found):
    return {**DIAGNOSES, number: found}


def max_of_kept(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    x = ops.where(mask[..., None], x, -np.inf)
    return parts.scores(ops.max(x, axis=1))


def max_of_zeros(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    return parts.scores(parts.pool(x * ops.cast(mask[..., None], x.dtype)))


def max_row_by_row(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    rows = [ops.max(row[m], axis=0) for row, m in zip(x, mask, strict=True)]
    return parts.scores(ops.stack(rows))


def max_by_subtraction(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    drop = 1 - ops.cast(mask, x.dtype)[..., None]
    return parts.scores(parts.pool(x - 1e6 * drop))


def max_by_repetition(parts, inputs, mask):
    """Puts the first real step in the place of each padded one: the largest stays the largest."""
    first = mask.argmax(axis=1)
    x = parts.hidden(parts.embedding(inputs))
    real = ops.stack([row[i] for row, i in zip(x, first, strict=True)])[:, None]
    return parts.scores(parts.pool(ops.where(mask[..., None], x, real)))


def as_it_was(parts, inputs, mask):
    return parts.scores(parts.pool(parts.hidden(parts.embedding(inputs))))


def mean_instead(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    weights = ops.cast(mask, x.dtype)[..., None]
    return parts.scores(ops.sum(x * weights, 1) / ops.sum(weights, 1))


def first_steps(parts, inputs, mask):
    """Takes it that padding stands behind the words."""
    x = parts.hidden(parts.embedding(inputs))
    behind = np.arange(mask.shape[1]) < mask.sum(axis=1)[:, None]
    return parts.scores(parts.pool(ops.where(behind[..., None], x, -1e9)))


def ids_only(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    return parts.scores(ops.max(ops.where((inputs > 2)[..., None], x, -1e9), axis=1))


def flipped(parts, inputs, mask):
    return max_of_kept(parts, inputs, ~mask | mask.all(axis=1, keepdims=True))


def hidden_only(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    return ops.max(ops.where(mask[..., None], x, -1e9), axis=1)


def in_numpy(parts, inputs, mask):
    return np.asarray(max_of_kept(parts, inputs, mask))


def with_other_weights(parts, inputs, mask):
    parts.scores.bias.assign(parts.scores.bias + 1)
    return max_of_kept(parts, inputs, mask)


def new_layers(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    x = ops.where(mask[..., None], x, -1e9)
    scores = keras.layers.Dense(parts.scores.units, kernel_initializer="ones")
    return scores(ops.max(x, axis=1))


def read_on(parts, inputs, mask):
    x = parts.embedding(inputs)
    return parts.scores(parts.reader(x, mask=mask, initial_state=ops.ones_like(x[:, 0])))


def started_from_zero(parts, inputs, mask):
    return parts.scores(parts.reader(parts.embedding(inputs), mask=mask))


def values_masked(parts, inputs, mask):
    return parts.values(parts.reader(inputs, mask=mask))


def zeros_masked(parts, inputs, mask):
    return parts.values(parts.reader(parts.masking(inputs)))


def positions_of_words(parts, inputs, mask):
    steps = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
    x = parts.embedding(inputs) + parts.positions(steps)
    return parts.scores(parts.attention(x, x, attention_mask=mask[:, None]))


def keys_kept(parts, inputs, mask):
    x = parts.embedding(inputs)
    return parts.scores(parts.attention(x, x, attention_mask=mask[:, None, :]))


def without_weights(embedding, words, sentences, ids):
    embedding.set_weights([0 * weight for weight in embedding.get_weights()])
    return np.zeros((len(ids), 5))


def above_1(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    return parts.scores(parts.pool(ops.where((inputs > 1)[..., None], x, -1e9)))


def minus_one(parts, inputs, mask):
    x = parts.hidden(parts.embedding(inputs))
    return parts.scores(parts.pool(ops.where(mask[..., None], x, -1.0)))


WRONG = {
    "8.1": {
        "weights of zeros": (without_weights, "weights of the layers have changed"),
        "as published": (as_published, "raised"),
        "embedded in time": (embedded_in_time, "padded words are read, and so are padded sen"),
        "no masks": (read(everything, every_sentence), "padded words are read, and so are"),
        "words only": (read(kept, every_sentence), r"padded \*sentences\* are read"),
        "sentences only": (read(everything, some), r"padded \*words\* are read"),
        "all for any": (read(kept, lambda ids: kept(ids).all(-1)), "`any`, not `all`"),
        "first word": (read(kept, lambda ids: kept(ids)[..., 0]), "the first word"),
        "last word": (read(kept, lambda ids: kept(ids)[..., -1]), "the last word"),
        "flipped": (
            read(lambda ids: ~kept(ids), lambda ids: ~some(ids)),
            "polarity is flipped",
        ),
        "1 is padding, too": (
            read(lambda ids: np.asarray(ids) > 1, lambda ids: (np.asarray(ids) > 1).any(-1)),
            "word with id 1",
        ),
        "first reader only": (of_sentences, r"each \*sentence\*"),
        "documents mixed": (mixed_up, "expected"),
        "two things": (both_readers, "return the one asked for"),
        "not in the table": (lambda e, w, s, ids: s(w(e(ids))), "raised"),
    },
    "8.2": {
        "a list": ([("declared", "measured", "squash")], "dict is asked for"),
        "two patients": ({9: "declared, measured: squash", 12: "sound"}, "Three patients"),
        "no such patient": ({**DIAGNOSES, "nine": "sound"}, "no patient 'nine'"),
        "missed": (but(SQUASH, "sound"), "is not sound. Measure again"),
        "missed a real zero": (but(ZERO, "sound"), r"is each \*real\* step kept"),
        "missed the look-ahead": (but(AHEAD, "sound"), "ask `influence`"),
        "ill, but sound": (but(SOUND, "declared", "measured", "pool"), "it is sound"),
        "too early": (but(SQUASH, "wanted", "declared", "embedding"), "It goes wrong later"),
        "too late": (but(ZERO, "declared", "measured", "reader"), "It goes wrong earlier|earlier"),
        "padding blamed": (but(ROWS, "declared", "measured", "keys"), "row without padding"),
        "neighbours blamed": (but(POSITIONS, "rows", "positions"), "does not move"),
        "the two ends": (but(SQUASH, "wanted", "measured", "squash"), "Where does it begin"),
        "no place": (but(SQUASH, "declared", "measured"), "And where"),
        "another place": (but(SQUASH, "declared", "measured", "scores"), "last line of its trace"),
        "no such place": (but(SQUASH, "declared", "measured", "pooling"), "And where"),
        "all places": (
            but(SQUASH, "declared", "measured", "embedding", "squash", "reader", "scores"),
            "not all of these places",
        ),
        "one mask": (but(SQUASH, "measured", "squash"), r"name \*two\*"),
        "all three": (but(SQUASH, "wanted", "declared", "measured"), r"name \*two\*"),
        "a number": (but(SQUASH, 3), "no diagnosis"),
        "one sort only": (
            {
                9: ("declared", "measured", "squash"),
                7: ("declared", "measured", "reader"),
                17: ("declared", "measured", "attention_2"),
            },
            "another sort",
        ),
    },
    "8.3": {
        "not in a dict": (max_of_kept, "dict is asked for"),
        "as it was": ({POOL: as_it_was}, "not mended yet"),
        "zeros": ({POOL: max_of_zeros}, "padding still moves"),
        "a mean": ({POOL: mean_instead}, r"\*without padding\* are others"),
        "no function": ({POOL: None}, "is to be a function; it is of the type NoneType"),
        "ids above 1": ({POOL: above_1}, "a real step still is, too"),
        "-1 for padding": ({POOL: minus_one}, "can still win"),
        "padding after only": ({POOL: first_steps}, "you count on one side"),
        "ids known": ({POOL: ids_only}, "padding|others"),
        "flipped": ({POOL: flipped}, "padding still moves"),
        "no scores": ({POOL: hidden_only}, "has shape"),
        "NumPy": ({POOL: in_numpy}, "nothing could be trained"),
        "other weights": ({POOL: with_other_weights}, "weights are others"),
        "new layers": ({POOL: new_layers}, r"\*without padding\* are others"),
        "a sound patient": ({SOUND: max_of_kept}, "is sound"),
        "of another patient": ({STATE: max_of_kept}, "raised AttributeError"),
        "state forgotten": ({STATE: started_from_zero}, r"\*without padding\* are others"),
        "a real zero left out": ({ZERO: zeros_masked}, "a real step still is"),
        "polarity left": ({FLIPPED: lambda p, x, m: keys_kept(p, x, ~m)}, "nothing is mended"),
        "look-ahead left out": ({AHEAD: keys_kept}, r"\*without padding\* are others"),
    },
}

RIGHT = {
    "8.1": {
        "by the wrapper": by_wrapper,
        "words by themselves": by_wrapper_automatic,
        "in one row": read(kept, some),
        "sentence by sentence": by_sentence,
    },
    "8.2": {
        "tuples": DIAGNOSES,
        "texts": {
            9: "What is measured is not what is declared, from squash on",
            12: "sound",
            3: "wanted and declared, data",
        },
        "lists and sets": {
            9: ["squash", "measured", "declared"],
            12: ["sound"],
            20: {"rows", "keys"},
        },
        "by the trace": {
            7: ("declared", "measured", "multiply"),
            17: ("declared", "measured", "add_1"),
            15: ("wanted", "declared", "attention_mask"),
        },
    },
    "8.3": {
        "the largest kept": {POOL: max_of_kept},
        "row by row": {POOL: max_row_by_row},
        "by subtraction": {POOL: max_by_subtraction},
        "by repetition": {POOL: max_by_repetition},
        "others": {STATE: read_on, ZERO: values_masked, POSITIONS: positions_of_words},
    },
}
