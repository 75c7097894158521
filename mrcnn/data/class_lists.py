"""Photos that are labelled for some of the classes only, as LVIS' are: the lists that say which."""

from mrcnn.data.dataset import Dataset

NEGATIVE, OPEN = "neg_category_ids", "not_exhaustive_category_ids"  # of COCO's images, by LVIS' names


def class_lists_of(dataset: Dataset, image_id: int, categories: dict[int, int | str]) -> dict[str, list[int | str]]:
    """Look up the lists of classes of a photo.

    Args:
        dataset: prepared Dataset, whose `image_info` may have "class_lists", by ids of the source.
        image_id: id of the photo in this data set.
        categories: {class id: category id} to write.

    Returns:
        {NEGATIVE: category ids, OPEN: category ids}, without classes that were left out; {} for a photo that is
        labelled for all classes.
    """
    info, lists = dataset.image_info[image_id], {}
    for key, ids in (info.get("class_lists") or {}).items():
        class_ids = (dataset.map_source_class_id(f"{info['source']}.{i}") for i in ids)
        lists[key] = [categories[class_id] for class_id in class_ids if class_id]
    return lists
