"""Mask R-CNN as Keras layers. One file a stage; `mask_rcnn.py` puts the stages together.

Glossary, used in every docstring of this folder:

    B  images of a batch          A  anchors of an image, all levels together
    R  proposals of an image      T  regions sampled for training     D  detections of an image
    G  true objects of an image (padded to MAX_GT_INSTANCES)          C  classes, background being 0
    N  rows of a flat list of regions of all images                   F  channels of a feature map

Boxes are (y1, x1, y2, x2) in pixels of the canvas, the network's input, y2 and x2 exclusive; pixel i covers i..i+1.
Whatever is padded comes with a bool `valid` of the same leading shape. Names of batch entries and outputs:

    image [B, H, W, 3] 0..255 RGB     window [B, 4] the part of the canvas that the photo fills
    gt_boxes [B, G, 4]   gt_class_ids int32 [B, G]   gt_masks [B, G, h, w] 0..255   gt_valid, gt_crowd bool [B, G]
    active_classes bool [B, C] the classes that the photo's data set labels
"""
