"""Images: boxes, regions and their detection, kernels, changes, and networks by name."""

# One name a line would take hundreds of lines.
# isort: off
from graphc.vision.augmentation import warp
from graphc.vision.boxes import (
    AnchorHead, anchor_grid, anchor_shapes, box_area, by_anchor, decode_boxes, encode_boxes,
    iou, project_boxes, to_centres, to_corners,
)  # fmt: skip
from graphc.vision.cropping import crop_resize, crops, dense_kernels
from graphc.vision.detection import (
    balanced_sample, detection_hits, label_anchors, sample_where, suppress,
)  # fmt: skip
from graphc.vision.heat_maps import heat_maps, soft_argmax
from graphc.vision.image_kernels import filter_image
from graphc.vision.masks import mask_head, mask_loss, merge_segments, panoptic_quality, paste_masks
from graphc.vision.roi_pooling import roi_max_pool
from graphc.vision.selective_search import over_segment, selective_search
from graphc.vision.separable_kernels import separable_conv, separable_terms
from graphc.vision.spatial_transformer import SpatialTransformer
from graphc.vision.style import gram, style_loss
from graphc.vision.visualising import ascend, deconv_relu, guided_relu
from graphc.vision import models

__all__ = [
    "AnchorHead", "SpatialTransformer", "anchor_grid", "anchor_shapes", "ascend",
    "balanced_sample", "box_area", "by_anchor", "crop_resize", "crops", "decode_boxes",
    "deconv_relu", "dense_kernels", "detection_hits", "encode_boxes", "filter_image", "gram",
    "guided_relu", "heat_maps", "iou", "label_anchors", "mask_head", "mask_loss",
    "merge_segments", "models", "over_segment", "panoptic_quality", "paste_masks",
    "project_boxes", "roi_max_pool", "sample_where", "selective_search", "separable_conv",
    "separable_terms", "soft_argmax", "style_loss", "suppress", "to_centres", "to_corners",
    "warp",
]  # fmt: skip
