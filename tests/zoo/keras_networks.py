"""All networks of keras.applications, and the common backbones of keras_hub from small configurations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.zoo.network import Network

APPLICATIONS: dict[str, tuple[str, ...]] = {
    "ConvNeXt": ("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
    "DenseNet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "EfficientNet": tuple(f"EfficientNetB{size}" for size in range(8)),
    "EfficientNetV2": tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "Inception": ("InceptionV3", "InceptionResNetV2", "Xception"),
    "MobileNet": ("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"),
    "NASNet": ("NASNetMobile", "NASNetLarge"),
    "ResNet": ("ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "VGG": ("VGG16", "VGG19"),
}
SMALL = 32
SIDES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
"""Image sizes where 32 is too small for a network; the first variant of each family is given images of 64."""
FIRST = 64

TEXT = {"vocabulary_size": 100, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
GROUPED = {
    "vocabulary_size": 100,
    "num_layers": 2,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
}
SMOL = {
    "vocabulary_size": 100,
    "hidden_dim": 16,
    "intermediate_dim": 32,
    "num_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "rope_layer_enabled_list": [True, False],
    "layer_types": ["full_attention"] * 2,
    "mlp_bias": False,
    "layer_norm_epsilon": 1e-6,
    "max_position_embeddings": 32,
    "rope_theta": 10000.0,
    "partial_rotary_factor": 1.0,
}
EXPERTS = {"moe_intermediate_dim": 16, "num_experts": 4, "top_k": 2}
SLIDING = {
    "use_sliding_window_attention": True,
    "sliding_window_size": 8,
    "attention_logit_soft_cap": 50.0,
    "final_logit_soft_cap": 30.0,
    "use_post_ffw_norm": True,
    "use_post_attention_norm": True,
}
PATCHES = {"patch_size": 8, "num_layers": 2, "hidden_dim": 16, "num_heads": 2, "image_shape": (32, 32, 3)}
GEMMA_SIDES = {
    f"{side}_{name}": value
    for side in ("encoder", "decoder")
    for name, value in {
        "hidden_dim": 16,
        "intermediate_dim": 32,
        "num_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "layer_types": ["full_attention", "sliding_attention"],
    }.items()
}
BACKBONES: dict[str, dict[str, dict[str, Any]]] = {
    "BERT": {
        "BertBackbone": TEXT | {"max_sequence_length": 16},
        "RobertaBackbone": TEXT | {"max_sequence_length": 16},
        "DistilBertBackbone": TEXT | {"max_sequence_length": 16},
        "AlbertBackbone": TEXT | {"embedding_dim": 8, "max_sequence_length": 16},
        "ElectraBackbone": {
            "vocab_size": 100,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 16,
            "embedding_dim": 16,
            "intermediate_dim": 32,
            "max_sequence_length": 16,
        },
        "DebertaV3Backbone": TEXT | {"max_sequence_length": 16, "bucket_size": 8},
        "XLNetBackbone": TEXT,
        "XLMRobertaBackbone": TEXT | {"max_sequence_length": 16},
        "ESM2Backbone": TEXT,
        "ESMBackbone": TEXT | {"position_embedding_type": "absolute", "max_sequence_length": 16},
        "RoformerV2Backbone": TEXT | {"head_size": 8},
        "FNetBackbone": {
            "vocabulary_size": 100,
            "num_layers": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
            "max_sequence_length": 16,
        },
    },
    "GPT": {
        "GPT2Backbone": TEXT | {"max_sequence_length": 16},
        "OPTBackbone": TEXT | {"max_sequence_length": 16},
        "BloomBackbone": TEXT | {"max_sequence_length": 16},
        "GPTNeoXBackbone": TEXT | {"max_sequence_length": 16},
        "FalconBackbone": {
            "vocabulary_size": 100,
            "num_layers": 2,
            "num_attention_heads": 4,
            "hidden_dim": 16,
            "intermediate_dim": 32,
        },
    },
    "Llama": {
        "LlamaBackbone": {
            "vocabulary_size": 100,
            "num_layers": 2,
            "num_query_heads": 4,
            "num_key_value_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
        },
        "MistralBackbone": {
            "vocabulary_size": 100,
            "num_layers": 2,
            "num_query_heads": 4,
            "num_key_value_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
            "sliding_window": 8,
        },
        "GemmaBackbone": {
            "vocabulary_size": 100,
            "num_layers": 2,
            "num_query_heads": 4,
            "num_key_value_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
            "head_dim": 4,
        },
        "Gemma2Backbone": GROUPED | SLIDING | {"head_dim": 4},
        "Qwen2Backbone": {
            "vocabulary_size": 100,
            "num_layers": 2,
            "num_query_heads": 4,
            "num_key_value_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
        },
        "Phi3Backbone": {
            "vocabulary_size": 100,
            "num_layers": 2,
            "num_query_heads": 4,
            "num_key_value_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
        },
    },
    "Llama and after": {
        "Llama3Backbone": GROUPED,
        "QwenBackbone": GROUPED,
        "Qwen3Backbone": GROUPED | {"head_dim": 4},
        "SmolLM3Backbone": SMOL,
        "Gemma3Backbone": GROUPED | {"head_dim": 4, "image_size": 16},
        "Gemma4Backbone": GROUPED | {"head_dim": 4, "image_size": 16},
        "T5GemmaBackbone": GEMMA_SIDES
        | {"vocabulary_size": 100, "sliding_window": 8, "cross_attention_hidden_size": 16},
    },
    "Experts": {
        "MixtralBackbone": GROUPED | {"num_experts": 4, "sliding_window": 8},
        "QwenMoeBackbone": GROUPED | EXPERTS | {"shared_expert_intermediate_dim": 16},
        "Qwen3MoeBackbone": GROUPED | EXPERTS | {"head_dim": 4},
        "GptOssBackbone": GROUPED | {"num_experts": 4, "sliding_window": 8},
    },
    "Recurrent": {
        "RWKV7Backbone": {
            "hidden_size": 16,
            "head_size": 8,
            "num_layers": 2,
            "vocabulary_size": 100,
            "intermediate_dim": 32,
            "gate_lora": 8,
            "mv_lora": 8,
            "aaa_lora": 8,
            "decay_lora": 8,
        },
    },
    "T5": {
        "T5Backbone": TEXT,
    },
    "BART": {
        "BartBackbone": TEXT | {"max_sequence_length": 16},
    },
    "Whisper": {
        "WhisperBackbone": TEXT | {"num_mels": 8, "max_encoder_sequence_length": 16, "max_decoder_sequence_length": 8},
    },
    "ViT": {
        "ViTBackbone": {
            "image_shape": (32, 32, 3),
            "patch_size": 8,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 16,
            "mlp_dim": 32,
        },
        "DeiTBackbone": {
            "image_shape": (32, 32, 3),
            "patch_size": 8,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
        },
        "MiTBackbone": {
            "layerwise_depths": [1, 1],
            "num_layers": 2,
            "layerwise_num_heads": [1, 2],
            "layerwise_sr_ratios": [2, 1],
            "max_drop_path_rate": 0.1,
            "layerwise_patch_sizes": [7, 3],
            "layerwise_strides": [4, 2],
            "image_shape": (32, 32, 3),
            "hidden_dims": [8, 16],
        },
    },
    "Images": {
        "SwinTransformerBackbone": {
            "image_shape": (32, 32, 3),
            "embed_dim": 8,
            "depths": [2, 2],
            "num_heads": [1, 2],
            "window_size": 4,
        },
        "DINOV2Backbone": PATCHES | {"intermediate_dim": 32, "position_embedding_shape": (32, 32, 3)},
        "DINOV3Backbone": PATCHES | {"intermediate_dim": 32},
        "ViTDetBackbone": {
            "hidden_size": 16,
            "num_layers": 2,
            "intermediate_dim": 32,
            "num_heads": 2,
            "global_attention_layer_indices": [1],
            "patch_size": 8,
            "num_output_channels": 8,
            "window_size": 2,
            "image_shape": (32, 32, 3),
        },
        "VideoPrismBackbone": {
            "num_frames": 4,
            "patch_size": 8,
            "hidden_dim": 16,
            "intermediate_dim": 32,
            "num_heads": 2,
            "num_spatial_layers": 1,
            "num_temporal_layers": 1,
            "num_auxiliary_layers": 0,
            "image_shape": (32, 32, 3),
        },
        "XceptionBackbone": {
            "stackwise_conv_filters": [[8, 8], [16, 16]],
            "stackwise_pooling": [True, False],
            "image_shape": (32, 32, 3),
        },
        "HGNetV2Backbone": {
            "depths": [1, 2],
            "embedding_size": 8,
            "hidden_sizes": [16, 24],
            "stem_channels": [3, 8, 8],
            "hidden_act": "relu",
            "use_learnable_affine_block": False,
            "stackwise_stage_filters": [[8, 8, 16, 1, 2, 3], [16, 8, 24, 1, 2, 3]],
            "apply_downsample": [False, True],
            "use_lightweight_conv_block": [False, True],
            "image_shape": (32, 32, 3),
        },
    },
    "ResNet": {
        "ResNetBackbone": {
            "input_conv_filters": [8],
            "input_conv_kernel_sizes": [7],
            "stackwise_num_filters": [64, 128],
            "stackwise_num_blocks": [2, 2],
            "stackwise_num_strides": [1, 2],
            "block_type": "bottleneck_block",
            "image_shape": (32, 32, 3),
        },
    },
    "DenseNet": {
        "DenseNetBackbone": {
            "stackwise_num_repeats": [2, 2],
            "image_shape": (32, 32, 3),
            "compression_ratio": 0.5,
            "growth_rate": 8,
        },
    },
    "VGG": {
        "VGGBackbone": {"stackwise_num_repeats": [1, 2], "stackwise_num_filters": [8, 16], "image_shape": (32, 32, 3)},
    },
}
"""Small configurations of each backbone, by family."""


_SECOND = {"Gemma2Backbone": "GemmaBackbone"}
"""Configurations of a backbone that have a name of their own."""


def networks() -> Iterator[Network]:
    """The applications, then the backbones."""
    for family, variants in APPLICATIONS.items():
        for position, variant in enumerate(variants):
            side = SIDES.get(variant, SMALL if position else FIRST)
            yield Network("keras.applications", family, variant, _application(variant, side), (), to="torch")
    for family, backbones in BACKBONES.items():
        for name, options in backbones.items():
            yield Network("keras_hub", family, name, _backbone(name, options), (), to="torch")


def _application(name: str, side: int) -> Callable[[], Any]:
    def build():
        import keras

        return getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=100)

    return build


def _backbone(name: str, options: dict[str, Any]) -> Callable[[], Any]:
    def build():
        import keras_hub

        return getattr(keras_hub.models, _SECOND.get(name, name))(**options)

    return build
