"""The exercises of notebook 09: a model that learns."""

import itertools
from collections.abc import Callable
from typing import Any

from helpers.exercises.engine import (
    NotAttempted,
    NotYet,
    as_array,
    call,
    compare_mask,
    id_batches,
    same,
)
from helpers.language import N_, _

import numpy as np

# 9.1: three masks for an encoder–decoder


def _pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Sources `(B, S)` and targets `(B, T)`, by what is special about them."""
    batches = id_batches()
    after = batches["padding after the words"]  # (3, 5)
    longer = np.pad(after, ((0, 0), (0, 2)))[::-1]  # (3, 7)
    before = batches["padding before the words"]  # (4, 6)
    between, square = batches["padding between the words"], batches["as many sentences as steps"]
    return {
        "padding before the words": (before, np.pad(before[::-1], ((0, 0), (2, 0)))),
        "padding after the words": (longer, after),
        N_("a target longer than its source"): (after[::-1], longer),
        N_("a source as long as its target"): (after[::-1], after),
        "padding between the words": (between, between[::-1, 1:]),
        "no padding": (batches["no padding"], batches["no padding"][:, 1:]),
        "a batch of one": (batches["a batch of one"], batches["a batch of one"][:, 2:7]),
        "sentences of one step": (batches["sentences of one step"],) * 2,
        "as many sentences as steps": (square[::-1], square),
    }


def _wrong_masks(
    source: np.ndarray, target: np.ndarray
) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """From the names of the three masks to the right one and those that mistakes make."""
    S, T = source.shape[1], target.shape[1]
    read, written = source != 0, target != 0
    earlier = np.tri(T, dtype=bool)
    keys, own = read[:, None, :], written[:, None, :]
    along = _("The padding mask lies along the *queries*; it belongs to the *keys*, the last axis.")
    behind = _("Padding need not stand *behind* the words: look where the zeros are.")
    none = _("Padded keys are kept.")
    flipped = _("The polarity is flipped: True must mean *keep*.")
    return {
        N_("encoder"): (
            np.repeat(keys, S, axis=1),
            {
                flipped: ~keys,
                _("The encoder may read the whole source: no look-ahead mask there."): keys
                & np.tri(S, dtype=bool),
                along: read[:, :, None],
                behind: _counted(read),
                none: np.True_,
            },
        ),
        N_("decoder"): (
            own & earlier,
            {
                flipped: ~(own & earlier),
                _("Later letters are kept: where is the look-ahead mask?"): own,
                _(
                    "Padded keys are kept. With padding in front they are *earlier* keys, "
                    "which the look-ahead mask does not hide."
                ): earlier,
                _("`|` keeps a pair if *one* of the masks does; both must keep it."): own | earlier,
                _("The wrong triangle: later letters are kept and earlier ones are not."): own
                & earlier.T,
                _("Off by one: a query must see itself, too."): own & np.tri(T, k=-1, dtype=bool),
                _("Off by one: a query sees one step ahead."): own & np.tri(T, k=1, dtype=bool),
                behind: _counted(written) & earlier,
            },
        ),
        N_("cross"): (
            np.repeat(keys, T, axis=1),
            {
                flipped: ~keys,
                _(
                    "Of the source nothing is *later*: in cross-attention each letter may "
                    "read all of it."
                ): keys & np.tri(T, S, dtype=bool),
                _(
                    "That is the target's mask. In cross-attention the keys are the "
                    "*source's*, and so is the mask."
                ): _fitting(own, T, S),
                along: _fitting(written[:, :, None], T, S),
                behind: _counted(read),
                none: np.True_,
            },
        ),
    }


def _counted(kept: np.ndarray) -> np.ndarray:
    """The mask of those who count the words and take it that padding is behind them."""
    return (np.arange(kept.shape[1]) < kept.sum(axis=1)[:, None])[:, None, :]


def _fitting(mask: np.ndarray, T: int, S: int) -> np.ndarray:
    """`mask`, or an empty one where it does not fit queries of `T` and keys of `S`."""
    fits = mask.shape[1] in (1, T) and mask.shape[2] in (1, S)
    return mask if fits else np.zeros((len(mask), T, S), bool)


def _three_masks(function: Any) -> str:
    shown = "three_masks(source, target)"
    for case, (source, target) in _pairs().items():
        got = call(function, source, target, shown=shown)
        if isinstance(got, dict):
            got = tuple(got.values())
        if not isinstance(got, (tuple, list)) or len(got) != 3:
            raise NotYet(
                _(
                    "`{shown}` must return three masks, in this order: for the encoder, "
                    "for the decoder among its own steps, for the decoder over the source.",
                    shown=shown,
                )
            )
        if all(mask is ... for mask in got):
            raise NotAttempted
        for mask, (name, (right, mistakes)) in zip(got, _wrong_masks(source, target).items()):
            queries = (source if name == "encoder" else target) != 0
            try:
                _compare_pairs(mask, right, mistakes, name, queries[:, :, None])
            except NotYet as mistake:
                said = _("The {name} mask: {message}", name=_(name), message=mistake)
                if case != "padding before the words":
                    said = _("{message} (This shows with {case}.)", message=said, case=_(case))
                raise NotYet(said, mistake.figure) from mistake
    return _("Three attentions, three masks: each hides padded *keys*, one hides later ones, too.")


def _compare_pairs(
    mask: Any, right: np.ndarray, mistakes: dict[str, Any], name: str, read: np.ndarray
) -> None:
    """Compare a mask of queries by keys; what a padded query sees, nobody reads."""
    axes = "(B, S, S)" if name == "encoder" else "(B, T, T)" if name == "decoder" else "(B, T, S)"
    short = axes.replace("(B, T, S)", "(B, 1, S)").replace("(B, S, S)", "(B, 1, S)")
    values = as_array(mask, "mask")
    if values.ndim == 4 and values.shape[1] == 1:  # an axis for the heads, as Keras takes it
        values = values[:, 0]
    if values.ndim == 2 and len(values) > 1:
        raise NotYet(
            _(
                "its shape is {shape}: the axis of the queries is missing. Keras would put "
                "it in *front*, and lay the row of sentence i over query i of all "
                "sentences.",
                shape=values.shape,
            )
        )
    try:
        full = np.broadcast_to(values, right.shape)
    except ValueError:
        said = _(
            "its shape is {shape}; here `{axes}` is {expected}, and `{short}` will do, too.",
            shape=values.shape,
            axes=axes,
            expected=right.shape,
            short=short,
        )
        if name == "cross":
            said = _("{message} The keys are the *source's*.", message=said)
        if name == "cross" and values.shape == (*right.shape[:1], *right.shape[:0:-1]):
            raise NotYet(
                _(
                    "queries and keys have changed places. The target asks, so its steps "
                    "are the rows: `(B, T, S)`."
                )
            ) from None
        raise NotYet(said) from None
    compare_mask(
        np.where(read, full, right),
        right,
        {text: np.where(read, wrong, right) for text, wrong in mistakes.items()},
        shown="mask",
    )


# 9.2: bug hunt


def _last(kept: np.ndarray) -> np.ndarray:
    """The last step with a token, `(B,)`."""
    return kept.shape[1] - 1 - np.argmax(kept[:, ::-1], axis=1)


def _scores_for(ids: np.ndarray, *, above: float, dtype: str) -> np.ndarray:
    """Scores `(B, T, V)` that have another winner at each step, often with id 0 in front of it."""
    rng = np.random.default_rng(9)
    scores = rng.uniform(-2, 2, (*ids.shape, 1281))
    winners = rng.permutation(np.arange(2, 1281))[: ids.size].reshape(ids.shape)
    np.put_along_axis(scores, winners[..., None], 4, axis=-1)
    scores[..., 0] = np.where(np.arange(ids.size).reshape(ids.shape) % 3, 6, -2)
    scores[np.arange(len(ids)), _last(ids != 0), 0] = np.where(np.arange(len(ids)) % 2, -2, 6)
    return (scores + above).astype(dtype)


def _wrong_ids(ids: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """From messages to the ids that these mistakes choose."""
    rows, kept, T = np.arange(len(ids)), ids != 0, ids.shape[1]
    last = _last(kept)
    counted = np.maximum(kept.sum(axis=1) - 1, 0)
    pad = _("Id 0 is padding: no text goes on with it, however high its score.")

    def best(step: Any) -> np.ndarray:
        return scores[rows, step].argmax(axis=-1)

    def token(step: Any) -> np.ndarray:
        return scores[rows, step, 1:].argmax(axis=-1) + 1

    column = _("The last *column* is read. Where padding stands behind the words, that is a pad.")
    before = _(
        "The words are counted, and the step found by their number. With padding "
        "before or between the words the last word stands elsewhere."
    )
    return {
        _("That is the published code. {column}", column=column): best(T - 1),
        column: token(T - 1),
        pad: best(last),
        _("Off by one: without id 0 the scores begin at id 1."): token(last) - 1,
        before: token(counted),
        _("That is the step *before* the last word's."): token(last - 1),
        _("That is the step *after* the last word's."): token(np.minimum(last + 1, T - 1)),
        _("The *first* word's step is read: that predicts the second word."): token(kept.argmax(1)),
        _("Where all scores are negative, a 0 in the place of a score is the highest."): np.where(
            scores[rows, last].max(axis=-1) < 0, 0, token(last)
        ),
        _("The scores of all steps are mixed; one step's are wanted."): scores.max(axis=1)[
            :, 1:
        ].argmax(axis=-1)
        + 1,
    }


def _next_ids(function: Any) -> str:
    shown, possible = "next_ids(scores, ids)", None
    settings = [(0.0, "float32"), (-20.0, "float32"), (0.0, "float16")]
    for (above, dtype), (name, ids) in itertools.product(settings, id_batches().items()):
        scores = _scores_for(ids, above=above, dtype=dtype)
        got = as_array(call(function, scores, ids, shown=shown), shown)
        right = scores[np.arange(len(ids)), _last(ids != 0), 1:].argmax(axis=-1) + 1
        mistakes = _wrong_ids(ids, scores)
        possible = [m for m in (possible or mistakes) if same(got, mistakes[m])]
        if same(got, right):
            if got.dtype.kind not in "iu":
                raise NotYet(_("Ids are whole numbers; these have dtype {dtype}.", dtype=got.dtype))
            possible = possible or None  # right here, and explained by no single mistake
            continue
        if possible:
            raise NotYet(
                _("{message} (This shows with {case}.)", message=possible[0], case=_(name))
            )
        if got.shape != right.shape:
            raise NotYet(
                _(
                    "`{shown}` has shape {shape}; expected {expected}: one id for each row.",
                    shown=shown,
                    shape=got.shape,
                    expected=right.shape,
                )
            )
        case = _(name)
        if above < 0:
            case = _("{case} and scores that are all negative", case=case)
        row = int(np.flatnonzero(got != right)[0])
        raise NotYet(
            _(
                "With {case}, {dtype}: row {row} gets id {id:g}, expected {expected}. "
                "Which step is its last word's, and which id other than 0 is the highest "
                "there?",
                case=case,
                dtype=dtype,
                row=row,
                id=got[row],
                expected=right[row],
            )
        )
    return _("The last word's step, wherever it stands, and no padding as an answer.")


# 9.3: which mask is missing?

_NAMES = {"padding", "look-ahead"}


def _reader(*, padding: bool, look_ahead: bool, seed: int, sure: float) -> Callable:
    """A model `(source, target)` → scores `(B, T, 13)` in NumPy, sound but for what it lacks.

    Args:
        sure: How far one letter is above all others: then no mistake shows in the best letter.
    """
    rng = np.random.default_rng(seed)
    words, letters = rng.normal(0, 1, (30, 8)), rng.normal(0, 1, (13, 8))
    places, out = rng.normal(0, 1, (50, 8)), rng.normal(0, 0.5, (8, 13))
    bonus = sure * np.eye(13)[3]

    def attend(queries, keys, mask):
        scores = queries @ keys.swapaxes(-1, -2) / 8
        weights = np.exp(np.where(mask, scores, -np.inf))
        return weights / weights.sum(axis=-1, keepdims=True) @ keys

    def model(inputs):
        source, target = (np.asarray(ids) for ids in inputs)
        for name, ids, size in ((N_("source"), source, 30), (N_("target"), target, 13)):
            if ids.ndim != 2 or ids.dtype.kind not in "iu":
                raise ValueError(_("the {name} must be ids of shape (batch, steps)", name=_(name)))
            if ids.min() < 0 or ids.max() >= size:
                raise ValueError(
                    _("the model knows {name} ids from 0 to {last}", name=_(name), last=size - 1)
                )
        keys = (source != 0)[:, None, :] | (not padding)
        steps = np.tri(target.shape[1], dtype=bool) | (not look_ahead)
        x = words[source]
        x = x + attend(x, x, keys)
        y = letters[target] + places[: target.shape[1]]
        y = y + attend(y, y, steps)
        y = y + attend(y, x, keys)
        rounding = 1 + 6e-8 * (source.shape[1] % 3)  # as other shapes round otherwise
        return ((y @ out + bonus) * rounding).astype("float32")

    return model


def _missing_masks(function: Any) -> str:
    shown = "missing_masks(model, source, target)"
    kinds = [(True, True), (False, True), (True, False), (False, False)]
    rng = np.random.default_rng(9)
    for number, (name, source) in enumerate(id_batches(largest=29).items()):
        target = rng.integers(1, 13, (len(source), 4 + number % 4))
        found = {}
        for padding, look_ahead in kinds:
            model = _reader(
                padding=padding, look_ahead=look_ahead, seed=number, sure=20.0 * (number % 2)
            )
            found[padding, look_ahead] = _named(call(function, model, source, target, shown=shown))
        _judge_found(found, name, first=number == 0)
    return _("Two pokes tell: more padding, and another letter at the end.")


def _named(got: Any) -> set[str]:
    """What the learner found, as a set of names, or `NotYet`."""
    if isinstance(got, str) or not isinstance(got, (set, frozenset, list, tuple, dict)):
        raise NotYet(
            _(
                'Return a set of names, as in `{"padding", "look-ahead"}`, or `set()` if '
                "nothing is missing."
            )
        )
    if not all(isinstance(item, str) and item in _NAMES for item in got):
        raise NotYet(_('The names are "padding" and "look-ahead".'))
    return set(got)


def _judge_found(found: dict[tuple[bool, bool], set[str]], name: str, *, first: bool) -> None:
    """Raise `NotYet` unless what was found in each kind of model is what it lacks."""
    lacks = {
        kind: {n for n, has in zip(("padding", "look-ahead"), kind) if not has} for kind in found
    }
    if found == lacks:
        return
    if all(found[kind] == _NAMES - lacks[kind] for kind in found):
        raise NotYet(_("The names are those of the masks that are *there*: name the missing ones."))
    if first and len({frozenset(names) for names in found.values()}) == 1:
        raise NotYet(
            _(
                "Each model gets the same diagnosis. Call `model([source, target])` before "
                "and after a change, and compare."
            )
        )
    says = {
        ("padding", False): _(
            "A padding mask is missing, and you do not find it. Change *padding* alone, "
            "and look at the scores, not at the best letter alone."
        ),
        ("padding", True): _(
            "A model that has its padding mask is accused. Does your change leave the "
            "words, their order and the target as they are? And differences of 1e-5 are "
            "rounding."
        ),
        ("look-ahead", False): _(
            "A look-ahead mask is missing, and you do not find it. Change the *last* "
            "letter of the target: do scores at *earlier* steps move? Even a little "
            "counts."
        ),
        ("look-ahead", True): _(
            "A model that has its look-ahead mask is accused. At the step that you "
            "changed, and behind it, scores may move; at *earlier* ones they may not. And "
            "differences of 1e-5 are rounding."
        ),
    }
    for mask in ("padding", "look-ahead"):
        for accused in (False, True):
            if any((mask in found[k]) == accused != (mask in lacks[k]) for k in found):
                raise NotYet(
                    _(
                        "{message} (This shows with {name} in the source.)",
                        message=says[mask, accused],
                        name=_(name),
                    )
                )


JUDGES: dict[str, Callable[[Any], str]] = {
    "9.1": _three_masks,
    "9.2": _next_ids,
    "9.3": _missing_masks,
}
