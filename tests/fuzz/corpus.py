"""Small sound files of every kind that the program reads, for the fuzzer to change."""

import base64
import io
import json
import os
import tarfile
import zipfile
import zlib

import h5py
import numpy as np
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.formats.label_studio_brush import encode
from mrcnn.weights.hdf5_files import whole_hdf5, write_text

HEIGHT, WIDTH = 24, 32
OUTLINE = [4, 6, 14, 6, 14, 11, 4, 11]  # x, y, ...
RUNS = {"size": [HEIGHT, WIDTH], "counts": [30, 5, 19, 5, HEIGHT * WIDTH - 59]}


def photo(folder, name="a.jpg"):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(os.path.join(folder, name))


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def mask():
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[6:11, 4:14] = 1
    return pixels


def coco():
    objects = [{"segmentation": [OUTLINE]}, {"segmentation": RUNS, "iscrowd": 1}, {"segmentation": [OUTLINE, OUTLINE]}]
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}],
        "annotations": [{"id": i, "image_id": 1, "category_id": 1 + i % 2, "bbox": [4, 6, 10, 5], "area": 50,
                         "iscrowd": 0, **entry} for i, entry in enumerate(objects, 1)],
        "categories": [{"id": 1, "name": "hat", "supercategory": "clothes"}, {"id": 2, "name": "coat"}],
    }


def results():
    return [{"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": RUNS, "bbox": [4, 6, 10, 5]},
            {"image_id": 1, "category_id": 2, "score": 0.4, "segmentation": [OUTLINE]}]


def panoptic():
    segments = [{"id": 1, "category_id": 1, "iscrowd": 0}, {"id": 0x10203, "category_id": 2, "iscrowd": 1}]
    return {**coco(), "annotations": [{"image_id": 1, "file_name": "m.png", "segments_info": segments}]}


def segments():
    """uint8 [H, W, 3] of the ids of `panoptic`: R + 256 G + 65536 B."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[6:11, 4:14] = 1, 0, 0
    pixels[12:15, 4:14] = 3, 2, 1
    return pixels


def deepfashion2():
    item = {"category_id": 1, "segmentation": [OUTLINE, OUTLINE], "scale": 1, "occlusion": 2, "style": 0}
    return {"item1": item, "item2": {**item, "category_id": 13}, "source": "shop", "pair_id": 1}


def zipped(method):
    """Bytes of a ZIP of `coco` and its photo. method: of zipfile."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("annotations/a.json", json.dumps(coco()))
        archive.writestr("images/a.jpg", png(np.zeros((HEIGHT, WIDTH, 3), np.uint8)))
    return file.getvalue()


