"""What of a section changes nothing when it is used: all else is read, or the section is refused.

Darknet takes no notice of an option that it does not know, so forks and versions add their own. One that is switched
on and that no reader looks at is told and not passed over.
"""

from __future__ import annotations

from netglot.errors import Refusal, notimpl
from netglot.formats.darknet import Section

_TRAINING = frozenset(
    "learning_rate learning_scale stopbackward train_only_bn dont_update burnin_update burn_in clip momentum "
    "decay adam B1 B2 eps onlyforward optimized_memory cbn grad_centr wait_stream stream dot sway stretch_sway "
    "angle coefficient jitter resize rescore ignore_thresh iou_thresh truth_thresh thresh random "
    "counters_per_class label_smooth_eps objectness_smooth uc_normalizer iou_normalizer obj_normalizer "
    "cls_normalizer delta_normalizer iou_loss iou_thresh_kind beta_nms nms_kind max max_delta focal_loss "
    "show_details map bias_match object_scale noobject_scale class_scale coord_scale mask_scale absolute log sqrt "
    "hsqrt noloss side forced flip saturation exposure shift hue dropblock dropblock_size_rel dropblock_size_abs "
    "embedding_layer sim_thresh dets_for_track dets_for_show track_history_size use_objectness coords classes num "
    "total anchors mask type smooth class_weight cutoff ratio kappa alpha batch_normalize_noscale workspace".split()
)
"""Options that say how a network is trained, or what is done with its boxes."""
_OFF = ("0", "0.", "0.0", "none", "")


def understood(section: Section) -> None:
    """Asserts that each option of a section was looked at by its reader, is switched off or changes nothing.

    Raises:
        Refusal: one is not.
    """
    for name, held in section.options.items():
        if name not in section.asked and name not in _TRAINING and held not in _OFF:
            raise Refusal(notimpl(f"its option {name}={held[:40]}"))
