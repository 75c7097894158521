"""Train torchvision's Mask R-CNN on Clothing Co-Parsing and write its objects of the val photos as COCO results.

    python benchmarks/peers/torchvision_maskrcnn.py --data DIR --weights efficientnet_lite0.npz --output results.json

An environment of its own: benchmarks/peers/requirements.txt. The backbone is EfficientNet-Lite0 with the ImageNet
weights that ours starts from (PyTorch names in an .npz), batch normalisation frozen, all layers trained. The rest is as
torchvision builds it: pyramid of 256 channels, box head of two layers of 1024, four mask convolutions of 256. Photos
are scaled as ours are for --size (longer side), and flipped left to right half of the time. Photos without an object
are left out of the training, since torchvision learns nothing of masks there; their number is printed.
"""

import argparse
import json
import math
import os
import time
from collections import OrderedDict

import numpy as np
import torch
from PIL import Image, ImageOps
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

# EfficientNet-Lite0: (repeats, kernel, stride of the first block, expansion, channels).
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))
TAPS = {1: "0", 2: "1", 4: "2", 6: "3"}  # the last stage of each stride, counted from 0


class SameConvolution(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, which pads one more at the bottom and right where it is uneven."""

    def forward(self, x):
        pads = []
        for side, kernel, stride in zip(x.shape[:-3:-1], self.kernel_size, self.stride, strict=True):
            total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(nn.functional.pad(x, pads))


class Convolution(nn.Sequential):
    """Convolution, frozen batch normalisation and, where asked for, ReLU6."""

    def __init__(self, channels_in, channels, kernel, stride=1, groups=1, activation=True):
        super().__init__(SameConvolution(channels_in, channels, kernel, stride, groups=groups, bias=False),
                         FrozenBatchNorm2d(channels, eps=1e-3), nn.ReLU6() if activation else nn.Identity())


class Block(nn.Module):
    """Inverted bottleneck (Sandler 2018, section 3.3)."""

    def __init__(self, channels_in, channels, kernel, stride, expansion, shortcut):
        super().__init__()
        wide = channels_in * expansion
        self.expand = Convolution(channels_in, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(wide, wide, kernel, stride, wide)
        self.project = Convolution(wide, channels, 1, activation=False)
        self.shortcut = shortcut

    def forward(self, x):
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class Lite0Pyramid(nn.Module):
    """Feature pyramid P2..P6 on EfficientNet-Lite0."""

    out_channels = 256

    def __init__(self, norm=None):
        super().__init__()
        self.stem = Convolution(3, 32, 3, 2)
        self.blocks, self.ends, widths, before = nn.ModuleList(), {}, [], 32
        for stage, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
            for repeat in range(repeats):
                self.blocks.append(Block(before, channels, kernel, 1 if repeat else stride, expansion, repeat > 0))
                before = channels
            if stage in TAPS:
                self.ends[len(self.blocks) - 1] = TAPS[stage]
                widths.append(channels)
        self.fpn = FeaturePyramidNetwork(widths, self.out_channels, LastLevelMaxPool(), norm)

    def taps(self, x):
        x, taps = self.stem(x), OrderedDict()
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.ends:
                taps[self.ends[index]] = x
        return taps

    def forward(self, x):
        return self.fpn(self.taps(x))

    def load(self, path):
        """Fill the backbone from an .npz of PyTorch names."""
        stored = np.load(path)

        def fill(convolution, kernel, norm):
            convolution[0].weight.data.copy_(torch.from_numpy(stored[f"{kernel}.weight"]))
            for part in ("weight", "bias", "running_mean", "running_var"):
                getattr(convolution[1], part).copy_(torch.from_numpy(stored[f"{norm}.{part}"]))

        fill(self.stem, "_conv_stem", "_bn0")
        for index, block in enumerate(self.blocks):
            at = f"_blocks.{index}."
            if not isinstance(block.expand, nn.Identity):
                fill(block.expand, f"{at}_expand_conv", f"{at}_bn0")
            fill(block.depthwise, f"{at}_depthwise_conv", f"{at}_bn1")
            fill(block.project, f"{at}_project_conv", f"{at}_bn2")


class Photos(torch.utils.data.Dataset):
    """Photos of a COCO file with boxes and masks; the classes' ids are as in the file."""

    def __init__(self, folder, coco, ids, flip, seed=0):
        self.folder, self.coco, self.ids, self.flip, self.seed, self.epoch = folder, coco, ids, flip, seed, 0

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        info = self.coco.loadImgs(self.ids[index])[0]
        with Image.open(os.path.join(self.folder, info["file_name"])) as photo:
            image = np.array(ImageOps.exif_transpose(photo).convert("RGB"))
        objects = [one for one in self.coco.loadAnns(self.coco.getAnnIds(self.ids[index])) if not one.get("iscrowd")]
        masks = np.array([self.coco.annToMask(one) for one in objects], np.uint8).reshape(-1, *image.shape[:2])
        rng = np.random.default_rng([self.seed, self.epoch, index])
        if self.flip and rng.random() < 0.5:
            image, masks = image[:, ::-1], masks[:, :, ::-1]
        boxes, kept = [], []
        for i, mask in enumerate(masks):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            if len(rows):
                boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
                kept.append(i)
        target = {"boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
                  "labels": torch.tensor([objects[i]["category_id"] for i in kept], dtype=torch.int64),
                  "masks": torch.from_numpy(masks[kept].copy())}
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1), target, info["id"]


