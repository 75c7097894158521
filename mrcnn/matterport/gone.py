"""Names of Matterport's modules that are gone, and what to write instead."""

import dis
import sys
from collections.abc import Callable
from typing import NoReturn

GONE = {  # {module: {name: what to write}}, as docs/matterport.md has it
    "mrcnn.model": {
        "identity_block": "resnet_graph",
        "conv_block": "resnet_graph",
        "rpn_graph": "mrcnn.network.heads.region_proposal_head",
        "build_rpn_model": "mrcnn.network.heads.region_proposal_head",
        "fpn_classifier_graph": "mrcnn.network.heads.BoxHead",
        "build_fpn_mask_graph": "mrcnn.network.heads.MaskHead",
        "overlaps_graph": "utils.compute_overlaps, or mrcnn.ops.boxes.iou_matrix for tensors",
        "detection_targets_graph": "DetectionTargetLayer",
        "refine_detections_graph": "DetectionLayer",
        "apply_box_deltas_graph": "mrcnn.ops.boxes.decode",
        "clip_boxes_graph": "mrcnn.ops.boxes.clip",
        "rpn_class_loss_graph": "mrcnn.network.losses.rpn_class_loss",
        "rpn_bbox_loss_graph": "mrcnn.network.losses.rpn_bbox_loss",
        "mrcnn_class_loss_graph": "mrcnn.network.losses.mrcnn_class_loss",
        "mrcnn_bbox_loss_graph": "mrcnn.network.losses.mrcnn_bbox_loss",
        "mrcnn_mask_loss_graph": "mrcnn.network.losses.mrcnn_mask_loss",
        "smooth_l1_loss": "mrcnn.network.losses.smooth_l1",
        "trim_zeros_graph": "nothing is padded with zeros: every table has valid",
        "batch_pack_graph": "nothing is padded with zeros: every table has valid",
        "log2_graph": "mrcnn.ops.roi_align.pyramid_levels",
    },
    "mrcnn.utils": {"mold_mask": "minimize_mask; it did nothing"},
    "mrcnn.parallel_model": {"ParallelModel": "GPU_COUNT of the settings, with which train shares batches out"},
}


def teller(module: str) -> Callable[[str], NoReturn]:
    """Make the `__getattr__` of a module of Matterport's, which tells what stands in the place of a name that is gone.

    Args:
        module: its name, with a table in GONE.

    Returns:
        Function of a name that the module lacks, which raises.
    """

    def tell(name: str) -> NoReturn:
        line = f"module {module!r} has no attribute {name!r}"
        if name not in GONE[module]:
            raise AttributeError(line)
        line = f"{module}.{name} of Matterport's is gone: {GONE[module][name]} (docs/matterport.md has all names)."
        asking = sys._getframe(1)
        # `from module import name` drops the text of an AttributeError, which hasattr() needs.
        if dis.opname[asking.f_code.co_code[asking.f_lasti]] == "IMPORT_FROM":
            raise ImportError(line, name=module)
        raise AttributeError(line)

    return tell
