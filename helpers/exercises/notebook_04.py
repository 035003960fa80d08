"""The exercises of notebook 04: propagation."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from helpers.exercises.engine import (
    NotYet,
    as_array,
    call,
    call_layer,
    compare_mask,
    compare_values,
    id_batches,
    in_words,
    same,
)
from helpers.language import N_, _

import numpy as np

NO_DATA = -99999.99


def _merged_mask(function: Any) -> str:
    shown = "merged_mask(first, second)"
    for first, second in _pairs():
        longer = first.sum(1, keepdims=True) >= second.sum(1, keepdims=True)
        count = np.maximum(first.sum(1, keepdims=True), second.sum(1, keepdims=True))
        compare_mask(
            call(function, first, second, shown=shown),
            first | second,
            {
                _(
                    "That keeps a step only where *both* inputs do, as Keras 2 did. Keras "
                    "3.15 keeps one where *either* does."
                ): first & second,
                _("That is the mask of the first input; the second has one, too."): first,
                _("That is the mask of the second input; the first has one, too."): second,
                _("That keeps the steps where the two *differ*; where both keep, keep, too."): first
                ^ second,
                _("That keeps everything; where both inputs are padding, the sum is padding."): (
                    np.ones_like(first)
                ),
                _(
                    "That takes for each sentence the mask that keeps more steps. `Add` "
                    "goes step by step: a step is kept where *either* mask keeps it."
                ): np.where(longer, first, second),
                _(
                    "That counts the kept steps, and puts that many at the front. The "
                    "padding may stand before the words: go step by step."
                ): np.arange(first.shape[1]) < count,
            },
            shown=shown,
        )
    mask = np.array([[True, True, False], [True, False, False]])
    for pair in ((mask, None), (None, mask), (None, None)):
        said = ", ".join("None" if m is None else "mask" for m in pair)
        try:
            got = function(*(m if m is None else m.copy() for m in pair))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise NotYet(
                _(
                    "Right for two masks, but `merged_mask({said})` raised {error}",
                    said=said,
                    error=in_words(error),
                )
            ) from error
        if got is not None:
            raise NotYet(
                _(
                    "Right for two masks, but `merged_mask({said})` is not None. An `Add` "
                    "with one input that has no mask makes none.",
                    said=said,
                )
            )
    return _("Either keeps, and one input without a mask is enough to lose it.")


def _pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Two masks of one shape, `(B, T)` each: padding on one side, on both, in the middle."""
    after = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]], bool)
    short = np.array([[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0]], bool)
    yield after, short
    yield short[:, ::-1], after[:, ::-1]
    for ids in id_batches(empty_rows=True).values():
        mask = ids != 0
        yield mask, np.roll(mask, 1, axis=0)[:, ::-1]
    random = np.random.default_rng(0)
    for shape in ((1, 1), (1, 7), (5, 5), (4, 9)):
        yield random.random(shape) < 0.5, random.random(shape) < 0.5