def tarred(mode):
    """Bytes of a TAR of `coco`. mode: of tarfile."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        info, data = tarfile.TarInfo("a.json"), json.dumps(coco()).encode()
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def via():
    regions = [{"shape_attributes": {"name": "polygon", "all_points_x": OUTLINE[::2], "all_points_y": OUTLINE[1::2]},
                "region_attributes": {"name": "hat"}},
               {"shape_attributes": {"name": "ellipse", "cx": 10, "cy": 9, "rx": 4, "ry": 3},
                "region_attributes": {"name": "coat"}}]
    return {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": regions, "file_attributes": {}}}


def via3():
    shapes = [[7, *OUTLINE], [2, 4, 6, 10, 5], [4, 10, 9, 4, 3], [9, 20, 11, 15, 16, 10, 11]]
    return {
        "project": {"pid": "x", "data_format_version": "3.1.1", "vid_list": ["1"]}, "config": {"file": {}},
        "attribute": {"1": {"aname": "class", "anchor_id": "FILE1_Z0_XY1", "type": 4, "options": {"0": "hat"}}},
        "file": {"1": {"fid": "1", "fname": "a.jpg", "type": 2, "loc": 1, "src": ""}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {str(i): {"vid": "1", "flg": 0, "z": [], "xy": xy, "av": {"1": "0"}}
                     for i, xy in enumerate(shapes)},
    }


def label_studio():
    brush = encode({"size": [HEIGHT, WIDTH], "counts": RUNS["counts"]})
    values = [{"points": [[12, 25], [43, 25], [43, 45]], "closed": True, "polygonlabels": ["hat"]},
              {"x": 12, "y": 25, "width": 30, "height": 20, "rotation": 30, "rectanglelabels": ["coat"]},
              {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 5, "ellipselabels": ["hat"]},
              {"format": "rle", "rle": brush, "brushlabels": ["hat"]}, {"x": 5, "y": 5, "width": 1}]
    result = [{"id": str(i), "from_name": "label", "to_name": "image", "type": "labels", "original_width": WIDTH,
               "original_height": HEIGHT, "image_rotation": 0, "value": value} for i, value in enumerate(values)]
    annotation = {"id": 3, "completed_by": {"id": 1, "email": "a@b.c"}, "result": result, "was_cancelled": False,
                  "created_at": "2024-01-01T00:00:00Z"}
    return [{"id": 1, "data": {"image": "/data/upload/1/1a2b3c4d-a.jpg"}, "annotations": [annotation],
             "predictions": []}]


def supervisely():
    bitmap = base64.b64encode(zlib.compress(png(np.array([[0, 1, 0], [1, 1, 1]], bool)))).decode()
    corners = np.reshape(OUTLINE, (-1, 2)).tolist()
    objects = [{"geometryType": "polygon", "points": {"exterior": corners, "interior": [[[6, 7], [8, 7], [8, 9]]]}},
               {"geometryType": "bitmap", "bitmap": {"data": bitmap, "origin": [5, 7]}},
               {"geometryType": "rectangle", "points": {"exterior": corners[::2], "interior": []}}]
    return {"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH},
            "objects": [{"classTitle": "hat", "tags": [{"name": "worn", "value": "yes"}], **one} for one in objects]}


def labelme():
    shapes = [{"label": "hat", "points": np.reshape(OUTLINE, (-1, 2)).tolist(), "group_id": None,
               "shape_type": "polygon", "flags": {}},
              {"label": "coat", "points": [[5, 7], [7, 8]], "group_id": 1, "shape_type": "mask", "flags": {},
               "mask": base64.b64encode(png(np.array([[0, 1, 0], [1, 1, 1]], bool))).decode()}]
    return {"version": "5.0.1", "flags": {}, "shapes": shapes, "imagePath": "a.jpg", "imageData": None,
            "imageHeight": HEIGHT, "imageWidth": WIDTH}


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>hat</name><type>any</type></label><label><name>coat</name></label></labels></task></meta>
<image id="0" name="a.jpg" width="32" height="24">
<polygon label="hat" points="4,6;14,6;14,11" group_id="2" z_order="1"><attribute name="size">mini</attribute></polygon>
<box label="coat" xtl="4" ytl="6" xbr="14" ybr="11" rotation="30.5"/>
<ellipse label="hat" cx="10" cy="9" rx="4" ry="3" rotation="12"/>
<mask label="hat" rle="2, 7, 2, 1" left="5" top="3" width="4" height="3" group_id="2"/>
<tag label="coat"/>
</image></annotations>
"""
CSV = ("ImageId,EncodedPixels,Height,Width,ClassId\n"
       f"a.jpg,31 5 55 5,{HEIGHT},{WIDTH},0\na.jpg,81 9,{HEIGHT},{WIDTH},6_28\n")
KAGGLE = "ImageId,ClassId,EncodedPixels\na.jpg,hat,31 5 55 5\na.jpg,coat,81 9\n"


def hdf5(path):
    with whole_hdf5(path) as file:
        for layer in ("conv1", "bn_conv1", "rpn_model/rpn_conv_shared"):
            file.create_dataset(f"{layer}/{layer.split('/')[-1]}/kernel:0", data=np.ones((3, 3, 2), "f4"))
        file.attrs["layer_names"] = [b"conv1", b"bn_conv1"]
        write_text(file.attrs, "mrcnn_config", json.dumps(Config(NUM_CLASSES=3).to_dict()))
        write_text(file.attrs, "mrcnn_class_names", '["BG", "hat", "coat"]')
        file.attrs["mrcnn_epoch"] = 3


def state(path):
    with whole_hdf5(path) as file:
        write_text(file.attrs, "stage", '{"layers": "all", "learning_rate": 0.001}')
        file.attrs["epoch"] = 3
        for name in ("optimizer/0", "optimizer/1", "seeds/0"):
            file[name] = np.ones(4, "f4")


def old_hdf5(path):
    """As earlier versions and Keras write: texts of variable length, no checksum."""
    with h5py.File(path, "w") as file:
        file.create_dataset("conv1/conv1/kernel:0", data=np.ones((3, 3, 2), "f4"))
        file.attrs["mrcnn_config"], file.attrs["mrcnn_class_names"] = "{}", '["BG", "hat"]'


def safetensors():
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
                         "b": {"dtype": "F16", "shape": [3], "data_offsets": [24, 30]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(range(30))


def torch_file(path, zipped):
    """Written by PyTorch where it is installed; without it this kind is passed over."""
    import torch

    torch.save({"w": torch.ones(2, 3), "b": torch.zeros(3, dtype=torch.float16)}, path,
               _use_new_zipfile_serialization=zipped)