def build(options, coco):
    classes = max(coco.getCatIds()) + 1
    norm = {"none": None, "group": lambda channels: nn.GroupNorm(32, channels)}[options.pyramid_norm]
    backbone = Lite0Pyramid(norm)
    backbone.load(options.weights)
    anchors = AnchorGenerator(tuple((side,) for side in options.anchors), ((0.5, 1.0, 2.0),) * 5)
    # With min_size as large as max_size the longer side alone decides, whatever the shape of the photo, as in ours.
    return MaskRCNN(backbone, classes, min_size=options.size, max_size=options.size, image_mean=[127 / 255] * 3,
                    image_std=[128 / 255] * 3, rpn_anchor_generator=anchors, box_score_thresh=options.threshold,
                    box_detections_per_img=100)


def schedule(options, optimizer, steps):
    """Learning rate by step: a linear warm-up, then cosine, or a tenth from 8/12 and a hundredth from 11/12 on."""

    def factor(step):
        warm = min(1.0, (step + 1) / options.warmup)
        if options.schedule == "cosine":
            return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1))))
        return warm * (1.0 if step < steps * 8 / 12 else 0.1 if step < steps * 11 / 12 else 0.01)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def train(options, model, photos, device):
    loader = torch.utils.data.DataLoader(
        photos, options.batch_size, shuffle=True, drop_last=True, num_workers=options.workers,
        collate_fn=lambda batch: tuple(zip(*batch, strict=True)),
        generator=torch.Generator().manual_seed(options.seed))
    steps = len(loader) * options.epochs
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    if options.optimizer == "sgd":
        optimizer = torch.optim.SGD(trained, options.lr, 0.9, weight_decay=1e-4)
    else:
        optimizer = torch.optim.AdamW(trained, options.lr, weight_decay=0.01)
    rate = schedule(options, optimizer, steps)
    model.train()
    begin = time.time()
    for epoch in range(options.epochs):
        photos.epoch, start, sums = epoch, time.time(), {}
        for number, (images, targets, _) in enumerate(loader):
            images = [image.to(device, non_blocking=True).float() / 255 for image in images]
            targets = [{name: value.to(device) for name, value in target.items()} for target in targets]
            losses = model(images, targets)
            loss = sum(losses.values())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            rate.step()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.detach()
            if options.steps and number + 1 >= options.steps:
                break
        means = ", ".join(f"{name} {float(value) / (number + 1):.3f}" for name, value in sums.items())
        seconds = time.time() - start
        print(f"epoch {epoch + 1}/{options.epochs}: {seconds:.1f} s, {(number + 1) * options.batch_size / seconds:.1f} "
              f"photos/s, {means}", flush=True)
        if options.limit_seconds and time.time() - begin + seconds > options.limit_seconds:
            print(f"stopped after {epoch + 1} epochs: --limit-seconds {options.limit_seconds}")
            break


@torch.no_grad()
def results(model, photos, device):
    model.eval()
    found = []
    for index in range(len(photos)):
        image, _, image_id = photos[index]
        out = model([image.to(device).float() / 255])[0]
        boxes, masks = out["boxes"].cpu().numpy(), (out["masks"][:, 0] >= 0.5).cpu().numpy()
        for box, mask, score, label in zip(boxes, masks, out["scores"].tolist(), out["labels"].tolist(), strict=True):
            code = run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))
            found.append({"image_id": image_id, "category_id": label, "score": score,
                          "bbox": [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])],
                          "segmentation": {"size": code["size"], "counts": code["counts"].decode()}})
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="folder of photos/, instances_train.json, instances_val.json")
    parser.add_argument("--weights", required=True, help=".npz of EfficientNet-Lite0")
    parser.add_argument("--output", required=True, help="COCO results to write")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--size", type=int, default=512, help="longer side of the photos, pixels")
    parser.add_argument("--anchors", type=int, nargs=5, default=[16, 32, 64, 128, 256])
    parser.add_argument("--optimizer", choices=("sgd", "adamw"), default="sgd")
    parser.add_argument("--schedule", choices=("steps", "cosine"), default="steps")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--warmup", type=int, default=100, help="steps")
    parser.add_argument("--pyramid-norm", choices=("none", "group"), default="none")
    parser.add_argument("--threshold", type=float, default=0.001, help="least score of an object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, help="of an epoch, for a trial")
    parser.add_argument("--limit-seconds", type=float)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    truth = {part: COCO(os.path.join(options.data, f"instances_{part}.json")) for part in ("train", "val")}
    folder = os.path.join(options.data, "photos")
    every = sorted(truth["train"].getImgIds())
    ids = [one for one in every if truth["train"].getAnnIds(one, iscrowd=False)]
    print(f"{len(ids)} photos; {len(every) - len(ids)} without an object are left out")
    model = build(options, truth["train"]).to(device)
    start = time.time()
    train(options, model, Photos(folder, truth["train"], ids, True, options.seed), device)
    print(f"training {time.time() - start:.0f} s on {device}")
    if device == "cuda":
        print(f"peak GPU memory {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
    found = results(model, Photos(folder, truth["val"], sorted(truth["val"].getImgIds()), False), device)
    with open(options.output, "w", encoding="utf-8") as file:
        json.dump(found, file)
    print(f"{len(found)} objects in {options.output}")


if __name__ == "__main__":
    main()