def _read_on(function: Any) -> str:
    import keras

    shown = "read_on(embedding, lstm, ids, state)"
    for seed, (name, ids) in enumerate(id_batches().items()):
        keras.utils.set_random_seed(seed)
        units, features = (9, 16) if seed % 2 else (11, 4)  # no number of steps among them
        normal = keras.initializers.RandomNormal(stddev=1.0)
        embedding = keras.layers.Embedding(3216, features, normal, mask_zero=True)
        lstm = keras.layers.LSTM(units)
        state = [keras.random.normal((len(ids), units)) for _ in range(2)]
        lstm(embedding(ids))  # builds them
        before = _state(embedding), _state(lstm)
        given = (embedding, lstm, ids.copy(), list(state))
        # Layers are not copied as `call` copies arrays, hence a function without arguments.
        case = _("{call}, for {case},", call=shown, case=_(name))
        got = call(lambda given=given: function(*given), shown=case)
        if not all(map(_same_state, before, (_state(embedding), _state(lstm)))):
            raise NotYet(
                _("The layers have changed: call them otherwise, and leave them as they are.")
            )
        mask, x = ids != 0, embedding(ids)
        right = np.asarray(lstm(x, initial_state=state, mask=mask))
        if same(as_array(got, case), right, 1e-5):
            continue
        zeroed = keras.ops.convert_to_tensor(np.asarray(x) * mask[..., None])
        mistakes = {
            _(
                "The LSTM still reads the padding: with `initial_state` it is not given "
                "the mask, unless you pass it."
            ): lstm(x, initial_state=state),
            _("The padding is ignored, and so is the state: the LSTM starts from zeros."): lstm(
                x, mask=mask
            ),
            _("The mask is flipped: True must mean *keep*."): lstm(
                x, initial_state=state, mask=~mask
            ),
            _(
                "Setting vectors to zero is not masking: the LSTM still takes a step for "
                "each of them."
            ): lstm(zeroed, initial_state=state),
            _("The two states have changed places."): lstm(x, initial_state=state[::-1], mask=mask),
            _("That is the word vectors, or something of their shape; call the LSTM."): x,
        }
        compare_values(got, right, mistakes, shown=case, tolerance=1e-5)
    return _("The state is used and the padding is not, wherever it stands.")


def _state(layer: Any) -> tuple[dict, list[np.ndarray]]:
    """What a layer is made of: its settings and its weights."""
    return layer.get_config(), layer.get_weights()


def _same_state(one: tuple, other: tuple) -> bool:
    return one[0] == other[0] and all(map(np.array_equal, one[1], other[1]))


def _rescued(answer: Any) -> str:
    import keras

    model = answer if isinstance(answer, keras.Model) else call(answer, shown="rescued()")
    if not isinstance(model, keras.Model):
        raise NotYet(
            _(
                "`rescued()` returns a thing of the type {type}; a Keras model is asked for.",
                type=type(model).__name__,
            )
        )
    parts, weights = None, None
    try:
        for name, ids in id_batches(empty_rows=True).items():
            mask = ids != 0
            series = np.random.default_rng(1).normal(size=(*ids.shape, 1)).astype("float32")
            padded = np.where(mask[..., None], series, np.float32(NO_DATA))
            if parts is None:
                parts = _built(model, padded)
                weights = model.get_weights()
                _randomise(parts.values())
            with _watched(parts) as seen:
                got = call_layer(
                    model,
                    padded,
                    shown=_("{call}, for {case},", call="rescued()(series)", case=_series(name)),
                )
            values = as_array(got, "rescued()(series)")
            if values.shape != (len(ids), 1):
                raise NotYet(
                    _(
                        "The output has shape {shape}; expected {expected}, one number for "
                        "each series.",
                        shape=values.shape,
                        expected=(len(ids), 1),
                    )
                )
            moved = float(np.abs(values - _reference(parts, padded, mask)).max())
            if not moved < 1e-4:
                _say_why(seen, mask, _series(name), moved)
    finally:
        if weights is not None:
            model.set_weights(weights)
    return _(
        "Tried with padding after, before and between the values: it moves nothing, and the five "
        "layers are those asked for."
    )


def _series(name: str) -> str:
    """A batch of `id_batches` by what it holds here: series of values."""
    names = {
        "padding after the words": _("padding after the values"),
        "padding before the words": _("padding before the values"),
        "padding between the words": _("padding between the values"),
        "sentences of one step": _("series of one step"),
        "as many sentences as steps": _("as many series as steps"),
        "a sentence without words": _("a series without values"),
    }
    return names.get(name, _(name))


