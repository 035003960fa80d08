import numpy as np
import tensorflow as tf
from keras import ops

# 9.1


def earlier(target, k=0):
    return np.tri(target.shape[1], k=k, dtype=bool)


def masks(
    encoder=lambda source: (source != 0)[:, None, :],
    decoder=lambda target: (target != 0)[:, None, :] & earlier(target),
    cross=lambda source, target: (source != 0)[:, None, :],
):
    return lambda source, target: (encoder(source), decoder(target), cross(source, target))


def behind(ids):
    """Wrong: takes it that all padding stands behind the words."""
    return (np.arange(ids.shape[1]) < (ids != 0).sum(axis=1)[:, None])[:, None, :]


def full_masks(source, target):
    read, written = source != 0, target != 0
    return (
        read[:, :, None] & read[:, None, :],
        written[:, :, None] & written[:, None, :] & earlier(target),
        written[:, :, None] & read[:, None, :],
    )


def in_keras(source, target):
    read = ops.not_equal(source, 0)
    written = ops.expand_dims(ops.not_equal(target, 0), 1)
    steps = ops.arange(target.shape[1])
    cross = ops.repeat(ops.expand_dims(read, 1), target.shape[1], axis=1)
    return [cross[:, :1], ops.logical_and(written, steps[:, None] >= steps), cross]


def loops(source, target):
    (B, S), T = source.shape, target.shape[1]
    encoder, decoder = np.zeros((B, S, S), bool), np.zeros((B, T, T), bool)
    cross = np.zeros((B, T, S), bool)
    for b in range(B):
        for key in range(S):
            encoder[b, :, key] = cross[b, :, key] = source[b, key] != 0
        for key in range(T):
            decoder[b, key:, key] = target[b, key] != 0
    return encoder, decoder, cross


def for_heads(source, target):
    keys = (source != 0)[:, None, None, :]
    return keys, (target != 0)[:, None, None, :] & earlier(target), keys


# 9.2


def last(ids):
    return ids.shape[1] - 1 - np.argmax((ids != 0)[:, ::-1], axis=1)


def at(scores, step):
    return np.asarray(scores)[np.arange(len(scores)), step]


def best(scores):
    return scores[:, 1:].argmax(axis=-1) + 1


def zeroed(scores):
    scores[:, 0] = 0
    return scores


def row_by_row(scores, ids):
    result = []
    for row, steps in zip(scores, ids):
        word = max(step for step, i in enumerate(steps) if i != 0)
        result.append(int(np.argmax(np.append(-np.inf, row[word][1:]))))
    return result


def by_maximum(scores, ids):
    steps = np.where(ids != 0, np.arange(ids.shape[1]), -1).max(axis=1)
    chosen = np.take_along_axis(scores, steps[:, None, None], axis=1)[:, 0]
    chosen[:, 0] = -np.inf
    return chosen.argmax(axis=1)


def in_tensorflow(scores, ids):
    steps = tf.reduce_max(tf.where(ids != 0, tf.range(ids.shape[1]), -1), axis=1)
    chosen = tf.gather(tf.constant(scores), steps, batch_dims=1)
    return tf.argmax(chosen[:, 1:], axis=-1) + 1


def by_order(scores, ids):
    order = at(scores, last(ids)).argsort(axis=-1)
    return np.where(order[:, -1] == 0, order[:, -2], order[:, -1])


# 9.3


def larger(a, b, tolerance=1e-3):
    return np.abs(np.asarray(a) - np.asarray(b)).max() > tolerance


def more_padding(source, count=4, side=1):
    return np.pad(source, ((0, 0), (0, count) if side else (count, 0)))


def other_letter(target, step=-1):
    target = target.copy()
    target[:, step] = target[:, step] % 12 + 1
    return target


def pads_move(model, source, target, apart=larger):
    return apart(model([source, target]), model([more_padding(source), target]))


def later_move(model, source, target, apart=larger):
    return apart(model([source, target])[:, :-1], model([source, other_letter(target)])[:, :-1])


def diagnosed(padding=pads_move, look_ahead=later_move):
    def missing_masks(model, source, target):
        tests = {"padding": padding, "look-ahead": look_ahead}
        return {name for name, test in tests.items() if test(model, source, target)}

    return missing_masks


def by_probes(model, source, target):
    from helpers import influence, padding_leak

    found, row = [], source[:1][source[:1] != 0][None]
    if not padding_leak(model, [row, target[:1]], which=0, add_pads=3).sound:
        found.append("padding")
    letters = influence(
        model, [row, target[:1]], which=1, pad_value=None, vocabulary=range(1, 13), pooled=False
    )
    if (np.triu(letters, k=1) > 1e-4).any():
        found.append("look-ahead")
    return tuple(found)


