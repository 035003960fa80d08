"""Which tutorials are measured, what they promise, and how each is measured."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from maskprobe import influence, padding_leak
from tools.field_test.measure import reason
from tools.field_test.subjects import Inputs, real

import numpy as np

LENGTHS, TARGETS = [10, 7, 4, 8], [6, 3, 5, 4]
EIGHTHS = [32, 24, 8, 16]  # three convolutions of stride 2 leave an eighth
VOCABULARY, FRAME = 20, 6
SPREAD = 0.5  # of the random weights
SEEDS = (0, 1)
KERAS_IO = "https://github.com/keras-team/keras-io/blob"
TF_TEXT = "https://github.com/tensorflow/text/blob"
BOOK = "https://github.com/ageron/handson-ml3/blob/e3f3f9e/16_nlp_with_rnns_and_attention.ipynb"


@dataclass(frozen=True)
class Tutorial:
    """A published tutorial.

    Attributes:
        name: What it is called.
        link: Where it is, at the commit that was read.
        kind: `"sound"`, `"no mask"` (none is meant), `"mask fails"` (meant, and it does not
            work on this Keras) or `"loss"` (padding counts in a number, against its own text).
        means: What it says or shows that it means to do about padding.
        why: What happens, and why.
        change: The smallest change.
        model: Its name in `tutorial_models`, with arguments before `mended`.
        batch: What the batch holds: see `_batch`.
        side: Where its padding stands.
        looks_back: Whether a step is meant to see earlier steps only.
        loss: Its number against the one that leaves padding out: see `_losses`.
    """

    name: str
    link: str
    kind: str
    means: str
    why: str
    change: str
    model: tuple[Any, ...]
    batch: str = "ids"
    side: str = "post"
    looks_back: bool = False
    loss: str = ""
    keras: str = "3"
    options: dict[str, Any] = field(default_factory=dict)


NO_MASK = "No mask is made, so the padded steps are steps like any other."
HALF = "Nothing is said about padding in the model."

TUTORIALS = [
    Tutorial(
        "Text classification with Transformer",
        f"{KERAS_IO}/1909c67/examples/nlp/text_classification_with_transformer.py",
        "no mask", HALF,
        "No mask is made, and the mean takes padded steps in. With `mask_zero=True` alone the "
        "leak stays, for the pads stand in front and move every position.",
        "`mask_zero=True`, the mask handed to the attention, positions counted over real steps.",
        ("transformer_classifier",), side="pre",
    ),
    Tutorial(
        "Bidirectional LSTM on IMDB", f"{KERAS_IO}/0a4be8b/examples/nlp/bidirectional_lstm_imdb.py",
        "no mask", HALF, NO_MASK, "`mask_zero=True` in the `Embedding`.",
        ("two_bidirectional",), side="pre",
    ),
    Tutorial(
        "Review classification using active learning",
        f"{KERAS_IO}/1909c67/examples/nlp/active_learning_review_classification.py",
        "no mask", HALF,
        "No mask is made; `GlobalMaxPooling1D` would not use one.",
        "`mask_zero=True`, and a maximum over the real steps.",
        ("bidirectional_and_maximum",),
    ),
    Tutorial(
        "Using pre-trained word embeddings",
        f"{KERAS_IO}/1909c67/examples/nlp/pretrained_word_embeddings.py",
        "no mask", HALF,
        "Convolutions and `GlobalMaxPooling1D` know no masks.",
        "None that is small: the padded steps would have to be set to zero after each "
        "convolution and left out of the maximum.",
        ("convolutions",),
    ),
    Tutorial(
        "Named entity recognition using Transformers",
        f"{KERAS_IO}/a72c25d/examples/nlp/ner_transformers.py",
        "no mask", "The loss leaves padding out, and it does. " + HALF,
        NO_MASK, "A mask handed to the attention.", ("token_tagger",), loss="weights, by hand",
    ),
    Tutorial(
        "End-to-end masked language modeling with BERT",
        f"{KERAS_IO}/09c4aa9/examples/nlp/masked_language_modeling.py",
        "no mask", "Sample weights choose the steps that count, and they do. " + HALF,
        NO_MASK, "A mask handed to the attention.", ("token_tagger",), loss="weights, by hand",
    ),
    Tutorial(
        "Character-level recurrent sequence-to-sequence model",
        f"{KERAS_IO}/1909c67/examples/nlp/lstm_seq2seq.py",
        "no mask", "Short sentences are filled up with a one-hot space.",
        "The encoder reads the spaces, and its last state is the state after them.",
        "A mask of the steps that are no space for the encoder.",
        ("recurrent_translator",), batch="one-hot",
    ),
    Tutorial(
        "Text generation with a miniature GPT",
        f"{KERAS_IO}/b8bb4c0/examples/generative/text_generation_with_miniature_gpt.py",
        "sound", "A step sees earlier steps only.",
        "Padding stands behind the text, where no step looks.", "", ("small_gpt",),
        looks_back=True,
    ),
    Tutorial(
        "Automatic speech recognition with Transformer",
        f"{KERAS_IO}/0c4052b/examples/audio/transformer_asr.py",
        "loss", "The loss gets a `sample_weight` that is 0 for padding; nothing is said of the "
        "padded sound.",
        "The loss of the padded steps is 0, and the mean is taken over all steps: the longer the "
        "padding, the smaller the loss. The padded sound is read like silence.",
        "`reduction=\"mean_with_sample_weight\"` in the loss; for the sound, clips of whole "
        "eighths of frames and a mask halved with each convolution.",
        ("speech",), batch="frames and target", loss="weights, mean over all",
    ),
    Tutorial(
        "Image captioning", f"{KERAS_IO}/8bda227/examples/vision/image_captioning.py",
        "sound", "The decoder's attention gets the caption's mask and looks back only.",
        "It does.", "", ("captions",), looks_back=True,
    ),
    Tutorial(
        "Video classification with a CNN-RNN architecture",
        f"{KERAS_IO}/02aec1b/examples/vision/video_classification.py",
        "sound", "The mask of real frames is an input of the model.", "It is used.", "",
        ("video_recurrent",), batch="frames and mask",
    ),
    Tutorial(
        "Video classification with Transformers",
        f"{KERAS_IO}/b8bb4c0/examples/vision/video_transformers.py",
        "mask fails", "`compute_mask` marks frames that are all zero as padding.",
        "The encoder uses the mask and does not hand it on (no `supports_masking`), and "
        "`GlobalMaxPooling1D` would not use it.",
        "`self.supports_masking = True`, and a maximum over the real frames.",
        ("video_transformer",), batch="frames", keras="2 and 3",
    ),
    Tutorial(
        "English-to-Spanish translation with a Transformer, as of 2022",
        f"{KERAS_IO}/035d541/examples/nlp/neural_machine_translation_with_transformer.py",
        "mask fails", "Padding is masked in the encoder and in the decoder.",
        "Written for Keras 2, where `mask` was filled in. In Keras 3 it stays empty for a call "
        "with two tensors, and the model is not built. (Where it is filled in, the decoder's "
        "mask is laid over the encoder's steps.)",
        "The masks as arguments: `decoder(x, encoded, source_mask=…)`.",
        ("translator", "2022", 1), batch="pair", looks_back=True, keras="2",
    ),
    Tutorial(
        "English-to-Spanish translation with a Transformer, Keras 3, as published (1 decoder)",
        f"{KERAS_IO}/1909c6710cd3f5af6401f1176dcee9e26781b4f3/examples/nlp/"
        "neural_machine_translation_with_transformer.py",
        "loss", "Padding is masked in the encoder and in the decoder.",
        "The masks work. The accuracy is weighted by the mask of the decoder's *input*, which "
        "keeps one step more than the labels: one pad in each row counts.",
        "`weighted_metrics` and a `sample_weight` of the labels, or `ignore_class=0`.",
        ("translator", "Keras 3", 1), batch="pair", looks_back=True, loss="accuracy, input's mask",
    ),
    Tutorial(
        "The same with 2 decoders, as readers build it",
        f"{KERAS_IO}/1909c6710cd3f5af6401f1176dcee9e26781b4f3/examples/nlp/"
        "neural_machine_translation_with_transformer.py",
        "mask fails", "The same. (The tutorial itself has one decoder.)",
        "`MultiHeadAttention` takes the mask off the tensors that it is given, so the second "
        "decoder finds none on the encoder's output.",
        "The masks as arguments: `decoder(x, encoded, source_mask=…)`.",
        ("translator", "Keras 3", 2), batch="pair", looks_back=True,
    ),
    Tutorial(
        "English-to-Spanish translation with KerasHub",
        f"{KERAS_IO}/1909c6710cd3f5af6401f1176dcee9e26781b4f3/examples/nlp/"
        "neural_machine_translation_with_keras_hub.py",
        "mask fails", "The text says that `mask_zero=True` of `TokenAndPositionEmbedding` masks "
        "the padding.",
        "It is set nowhere. The accuracy counts padding, too.",
        "`mask_zero=True` in both embeddings; `ignore_class=0` for the numbers.",
        ("hub_translator",), batch="pair", looks_back=True, loss="accuracy, no mask",
    ),
    Tutorial(
        "GPT text generation from scratch with KerasHub",
        f"{KERAS_IO}/20c4bbb/examples/generative/text_generation_gpt.py",
        "loss", "`mask_zero=True`; the loss leaves padding out.",
        "The loss is weighted by the mask of the *input*, which keeps one step more than the "
        "labels: one pad in each row counts.",
        "`ignore_class=0` in the loss.", ("hub_gpt",), looks_back=True, loss="input's mask",
    ),
    Tutorial(
        "Text generation using FNet",
        f"{KERAS_IO}/f54746f/examples/generative/text_generation_fnet.py",
        "mask fails", "The decoder masks padding.",
        "Not built in Keras 3, like the translation of 2022, whose decoder it takes. With the "
        "decoder mended it leaks all the same: the Fourier transform of the encoder mixes all "
        "steps, and takes no mask.",
        "The masks as arguments; none for the encoder, by design.",
        ("fourier_translator",), batch="pair", looks_back=True, keras="2",
    ),
    Tutorial(
        "Guide: pretraining a Transformer from scratch with KerasHub",
        f"{KERAS_IO}/4b053e89f37c83265c385128bb5487a4c944a48f/guides/keras_hub/"
        "transformer_pretraining.py",
        "loss", "Sample weights remove padded labels from the loss.",
        "Their loss is 0, and the mean is taken over all labels. The encoder masks no padding.",
        "`reduction=\"mean_with_sample_weight\"` in the loss, `mask_zero=True` in the embedding.",
        ("hub_tagger",), loss="weights, mean over all",
    ),
    Tutorial(
        "Music generation with Transformer models",
        f"{KERAS_IO}/3491f0f560d51304416e112aa20fecc38e21e742/examples/generative/"
        "midi_generation_with_transformer.py",
        "loss", "The loss is \"computed only for non-padding tokens\"; the mask is made by hand.",
        "The mask works. The loss of padded steps is 0, and the mean is taken over all steps.",
        "Divide by the number of real steps.", ("music",), looks_back=True, loss="times mask",
    ),
    Tutorial(
        "Guide: understanding masking and padding, `TemporalSoftmax`",
        f"{KERAS_IO}/0845fa96b2b9c5fca8fab94b7278d0adc4d9a1a2/guides/"
        "understanding_masking_and_padding.py",
        "mask fails", "A softmax over the real steps.",
        "Divided by the sum of the inputs instead of their exponentials: the weights do not add "
        "up to 1. Padding itself stays out.",
        "Sum the exponentials.", ("softmax_over_time",), loss="sum of weights",
    ),
    Tutorial(
        "TensorFlow: neural machine translation with a Transformer and Keras",
        f"{TF_TEXT}/218b976be7f0dcf11ab87e8fdb7f283c45577c38/docs/tutorials/transformer.ipynb",
        "mask fails", "Layers of `Add` make the residual sums, so that Keras' masks are handed on.",
        "`MultiHeadAttention` takes the mask off the tensors that it is given and hands on none "
        "of its own; the sum that follows has no mask, nor have the layers behind it.",
        "`attention_mask=` throughout, made from the ids.",
        ("PropagatingTransformer", 2), batch="named pair", looks_back=True, keras="2",
    ),
    Tutorial(
        "TensorFlow: neural machine translation with attention, translating",
        f"{TF_TEXT}/c1ddc39b5799440a607490061207e54fc5370ea0/docs/tutorials/"
        "nmt_with_attention.ipynb",
        "mask fails", "The encoder's mask keeps attention on real words.",
        "Right in training, which is one call. Translating is a loop: at its first step the "
        "attention takes the mask off the encoder's output, and every later step finds none.",
        "`attention_mask=` in every step.",
        ("StepwiseTranslator",), batch="named pair", looks_back=True, keras="2",
    ),
    Tutorial(
        "TensorFlow: text classification with an RNN",
        f"{TF_TEXT}/17c38bf/docs/tutorials/text_classification_rnn.ipynb",
        "sound", "`mask_zero=True`, shown by a padded and an unpadded run.", "It works.", "",
        ("recurrent_classifier", "lstm", True), options={"mended_argument": False},
    ),
    Tutorial(
        "TensorFlow: image captioning with visual attention",
        f"{TF_TEXT}/17c38bf/docs/tutorials/image_captioning.ipynb",
        "mask fails", "`Add` layers keep the masks.",
        "`Add` of tokens `(batch, …)` and positions `(1, …)` raises an error in Keras 3.",
        "`+` in place of `Add`.", ("CaptionsWithPicture",), looks_back=True, keras="2",
    ),
    Tutorial(
        "Hands-On Machine Learning, chapter 16: GRU without a mask", BOOK,
        "no mask", "The book says that padding gets in, and mends it next.", NO_MASK,
        "`mask_zero=True`, as the book does.", ("recurrent_classifier", "gru"),
    ),
    Tutorial(
        "Hands-On Machine Learning, chapter 16: Transformer", BOOK,
        "loss", "Masks made from the ids for every attention.",
        "The masks work. Loss and accuracy are taken over all steps: what padding adds depends "
        "on its length.",
        "A `sample_weight` of the labels and `weighted_metrics`, or `ignore_class=0`.",
        ("book_transformer",), batch="pair", looks_back=True, loss="no mask", keras="2",
    ),
]  # fmt: skip


def measured(tutorial: Tutorial) -> dict[str, Any]:
    """What was measured of a tutorial, as it is and with the smallest change."""
    import keras

    keras.backend.clear_session()
    row: dict[str, Any] = {"tutorial": tutorial.name, "kind": tutorial.kind}
    row["leak"] = _leak(tutorial, mended=False)
    if tutorial.change and tutorial.model[0] != "convolutions":
        row["leak after"] = _leak(tutorial, mended=True)
    if tutorial.looks_back:
        row["sees later"] = _later(tutorial, mended="failed" in row["leak"])
    if tutorial.loss:
        row["numbers"] = _losses(tutorial.loss)
    return row


def _build(tutorial: Tutorial, mended: bool) -> Any:
    from tools.field_test import tutorial_models

    import keras

    keras.utils.set_random_seed(0)
    name, *arguments = tutorial.model
    made = getattr(tutorial_models, name)
    return made(*arguments) if len(arguments) == 2 and name[0] == "r" else made(*arguments, mended)


def _batch(tutorial: Tutorial, seed: int) -> tuple[Inputs, dict[str, Any]]:
    """A padded batch, and how its padding is told to the probe."""
    rng = np.random.default_rng(seed)
    lengths = EIGHTHS if tutorial.batch == "frames and target" else LENGTHS
    mask = real(lengths, tutorial.side)
    whole = rng.integers(1, VOCABULARY, size=mask.shape).astype("int32")
    inputs: Inputs = {"ids": np.where(mask, whole, 0).astype("int32")}
    options: dict[str, Any] = {"lengths": lengths, "side": tutorial.side, "which": ("ids",)}
    targets = real(TARGETS, "post")
    words = np.where(targets, rng.integers(1, VOCABULARY, size=targets.shape), 0).astype("int32")
    if "frames" in tutorial.batch:
        frames = rng.normal(size=(*mask.shape, FRAME)).astype("float32")
        inputs["ids"] = frames * mask[..., None]
    if tutorial.batch == "one-hot":
        letters = np.where(mask, whole % (FRAME - 1) + 1, 0)
        inputs["ids"] = np.eye(FRAME, dtype="float32")[letters]
        inputs["target"] = np.eye(FRAME, dtype="float32")[words % FRAME]
    if tutorial.batch == "frames and mask":
        inputs["mask"], options["which"] = mask, ("ids", "mask")
    if "target" in tutorial.batch or "pair" in tutorial.batch:
        inputs["target"], options["output_mask"] = words, targets
    return inputs, options


def _called(tutorial: Tutorial, model: Any, seed: int, inputs: Inputs) -> Callable[[Inputs], Any]:
    """The model with random weights, as a function of the batch."""

    def call(inputs: Inputs) -> Any:
        many = len(inputs) > 1 or tutorial.batch == "named pair"
        return model(inputs if many else inputs["ids"], training=False)

    call(inputs)  # builds it
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(size=w.shape) * SPREAD for w in model.get_weights()])
    return call


def _leak(tutorial: Tutorial, mended: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"share": 0.0, "sound": True}
    for seed in SEEDS:
        inputs, options = _batch(tutorial, seed)
        try:
            model = _called(tutorial, _build(tutorial, mended), seed, inputs)
            size = float(np.abs(np.asarray(model(inputs))).max())
            leak = padding_leak(model, inputs, **options)
        except (ValueError, TypeError, RuntimeError) as error:
            return {"failed": reason(error)}
        except Exception as error:  # an error of the framework's own
            return {"failed": reason(error)}
        found["share"] = max(found["share"], float(f"{float(leak.max()) / size:.2g}"))
        found["sound"] &= leak.sound
    return found


def _later(tutorial: Tutorial, mended: bool) -> int | str:
    """How many pairs of steps there are in which a step sees a later one."""
    inputs, _ = _batch(tutorial, 0)
    key = "target" if "target" in inputs else "ids"
    one = {name: x[:1] for name, x in inputs.items()}
    try:
        model = _called(tutorial, _build(tutorial, mended), 0, one)
        moved = influence(model, one, which=key, pad_value=None, vocabulary=range(1, VOCABULARY))
    except (ValueError, TypeError, RuntimeError) as error:
        return reason(error)
    return int((np.triu(moved, 1) > 1e-5 * moved.max()).sum())


@functools.cache
def _labels() -> tuple[np.ndarray, np.ndarray]:
    """Labels `(B, T)`, 0 where padded, and logits `(B, T, F)`."""
    rng = np.random.default_rng(0)
    mask = real([6, 3, 5, 4], "post")
    return np.where(mask, rng.integers(1, VOCABULARY, mask.shape), 0), rng.normal(
        size=(*mask.shape, VOCABULARY)
    ).astype("float32") * 2


def _losses(kind: str) -> dict[str, float]:
    """The tutorial's number on fixed labels and logits, and the one without padding."""
    import keras
    from keras import ops

    labels, logits = _labels()
    mask, places = labels != 0, np.arange(VOCABULARY)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    steps = -np.log(
        np.take_along_axis(shifted / shifted.sum(-1, keepdims=True), labels[..., None], -1)
    )[..., 0]
    wanted = float(steps[mask].mean())
    loss = keras.losses.SparseCategoricalCrossentropy
    more = np.concatenate([np.ones_like(mask[:, :1]), mask], axis=1)[:, :-1]  # the input's mask
    if kind == "weights, by hand":
        theirs = float((steps * mask).sum() / mask.sum())
    elif kind == "weights, mean over all":
        theirs = float(loss(from_logits=True)(labels, logits, sample_weight=mask))
    elif kind == "times mask":

        class TimesMask(keras.losses.Loss):
            def call(self, y_true: Any, y_pred: Any) -> Any:
                return ops.convert_to_tensor(steps * mask)

        theirs = float(TimesMask()(labels, logits))
    elif kind == "no mask":
        theirs = float(loss(from_logits=True)(labels, logits))
    elif kind == "input's mask":
        given = ops.convert_to_tensor(logits)
        given._keras_mask = ops.convert_to_tensor(more)
        theirs = float(loss(from_logits=True)(labels, given))
    elif kind.startswith("accuracy"):  # of a model that is right at every real step
        sure = np.where(places == np.where(mask, labels, 1)[..., None], 9.0, 0.0)
        metric, wanted = keras.metrics.SparseCategoricalAccuracy(), 1.0
        metric.update_state(labels, sure, sample_weight=more if "input" in kind else None)
        theirs = float(metric.result())
    else:  # the sum of the weights of a softmax over time
        from tools.field_test.tutorial_models import softmax_over_time

        ids = np.where(mask, labels, 0).astype("int32")
        theirs = float(np.abs(np.asarray(softmax_over_time(False)(ids)).sum(axis=1)).max())
        wanted = 1.0
    return {"theirs": float(f"{theirs:.3g}"), "without padding": float(f"{wanted:.3g}")}