def _built(model: Any, padded: np.ndarray) -> dict[str, Any]:
    """The five layers of a model, by name, once it has been called."""
    _refuse_fixed(model)
    try:
        call_layer(model, padded, shown="rescued()(series)")
    except NotYet:
        _five(model)  # says it better, where it can
        raise
    five = _five(model)
    known = {id(weight) for part in five.values() for weight in part.weights}
    for weight in model.weights:
        if id(weight) not in known:
            raise NotYet(
                _("There are more weights than in the five layers: `{path}`.", path=weight.path)
            )
    gru = [(20, 60), (20, 60), (2, 60)]
    shapes = [[], [(5, 1, 20), (20,)], gru, gru, [(20, 1), (1,)]]
    if [[w.shape for w in part.weights] for part in five.values()] != shapes:
        raise NotYet(
            _(
                "The shapes of the weights are not those of the post: is each layer in its "
                "place, with its bias and nothing more?"
            )
        )
    return five


def _refuse_fixed(model: Any) -> None:
    try:
        batch, steps = model.input_shape[:2]
    except Exception:  # not built yet, or subclassed: it takes what it is given
        return
    if steps is not None:
        raise NotYet(
            _(
                "Your model takes series of {steps} steps and no others; they may have any "
                "length: `keras.Input((None, 1))`.",
                steps=steps,
            )
        )
    if batch is not None:
        raise NotYet(
            _("Your model takes {batch} series at a time and no other number of them.", batch=batch)
        )


def _five(model: Any) -> dict[str, Any]:
    """The five layers of a model, by name, or what is wrong with them."""
    from keras import layers

    found = {
        kind: [part for part in model._flatten_layers() if isinstance(part, kind)]
        for kind in (layers.Masking, layers.Conv1D, layers.GRU, layers.Dense)
    }
    masking, convolutions, grus, dense = found.values()
    if not convolutions:
        raise NotYet(_("The convolution is gone. It shall stay, between `Masking` and the GRUs."))
    if not grus:
        raise NotYet(_("The GRUs are gone. They shall stay, after the convolution."))
    for name, parts, count in (
        ("Masking", masking, 1),
        ("Conv1D", convolutions, 1),
        ("GRU", grus, 2),
        ("Dense", dense, 1),
    ):
        if len(parts) != count:
            raise NotYet(
                _(
                    "One of the five layers is missing, or one too many is there: {found} "
                    "× `{name}`, where {count} × is asked for.",
                    found=len(parts),
                    name=name,
                    count=count,
                )
            )
    convolution = convolutions[0]
    if convolution.padding == "valid":
        raise NotYet(
            _(
                "Your `Conv1D` gives fewer steps than it gets, so the mask no longer fits. "
                'Keep `padding="same"`.'
            )
        )
    sentinel = masking[0].mask_value
    if np.float32(sentinel) != np.float32(NO_DATA):
        raise NotYet(
            _(
                "The layers shall be those of the post: mask_value is {sentinel}, not {right}.",
                sentinel=sentinel,
                right=NO_DATA,
            )
        )
    sizes = {
        "filters": (convolution.filters, 20),
        "kernel_size": (convolution.kernel_size[0], 5),
        "strides": (convolution.strides[0], 1),
        "dilation_rate": (convolution.dilation_rate[0], 1),
        "padding": (convolution.padding, "same"),
        N_("units of the first GRU"): (grus[0].units, 20),
        N_("units of the second GRU"): (grus[1].units, 20),
        N_("units of the Dense"): (dense[0].units, 1),
    }
    for name, (size, right) in sizes.items():
        if size != right:
            raise NotYet(
                _(
                    "The layers shall be those of the post: {name} is {size}, not {right}.",
                    name=_(name),
                    size=size,
                    right=right,
                )
            )
    first, second = sorted(grus, key=lambda gru: not gru.return_sequences)
    five = {"masking": masking[0], "conv": convolution, "gru 1": first, "gru 2": second}
    return five | {"dense": dense[0]}


def _randomise(parts: Any) -> None:
    """Give all weights values that matter: zeros, or very small ones, would hide any leak."""
    random = np.random.default_rng(2)
    for part in parts:
        part.set_weights([random.normal(scale=0.4, size=w.shape) for w in part.get_weights()])


