"""Models of Transformers that take a mask, small and with random weights, on PyTorch."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from tools.field_test.subjects import VOCABULARY, Inputs, Subject

# By model type, or by "type, what is special".
BERT = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 128,
}  # fmt: skip
DISENTANGLED = BERT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 128}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
LLAMA = BERT | {"num_key_value_heads": 2}
HEADS = LLAMA | {"head_dim": 8}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
MAMBA = {
    "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 4,
}  # fmt: skip
MIXED = {"layer_types": ["mamba", "attention"]}

ENCODERS: dict[str, dict[str, Any]] = {
    "albert": BERT | {"embedding_size": 16},
    "bert": BERT,
    "big_bird, full attention": BERT | {"attention_type": "original_full"},
    "canine": BERT | {
        "downsampling_rate": 2, "local_transformer_stride": 4, "num_hash_buckets": 64,
    },
    "convbert": BERT | {"embedding_size": 32},
    "data2vec-text": BERT,
    "deberta": DISENTANGLED,
    "deberta-v2": DISENTANGLED,
    "distilbert": {
        "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 128,
    },
    "electra": BERT | {"embedding_size": 16},
    "ernie": BERT,
    "esm": BERT | {"position_embedding_type": "rotary"},
    "eurobert": LLAMA,
    "flaubert": XLM,
    "fnet": BERT,
    "ibert": BERT,
    "layoutlm": BERT,
    "longformer": BERT | {"attention_window": 4},
    "megatron-bert": BERT,
    "modernbert": LLAMA | {"local_attention": 4, "global_attn_every_n_layers": 2},
    "mpnet": BERT,
    "mra": BERT,
    "nomic_bert": BERT,
    "nystromformer, landmarks": BERT | {"segment_means_seq_len": 12, "num_landmarks": 4},
    "nystromformer, as it comes": BERT | {"segment_means_seq_len": 12, "num_landmarks": 12},
    "rembert": BERT | {"input_embedding_size": 16},
    "roberta": BERT,
    "roc_bert": BERT,
    "roformer": BERT | {"embedding_size": 32},
    "splinter": BERT,
    "squeezebert": BERT | {"embedding_size": 32},
    "xlm": XLM,
    "xlm-roberta": BERT,
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},
    "yoso": BERT,
}  # fmt: skip
DECODERS: dict[str, dict[str, Any]] = {
    "bamba": LLAMA | MAMBA | {"attn_layer_indices": [1], "mamba_n_groups": 1},
    "biogpt": BERT,
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "codegen": GPT2 | {"rotary_dim": 4},
    "ctrl": GPT2 | {"dff": 48},
    "deepseek_v3": LLAMA | {
        "num_key_value_heads": 4, "n_routed_experts": 4, "n_group": 2, "topk_group": 1,
        "num_experts_per_tok": 2, "moe_intermediate_size": 16, "q_lora_rank": 8,
        "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8,
        "first_k_dense_replace": 1,
    },
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "falcon_h1": HEADS | MAMBA | {"mamba_d_ssm": 64},
    "gemma": HEADS,
    "gemma2": HEADS | {"sliding_window": 4},
    "gemma3_text": HEADS | {"sliding_window": 4},
    "gpt2": GPT2,
    "gpt_neo": {
        "hidden_size": 32, "num_layers": 2, "num_heads": 4, "intermediate_size": 48,
        "attention_types": [[["global", "local"], 1]], "window_size": 4,
        "max_position_embeddings": 128,
    },
    "gpt_neox": LLAMA,
    "gpt_oss": HEADS | EXPERTS | {"sliding_window": 4},
    "gptj": GPT2 | {"rotary_dim": 4},
    "granitemoehybrid": LLAMA | EXPERTS | MIXED | MAMBA | {"shared_intermediate_size": 16},
    "jamba": LLAMA | {
        "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2,
        "expert_layer_offset": 1, "num_experts": 2, "num_experts_per_tok": 1,
        "mamba_d_state": 8, "use_mamba_kernels": False, "mamba_dt_rank": 4,
    },
    "lfm2": LLAMA | {"layer_types": ["conv", "full_attention"]},
    "llama": LLAMA,
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    "mamba2": {
        "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "num_heads": 8,
        "head_dim": 8, "n_groups": 2, "chunk_size": 4,
    },
    "mistral": LLAMA | {"sliding_window": 4},
    "mixtral": LLAMA | EXPERTS,
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 128},
    "olmo2": LLAMA,
    "openai-gpt": GPT2,
    "opt": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48,
        "max_position_embeddings": 128, "word_embed_proj_dim": 32,
    },
    "phi3": LLAMA,
    "qwen2": LLAMA,
    "qwen2_moe": LLAMA | {
        "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    },
    "qwen3": HEADS,
    "qwen3_next": HEADS | {
        "layer_types": ["linear_attention", "full_attention"], "linear_key_head_dim": 8,
        "linear_value_head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
        "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    },
    "recurrent_gemma": LLAMA | {
        "lru_width": 32, "attention_window_size": 4, "block_types": ["recurrent", "attention"],
    },
    "rwkv": {
        "hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32,
        "intermediate_size": 48, "context_length": 128,
    },
    "smollm3": LLAMA,
    "xglm": {
        "d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 48,
        "max_position_embeddings": 128,
    },
}  # fmt: skip
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
    "max_position_embeddings": 128, "decoder_start_token_id": 2,
}  # fmt: skip
T5 = {
    "d_model": 32, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4, "d_kv": 8,
    "d_ff": 48, "decoder_start_token_id": 0,
}  # fmt: skip
BOTH: dict[str, dict[str, Any]] = {
    "bart": BART,
    "led": BART | {
        "attention_window": 4, "max_encoder_position_embeddings": 128,
        "max_decoder_position_embeddings": 128,
    },
    "longt5, local": T5 | {"local_radius": 3},
    "longt5, transient global": T5 | {
        "local_radius": 3, "encoder_attention_type": "transient-global", "global_block_size": 4,
    },
    "m2m_100": BART,
    "marian": BART,
    "pegasus": BART,
    "prophetnet": {
        "hidden_size": 32, "num_encoder_layers": 2, "num_decoder_layers": 2,
        "num_encoder_attention_heads": 4, "num_decoder_attention_heads": 4, "ngram": 2,
        "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 128,
        "decoder_start_token_id": 2,
    },
    "switch_transformers": T5 | {
        "num_experts": 4, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1,
    },
    "t5": T5,
}  # fmt: skip
WAV = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "conv_dim": [16, 16], "conv_stride": [5, 2], "conv_kernel": [10, 3],
    "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4, "feat_extract_norm": "layer",
}  # fmt: skip
GROUP = {"feat_extract_norm": "group"}
AUDIO: dict[str, dict[str, Any]] = {
    "data2vec-audio": WAV | {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 5},
    "hubert, layer norm": WAV | {"do_stable_layer_norm": True},
    "hubert, group norm": WAV | GROUP,
    "sew": WAV | {"squeeze_factor": 2},
    "unispeech": WAV,
    "wav2vec2, layer norm": WAV | {"do_stable_layer_norm": True},
    "wav2vec2, group norm": WAV | GROUP,
    "wav2vec2-conformer": WAV | {"conv_depthwise_kernel_size": 5},
    "wavlm": WAV,
}
FRAMES: dict[str, dict[str, Any]] = {
    "parakeet_encoder": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 48, "num_mel_bins": 16, "subsampling_conv_channels": 8,
        "conv_kernel_size": 5,
    },
    "wav2vec2-bert": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 48, "feature_projection_input_dim": 16,
        "conv_depthwise_kernel_size": 5,
    },
}  # fmt: skip
SAMPLES = {1: [400, 330, 190, 260], 2: [700, 300, 520, 210, 610]}
_COUNTS = re.compile(r"^(num_hidden_layers|n_layers?|num_layers|(en|de)coder_layers"
                     r"|num_((en|de)coder_)?layers)$")  # fmt: skip
_PER_LAYER = ("layer_types",)


def twice_as_deep(settings: dict[str, Any]) -> dict[str, Any]:
    """The same settings with twice as many layers."""
    found = {
        key: value * 2 if _COUNTS.match(key) or key in _PER_LAYER else value
        for key, value in settings.items()
    }
    if "attention_types" in found:
        found["attention_types"] = [[["global", "local"], 2]]
    return found


# From the field test's names to those of Transformers.
NAMES = {
    "ids": "input_ids", "mask": "attention_mask", "positions": "position_ids",
    "target": "decoder_input_ids", "target_mask": "decoder_attention_mask",
}  # fmt: skip


class Published:
    """A model of Transformers, called with the field test's names."""

    def __init__(self, name: str, settings: dict[str, Any], dtype: str):
        import torch
        import transformers

        torch.set_num_threads(1)
        transformers.logging.set_verbosity_error()
        kind, _, special = name.partition(", ")
        settings = {"vocab_size": VOCABULARY, "pad_token_id": 0} | settings
        config = transformers.AutoConfig.for_model(kind, **settings)
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(config).eval()
        self.name = type(model).__name__ + (f", {special}" if special else "")
        # Not what is computed once and frozen, such as sinusoids of positions.
        self.start = {k: v.detach().clone() for k, v in model.named_parameters() if v.requires_grad}
        self.model, self.dtype, self.torch = model.to(getattr(torch, dtype)), dtype, torch
        self.text = "input_ids" in _arguments(model)

    def draw(self, seed: int) -> None:
        rng = self.torch.Generator().manual_seed(seed)
        with self.torch.no_grad():
            for key, value in self.model.named_parameters():
                if key in self.start:
                    spread = 0.3 if value.ndim > 1 else 0.1
                    noise = self.torch.randn(value.shape, generator=rng) * spread
                    value.copy_(self.start[key] + noise)

    def forget_positions(self) -> None:
        with self.torch.no_grad():
            for key, value in self.model.named_parameters():
                if "position" in key or "wpe" in key:
                    value.zero_()

    def __call__(self, inputs: Inputs) -> Any:
        given = {}
        for key, x in inputs.items():
            x = self.torch.as_tensor(x)
            if x.is_floating_point():
                x = x.to(getattr(self.torch, self.dtype))
            given[NAMES[key]] = x if x.is_floating_point() else x.long()
        if not self.text:  # sound: each model names it in its own way
            given = {"attention_mask": given["attention_mask"], self._sound(): given["input_ids"]}
        with self.torch.no_grad():
            out = self.model(**given)
        return out["last_hidden_state"]

    def _sound(self) -> str:
        return next(n for n in _arguments(self.model) if n in ("input_values", "input_features"))

    def steps(self, n: int) -> int:
        """How many output steps come of `n` samples or frames."""
        from_samples = getattr(self.model, "_get_feat_extract_output_lengths", None)
        from_frames = getattr(self.model, "_get_subsampling_output_length", None)
        return int((from_samples or from_frames)(self.torch.tensor(n)))


