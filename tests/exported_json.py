"""What is in the JSON file beside an exported file, of a network of objects and of one of label maps."""

IMAGE = {"shape": [1, 64, 128, 3], "dtype": "uint8"}
OBJECTS = {
    "format": "onnx", "architecture": "mask-rcnn", "written_by": "mrcnn 0",
    "inputs": {"image": IMAGE, "window": {"shape": [1, 4], "dtype": "float32"}},
    "outputs": dict.fromkeys(("boxes", "class_ids", "scores", "valid", "masks"), {}), "class_names": ["BG", "hat"],
    "canvas": {"height": 64, "width": 128}, "resize": {"min_side": 0, "max_side": 128, "min_scale": 1.0},
    "settings": {"NUM_CLASSES": 2, "MASK_SCORES": True, "MEAN_PIXEL": [1.5, 2.0, 3.0], "DETECTION_MIN_CONFIDENCE": 0.7},
    "mean_pixel": [1.5, 2.0, 3.0], "mask_scores": True, "geometry": "exact",
    "thresholds": {"score": 0.7, "overlap": 0.5, "mask": 0.5}}
LABELS = {
    **{name: OBJECTS[name] for name in ("format", "canvas", "resize", "class_names")}, "architecture": "unet",
    "inputs": {"image": IMAGE}, "outputs": {"probabilities": {"shape": [1, 64, 128, 2], "dtype": "float32"}},
    "settings": {"NUM_CLASSES": 2}}
