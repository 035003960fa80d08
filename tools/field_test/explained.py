"""Why a model leaks: what is known, how surely, and how to live with it.

Kinds: `fault` (the library does not do what it says), `design` (the architecture mixes steps
and has no mask), `documented` (its documentation says so), `positions` (padding in front moves
the positions), `open` (not understood yet).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HUB = "https://github.com/keras-team/keras-hub/blob/v0.32.0/keras_hub/src/models"
HF = "https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/models"


LEAKS = ("after", "before", "skipping", "bfloat16")


@dataclass(frozen=True)
class Explanation:
    """Why one or several models leak.

    Attributes:
        library: As in the table.
        models: Their names as in the table, without what follows a comma.
        kind: See the head of this file.
        why: What happens and where, with links to lines of the library's source.
        sure: How it was made sure.
        live: How to live with it.
        questions: The columns that it explains; `"rows"`: rows that depend on their batch.
        report: The name of the text that is ready to be sent, under `docs/upstream`.
    """

    library: str
    models: tuple[str, ...]
    kind: str
    why: str
    sure: str
    live: str
    questions: tuple[str, ...] = LEAKS
    report: str = ""
    special: str = ""


def line(base: str, path: str, number: int) -> str:
    return f"[`{path.rpartition('/')[2]}`, line {number}]({base}/{path}#L{number})"


EXPLAINED = [
    Explanation(
        "KerasHub", ("XLNetBackbone",), "fault",
        "Two times a `reshape` stands where a transpose is meant: the padding mask `(B, T)` "
        f"becomes `(T, B)` in {line(HUB, 'xlnet/xlnet_encoder.py', 272)}, and the position "
        "vectors `(2T, B, D)` become `(B, 2T, D)` in "
        f"{line(HUB, 'xlnet/xlnet_content_and_query_embedding.py', 102)}. With more than one row "
        "both are scrambled over the batch. A model of one row is right. The second line does "
        "harm without any padding: identical rows get different answers.",
        "With the first line replaced by a transpose identical rows still differ; with the second "
        "alone they agree and padding leaks; with both the model is sound.",
        "One row at a time.",
        (*LEAKS, "mates", "sees"),
        "keras_hub_xlnet.md",
    ),
    Explanation(
        "KerasHub", ("ESMBackbone", "RoformerV2Backbone"), "fault",
        "The mask is reshaped to `(B, 1, T, 1)`, which is the queries' axis: what is masked is "
        "who asks, not who is asked, and real steps read the padding "
        f"({line(HUB, 'esm/esm_attention.py', 86)}, "
        f"{line(HUB, 'roformer_v2/roformer_v2_attention.py', 183)}). On the PyTorch backend two "
        "more lines repeat and transpose it, and there the models are sound.",
        "The same models with `KERAS_BACKEND=torch`: sound, both. The JAX backend takes the same "
        "lines as TensorFlow's; it was not measured.",
        "The PyTorch backend, or rows of one length.",
        report="keras_hub_esm_roformer.md",
    ),
    Explanation(
        "KerasHub", ("FNetBackbone",), "design",
        "A Fourier transform mixes all steps; there is no mask, and the model takes none.",
        "By its description.", "Pad all batches to one length, in training and in use.",
    ),
    Explanation(
        "KerasHub", ("T5Gemma2Backbone",), "positions",
        "In the decoder the queries are rotated by their position and the encoder's keys are not "
        f"({line(HUB, 't5gemma2/t5gemma2_attention.py', 617)}): what a target step reads of the "
        "source depends on where it stands.",
        "By the source; padding behind the target is sound.", "Pad the target behind.",
        ("before",),
    ),
    Explanation(
        "KerasHub", ("WhisperBackbone",), "documented",
        "The encoder takes no mask: every clip is padded to 30 seconds, and the model was trained "
        "to hear the silence.",
        "By its documentation.", "Pad every clip to the full length, as the preprocessor does.",
    ),
    Explanation(
        "KerasHub", ("MoonshineBackbone",), "open",
        "The sound passes a normalisation over the whole clip and three convolutions before any "
        "mask is made: both read the padded samples. Whether that explains all of it was not "
        "tried.",
        "By the source only.", "Clips of one length, or one at a time.",
    ),
    Explanation(
        "Transformers", ("YosoModel",), "fault",
        f"{line(HF, 'yoso/modeling_yoso.py', 356)} takes the mask for an additive one, 0 and "
        "-10000, and turns it back; but the model hands on the 0 and 1 that it was given, and "
        "both become 1. The mask has no effect: with and without one the outputs are the same "
        "to the last bit.",
        "Given the mask as `(mask - 1) * 10000`, the same model is sound.",
        "Give `attention_mask=(mask - 1) * 10000.0`, if `conv_window` is not set.",
        report="transformers_yoso.md",
    ),
    Explanation(
        "Transformers", ("NystromformerModel",), "fault",
        "With landmarks, as the published models have them, a batch with padding is an error: "
        "the mask has `(B, 1, T, T)` and the scores have one row for each landmark "
        f"({line(HF, 'nystromformer/modeling_nystromformer.py', 204)}).",
        "Without a mask, or with one that is all ones, the same model runs.",
        "Batches without padding.",
        ("after", "before", "skipping", "bfloat16", "mates"), "transformers_nystromformer.md",
        special="landmarks",
    ),
    Explanation(
        "Transformers", ("NystromformerModel",), "fault",
        "The start of an iterated inverse takes a maximum over the whole batch "
        f"({line(HF, 'nystromformer/modeling_nystromformer.py', 147)}): a row's answer depends on "
        "the others. (The option that takes it row by row ends in an error: the configuration is "
        f"subscripted, {line(HF, 'nystromformer/modeling_nystromformer.py', 119)}.)",
        "By the source; a row alone and in a batch, without padding, differ.",
        "One row at a time.", ("sees",), "transformers_nystromformer.md", "landmarks",
    ),
    Explanation(
        "Transformers", ("NystromformerModel",), "design",
        "A convolution over the values, 65 steps wide by default, is added to what attention "
        "finds, and reads padded steps "
        f"({line(HF, 'nystromformer/modeling_nystromformer.py', 212)}). "
        "The model is built for one length.",
        "By the source.", "Pad to the length that the model is built for, always.",
        special="as it comes",
    ),
    Explanation(
        "Transformers", ("ConvBertModel",), "design",
        "Half of the heads are convolutions over 9 steps; the mask reaches the other half only "
        f"({line(HF, 'convbert/modeling_convbert.py', 191)} and "
        f"{line(HF, 'convbert/modeling_convbert.py', 209)}).",
        "With the padded steps of both set to zero by hooks, the model is sound.",
        "One row at a time, or rows of one length.", report="transformers_convbert.md",
    ),
    Explanation(
        "Transformers", ("FNetModel",), "design",
        "A Fourier transform mixes all steps; there is no mask, and the model takes none.",
        "By its description.", "Pad all batches to one length, in training and in use.",
    ),
    Explanation(
        "Transformers", ("MraModel",), "fault",
        "Without its CUDA kernel attention returns zeros, without a word "
        f"({line(HF, 'mra/modeling_mra.py', 364)}): on a CPU no step sees any other, so nothing "
        "leaks, and nothing is attended to either.",
        "Changing one token moves the output of its own step only.",
        "Do not use it without a GPU.", ("sees",), "transformers_mra.md",
    ),
    Explanation(
        "Transformers", ("RecurrentGemmaModel",), "fault",
        "The recurrent block takes the mask and does not use it: its convolution "
        f"({line(HF, 'recurrent_gemma/modeling_recurrent_gemma.py', 446)}) and its recurrence "
        f"({line(HF, 'recurrent_gemma/modeling_recurrent_gemma.py', 457)}) read the padding in "
        "front, which is where its tokenizer puts it.",
        "With padded steps set to zero before both, by hooks, and positions that skip them, the "
        "model is sound; padding behind is sound as it is. [Reported in 2024]"
        "(https://github.com/huggingface/transformers/issues/31201), closed.",
        "Pad behind, or one row at a time.", ("before", "skipping"),
        "transformers_recurrent_gemma.md",
    ),
    Explanation(
        "Transformers", ("RwkvModel",), "documented",
        "The mask is not used, and a warning says so "
        f"({line(HF, 'rwkv/modeling_rwkv.py', 547)}): padding in front is read.",
        "By its warning; padding behind is sound.", "Pad behind.", ("before",),
    ),
    Explanation(
        "Transformers", ("CanineModel",), "open",
        "Characters are put together by a convolution with strides and apart by another "
        f"({line(HF, 'canine/modeling_canine.py', 204)}, "
        f"{line(HF, 'canine/modeling_canine.py', 262)}); neither knows the mask. Whether that is "
        "all of it was not tried.",
        "By the source only.", "Rows of one length.",
    ),
    Explanation(
        "Transformers", ("Wav2Vec2Model", "HubertModel"), "documented",
        "Models with `feat_extract_norm=\"group\"` normalise over the whole clip, padding "
        "included. The documentation says to give them no mask, and that their answers change "
        "slightly with padding "
        f"({line(HF, 'wav2vec2/feature_extraction_wav2vec2.py', 51)}).",
        "By its documentation; the same models with `\"layer\"` are sound.",
        "Clips of one length, or models with `\"layer\"`.", special="group norm",
    ),
    Explanation(
        "Transformers", ("Wav2Vec2ConformerModel",), "fault",
        "The convolution in every block takes no mask and reads padded frames "
        f"({line(HF, 'wav2vec2_conformer/modeling_wav2vec2_conformer.py', 417)}); that of "
        "Wav2Vec2Bert does, and is sound.",
        "With padded frames set to zero before that convolution, by hooks, the model is sound.",
        "Clips of one length.", report="transformers_wav2vec2_conformer.md",
    ),
    Explanation(
        "Transformers", ("Data2VecAudioModel",), "design",
        "Positions come from several convolutions in a row "
        f"({line(HF, 'data2vec/modeling_data2vec_audio.py', 129)}); what is padded is zero before "
        "the first and not before the others.",
        "With padded frames set to zero between them, by hooks, the model is sound.",
        "Clips of one length.",
    ),
    Explanation(
        "Transformers", ("SEWModel",), "design",
        "Frames are taken together in pairs. Where a clip has an odd number of frames, the last "
        "one is dropped if the clip stands alone, and paired with padding if it does not "
        f"({line(HF, 'sew/modeling_sew.py', 446)}).",
        "With clips of an even number of frames the model is sound.",
        "Cut clips to whole pairs of frames.",
    ),
    Explanation(
        "Transformers", ("LongT5Model",), "positions",
        "Blocks of steps are summed up for all to see; they are counted from the start of the "
        "row, so padding in front shifts what falls into a block "
        f"({line(HF, 'longt5/modeling_longt5.py', 203)}).",
        "By the source; padding behind is sound, and so is the local form.", "Pad behind.",
        ("before",), special="transient global",
    ),
]  # fmt: skip


def explanation(row: dict[str, Any], question: str) -> Explanation | None:
    """What is known of a leak, or an unanswered question, of a row."""
    name, _, special = row["model"].partition(", ")
    for found in EXPLAINED:
        if row["library"] == found.library and name in found.models:
            if question in found.questions and found.special in ("", special):
                return found
    return None


def kind_of(row: dict[str, Any], question: str) -> str:
    """In a word, why a row leaks in a column: what is written down, or what was measured."""
    found = explanation(row, question)
    if found:
        return found.kind
    if question == "before":
        other = row.get("skipping") or row.get("no positions") or {}
        if other.get("sound"):
            return "positions"
    return "open"