def by_each_letter(model, source, target):
    found, scores = set(), model((source, target))
    if not np.allclose(model((more_padding(source, 1, 0), target)), scores, atol=1e-4):
        found.add("padding")
    for step in range(1, target.shape[1]):
        changed = model((source, other_letter(target, step)))
        if not np.allclose(changed[:, :step], scores[:, :step], atol=1e-4):
            found.add("look-ahead")
    return found


def cut_target(model, source, target):
    """Fewer letters instead of others."""
    found, scores = set(), model([source, target])
    shorter = model([source, target[:, :-1]])
    if larger(shorter, scores[:, :-1]):
        found.add("look-ahead")
    if larger(model([more_padding(source, 20), target]), scores):
        found.add("padding")
    return frozenset(found)


def by_best_letter(a, b):
    return (np.argmax(a, axis=-1) != np.argmax(b, axis=-1)).any()


def by_best_letters(model, source, target):
    """Wrong, though it tries much: a best letter may stay the best when its score moves."""
    scores, found = model([source, target]), set()
    for count in (1, 4, 20, 100):
        if by_best_letter(model([more_padding(source, count), target]), scores):
            found.add("padding")
    for step in range(1, target.shape[1]):
        other = target.copy()
        for _ in range(12):
            other = other_letter(other, step)
            if by_best_letter(model([source, other])[:, :step], scores[:, :step]):
                found.add("look-ahead")
    return found