def _reference(parts: dict[str, Any], padded: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What the five layers of the post give with these weights if padding is masked."""
    from keras import layers

    convolution, dense = layers.Conv1D(20, 5, padding="same"), layers.Dense(1)
    first, second = layers.GRU(20, return_sequences=True), layers.GRU(20)
    fresh = {"conv": (convolution, 1), "gru 1": (first, 20), "gru 2": (second, 20)}
    for name, (layer, features) in fresh.items():
        layer.build((None, None, features))
        layer.set_weights(parts[name].get_weights())
    dense.build((None, 20))
    dense.set_weights(parts["dense"].get_weights())
    x = convolution(np.where(mask[..., None], padded, 0))
    return np.asarray(dense(second(first(x, mask=mask), mask=mask)))


@contextlib.contextmanager
def _watched(parts: dict[str, Any]) -> Iterator[dict[str, list]]:
    """Note what each layer's `call` is given, by kind and in the order of the calls."""
    seen: dict[str, list] = {"masking": [], "conv": [], "gru": [], "dense": []}

    def watch(name: str, layer: Any) -> None:
        own = layer.call
        signature = inspect.signature(own)

        def watched(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            seen[name.split()[0]].append((next(iter(given.values())), given.get("mask")))
            return own(*args, **kwargs)

        object.__setattr__(layer, "call", watched)

    try:
        for name, layer in parts.items():
            watch(name, layer)
        yield seen
    finally:
        for layer in parts.values():
            with contextlib.suppress(AttributeError):
                object.__delattr__(layer, "call")


def _say_why(seen: dict[str, list], mask: np.ndarray, name: str, moved: float) -> None:
    """Raise `NotYet` with what went wrong on the way through the layers."""
    if any(np.shape(x)[-1] != 1 for x, _ in seen["masking"]):
        raise NotYet(_("`Masking` now stands after the convolution: no sentinel is left there."))
    masks = [used for _, used in seen["gru"]]
    if len(masks) == 2:
        if masks[0] is None and masks[1] is None:
            raise NotYet(
                _(
                    "For {name} the output is wrong by {moved:.3f}: `Conv1D` drops the "
                    "mask, so neither GRU is given one.",
                    name=name,
                    moved=moved,
                )
            )
        if masks[0] is None:
            raise NotYet(
                _(
                    "The second GRU has a mask, and the first has none: where padding "
                    "stands before the values, the first GRU starts with padding."
                )
            )
        if masks[1] is None:
            raise NotYet(
                _(
                    "The first GRU has a mask, and the second is given none: it got lost "
                    "between the two. Give both of them `mask=`."
                )
            )
        for which, used in zip((N_("first"), N_("second")), masks):
            compare_mask(
                used,
                mask,
                {
                    _("The mask is flipped: True must mean *keep*."): ~mask,
                    _(
                        "The mask of the {which} GRU keeps every step. Was it made from "
                        "what the convolution returns? No sentinel is left there: ask "
                        "`Masking` for the mask of the *inputs*.",
                        which=_(which),
                    ): np.ones_like(mask),
                },
                shown=_(
                    "the mask that the {which} GRU is given, for {name}", which=_(which), name=name
                ),
            )
    if any(np.any(np.asarray(x)[~mask] != 0) for x, _ in seen["conv"]):
        raise NotYet(
            _(
                "The GRUs have the right mask, and for {name} padding still moves the "
                "output, by {moved:.3f}: the convolution reads the sentinel. Padded steps "
                "must be 0 before it, as `Masking` makes them.",
                name=name,
                moved=moved,
            )
        )
    raise NotYet(
        _(
            "For {name} the output differs by {moved:.3f} from that of the five layers of "
            "the post, in their order, with the right masks. Does each stand in its place, "
            "with nothing else computed between them?",
            name=name,
            moved=moved,
        )
    )


JUDGES = {"4.1": _merged_mask, "4.2": _read_on, "4.3": _rescued}
