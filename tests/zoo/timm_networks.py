"""One small variant of every family of timm (its own modules), some families with more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.zoo.network import Network

VARIANTS: dict[str, str] = {
    "beit": "beit_base_patch16_224 beitv2_base_patch16_224",
    "byoanet": "botnet26t_256 halonet26t lambda_resnet26t eca_botnext26ts_256",
    "byobnet": "gernet_s repvgg_a0 mobileone_s0 resnet50_clip",
    "cait": "cait_xxs24_224",
    "coat": "coat_tiny coat_lite_tiny",
    "convit": "convit_tiny",
    "convmixer": "convmixer_768_32",
    "convnext": "convnext_atto convnextv2_atto convnext_atto_ols",
    "cpubone": "cpubone_nano",
    "crossvit": "crossvit_tiny_240",
    "csatv2": "csatv2",
    "cspnet": "cspresnet50 cs3darknet_s darknet17",
    "cspnext": "cspnext_tiny",
    "davit": "davit_tiny",
    "deit": "deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 deit3_small_patch16_224",
    "densenet": "densenet121 densenetblur121d",
    "dla": "dla46_c dla60_res2net",
    "dpn": "dpn48b dpn68",
    "edgenext": "edgenext_xx_small",
    "efficientformer": "efficientformer_l1",
    "efficientformer_v2": "efficientformerv2_s0",
    "efficientnet": "tinynet_e mixnet_s fbnetc_100 mnasnet_small tf_efficientnet_b0 tf_efficientnetv2_b0",
    "efficientvim": "efficientvim_m1",
    "efficientvit_mit": "efficientvit_b0 efficientvit_l1",
    "efficientvit_msra": "efficientvit_m0",
    "eva": "eva02_tiny_patch14_224 vit_small_patch16_dinov3",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8 fastvit_sa12",
    "focalnet": "focalnet_tiny_srf",
    "gcvit": "gcvit_xxtiny",
    "ghostnet": "ghostnet_050 ghostnetv2_100 ghostnetv3_050",
    "hardcorenas": "hardcorenas_a",
    "hgnet": "hgnet_tiny hgnetv2_b0",
    "hiera": "hiera_tiny_224",
    "hieradet_sam2": "sam2_hiera_tiny",
    "hrnet": "hrnet_w18_small",
    "iformer": "iformer_t",
    "inception_next": "inception_next_atto",
    "inception_resnet_v2": "inception_resnet_v2",
    "inception_v3": "inception_v3",
    "inception_v4": "inception_v4",
    "lcnetv2": "lcnetv2_small",
    "levit": "levit_128s levit_conv_128",
    "lowformer": "lowformer_b0",
    "mambaout": "mambaout_femto",
    "maxxvit": "coatnet_0_rw_224 maxvit_pico_rw_256",
    "metaformer": "poolformer_s12 caformer_s18 convformer_s18",
    "mlp_mixer": "mixer_s32_224 gmlp_ti16_224 resmlp_12_224 gmixer_12_224",
    "mobilenetv3": "lcnet_050 mobilenetv3_small_050 mobilenetv4_conv_small tf_mobilenetv3_small_075",
    "mobilevit": "mobilevit_xxs mobilevitv2_050",
    "mvitv2": "mvitv2_tiny",
    "naflexvit": "naflexvit_base_patch16_gap",
    "nasnet": "nasnetalarge",
    "nest": "nest_tiny",
    "nextvit": "nextvit_small",
    "nfnet": "nfnet_l0 nf_resnet50 dm_nfnet_f0",
    "pit": "pit_ti_224",
    "pnasnet": "pnasnet5large",
    "pvt_v2": "pvt_v2_b0",
    "rdnet": "rdnet_tiny",
    "regnet": "regnetx_002 regnety_002 regnetz_005",
    "repghost": "repghostnet_050",
    "repvit": "repvit_m0_9",
    "res2net": "res2net50_26w_4s",
    "resnest": "resnest14d",
    "resnet": "resnet10t resnet26d ecaresnet26t seresnet50 resnetblur50",
    "resnetv2": "resnetv2_50x1_bit resnetv2_50d_gn resnetv2_50d_frn",
    "rexnet": "rexnet_100",
    "selecsls": "selecsls42b",
    "senet": "legacy_seresnet18",
    "sequencer": "sequencer2d_s",
    "shvit": "shvit_s1",
    "sknet": "skresnet18",
    "starnet": "starnet_s050",
    "swiftformer": "swiftformer_xs",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window8_256",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224",
    "tnt": "tnt_s_patch16_224",
    "tresnet": "tresnet_m",
    "twins": "twins_svt_small twins_pcpvt_small",
    "vgg": "vgg11_bn",
    "visformer": "visformer_tiny",
    "vision_transformer": "vit_tiny_patch16_224 vit_small_patch14_dinov2 vit_base_patch16_siglip_224",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "vision_transformer_relpos": "vit_relpos_small_patch16_224 vit_srelpos_small_patch16_224",
    "vision_transformer_sam": "samvit_base_patch16_224",
    "vitamin": "vitamin_small_224",
    "volo": "volo_d1_224",
    "vovnet": "ese_vovnet19b_slim",
    "xception": "legacy_xception",
    "xception_aligned": "xception41p",
    "xcit": "xcit_nano_12_p16_224",
}

OPTIONS: dict[str, dict[str, Any]] = {
    name: {"img_size": 112}
    for name in ("beit_base_patch16_224", "beitv2_base_patch16_224", "vit_base_patch16_siglip_224",
                 "vit_small_patch14_dinov2", "eva02_tiny_patch14_224")
}  # fmt: skip
SIZES = {
    "halonet26t": 256, "lambda_resnet26t": 256, "botnet26t_256": 256, "eca_botnext26ts_256": 256, "gcvit_xxtiny": 224,
    "nasnetalarge": 107, "pnasnet5large": 107, "inception_v3": 107, "inception_v4": 107, "inception_resnet_v2": 107,
    "convmixer_768_32": 112, "nest_tiny": 224, "csatv2": 512, "vit_small_patch16_dinov3": 96, "vgg11_bn": 224,
}  # fmt: skip
CONVOLUTIONAL = {
    "byobnet",
    "convnext",
    "cpubone",
    "cspnet",
    "cspnext",
    "densenet",
    "dla",
    "dpn",
    "efficientnet",
    "fasternet",
    "ghostnet",
    "hardcorenas",
    "hgnet",
    "hrnet",
    "inception_next",
    "lcnetv2",
    "mambaout",
    "mobilenetv3",
    "nfnet",
    "rdnet",
    "regnet",
    "repghost",
    "repvit",
    "res2net",
    "resnest",
    "resnet",
    "resnetv2",
    "rexnet",
    "selecsls",
    "senet",
    "sknet",
    "starnet",
    "tresnet",
    "vovnet",
    "xception",
    "xception_aligned",
}
"""Families that take any size of image; they are given small ones."""
SMALL = 96


def networks() -> Iterator[Network]:
    """Every variant above, with images of the size that it was made for unless a smaller one does."""
    for family, variants in VARIANTS.items():
        for variant in variants.split():
            yield Network("timm", family, variant, _builder(variant), ((1, 3, *2 * (_size(family, variant),)),))


def _size(family: str, variant: str) -> int:
    if variant in OPTIONS:
        return OPTIONS[variant]["img_size"]
    if variant in SIZES:
        return SIZES[variant]
    if family in CONVOLUTIONAL and variant != "resnet50_clip":
        return SMALL
    named = "" if "levit" in variant else variant.rpartition("_")[2]
    return int(named) if named.isdigit() and int(named) >= 128 else 256 if family in ("mobilevit", "edgenext") else 224


def _builder(variant: str):
    def build():
        from tests.conftest import register_torchvision_operators

        register_torchvision_operators()
        import timm

        return timm.create_model(variant, pretrained=False, **OPTIONS.get(variant, {}))

    return build
