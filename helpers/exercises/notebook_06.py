"""The exercises of notebook 06: attention masks."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from helpers.exercises.engine import NotYet, as_array, call, compare_values, id_batches, same
from helpers.language import N_, _

import numpy as np

TABLE = 1281  # rows of an embedding for the ids of `id_batches()`


@contextlib.contextmanager
def _case(name: str, first: str = "padding after the words") -> Iterator[None]:
    """Say in which case a mistake shows, unless it is the first one tried."""
    try:
        yield
    except NotYet as mistake:
        if name == first:
            raise
        said = _("{message} (This shows with {case}.)", message=mistake, case=_(name))
        raise NotYet(said, mistake.figure) from mistake


def _in_place_of(function: Any, call_it: Callable) -> Any:
    """`call_it`, which adds what `call` must not copy, with the name and the code of `function`."""
    return functools.wraps(function)(call_it) if callable(function) else function


def _name(got: np.ndarray, mistakes: Mapping[str, np.ndarray], tolerance: float) -> None:
    """Raise `NotYet` with the message of the mistake that makes `got`, if one does."""
    for message, wrong in mistakes.items():
        if same(got, np.asarray(wrong), tolerance):
            raise NotYet(message)


# 6.1: find and mend the leak


def _rating(ids, layers, *, keys=None, steps=None, fill=-np.inf, scale=4.0, pool="max"):
    """The model of the exercise: sound if `keys` and `steps` are the mask, else a mistake."""
    from keras import ops

    embed, attend, score = layers
    x = ops.convert_to_numpy(embed(ids)) * scale
    x = x + attend(x, x, attention_mask=None if keys is None else keys[:, None, :])
    if steps is not None:
        x = ops.where(steps[..., None], x, fill)
    return np.asarray(score(getattr(ops, pool)(x, axis=1)))


def _rating_layers(*, words: float, pads: float, spread: float = 0.6) -> tuple:
    """Layers for the model: values of `embed` are about `words`, those of id 0 about `pads`."""
    import keras

    normal = keras.initializers.RandomNormal
    embed = keras.layers.Embedding(TABLE, 6, normal(words, 0.6, seed=1), mask_zero=True)
    attend = keras.layers.MultiHeadAttention(2, 3, kernel_initializer=normal(0, spread, seed=2))
    score = keras.layers.Dense(4, kernel_initializer=normal(0, 0.6, seed=3))
    layers = embed, attend, score
    _rating(np.ones((1, 1), "int32"), layers)  # builds them
    table = embed.get_weights()[0]
    table[0] += pads - words
    embed.set_weights([table])
    return layers


def _mended(function: Any) -> str:
    batches = id_batches()
    cases = {name: batches[name] for name in ("no padding", *batches)}  # first what must stay
    near = _rating_layers(words=0, pads=0)
    for name, ids in cases.items():
        with _case(name, first="no padding"):
            _try_mended(function, ids, near, tolerance=1e-4)
    # Here a -100 for padding would win. The attention is kept too small to matter.
    far = _rating_layers(words=-5000, pads=5000, spread=1e-5)
    with _case(N_("layers that make words −20,000 and padding 20,000, about")):
        _try_mended(function, batches["padding before the words"], far, tolerance=1)
    return _(
        "No padding reaches the answer, on either side, and the other answers are as they were."
    )


def _name_lost_word(got, right, ids, model: Callable, tolerance: float) -> None:
    """Raise `NotYet` if a sentence got the answer it has without one of its words."""
    for word in np.unique(ids[ids != 0]):
        rest = (ids != 0) & (ids != word)
        rows = (ids == word).any(axis=1) & rest.any(axis=1)
        rows &= np.abs(got - right).max(axis=1) > tolerance
        for lost in ({"keys": rest}, {"steps": rest}, {"keys": rest, "steps": rest}):
            wrong = model(**({"keys": ids != 0, "steps": ids != 0} | lost))
            if (np.abs(got - wrong).max(axis=1) <= tolerance)[rows].any():
                raise NotYet(
                    _(
                        "The id {id} is that of a word, and your code takes it for padding: "
                        "padding is 0 and nothing else.",
                        id=word,
                    )
                )


def _try_mended(function: Any, ids: np.ndarray, layers: tuple, *, tolerance: float) -> None:
    shown = "mended(ids, embed, attend, score)"
    answer = _in_place_of(function, lambda ids: function(ids, *layers))
    weights = [w.copy() for layer in layers for w in layer.get_weights()]
    got = as_array(call(answer, ids, shown=shown), shown)
    now = [w for layer in layers for w in layer.get_weights()]
    if len(now) != len(weights) or not all(map(np.array_equal, now, weights)):
        raise NotYet(_("The weights of the layers have changed: mend the code, not them."))
    mask, model = ids != 0, functools.partial(_rating, ids, layers)
    right = np.concatenate([_rating(row[row != 0][None], layers) for row in ids])  # alone
    if got.shape != right.shape:
        raise NotYet(
            _(
                "`{shown}` has shape {shape}; expected {expected}.",
                shown=shown,
                shape=got.shape,
                expected=right.shape,
            )
        )
    if np.isnan(got).any():
        raise NotYet(_("`{shown}` holds NaN.", shown=shown))
    if same(got, right, tolerance):
        return
    if mask.all():
        changed = _("Sentences without padding get another answer than before")
        mistakes = {
            _("{changed}: the largest value was pooled, not the mean.", changed=changed): model(
                pool="mean"
            ),
            _("{changed}: the largest value was pooled, not the sum.", changed=changed): model(
                pool="sum"
            ),
            _("{changed}: where is the `* 4.0`?", changed=changed): model(scale=1.0),
        }
        _name(got, mistakes, tolerance)
        _name_lost_word(got, right, ids, model, tolerance)
        raise NotYet(_("{changed}. Take care of the padding, and leave the rest.", changed=changed))
    mistakes = {
        _("That is the model as it was: it leaks."): model(),
        _(
            "The attention is mended. But `max` still looks at padded steps, and one of "
            "them can hold the largest value."
        ): model(keys=mask),
        _(
            "The pool is mended. But the attention still uses padded keys: what `* 4.0` "
            "returns has no mask."
        ): model(steps=mask),
        _(
            "The attention is mended. But in the pool a 0 in the place of padding is more "
            "than any negative value: put something there that never wins."
        ): model(keys=mask, steps=mask, fill=0.0),
    }
    _name(got, mistakes, tolerance)
    _name_lost_word(got, right, ids, model, tolerance)
    apart = np.abs(got - right).max(axis=1)
    raise NotYet(
        _(
            "It still leaks: what sentence {sentence} gets in its batch and what it gets "
            "alone, without padding, are {difference:.2g} apart.",
            sentence=apart.argmax(),
            difference=apart.max(),
        )
    )


# 6.2: bug hunt


def _causal_mistakes(ids: np.ndarray) -> dict[str, np.ndarray]:
    """From messages to the attention masks, True = keep, that these mistakes make."""
    steps, kept = ids.shape[1], ids != 0
    keys, earlier = kept[:, None, :], np.tri(steps, dtype=bool)
    counted = (np.arange(steps) < kept.sum(axis=1)[:, None])[:, None, :]
    return {
        _(
            "That is the code as it stands: in every row padding is kept, before and after "
            "the query."
        ): ~keys | earlier,
        _(
            "The whole is inverted: now the padding part is right, and the look-ahead "
            "part, which was right, hides *earlier* keys."
        ): keys & ~earlier,
        _(
            "The padding part is inverted now, but `maximum` allows a pair if *one* of the "
            "masks does; both must allow it."
        ): keys | earlier,
        _("Both masks must allow a pair now, but the padding part still keeps the padding."): ~keys
        & earlier,
        _(
            "That is the older polarity, 1 = masked: where Keras shall keep, it masks, and "
            "the reverse."
        ): ~(keys & earlier),
        _("Later keys are still used: where is the look-ahead mask?"): keys,
        _(
            "Padded keys are still used: the padding mask is missing, or lies along the "
            "queries; it belongs to the *keys*, the last axis."
        ): earlier,
        _("No mask reaches the layer."): np.True_,
        _("The wrong triangle: later keys are used and earlier ones are not."): keys & earlier.T,
        _("Off by one: a query must see itself, too."): keys & np.tri(steps, k=-1, dtype=bool),
        _("Off by one: a query sees one step ahead."): keys & np.tri(steps, k=1, dtype=bool),
        _(
            "Padding need not stand *behind* the words: look where the zeros are, not how "
            "many there are."
        ): counted & earlier,
    }


def _attend_causally(function: Any) -> str:
    import keras

    shown = "attend_causally(layer, x, ids)"
    normal = keras.initializers.RandomNormal(stddev=0.5, seed=6)
    layer = keras.layers.MultiHeadAttention(2, 4, kernel_initializer=normal)
    answer = _in_place_of(function, lambda x, ids: function(layer, x, ids))

    layer(*[np.zeros((1, 1, 8), "float32")] * 2)  # builds it
    weights = layer.get_weights()

    def attended(x, ids, mask):
        full = np.broadcast_to(mask, (*ids.shape, ids.shape[1]))
        return np.asarray(layer(x, x, attention_mask=full)) * read(ids)

    def answered(x, ids):
        got = as_array(call(answer, x, ids, shown=shown), shown)
        if got.shape != x.shape:
            raise NotYet(
                _(
                    "`{shown}` has shape {shape}; expected {expected}, as `x`.",
                    shown=shown,
                    shape=got.shape,
                    expected=x.shape,
                )
            )
        return np.where(read(ids), got, 0)

    def read(ids):
        return (ids != 0)[..., None]  # nobody reads the output of a padded query

    possible, failed, stopped = [*_causal_mistakes(np.ones((1, 1)))], None, None
    for name, ids in id_batches().items():
        x = np.random.default_rng(6).normal(size=(*ids.shape, 8)).astype("float32")
        keys, earlier = (ids != 0)[:, None, :], np.tri(ids.shape[1], dtype=bool)
        try:
            with _case(name):
                got = answered(x, ids)
        except NotYet as mistake:
            stopped = mistake
            break
        if not all(map(np.array_equal, weights, layer.get_weights())):
            raise NotYet(_("The weights of the layer have changed: mend the mask, not them."))
        right = attended(x, ids, keys & earlier)
        mistakes = _causal_mistakes(ids)
        possible = [m for m in possible if same(attended(x, ids, mistakes[m]), got, 1e-5)]
        if failed is None and not same(got, right, 1e-5):
            failed = name, x, ids, got, right
    if failed is None:
        if stopped:
            raise stopped
        return _("Both parts, and True = keep. The 100 % accuracy is gone, as it should be.")
    if possible:  # a mistake that explains the answers to all batches
        raise NotYet(possible[0])
    name, x, ids, got, right = failed
    last = (np.arange(ids.shape[1]) == ids.shape[1] - 1)[:, None]
    with _case(name):
        if not same(answered(x, ids), got, 1e-4):
            raise NotYet(_("Two calls with the same input differ: use the layer that is given."))
        if not same(answered(x + ~read(ids), ids), got, 1e-4):
            raise NotYet(_("Padded keys still reach the output of words."))
        if not same(answered(x + last, ids) * ~last, got * ~last, 1e-4):
            raise NotYet(_("Later keys still reach the output of earlier words."))
        raise NotYet(
            _(
                "No padded and no later key is used, and yet the output of words is up to "
                "{difference:.2g} off. May each word use itself and all words before it, "
                "and do you return what the layer returns?",
                difference=np.abs(got - right).max(),
            )
        )


# 6.3: a softmax that survives


def _softmax_cases() -> dict[str, tuple[str, np.ndarray, np.ndarray]]:
    """From names to dtype, scores `(B, T, S)` and mask."""
    scores = np.array([[[2, 1, 3, 0.5]] * 3, [[0, -1, 4, 2]] * 3])
    scores = scores + np.arange(3)[:, None] * [0, 0.5, 1, -1]
    some = np.array([[[1, 1, 0, 1]], [[1, 0, 0, 0]]], bool)
    empty = np.array([[[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1]]], bool)
    wide = np.array([[[3, -1000, 2, 1000, -999, 2.5, 999]]])  # (1, 1, 7)
    masked_large = np.array([[[1, 1000, 2, 1000, -3]] * 2])
    cases = {
        _("small scores"): (scores, some),
        _("a query without keys"): (scores, empty),
        _("scores of ±1000"): (wide, np.ones((1, 1, 7), bool)),
        _("scores of ±1000, some masked"): (wide, np.array([[[1, 1, 1, 0, 1, 1, 0]]], bool)),
        _("a masked score of 1000"): (masked_large, np.array([[[1, 0, 1, 0, 1]]], bool)),
        _("allowed scores of −1000"): (scores - 1000, some),
        _("scores of 20"): (scores + 20, some),
        _("a mask `(T, S)`"): (scores, np.array([[1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1]], bool)),
        _("a mask `(S,)`"): (scores, np.array([0, 1, 1, 0], bool)),
        _("every pair masked"): (scores, np.zeros((1, 1, 4), bool)),
        _("every pair allowed"): (scores, np.ones((2, 3, 4), bool)),
        _("one key"): (np.array([[[5.0], [-7]]] * 3), np.array([[[1]], [[0]], [[1]]], bool)),
    }
    largest = {"float32": 1e5, "float16": 6e4}
    result = {}
    for dtype, size in largest.items():
        far = size * np.array([[[-1.0, -1, 1, 1], [-1, -1, -1, 1]]])
        hidden = np.array([[[1, 1, 0, 0], [1, 0, 1, 0]]], bool)
        now = {
            **cases,
            _("allowed scores of −{size:g}, masked ones of {size:g}", size=size): (far, hidden),
        }
        result |= {f"{name}, {dtype}": (dtype, *case) for name, case in now.items()}
    return result


def _softmax(scores, axis=-1):
    with np.errstate(invalid="ignore"):
        e = np.exp(scores - scores.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)


def _masked_softmax(function: Any) -> str:
    import tensorflow as tf

    shown, possible = "masked_softmax(scores, mask)", None
    cases = _softmax_cases()
    for name, (dtype, scores, mask) in cases.items():
        scores = scores.astype(dtype).astype("float64")  # as the answer gets them
        full = np.broadcast_to(mask, scores.shape)
        nan_rows = _softmax(np.where(full, scores, -np.inf))
        right = np.nan_to_num(nan_rows)
        spread = np.where(full.any(axis=-1, keepdims=True), right, 1 / scores.shape[-1])
        flipped = np.nan_to_num(_softmax(np.where(full, -np.inf, scores)))
        least = np.where(full, scores, -1e6)
        by_query, by_row = (np.where(full, _softmax(least, axis=a), 0) for a in (1, 0))
        mistakes = {
            _("A query without keys gets NaN; it must get zeros."): nan_rows,
            _(
                "A query without keys spreads its weight over all of them; it must get zeros."
            ): spread,
            _("The polarity is flipped: True must mean *keep*."): flipped,
            _(
                "The softmax runs over the queries; it must run over the keys, the last axis."
            ): by_query,
            _(
                "The softmax runs over the sentences; it must run over the keys, the last axis."
            ): by_row,
            _("Masked *after* the softmax: the rows no longer sum to 1."): _softmax(scores) * full,
            _("A masked score of 0 is not *no* score: its weight is not 0."): _softmax(
                scores * full
            ),
            _("That is the softmax without a mask."): _softmax(scores),
        }
        tolerance = 1e-5 if dtype == "float32" else 5e-3
        given, given_mask = tf.constant(scores, dtype), tf.constant(mask)
        upstream = np.linspace(-1, 1, scores.size).reshape(scores.shape)
        with _case(name, first=next(iter(cases))), tf.GradientTape() as tape:
            tape.watch(given)
            # `call` hands over copies; the tape must see the tensor itself.
            answer = _in_place_of(function, lambda m, given=given: function(given, m))
            result = call(answer, given_mask, shown=shown)
            values = as_array(result, shown)
            mistakes = {m: w for m, w in mistakes.items() if same(values, w, tolerance)}
            possible = [m for m in mistakes if possible is None or m in possible]
            if not same(values, right, tolerance):
                if possible:  # a mistake that explains the answers so far
                    raise NotYet(possible[0])
                if values.shape == right.shape:
                    _say_what_is_wrong(values, full)
            compare_values(values, right, {}, shown=shown, tolerance=tolerance)
            if not tf.is_tensor(result):
                raise NotYet(
                    _("The weights are right. Compute them in TensorFlow, for the gradient.")
                )
            if values.dtype != dtype:
                raise NotYet(
                    _(
                        "The weights are right; their dtype must be the scores', {dtype}.",
                        dtype=dtype,
                    )
                )
            gradient = tape.gradient(tf.reduce_sum(result * tf.constant(upstream, dtype)), given)
            slope = right * (upstream - (right * upstream).sum(axis=-1, keepdims=True))
            if gradient is None and slope.any():
                raise NotYet(
                    _(
                        "The weights are right, but no gradient reaches the scores: does "
                        "something leave TensorFlow, or stop it?"
                    )
                )
            gradient = np.zeros_like(slope) if gradient is None else np.asarray(gradient)
            if np.isnan(gradient).any():
                raise NotYet(
                    _(
                        "The weights are right, but their gradient is NaN. Choose with "
                        "`tf.where` before the softmax, and let no infinity or 0 / 0 in."
                    )
                )
            if not same(gradient, slope, 10 * tolerance):
                raise NotYet(
                    _("The weights are right, but their gradient is not that of a softmax.")
                )
    return _("Safe in both precisions, with or without a key, however large the scores.")


def _say_what_is_wrong(values: np.ndarray, full: np.ndarray) -> None:
    """Raise `NotYet` with what wrong weights have in common, if they have."""
    if np.isnan(values).any():
        raise NotYet(
            _(
                "NaN in the weights. Is there an exponential of a large number, 0 × −inf, "
                "or a sum of 0? And in float16 −1e9 is −inf. Choose with `tf.where`, do "
                "not add."
            )
        )
    if (values * ~full > 1e-3).any():
        raise NotYet(_("Masked keys have weight: what stands in the place of their scores?"))
    sums = values.sum(axis=-1)[full.any(axis=-1)].astype(float)
    if (abs(sums - 1) > 1e-2).any():
        worst = sums[abs(sums - 1).argmax()]
        raise NotYet(
            _(
                "The weights of a query sum to {worst:.2g} over its allowed keys, not to "
                "1. Is what stands in the place of a masked score below every allowed one?",
                worst=worst,
            )
        )


JUDGES = {"6.1": _mended, "6.2": _attend_causally, "6.3": _masked_softmax}