WRONG = {
    "9.1": {
        "the target's mask in cross-attention": (
            masks(cross=lambda s, t: (t != 0)[:, None, :]),
            r"cross mask.*keys are the \*source's\*",
        ),
        "the target's mask along the queries": (
            masks(cross=lambda s, t: (t != 0)[:, :, None]),
            r"cross mask.*along the \*queries\*",
        ),
        "keys by queries": (
            masks(cross=lambda s, t: np.repeat((s != 0)[:, :, None], t.shape[1], axis=2)),
            r"changed places",
        ),
        "look-ahead in cross-attention": (
            masks(
                cross=lambda s, t: (s != 0)[:, None, :] & np.tri(t.shape[1], s.shape[1], dtype=bool)
            ),
            r"cross mask.*nothing is \*later\*",
        ),
        "look-ahead in the encoder": (
            masks(encoder=lambda s: (s != 0)[:, None, :] & earlier(s)),
            r"encoder mask.*whole source",
        ),
        "no look-ahead": (
            masks(decoder=lambda t: (t != 0)[:, None, :]),
            r"decoder mask.*where is the look-ahead",
        ),
        "look-ahead alone": (
            masks(decoder=lambda t: earlier(t)[None]),
            r"decoder mask.*\*earlier\* keys",
        ),
        "`|` for `&`": (
            masks(decoder=lambda t: (t != 0)[:, None, :] | earlier(t)),
            r"decoder mask.*both must keep",
        ),
        "the other triangle": (
            masks(decoder=lambda t: (t != 0)[:, None, :] & earlier(t).T),
            "wrong triangle",
        ),
        "not itself": (
            masks(decoder=lambda t: (t != 0)[:, None, :] & earlier(t, -1)),
            "must see itself",
        ),
        "one step ahead": (
            masks(decoder=lambda t: (t != 0)[:, None, :] & earlier(t, 1)),
            "one step ahead",
        ),
        "flipped": (
            lambda s, t: tuple(~m for m in masks()(s, t)),
            r"encoder mask.*polarity is flipped",
        ),
        "padding behind, in the encoder": (masks(encoder=behind), r"encoder mask.*\*behind\*"),
        "padding behind, in the decoder": (
            masks(decoder=lambda t: behind(t) & earlier(t)),
            r"decoder mask.*\*behind\*",
        ),
        "no axis for the queries": (masks(encoder=lambda s: s != 0), "in \\*front\\*"),
        "numbers": (
            masks(encoder=lambda s: (s != 0)[:, None, :].astype("float32")),
            "A mask in Keras is boolean",
        ),
        "two masks": (lambda s, t: (s != 0, t != 0), "three masks, in this order"),
        "two of three": (masks(cross=lambda s, t: ...), r"still a `\.\.\.`"),
        "rows of the queries only": (
            masks(encoder=lambda s: (s != 0)[:, :, None]),
            r"encoder mask.*along the \*queries\*",
        ),
    },
    "9.2": {
        "as published": (lambda s, i: s[:, -1].argmax(axis=-1), "published code"),
        "the last column, no padding": (lambda s, i: best(s[:, -1]), r"last \*column\* is read"),
        "the last word, padding allowed": (
            lambda s, i: at(s, last(i)).argmax(axis=-1),
            "Id 0 is padding",
        ),
        "counted words": (
            lambda s, i: best(at(s, (i != 0).sum(axis=1) - 1)),
            "step found by their number.*padding before",
        ),
        "counted words, padding allowed": (
            lambda s, i: at(s, (i != 0).sum(axis=1) - 1).argmax(axis=-1),
            "Id 0 is padding",
        ),
        "off by one": (lambda s, i: best(at(s, last(i))) - 1, "scores begin at id 1"),
        "a step too early": (lambda s, i: best(at(s, last(i) - 1)), r"step \*before\*"),
        "a step too late": (
            lambda s, i: best(at(s, np.minimum(last(i) + 1, i.shape[1] - 1))),
            r"step \*after\*",
        ),
        "the first word": (lambda s, i: best(at(s, (i != 0).argmax(axis=1))), r"\*first\* word"),
        "the score of id 0 set to 0": (
            lambda s, i: zeroed(at(s, last(i))).argmax(axis=-1),
            "all scores are negative",
        ),
        "all steps mixed": (lambda s, i: best(s.max(axis=1)), "one step's are wanted"),
        "an id for each step": (lambda s, i: s.argmax(axis=-1), "one id for each row"),
        "one column": (lambda s, i: best(at(s, last(i)))[:, None], "one id for each row"),
        "as floats": (lambda s, i: best(at(s, last(i))).astype(float), "whole numbers"),
        "ids in 8 bits": (
            lambda s, i: best(at(s, last(i.astype("int8")))),
            "Which step is its last word's",
        ),
    },
    "9.3": {
        "the masks that are there": (
            lambda *a: {"padding", "look-ahead"} - diagnosed()(*a),
            "name the missing ones",
        ),
        "always the same": (lambda *a: {"padding"}, "the same diagnosis"),
        "always nothing": (lambda *a: set(), "the same diagnosis"),
        "padding alone": (
            diagnosed(look_ahead=lambda *a: False),
            "look-ahead mask is missing, and you do not",
        ),
        "look-ahead alone": (
            diagnosed(padding=lambda *a: False),
            "padding mask is missing, and you do not",
        ),
        "best letters, padding": (
            diagnosed(padding=lambda *a: pads_move(*a, apart=by_best_letter)),
            "padding mask is missing, and you do not.*best letter",
        ),
        "best letters, look-ahead": (
            diagnosed(look_ahead=lambda *a: later_move(*a, apart=by_best_letter)),
            "look-ahead mask is missing, and you do not.*Even a little",
        ),
        "best letters, tried often": (by_best_letters, "you do not find it.*best letter"),
        "the changed step, too": (
            diagnosed(
                look_ahead=lambda model, s, t: larger(model([s, t]), model([s, other_letter(t)]))
            ),
            "has its look-ahead mask is accused",
        ),
        "the first letter changed": (
            diagnosed(
                look_ahead=lambda model, s, t: larger(
                    model([s, t])[:, 1:], model([s, other_letter(t, 0)])[:, 1:]
                )
            ),
            "has its look-ahead mask is accused",
        ),
        "exactly equal": (
            diagnosed(padding=lambda *a: pads_move(*a, apart=lambda x, y: larger(x, y, 0))),
            "1e-5 are rounding",
        ),
        "the last word taken away": (
            diagnosed(padding=lambda model, s, t: larger(model([s[:, :-1], t]), model([s, t]))),
            "has its padding mask is accused",
        ),
        "other ids for the padding": (
            diagnosed(
                padding=lambda model, s, t: larger(model([np.where(s, s, 7), t]), model([s, t]))
            ),
            "has its padding mask is accused",
        ),
        "one name alone": (lambda *a: "padding", "a set of names"),
        "names of one's own": (lambda *a: {"causal"}, 'The names are "padding"'),
        "a letter that there is not": (
            lambda model, s, t: model([s, t + 12]),
            "target ids from 0 to 12",
        ),
    },
}

RIGHT = {
    "9.1": {
        "as short as can be": masks(),
        "padded queries, too": full_masks,
        "in Keras": in_keras,
        "loops": loops,
        "an axis for heads": for_heads,
        "named": lambda s, t: dict(zip(("encoder", "decoder", "cross"), masks()(s, t))),
    },
    "9.2": {
        "from behind": lambda s, i: best(at(s, last(i))),
        "row by row": row_by_row,
        "by a maximum": by_maximum,
        "in TensorFlow": in_tensorflow,
        "by order": by_order,
    },
    "9.3": {
        "two pokes": diagnosed(),
        "by probes": by_probes,
        "each letter": by_each_letter,
        "fewer letters, much padding": cut_target,
        "padding in front": diagnosed(
            padding=lambda model, s, t: larger(model([s, t]), model([more_padding(s, 2, 0), t]))
        ),
    },
}
