"""Networks of transformers from small random configurations, made offline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.zoo.network import Network

IDS = ("input_ids=int64 B,T@0:99", "attention_mask=int64 B,T@0:2")
PLAIN = ("input_ids=int64 B,T@0:99",)
BOTH = (*IDS, "decoder_input_ids=int64 B,S@0:99", "decoder_attention_mask=int64 B,S@0:2")
IMAGE = ("pixel_values=1,3,32,32",)
SOUND = ("input_values=B,1600",)

BERT = dict(
    vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=64,
)  # fmt: skip
LLAMA = {**BERT, "num_key_value_heads": 2, "pad_token_id": 0}
VIT = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8
)
BART = dict(
    vocab_size=99, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
    decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
)  # fmt: skip
T5 = dict(vocab_size=99, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
WAV = dict(
    vocab_size=32, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    conv_dim=(16, 16, 16), conv_stride=(5, 2, 2), conv_kernel=(10, 3, 2), num_feat_extract_layers=3,
    num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
)  # fmt: skip
CLIP_TEXT = {**BERT, "projection_dim": 16}
CLIP_VISION = {**VIT, "projection_dim": 16}
STAGES = dict(depths=[2, 2, 2, 2], image_size=64)

# family: {class of the model: (class of the configuration, its options, inputs)}
FAMILIES: dict[str, dict[str, tuple[str, dict[str, Any], tuple[str, ...]]]] = {
    "BERT": {
        "BertModel": ("BertConfig", BERT, IDS),
        "BertForMaskedLM": ("BertConfig", BERT, IDS),
        "BertForSequenceClassification": ("BertConfig", BERT, IDS),
    },
    "RoBERTa": {"RobertaModel": ("RobertaConfig", BERT, IDS)},
    "XLM-RoBERTa": {"XLMRobertaModel": ("XLMRobertaConfig", BERT, IDS)},
    "DistilBERT": {
        "DistilBertModel": (
            "DistilBertConfig",
            dict(vocab_size=99, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64),
            IDS,
        )
    },
    "ALBERT": {"AlbertModel": ("AlbertConfig", {**BERT, "embedding_size": 16}, IDS)},
    "ELECTRA": {"ElectraModel": ("ElectraConfig", {**BERT, "embedding_size": 16}, IDS)},
    "DeBERTa": {"DebertaModel": ("DebertaConfig", BERT, IDS)},
    "DeBERTa v2": {
        "DebertaV2Model": (
            "DebertaV2Config",
            {**BERT, "relative_attention": True, "position_buckets": 8, "pos_att_type": ["c2p", "p2c"]},
            IDS,
        )
    },
    "MPNet": {"MPNetModel": ("MPNetConfig", BERT, IDS)},
    "SqueezeBERT": {"SqueezeBertModel": ("SqueezeBertConfig", {**BERT, "embedding_size": 32}, IDS)},
    "MobileBERT": {
        "MobileBertModel": ("MobileBertConfig", {**BERT, "embedding_size": 32, "intra_bottleneck_size": 32}, IDS)
    },
    "ConvBERT": {"ConvBertModel": ("ConvBertConfig", {**BERT, "embedding_size": 32}, IDS)},
    "RemBERT": {"RemBertModel": ("RemBertConfig", {**BERT, "input_embedding_size": 32}, IDS)},
    "RoFormer": {"RoFormerModel": ("RoFormerConfig", {**BERT, "embedding_size": 32}, IDS)},
    "FNet": {"FNetModel": ("FNetConfig", BERT, PLAIN)},
    "Nystromformer": {"NystromformerModel": ("NystromformerConfig", {**BERT, "num_landmarks": 64}, IDS)},
    "Longformer": {"LongformerModel": ("LongformerConfig", {**BERT, "attention_window": 8}, IDS)},
    "XLNet": {"XLNetModel": ("XLNetConfig", dict(vocab_size=99, d_model=32, n_layer=2, n_head=4, d_inner=64), IDS)},
    "ESM": {"EsmModel": ("EsmConfig", {**BERT, "pad_token_id": 1}, IDS)},
    "ERNIE": {"ErnieModel": ("ErnieConfig", BERT, IDS)},
    "I-BERT": {"IBertModel": ("IBertConfig", BERT, IDS)},
    "ModernBERT": {
        "ModernBertModel": (
            "ModernBertConfig",
            {**BERT, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2},
            IDS,
        )
    },
    "GPT-2": {
        "GPT2Model": ("GPT2Config", dict(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64), IDS),
        "GPT2LMHeadModel": ("GPT2Config", dict(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64), IDS),
    },
    "GPT-Neo": {
        "GPTNeoModel": (
            "GPTNeoConfig",
            dict(
                vocab_size=99,
                hidden_size=32,
                num_layers=2,
                num_heads=4,
                max_position_embeddings=64,
                attention_types=[[["global", "local"], 1]],
                window_size=8,
            ),
            IDS,
        )
    },
    "GPT-NeoX": {"GPTNeoXModel": ("GPTNeoXConfig", BERT, IDS)},
    "GPT-J": {
        "GPTJModel": (
            "GPTJConfig",
            dict(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4),
            IDS,
        )
    },
    "CodeGen": {
        "CodeGenModel": (
            "CodeGenConfig",
            dict(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4),
            IDS,
        )
    },
    "GPT-BigCode": {
        "GPTBigCodeModel": (
            "GPTBigCodeConfig",
            dict(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64),
            IDS,
        )
    },
    "OPT": {"OPTModel": ("OPTConfig", {**BERT, "ffn_dim": 64, "word_embed_proj_dim": 32}, IDS)},
    "BLOOM": {"BloomModel": ("BloomConfig", dict(vocab_size=99, hidden_size=32, n_layer=2, n_head=4), IDS)},
    "Falcon": {"FalconModel": ("FalconConfig", BERT, IDS)},
    "MPT": {"MptModel": ("MptConfig", dict(vocab_size=99, d_model=32, n_layers=2, n_heads=4, max_seq_len=64), IDS)},
    "BioGPT": {"BioGptModel": ("BioGptConfig", BERT, IDS)},
    "XGLM": {
        "XGLMModel": ("XGLMConfig", dict(vocab_size=99, d_model=32, num_layers=2, attention_heads=4, ffn_dim=64), IDS)
    },
    "Llama": {
        "LlamaModel": ("LlamaConfig", LLAMA, IDS),
        "LlamaForCausalLM": ("LlamaConfig", LLAMA, IDS),
    },
    "Mistral": {"MistralForCausalLM": ("MistralConfig", {**LLAMA, "sliding_window": 8}, IDS)},
    "Mixtral": {"MixtralModel": ("MixtralConfig", {**LLAMA, "num_local_experts": 4}, IDS)},
    "Phi": {"PhiModel": ("PhiConfig", LLAMA, IDS)},
    "Phi-3": {"Phi3Model": ("Phi3Config", LLAMA, IDS)},
    "Qwen2": {"Qwen2Model": ("Qwen2Config", LLAMA, IDS)},
    "Qwen3": {"Qwen3Model": ("Qwen3Config", {**LLAMA, "head_dim": 8}, IDS)},
    "Gemma": {"GemmaModel": ("GemmaConfig", {**LLAMA, "head_dim": 8}, IDS)},
    "Gemma 2": {"Gemma2Model": ("Gemma2Config", {**LLAMA, "head_dim": 8, "sliding_window": 8}, IDS)},
    "Gemma 3": {"Gemma3TextModel": ("Gemma3TextConfig", {**LLAMA, "head_dim": 8, "sliding_window": 8}, IDS)},
    "StableLM": {"StableLmModel": ("StableLmConfig", LLAMA, IDS)},
    "OLMo": {"OlmoModel": ("OlmoConfig", LLAMA, IDS)},
    "Cohere": {"CohereModel": ("CohereConfig", LLAMA, IDS)},
    "Granite": {"GraniteModel": ("GraniteConfig", LLAMA, IDS)},
    "StarCoder2": {"Starcoder2Model": ("Starcoder2Config", LLAMA, IDS)},
    "Persimmon": {"PersimmonModel": ("PersimmonConfig", BERT, IDS)},
    "Mamba": {
        "MambaModel": ("MambaConfig", dict(vocab_size=99, hidden_size=32, num_hidden_layers=2, state_size=4), PLAIN)
    },
    "T5": {
        "T5EncoderModel": ("T5Config", T5, IDS),
        "T5Model": ("T5Config", T5, BOTH),
        "T5ForConditionalGeneration": ("T5Config", T5, BOTH),
    },
    "mT5": {"MT5EncoderModel": ("MT5Config", T5, IDS)},
    "BART": {"BartModel": ("BartConfig", BART, BOTH)},
    "mBART": {"MBartModel": ("MBartConfig", BART, BOTH)},
    "Pegasus": {"PegasusModel": ("PegasusConfig", BART, BOTH)},
    "Marian": {"MarianModel": ("MarianConfig", {**BART, "pad_token_id": 1}, BOTH)},
    "M2M-100": {"M2M100Model": ("M2M100Config", BART, BOTH)},
    "ViT": {
        "ViTModel": ("ViTConfig", VIT, IMAGE),
        "ViTForImageClassification": ("ViTConfig", VIT, IMAGE),
    },
    "DeiT": {"DeiTModel": ("DeiTConfig", VIT, IMAGE)},
    "BEiT": {"BeitModel": ("BeitConfig", {**VIT, "use_relative_position_bias": True}, IMAGE)},
    "DINOv2": {"Dinov2Model": ("Dinov2Config", {**VIT, "patch_size": 8}, IMAGE)},
    "ViT-MSN": {"ViTMSNModel": ("ViTMSNConfig", VIT, IMAGE)},
    "YOLOS": {"YolosModel": ("YolosConfig", {**VIT, "image_size": [32, 32], "num_detection_tokens": 5}, IMAGE)},
    "DPT": {
        "DPTForDepthEstimation": (
            "DPTConfig",
            {
                **VIT,
                "num_hidden_layers": 4,
                "backbone_out_indices": [0, 1, 2, 3],
                "neck_hidden_sizes": [8, 8, 16, 16],
                "fusion_hidden_size": 16,
            },
            IMAGE,
        )
    },
    "Swin": {
        "SwinModel": (
            "SwinConfig",
            dict(image_size=64, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4),
            ("pixel_values=1,3,64,64",),
        )
    },
    "Swin v2": {
        "Swinv2Model": (
            "Swinv2Config",
            dict(image_size=64, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4),
            ("pixel_values=1,3,64,64",),
        )
    },
    "ConvNeXt": {
        "ConvNextModel": (
            "ConvNextConfig",
            dict(hidden_sizes=[8, 16, 24, 32], depths=[2, 2, 2, 2]),
            ("pixel_values=1,3,64,64",),
        )
    },
    "ConvNeXt v2": {
        "ConvNextV2Model": (
            "ConvNextV2Config",
            dict(hidden_sizes=[8, 16, 24, 32], depths=[2, 2, 2, 2]),
            ("pixel_values=1,3,64,64",),
        )
    },
    "SegFormer": {
        "SegformerModel": (
            "SegformerConfig",
            dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4]),
            ("pixel_values=1,3,64,64",),
        ),
        "SegformerForSemanticSegmentation": (
            "SegformerConfig",
            dict(
                hidden_sizes=[8, 16, 24, 32],
                depths=[1, 1, 1, 1],
                num_attention_heads=[1, 2, 2, 4],
                decoder_hidden_size=16,
            ),
            ("pixel_values=1,3,64,64",),
        ),
    },
    "ResNet": {
        "ResNetModel": (
            "ResNetConfig",
            dict(embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
            ("pixel_values=1,3,64,64",),
        )
    },
    "RegNet": {
        "RegNetModel": (
            "RegNetConfig",
            dict(embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], groups_width=8),
            ("pixel_values=1,3,64,64",),
        )
    },
    "MobileNet v2": {"MobileNetV2Model": ("MobileNetV2Config", {}, ("pixel_values=1,3,64,64",))},
    "MobileViT": {
        "MobileViTModel": (
            "MobileViTConfig",
            dict(image_size=64, hidden_sizes=[16, 24, 32], neck_hidden_sizes=[8, 8, 16, 16, 24, 24, 32]),
            ("pixel_values=1,3,64,64",),
        )
    },
    "EfficientNet": {
        "EfficientNetModel": (
            "EfficientNetConfig",
            dict(image_size=64, width_coefficient=0.25, depth_coefficient=0.5, hidden_dim=320),
            ("pixel_values=1,3,64,64",),
        )
    },
    "PoolFormer": {
        "PoolFormerModel": (
            "PoolFormerConfig",
            dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
            ("pixel_values=1,3,64,64",),
        )
    },
    "PVT": {
        "PvtModel": (
            "PvtConfig",
            dict(image_size=64, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4]),
            ("pixel_values=1,3,64,64",),
        )
    },
    "CvT": {
        "CvtModel": (
            "CvtConfig",
            dict(embed_dim=[8, 16, 32], num_heads=[1, 2, 4], depth=[1, 2, 3]),
            ("pixel_values=1,3,64,64",),
        )
    },
    "LeViT": {
        "LevitModel": (
            "LevitConfig",
            dict(
                image_size=64,
                hidden_sizes=[16, 24, 32],
                num_attention_heads=[2, 3, 4],
                depths=[1, 1, 1],
                key_dim=[8, 8, 8],
            ),
            ("pixel_values=1,3,64,64",),
        )
    },
    "FocalNet": {
        "FocalNetModel": (
            "FocalNetConfig",
            dict(
                image_size=64,
                embed_dim=16,
                depths=[1, 1],
                focal_levels=[2, 2],
                focal_windows=[3, 3],
                hidden_sizes=[16, 32],
            ),
            ("pixel_values=1,3,64,64",),
        )
    },
    "Hiera": {"HieraModel": ("HieraConfig", dict(embed_dim=16, image_size=[64, 64]), ("pixel_values=1,3,64,64",))},
    "SAM vision": {
        "SamVisionModel": (
            "SamVisionConfig",
            dict(
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                image_size=64,
                patch_size=8,
                output_channels=16,
                window_size=4,
                global_attn_indexes=[1],
                mlp_dim=64,
            ),
            ("pixel_values=1,3,64,64",),
        )
    },
    "CLIP": {
        "CLIPTextModel": ("CLIPTextConfig", CLIP_TEXT, IDS),
        "CLIPVisionModel": ("CLIPVisionConfig", CLIP_VISION, IMAGE),
        "CLIPModel": (
            "CLIPConfig",
            dict(text_config=CLIP_TEXT, vision_config=CLIP_VISION, projection_dim=16),
            (*IDS, "pixel_values=N,3,32,32"),
        ),
    },
    "SigLIP": {
        "SiglipTextModel": ("SiglipTextConfig", BERT, IDS),
        "SiglipVisionModel": ("SiglipVisionConfig", VIT, IMAGE),
    },
    "BLIP": {"BlipVisionModel": ("BlipVisionConfig", VIT, IMAGE)},
    "ViLT": {
        "ViltModel": ("ViltConfig", {**BERT, "image_size": 32, "patch_size": 8}, (*IDS, "pixel_values=B,3,32,32"))
    },
    "DETR": {
        "DetrModel": (
            "DetrConfig",
            dict(
                d_model=32,
                encoder_layers=1,
                decoder_layers=1,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                num_queries=5,
                use_timm_backbone=False,
                use_pretrained_backbone=False,
                backbone_config=dict(
                    model_type="resnet",
                    embedding_size=8,
                    hidden_sizes=[8, 16, 24, 32],
                    depths=[1, 1, 1, 1],
                    out_features=["stage4"],
                ),
            ),
            ("pixel_values=1,3,64,64",),
        )
    },
    "VideoMAE": {"VideoMAEModel": ("VideoMAEConfig", {**VIT, "num_frames": 4}, ("pixel_values=1,4,3,32,32",))},
    "TimeSformer": {"TimesformerModel": ("TimesformerConfig", {**VIT, "num_frames": 4}, ("pixel_values=1,4,3,32,32",))},
    "Whisper": {
        "WhisperEncoder": (
            "WhisperConfig",
            dict(
                vocab_size=99,
                d_model=32,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                num_mel_bins=20,
                max_source_positions=50,
                max_target_positions=64,
            ),
            ("input_features=B,20,100",),
        ),
        "WhisperModel": (
            "WhisperConfig",
            dict(
                vocab_size=99,
                d_model=32,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                num_mel_bins=20,
                max_source_positions=50,
                max_target_positions=64,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=1,
            ),
            ("input_features=B,20,100", "decoder_input_ids=int64 B,S@0:99", "decoder_attention_mask=int64 B,S@0:2"),
        ),
    },
    "wav2vec2": {"Wav2Vec2Model": ("Wav2Vec2Config", WAV, SOUND)},
    "HuBERT": {"HubertModel": ("HubertConfig", WAV, SOUND)},
    "WavLM": {"WavLMModel": ("WavLMConfig", WAV, SOUND)},
    "Data2Vec audio": {"Data2VecAudioModel": ("Data2VecAudioConfig", {**WAV, "num_conv_pos_embeddings": 5}, SOUND)},
    "AST": {
        "ASTModel": (
            "ASTConfig",
            dict(
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=64,
                patch_size=8,
                num_mel_bins=32,
                max_length=64,
            ),
            ("input_values=1,64,32",),
        )
    },
    "PatchTST": {
        "PatchTSTModel": (
            "PatchTSTConfig",
            dict(
                num_input_channels=2,
                context_length=32,
                patch_length=8,
                patch_stride=8,
                d_model=16,
                num_hidden_layers=2,
                num_attention_heads=4,
                ffn_dim=32,
            ),
            ("past_values=1,32,2",),
        )
    },
}


def networks() -> Iterator[Network]:
    """Every model above, by the name of its class."""
    for family, models in FAMILIES.items():
        for model, (config, options, inputs) in models.items():
            yield Network("transformers", family, model, _builder(model, config, options), inputs)


def _builder(model: str, config: str, options: dict[str, Any]):
    def build():
        from tests.conftest import register_torchvision_operators

        register_torchvision_operators()
        import transformers

        made = getattr(transformers, config)(**options)
        if model == "WhisperEncoder":
            from transformers.models.whisper.modeling_whisper import WhisperEncoder

            return WhisperEncoder(made)
        return getattr(transformers, model)(made)

    return build
