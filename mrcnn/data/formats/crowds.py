"""Whether `iscrowd: 1` of a COCO file means a crowd, or just that a tool wrote a mask as run lengths.

Training ignores crowds. CVAT's brush, and other tools after it, mark every run length as a crowd, so that a file drawn
with the brush would teach nothing.
"""

import os
from collections import Counter
from typing import NoReturn

import numpy as np

from mrcnn.data.formats.coco_entries import flag
from mrcnn.data.strips import mask_part
from mrcnn.errors import DataError

CHOICES = ("objects", "ignore")
FEW = 0.1  # crowds are at most this share of the objects of COCO's own files, which have 1 % of them
LOOKED_AT = 200  # crowds whose parts are counted
ONE_PART = 0.9  # share of a mask's pixels in its largest part, and of the masks that are so
LARGEST = 10**8  # pixels of a photo whose crowds are drawn to count their parts


def judge(annotations: list[dict], of_coco: bool) -> str:
    """What the crowds of a file are: "crowds", "objects" of a tool that marks run lengths, or "unclear".

    They are crowds if the file is COCO's own, if it has other run lengths too, or polygons among the crowds. If none of
    this tells them from objects, they are objects where each is one connected part, as crowds seldom are; but if they
    are few in all and in each class, they stay crowds, or "perhaps" they are if each is one part.

    Args:
        annotations: all of the file, as they are there
        of_coco: whether the file is one of COCO's own, or a part of one
    """
    crowds = [annotation for annotation in annotations if flag(annotation.get("iscrowd"))]
    if not crowds or of_coco:
        return "crowds"
    if len(crowds) < len(annotations):
        as_runs = [isinstance(annotation.get("segmentation"), dict) for annotation in annotations]
        marks_form = all(runs == bool(flag(a.get("iscrowd"))) for runs, a in zip(as_runs, annotations))
        if not marks_form:
            return "crowds"
        if not _many(crowds, annotations):
            return "perhaps" if _of_one_part(crowds) else "crowds"
    return "objects" if _of_one_part(crowds) else "unclear"


def is_of_coco(content: dict) -> bool:
    """Whether the content of a file says that its photos are COCO's."""
    info = content.get("info")
    if isinstance(info, dict) and "cocodataset" in str(info.get("url")):
        return True
    return any("cocodataset" in str(photo.get("coco_url")) for photo in content["images"][:1])


def ask(source: str | os.PathLike, annotations: list[dict], names: dict[int | str, str]) -> NoReturn:
    """Raise the DataError that asks what the crowds of a file are.

    Args:
        source: path of the file
        annotations: all of it
        names: {category id: name}
    """
    crowds = Counter(names[a["category_id"]] for a in annotations if a.get("iscrowd"))
    total = sum(crowds.values())
    shown = ", ".join(f"{count} {name}" for name, count in crowds.most_common(3)) + (", ..." if len(crowds) > 3 else "")
    raise DataError(
        f"{source}: {total} of {len(annotations)} objects are marked iscrowd: 1 ({shown}), which training ignores; "
        'some tools mark every mask of run lengths so: say what they are, crowds="objects" or "ignore" (--crowds).'
    )


def _many(crowds, annotations):
    """Whether crowds are more than COCO has, in all or in a class; one crowd tells nothing."""
    if 1 < len(crowds) > FEW * len(annotations):
        return True
    in_class, of_class = (Counter(str(a.get("category_id")) for a in some) for some in (crowds, annotations))
    return any(count > 1 and count > of_class[key] / 2 for key, count in in_class.items())


def _of_one_part(crowds):
    """Whether nearly all of some crowds hang together each, as far as a sample of them tells."""
    chosen = [crowds[i] for i in np.unique(np.linspace(0, len(crowds) - 1, LOOKED_AT).astype(int))]
    whole = [one for one in (_hangs_together(crowd.get("segmentation")) for crowd in chosen) if one is not None]
    return bool(whole) and sum(whole) >= ONE_PART * len(whole)


def _hangs_together(segmentation):
    """Whether a segmentation is one part, but for specks; None if it cannot be told."""
    import cv2

    if isinstance(segmentation, list):
        return len(segmentation) == 1 or not isinstance(segmentation[0], list) if segmentation else None
    try:
        height, width = segmentation["size"]
        if not 0 < height * width <= LARGEST:
            return None
        part = mask_part({"size": [height, width], "counts": segmentation["counts"]})
    except (TypeError, ValueError, KeyError):  # told as a fault of the object
        return None
    if part is None:
        return None
    inside = np.ascontiguousarray(part[2]).view(np.uint8)
    _, _, measures, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    return bool(measures[1:, cv2.CC_STAT_AREA].max() >= ONE_PART * inside.sum())