def _arguments(model: Any) -> list[str]:
    import inspect

    return list(inspect.signature(model.forward).parameters)


# Those that have `position_ids` among their arguments; the others take positions from the mask,
# from the ids, or have none.
WITHOUT_POSITIONS = {
    "roformer", "xlnet", "bloom", "mpt", "mamba", "mamba2", "rwkv", "canine", "fnet",
    *BOTH, *AUDIO, *FRAMES,
}  # fmt: skip


def subjects() -> list[Subject]:
    kinds = {
        "encoder": ENCODERS, "decoder": DECODERS, "encoder–decoder": BOTH, "audio": AUDIO | FRAMES,
    }  # fmt: skip
    found = []
    for kind, models in kinds.items():
        for name, settings in models.items():
            found.append(
                Subject(
                    "Transformers",
                    name,
                    kind,
                    functools.partial(_build, name, settings),
                    positions=name not in WITHOUT_POSITIONS,
                    features=16 if name in FRAMES else 0,
                    fixed=name.startswith("nystromformer"),
                    steps=_steps(name),
                    lengths=SAMPLES if name in AUDIO else None,
                )
            )
    return found


def _steps(name: str) -> Callable[[Any], Callable[[int], int] | None]:
    if name in AUDIO or name == "parakeet_encoder":
        return lambda model: model.steps
    return lambda model: None


def _build(name: str, settings: dict[str, Any], size: int, dtype: str) -> Published:
    if size == 2:
        settings = twice_as_deep(settings)
        if "segment_means_seq_len" in settings:  # one for the larger batch
            whole = settings["num_landmarks"] == settings["segment_means_seq_len"]
            settings |= {"segment_means_seq_len": 40, "num_landmarks": 40 if whole else 4}
    return Published(name, settings, dtype)
