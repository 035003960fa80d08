"""The forms of all layers that the atlas examines: one line each, in groups.

`k` is the module `keras.layers`, so that another Keras can be examined. A form whose class another
Keras lacks becomes a record that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers.atlas.measure import Form, Given
from helpers.language import N_

FORMS: list[Form] = []
PICTURE, VIDEO = (6, 3), (6, 6, 2)  # one step of time × frequency, of time × height × width


def _add(
    group: str, name: str, build: Callable, *, classes: str | None = None, **options: Any
) -> None:
    own = name.split("(")[0] if classes is None else classes
    FORMS.append(Form(name, group, tuple(own.split()), build, **options))


# --- core --------------------------------------------------------------------------------------
_ids = {"call": lambda layer, given, **o: layer(given.ids, **o)}
_add("core", "Embedding(mask_zero=True)", lambda k: k.Embedding(10, 4, mask_zero=True), **_ids)
_add("core", "Embedding()", lambda k: k.Embedding(10, 4), **_ids)
_add(
    "core",
    "ReversibleEmbedding(mask_zero=True)",
    lambda k: k.ReversibleEmbedding(10, 4, mask_zero=True),
    **_ids,
)
_add(
    "core",
    "ReversibleEmbedding, reverse=True",
    lambda k: k.ReversibleEmbedding(10, 6, mask_zero=True),
    classes="ReversibleEmbedding",
    call=lambda layer, given, **o: layer(given.x, reverse=True, **o),
)
_add("core", "Masking()", lambda k: k.Masking(), call=lambda layer, given, **o: layer(given.zeros))
_add(
    "core",
    "Masking() on a masked input",
    lambda k: k.Masking(),
    note=N_("the padded vectors are not zero"),
)
_add("core", "Dense", lambda k: k.Dense(4))
_add("core", "EinsumDense", lambda k: k.EinsumDense("btf,fg->btg", (None, 4), bias_axes="g"))
_add("core", "Identity", lambda k: k.Identity())
_add("core", "Lambda", lambda k: k.Lambda(lambda x: x * 2))
_add(
    "core", "Lambda(mask=function)", lambda k: k.Lambda(lambda x: x * 2, mask=lambda x, mask: mask)
)

# --- activations -------------------------------------------------------------------------------
_add("activations", 'Activation("softmax")', lambda k: k.Activation("softmax"))
for _name in ("ELU", "LeakyReLU", "ReLU"):
    _add("activations", _name, lambda k, n=_name: getattr(k, n)())
_add("activations", "PReLU(shared_axes=[1])", lambda k: k.PReLU(shared_axes=[1]))
_add("activations", "Softmax() on vectors", lambda k: k.Softmax())
_add("activations", "Softmax() on scores (B, T)", lambda k: k.Softmax(), step=())

# --- recurrent ---------------------------------------------------------------------------------


def _from_state(layer: Any, given: Given, **options: Any) -> Any:
    states = [given.state] * (1 + ("LSTM" in type(layer).__name__))
    return layer(given.x, initial_state=states, **options)


def _from_state_with_mask(layer: Any, given: Given, **options: Any) -> Any:
    states = [given.state] * (1 + ("LSTM" in type(layer).__name__))
    return layer(given.bare, initial_state=states, mask=given.mask, **options)


def _by_hand(layer: Any, given: Given, **options: Any) -> Any:
    return layer(given.bare, mask=given.mask, **options)


for _name in ("LSTM", "GRU", "SimpleRNN"):
    for _options in ("", "return_sequences=True", "return_sequences=True, return_state=True"):
        _add(
            "recurrent",
            f"{_name}({_options})" if _options else _name,
            lambda k, n=_name, o=_options: getattr(k, n)(
                4, return_sequences="sequences" in o, return_state="state" in o
            ),
        )
    for _extra, _call in (
        ("initial_state=…", _from_state),
        ("initial_state=…, mask=mask", _from_state_with_mask),
    ):
        _add(
            "recurrent",
            f"{_name}, {_extra}",
            lambda k, n=_name: getattr(k, n)(4),
            classes=_name,
            call=_call,
        )
_add(
    "recurrent",
    "LSTM(return_sequences=True), initial_state=…",
    lambda k: k.LSTM(4, return_sequences=True),
    classes="LSTM",
    call=_from_state,
)
_add("recurrent", "LSTM, mask=mask", lambda k: k.LSTM(4), classes="LSTM", call=_by_hand)
_add("recurrent", "LSTM(return_state=True)", lambda k: k.LSTM(4, return_state=True))
_add(
    "recurrent",
    "LSTM(go_backwards=True, return_sequences=True)",
    lambda k: k.LSTM(4, go_backwards=True, return_sequences=True),
)
_add(
    "recurrent",
    "LSTM(zero_output_for_mask=True)",
    lambda k: k.LSTM(4, zero_output_for_mask=True),
)
_cells = "LSTMCell GRUCell SimpleRNNCell".split()
for _name in _cells:
    _add(
        "recurrent",
        f"RNN({_name}, return_sequences=True)",
        lambda k, n=_name: k.RNN(getattr(k, n)(4), return_sequences=True),
        classes=f"RNN {_name}",
    )
_add(
    "recurrent",
    "RNN([LSTMCell, LSTMCell])",
    lambda k: k.RNN(k.StackedRNNCells([k.LSTMCell(4), k.LSTMCell(4)])),
    classes="RNN StackedRNNCells LSTMCell",
)
_add("recurrent", "Bidirectional(LSTM)", lambda k: k.Bidirectional(k.LSTM(4)))
_add(
    "recurrent",
    "Bidirectional(LSTM(return_sequences=True))",
    lambda k: k.Bidirectional(k.LSTM(4, return_sequences=True)),
)
_add(
    "recurrent",
    "Bidirectional(GRU, merge_mode=None)",
    lambda k: k.Bidirectional(k.GRU(4, return_sequences=True), merge_mode=None),
)
_add(
    "recurrent",
    "Bidirectional(GRU), initial_state=…",
    lambda k: k.Bidirectional(k.GRU(4)),
    classes="Bidirectional",
    call=lambda layer, given, **o: layer(given.x, initial_state=[given.state] * 2, **o),
)
_add("recurrent", "TimeDistributed(Dense)", lambda k: k.TimeDistributed(k.Dense(4)))
_add(
    "recurrent",
    "TimeDistributed(LSTM)",
    lambda k: k.TimeDistributed(k.LSTM(4)),
    step=PICTURE,
    note=N_("each step is itself a sequence"),
)
for _n, _step in ((1, (3, 2)), (2, (3, 3, 2)), (3, (2, 3, 3, 2))):
    _add(
        "recurrent",
        f"ConvLSTM{_n}D(return_sequences=True)",
        lambda k, n=_n: getattr(k, f"ConvLSTM{n}D")(2, 2, return_sequences=True),
        step=_step,
    )
_add("recurrent", "ConvLSTM1D", lambda k: k.ConvLSTM1D(2, 2), step=(3, 2))

# --- attention ---------------------------------------------------------------------------------


def _attend(layer: Any, given: Given, **options: Any) -> Any:
    x = given.x
    return layer(x, x, **options)


def _attend_list(layer: Any, given: Given, **options: Any) -> Any:
    x = given.x
    return layer([x, x], **options)


for _name in ("Attention", "AdditiveAttention"):
    _add("attention", f"{_name}()([x, x])", lambda k, n=_name: getattr(k, n)(), call=_attend_list)
    _add(
        "attention",
        f"{_name}()([x, x], mask=[mask, mask])",
        lambda k, n=_name: getattr(k, n)(),
        call=lambda layer, g, **o: layer([g.bare, g.bare], mask=[g.mask, g.mask], **o),
    )
    _add(
        "attention",
        f"{_name}()([query, x])",
        lambda k, n=_name: getattr(k, n)(),
        call=lambda layer, g, **o: layer([g.query, g.x], **o),
        note=N_("only x is padded"),
    )
_makers = {
    "MultiHeadAttention": lambda k, **o: k.MultiHeadAttention(2, 4, **o),
    "GroupQueryAttention": lambda k, **o: k.GroupQueryAttention(4, 2, 1, **o),
}
for _name, _make in _makers.items():
    _add("attention", f"{_name}(…)(x, x)", _make, call=_attend)
    _add(
        "attention",
        f"{_name}(…)(x, x, use_causal_mask=True)",
        _make,
        call=lambda layer, given, **o: _attend(layer, given, use_causal_mask=True, **o),
    )
    _add(
        "attention",
        f"{_name}(…)(x, x, return_attention_scores=True)",
        _make,
        call=lambda layer, given, **o: _attend(layer, given, return_attention_scores=True, **o)[0],
        note=N_("the first output; the scores carry the mask of all pairs"),
    )
    _add(
        "attention",
        f"{_name}(dropout=0.1)(x, x)",
        lambda k, m=_make: m(k, dropout=0.1),
        call=_attend,
    )
    _add(
        "attention",
        f"{_name}(…)(x, x, attention_mask=…)",
        _make,
        call=lambda layer, g, **o: layer(
            g.bare,
            g.bare,
            attention_mask=None if g.mask is None else g.mask[:, None, :],
            **o,
        ),
    )
    _add(
        "attention",
        f"{_name}(…)(query, x)",
        _make,
        call=lambda layer, g, **o: layer(g.query, g.x, **o),
        note=N_("only x is padded"),
    )


def _residual(layers: Any, given: Given, **options: Any) -> Any:
    attention, add = layers
    x = given.x
    return add([x, attention(x, x, **options)])


_add(
    "attention",
    "Add()([x, MultiHeadAttention(…)(x, x)])",
    lambda k: (k.MultiHeadAttention(2, 4), k.Add()),
    classes="Add MultiHeadAttention",
    call=_residual,
    note=N_("the sum has no mask"),
)
_add(
    "attention",
    "Add()([x, GroupQueryAttention(…)(x, x)])",
    lambda k: (k.GroupQueryAttention(4, 2, 1), k.Add()),
    classes="Add GroupQueryAttention",
    call=_residual,
)

# --- merging -----------------------------------------------------------------------------------
for _name in ("Add", "Average", "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate"):
    _add(
        "merging",
        f"{_name}()([x, y])",
        lambda k, n=_name: getattr(k, n)(),
        call=lambda layer, given, **o: layer([given.x, given.y], **o),
    )
    _add(
        "merging",
        f"{_name}()([x, y]), y without a mask",
        lambda k, n=_name: getattr(k, n)(),
        classes=_name,
        call=lambda layer, given, **o: layer([given.x, given.bare_y], **o),
    )
_add(
    "merging",
    "Concatenate(axis=1)([x, y])",
    lambda k: k.Concatenate(axis=1),
    call=lambda layer, given, **o: layer([given.x, given.y], **o),
    fixed=True,
)
_add(
    "merging",
    "Dot(axes=2)([x, y])",
    lambda k: k.Dot(axes=2),
    call=lambda layer, given, **o: layer([given.x, given.y], **o),
    fixed=True,
)

# --- normalization -----------------------------------------------------------------------------
_add("normalization", "BatchNormalization", lambda k: k.BatchNormalization())
_add("normalization", "LayerNormalization", lambda k: k.LayerNormalization())
_add(
    "normalization",
    "LayerNormalization(axis=[1, 2])",
    lambda k: k.LayerNormalization(axis=[1, 2]),
    fixed=True,
)
_add("normalization", "RMSNormalization", lambda k: k.RMSNormalization())
_add("normalization", "GroupNormalization(groups=2)", lambda k: k.GroupNormalization(groups=2))
_add("normalization", "UnitNormalization", lambda k: k.UnitNormalization())
_add("normalization", "UnitNormalization(axis=1)", lambda k: k.UnitNormalization(axis=1))
_add(
    "normalization",
    "SpectralNormalization(Dense)",
    lambda k: k.SpectralNormalization(k.Dense(4)),
)
_add(
    "normalization",
    "SpectralNormalization(Conv1D)",
    lambda k: k.SpectralNormalization(k.Conv1D(4, 3, padding="same")),
)

# --- regularization ----------------------------------------------------------------------------
for _name in ("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "SpatialDropout1D"):
    _add("regularization", f"{_name}(0.5)", lambda k, n=_name: getattr(k, n)(0.5))
_add("regularization", "SpatialDropout2D(0.5)", lambda k: k.SpatialDropout2D(0.5), step=PICTURE)
_add("regularization", "SpatialDropout3D(0.5)", lambda k: k.SpatialDropout3D(0.5), step=VIDEO)
_add("regularization", "ActivityRegularization", lambda k: k.ActivityRegularization(l2=0.1))

# --- convolution -------------------------------------------------------------------------------
_add("convolution", 'Conv1D(padding="same")', lambda k: k.Conv1D(4, 3, padding="same"))
_add("convolution", 'Conv1D(padding="causal")', lambda k: k.Conv1D(4, 3, padding="causal"))
_add("convolution", "Conv1D", lambda k: k.Conv1D(4, 2), output_steps=lambda n: n - 1)
_add(
    "convolution",
    "Conv1D(strides=2)",
    lambda k: k.Conv1D(4, 2, strides=2),
    output_steps=lambda n: n // 2,
)
_add(
    "convolution",
    "Conv1DTranspose",
    lambda k: k.Conv1DTranspose(4, 2),
    output_steps=lambda n: n + 1,
)
for _name in ("SeparableConv1D", "DepthwiseConv1D"):
    _add(
        "convolution",
        f'{_name}(padding="same")',
        lambda k, n=_name: getattr(k, n)(*(4, 3)[-1 - (n[0] == "S") :], padding="same"),
    )
for _name in ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose"):
    _add(
        "convolution",
        f'{_name}(padding="same")',
        lambda k, n=_name: getattr(k, n)(*((3,) if n[0] == "D" else (4, 3)), padding="same"),
        step=PICTURE,
    )
for _name in ("Conv3D", "Conv3DTranspose"):
    _add(
        "convolution",
        f'{_name}(padding="same")',
        lambda k, n=_name: getattr(k, n)(2, 3, padding="same"),
        step=VIDEO,
    )

# --- pooling -----------------------------------------------------------------------------------
for _n, _step in ((1, (6,)), (2, PICTURE), (3, VIDEO)):
    for _kind in ("Average", "Max"):
        _add(
            "pooling",
            f"Global{_kind}Pooling{_n}D",
            lambda k, n=_n, kind=_kind: getattr(k, f"Global{kind}Pooling{n}D")(),
            step=_step,
        )
        _add(
            "pooling",
            f"{_kind}Pooling{_n}D",
            lambda k, n=_n, kind=_kind: getattr(k, f"{kind}Pooling{n}D")(2),
            step=_step,
            output_steps=lambda n: n // 2,
        )
        _add(
            "pooling",
            f"Adaptive{_kind}Pooling{_n}D(1)",
            lambda k, n=_n, kind=_kind: getattr(k, f"Adaptive{kind}Pooling{n}D")(1),
            step=_step,
        )
_add(
    "pooling",
    "GlobalAveragePooling1D, mask=mask",
    lambda k: k.GlobalAveragePooling1D(),
    classes="GlobalAveragePooling1D",
    call=_by_hand,
)

# --- reshaping ---------------------------------------------------------------------------------
_add("reshaping", "Flatten", lambda k: k.Flatten(), fixed=True)
_add("reshaping", "Reshape((-1, 2, 3))", lambda k: k.Reshape((-1, 2, 3)))
_add("reshaping", "Permute((2, 1))", lambda k: k.Permute((2, 1)), fixed=True)
_add(
    "reshaping",
    "RepeatVector(3) on numbers (B, T)",
    lambda k: k.RepeatVector(3),
    step=(),
    fixed=True,
)
for _n, _step in ((1, (6,)), (2, PICTURE), (3, VIDEO)):
    _more = ((0, 0),) * (_n - 1)
    _add(
        "reshaping",
        f"Cropping{_n}D",
        lambda k, n=_n, m=_more: getattr(k, f"Cropping{n}D")(((0, 1), *m) if m else (0, 1)),
        step=_step,
        output_steps=lambda n: n - 1,
        note=N_("the last step is cut off"),
    )
    _add(
        "reshaping",
        f"ZeroPadding{_n}D",
        lambda k, n=_n, m=_more: getattr(k, f"ZeroPadding{n}D")(((1, 1), *m) if m else 1),
        step=_step,
        output_steps=lambda n: n + 2,
        note=N_("its own zeros count as real steps"),
    )
    _add(
        "reshaping",
        f"UpSampling{_n}D",
        lambda k, n=_n: getattr(k, f"UpSampling{n}D")(2 if n == 1 else (2, *(1,) * (n - 1))),
        step=_step,
        output_steps=lambda n: 2 * n,
    )

# --- preprocessing that can stand in a model ---------------------------------------------------
_add("preprocessing", "Rescaling", lambda k: k.Rescaling(0.5))
_add(
    "preprocessing",
    "Normalization",
    lambda k: k.Normalization(mean=[0.5] * 6, variance=[2.0] * 6),
)
_add("preprocessing", "Discretization", lambda k: k.Discretization([-0.5, 0.5]), step=())
_add(
    "preprocessing",
    'CategoryEncoding("count") of ids',
    lambda k: k.CategoryEncoding(10, output_mode="count"),
    classes="CategoryEncoding",
    call=lambda layer, given, **o: layer(given.ids),
)
_add(
    "preprocessing",
    "Hashing(mask_value=0) of ids",
    lambda k: k.Hashing(5, mask_value=0),
    classes="Hashing",
    call=lambda layer, given, **o: layer(given.ids),
)
_add(
    "preprocessing",
    "IntegerLookup(mask_token=0) of ids",
    lambda k: k.IntegerLookup(vocabulary=list(range(1, 10)), mask_token=0),
    classes="IntegerLookup",
    call=lambda layer, given, **o: layer(given.ids),
)


def _words(given: Given) -> Any:
    import numpy as np

    return np.where(given.ids != 0, given.ids.astype("U1"), "")


_add(
    "preprocessing",
    'StringLookup(mask_token="") of words',
    lambda k: k.StringLookup(vocabulary=list("123456789"), mask_token=""),
    classes="StringLookup",
    call=lambda layer, given, **o: layer(_words(given)),
)
_add(
    "preprocessing",
    "TextVectorization of sentences",
    lambda k: k.TextVectorization(vocabulary=list("123456789")),
    classes="TextVectorization",
    call=lambda layer, given, **o: layer([" ".join(row).strip() for row in _words(given)]),
    note=N_("it pads by itself"),
)
