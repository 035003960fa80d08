"""The backbones of KerasHub that take tokens or sound, small and with random weights."""

from __future__ import annotations

import functools
import re
from typing import Any

from tools.field_test.subjects import VOCABULARY, Inputs, Subject

import numpy as np

V = {"vocabulary_size": VOCABULARY, "num_layers": 2, "hidden_dim": 32, "intermediate_dim": 48}
FULL = V | {"num_heads": 4}
SHARED = V | {"num_query_heads": 4, "num_key_value_heads": 2}
HEADS = SHARED | {"head_dim": 8}
LONG = {"max_sequence_length": 128}
STILL = {"dropout": 0.0}
TWO = ["linear_attention", "full_attention"]
LINEAR = {
    "layer_types": TWO, "partial_rotary_factor": 0.5, "linear_num_key_heads": 2,
    "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
}  # fmt: skip
EXPERTS = {"num_experts": 4}
SHARED_EXPERT = EXPERTS | {"moe_intermediate_dim": 16, "top_k": 2}
NORMS = {"use_post_ffw_norm": True, "use_post_attention_norm": True}
WINDOW = {"use_sliding_window_attention": True, "sliding_window_size": 4}
SIDES = {
    f"{side}_{key}": value
    for side in ("encoder", "decoder")
    for key, value in {
        "hidden_dim": 32, "intermediate_dim": 48, "num_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    }.items()
}  # fmt: skip
T5GEMMA = SIDES | {
    "vocabulary_size": VOCABULARY, "sliding_window": 4, "query_pre_attn_scalar": 8.0,
}  # fmt: skip

# By class, or by "class, what is special"; without "Backbone".
ENCODERS: dict[str, dict[str, Any]] = {
    "Albert": FULL | STILL | LONG | {"embedding_dim": 16},
    "Bert": FULL | STILL | LONG,
    "DebertaV3": FULL | STILL | LONG,
    "DistilBert": FULL | STILL | LONG,
    "ESM": FULL | STILL,
    "Electra": {"vocab_size": VOCABULARY, "embedding_dim": 16}
    | {key: value for key, value in (FULL | STILL | LONG).items() if key != "vocabulary_size"},
    "FNet": V | STILL | LONG,
    "Roberta": FULL | STILL | LONG,
    "RoformerV2": FULL | STILL | {"head_size": 8},
    "XLMRoberta": FULL | STILL | LONG,
    "XLNet": FULL,
}
DECODERS: dict[str, dict[str, Any]] = {
    "Bloom": FULL,
    "Falcon": V | {"num_attention_heads": 4},
    "GPT2": FULL | STILL | LONG,
    "GPTNeoX": FULL | LONG | {"rotary_percentage": 0.5},
    "Gemma": HEADS,
    "Gemma, as Gemma 2": HEADS | NORMS | WINDOW | {"attention_logit_soft_cap": 50.0},
    "Gemma3": HEADS | NORMS | WINDOW | {"image_size": 16},
    "Gemma3n": {
        "text_vocab_size": VOCABULARY, "text_hidden_size": 32, "num_hidden_layers": 2,
        "pad_token_id": 0, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": [48, 48], "hidden_activation": "gelu_approximate",
        "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4,
        "rope_theta": 1e4, "max_position_embeddings": 128, "laurel_rank": 4,
        "vocab_size_per_layer_input": VOCABULARY, "hidden_size_per_layer_input": 8,
        "altup_num_inputs": 2,
    },
    "Gemma4": HEADS | {"image_size": 16, "sliding_window_size": 4, "sliding_window_pattern": 2},
    "GptOss": SHARED | EXPERTS | {"sliding_window": 4},
    "Llama": SHARED,
    "Llama3": SHARED,
    "Mistral": SHARED | {"sliding_window": 4},
    "Mixtral": SHARED | EXPERTS | {"sliding_window": 4},
    "OPT": FULL | STILL | LONG,
    "Phi3": SHARED,
    "Qwen": SHARED,
    "Qwen3": HEADS,
    "Qwen3Moe": HEADS | SHARED_EXPERT,
    "Qwen3_5": HEADS | LINEAR,
    "Qwen3_5Moe": {key: value for key, value in HEADS.items() if key != "intermediate_dim"}
    | LINEAR | SHARED_EXPERT | {"shared_expert_intermediate_size": 16},
    "QwenMoe": SHARED | SHARED_EXPERT | {"shared_expert_intermediate_dim": 16},
    "RWKV7": {
        "hidden_size": 32, "head_size": 8, "num_layers": 2, "vocabulary_size": VOCABULARY,
        "intermediate_dim": 48, "gate_lora": 4, "mv_lora": 4, "aaa_lora": 4, "decay_lora": 4,
    },
    "SmolLM3": V | {
        "num_attention_heads": 4, "num_key_value_heads": 2, "attention_bias": False,
        "attention_dropout": 0.0, "rope_layer_enabled_list": [True, False], "mlp_bias": False,
        "layer_types": ["full_attention"] * 2, "layer_norm_epsilon": 1e-6,
        "max_position_embeddings": 128, "rope_theta": 1e4, "partial_rotary_factor": 1.0,
    },
}  # fmt: skip
BOTH: dict[str, dict[str, Any]] = {
    "Bart": FULL | STILL | LONG,
    "EdRec": {
        "vocab_size": VOCABULARY, "num_layers_enc": 2, "num_layers_dec": 2, "hidden_dim": 32,
        "intermediate_dim": 48, "num_heads": 4,
    },
    "T5": FULL | STILL,
    "T5Gemma": T5GEMMA,
    "T5Gemma2": T5GEMMA,
}  # fmt: skip
AUDIO: dict[str, dict[str, Any]] = {
    "Moonshine": {
        "vocabulary_size": VOCABULARY, "filter_dim": 32, "encoder_num_layers": 2,
        "decoder_num_layers": 2, "hidden_dim": 32, "intermediate_dim": 48,
        "encoder_num_heads": 4, "decoder_num_heads": 4,
    },
    "Whisper": FULL | {
        "num_mels": 8, "max_encoder_sequence_length": 128, "max_decoder_sequence_length": 32,
    },
}  # fmt: skip
SAMPLES = {1: [2000, 1500, 900, 1200], 2: [3000, 1100, 2500, 900, 1900]}
_COUNTS = re.compile(r"(^|_)num_(hidden_)?layers(_enc|_dec)?$")


def twice_as_deep(settings: dict[str, Any]) -> dict[str, Any]:
    """The same settings with twice as many layers."""
    return {
        key: value * 2 if _COUNTS.search(key) or isinstance(value, list) else value
        for key, value in settings.items()
    }


# From KerasHub's names to those of the field test.
NAMES = {
    "token_ids": "ids", "padding_mask": "mask", "position_ids": "positions",
    "encoder_token_ids": "ids", "encoder_padding_mask": "mask",
    "encoder_input_values": "ids", "encoder_features": "ids",
    "decoder_token_ids": "target", "decoder_padding_mask": "target_mask",
}  # fmt: skip


class Backbone:
    """A backbone, called with the field test's names."""

    def __init__(self, name: str, settings: dict[str, Any], dtype: str):
        import keras
        import keras_hub

        keras.utils.set_random_seed(0)
        backbone = getattr(keras_hub.models, f"{name.partition(',')[0]}Backbone")
        self.model = backbone(**settings, dtype=dtype)
        self.names = {x.name: x.dtype for x in self.model.inputs}
        self.start = [np.asarray(w, "float32") for w in self.model.trainable_weights]
        heard = ("encoder_input_values", "encoder_features")
        self.sound = next((x for x in self.names if x in heard), "")
        self.compute_dtype = dtype

    def draw(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        for weight, start in zip(self.model.trainable_weights, self.start):
            spread = 0.3 if start.ndim > 1 else 0.1
            weight.assign(start + rng.normal(size=start.shape) * spread)

    def forget_positions(self) -> None:
        for weight in self.model.trainable_weights:
            if "position" in weight.path.replace("token_and_position", ""):
                weight.assign(np.zeros(weight.shape))

    def __call__(self, inputs: Inputs) -> Any:
        given = {}
        for name, dtype in self.names.items():
            if NAMES.get(name) in inputs:
                x = inputs[NAMES[name]]
            elif name == "position_ids":  # as they come
                x = np.broadcast_to(np.arange(inputs["ids"].shape[1]), inputs["ids"].shape)
            elif NAMES.get(name, "").startswith("target"):  # a decoder that nobody asks about
                x = np.ones((len(inputs["ids"]), 3))
            else:  # segments: all one
                x = np.zeros_like(inputs["ids"])
            given[name] = x.astype("float32" if dtype.startswith("bfloat") else dtype)
        out = self.model(given, training=False)
        if isinstance(out, dict):
            sides = "encoder_sequence_output" if self.sound else "decoder_sequence_output"
            out = out[sides] if sides in out else out["sequence_output"]
        return out

    def steps(self, n: int) -> int:
        """How many output steps come of `n` samples or frames: asked of the model itself."""
        shape = [1, n, *self.model.inputs[list(self.names).index(self.sound)].shape[2:]]
        silence = np.zeros(shape, "float32")
        return self({"ids": silence, "mask": np.ones((1, n), "int32")}).shape[1]


def subjects() -> list[Subject]:
    kinds = {"encoder": ENCODERS, "decoder": DECODERS, "encoder–decoder": BOTH, "audio": AUDIO}
    found = []
    for kind, models in kinds.items():
        for name, settings in models.items():
            base, comma, special = name.partition(",")
            found.append(
                Subject(
                    "KerasHub",
                    f"{base}Backbone{comma}{special}",
                    kind,
                    functools.partial(_build, name, settings),
                    positions=name == "Gemma4",
                    features={"Moonshine": 1, "Whisper": 8}.get(name, 0),
                    steps=(lambda model: model.steps) if kind == "audio" else (lambda model: None),
                    lengths=SAMPLES if name == "Moonshine" else None,
                )
            )
    return found


def _build(name: str, settings: dict[str, Any], size: int, dtype: str) -> Backbone:
    return Backbone(name, settings if size == 1 else twice_as_deep(settings), dtype)
