"""Validation: every defect, made on purpose in COCO's and in iMaterialist's form, is named; nothing else is."""

import base64
import csv
import io
import json
import pathlib
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import without
from mrcnn.data.curation import validate as validation
from mrcnn.data.curation.validate import faults_text, read_faults, validate, write_faults
from mrcnn.data.dataset import Dataset
from mrcnn.data.faults import FAULT_KINDS, Fault
from mrcnn.data.formats import open_dataset
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError

CCP = pathlib.Path(__file__).parents[3] / "shared" / "data" / "ccp"
HEIGHT, WIDTH = 20, 30
SQUARE = [4, 4, 12, 4, 12, 12, 4, 12]  # x, y of its corners


def photo(path, height=HEIGHT, width=WIDTH, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path, **options)


def huge_png(path, height=20_000, width=20_000):
    """A PNG of 400 million black pixels in a file of 400 KB: a decompression bomb."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(100 * (width // 8 + 1))) for _ in range(height // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def break_photos(folder):
    """Photos as files can be: sound, and in each of the ways in which one can be unreadable."""
    for name in ("sound.jpg", "truncated.jpg", "truncated.png", "odd.png", "sub/deep.jpg"):
        photo(folder / name)
    for name in ("truncated.jpg", "truncated.png"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:len(data) // 2])
    photo(folder / "larger.jpg", HEIGHT + 1, WIDTH)
    photo(folder / "scaled.jpg", HEIGHT * 2, WIDTH * 2)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn, so 30 high and 20 wide
    photo(folder / "turned.jpg", exif=exif)  # sound: annotated as it is before
    (folder / "text.jpg").write_text("not a photo")
    (folder / "nothing.jpg").write_bytes(b"")
    huge_png(folder / "bomb.png")
    photo(folder.parent / "outside.jpg")


PHOTO_FAULTS = {  # photo: (kind, part of the message)
    "truncated.jpg": ("unreadable", "not a readable image"),
    "truncated.png": ("unreadable", "not a readable image"),
    "text.jpg": ("unreadable", "unknown format"),
    "nothing.jpg": ("unreadable", "unknown format"),
    "bomb.png": ("unreadable", "too many pixels"),
    "larger.jpg": ("wrong size", "the photo is 21x30 pixels (height x width, upright), annotated as 20x30"),
    "scaled.jpg": ("wrong size", "annotated as 20x30, as if it had been scaled since: give the photos that were annot"),
    "../outside.jpg": ("path escape", "leads out of the image folder"),
    "/etc/hosts": ("path escape", "leads out of the image folder"),
    "gone.jpg": ("missing", "is not in"),
}


def check(faults, expected):
    """Every expected fault, (photo, number): (kind, part of the message), is found, and no other."""
    by_object = {(fault.photo, fault.number): fault for fault in faults}
    assert len(by_object) == len(faults)
    assert {place: fault.kind for place, fault in by_object.items()} == {p: kind for p, (kind, _) in expected.items()}
    for place, (kind, message) in expected.items():
        assert message in by_object[place].message and kind in FAULT_KINDS
    assert [fault.photo for fault in faults] == sorted(fault.photo for fault in faults)


# --- COCO ------------------------------------------------------------------------------------------------------------


def coco_defects():
    """(content of a COCO file, {(photo, number): (kind, part of the message)})."""
    names = ["sound.jpg", "sub/deep.jpg", "odd.png", "turned.jpg", *PHOTO_FAULTS]
    images = [{"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH} for i, name in enumerate(names)]
    images.append({"id": 0, "file_name": "second.jpg", "height": HEIGHT, "width": WIDTH})
    sound = {"image_id": 0, "category_id": 1, "segmentation": [SQUARE]}
    outside = [x + 1000 for x in SQUARE]
    total = HEIGHT * WIDTH
    objects = [
        (sound, None),
        ({**sound, "segmentation": []}, ("no mask", "no segmentation")),
        ({**sound, "segmentation": rle_encode(np.zeros((HEIGHT, WIDTH), bool))}, ("empty mask", "no pixel")),
        ({**sound, "segmentation": [[4, 4, 4.1, 4, 4.1, 4.1]]}, ("empty mask", "no pixel")),
        ({**sound, "segmentation": [outside]}, ("mask outside", "")),
        ({**sound, "category_id": 99}, ("unknown class", "category_id 99")),
        ({**sound, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [10, total]}}, ("RLE overflow", "covers 610")),
        ({**sound, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [10, 20]}}, ("RLE overflow", "covers 30")),
        ({**sound, "segmentation": {"size": [9, 9], "counts": [81]}}, ("wrong size", "[9, 9]")),
        ({**sound, "segmentation": [["x"]]}, ("bad entry", "list of numbers")),
        ({**sound, "segmentation": [[x + 1 for x in SQUARE]], "id": 1}, ("duplicate id", "annotation 1 occurs twice")),
    ]
    annotations, expected = [], {(name, None): fault for name, fault in PHOTO_FAULTS.items()}
    for number, (entry, fault) in enumerate(objects):
        annotations.append({"id": number + 1, **entry})
        if fault:
            expected["sound.jpg", number] = fault
    annotations.append({"id": 500, **sound, "image_id": 12345})
    expected["image 12345", None] = ("bad entry", "image_id 12345")
    expected["second.jpg", None] = ("duplicate id", "image id 0 occurs twice")
    return {"images": images, "categories": [{"id": 1, "name": "hat"}], "annotations": annotations}, expected


@pytest.fixture
def coco(tmp_path):
    """(path of a COCO file with every defect, its faults as expected)."""
    break_photos(tmp_path / "photos")
    content, expected = coco_defects()
    (tmp_path / "faulty.json").write_text(json.dumps(content))
    return tmp_path / "faulty.json", expected


def opened(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that bad samples are skipped
        return open_dataset(path, path.parent / "photos", on_error="skip", keep_partial=True)


def test_every_defect_of_a_coco_file_is_named(coco):
    path, expected = coco
    check(validate(opened(path), progress=False), expected)


@pytest.mark.parametrize("workers", [1, 5])
def test_threads_change_nothing(coco, workers):
    dataset = opened(coco[0])
    states = []
    assert validate(dataset, workers, lambda *state: states.append(state)) == validate(dataset, 2, False)
    count = len(dataset.image_ids)
    assert states == [(done, count) for done in range(1, count + 1)]


def test_what_remains_without_the_faults_is_sound(coco, tmp_path):
    path, _ = coco
    write_faults(tmp_path / "faults.json", validate(opened(path), progress=False))
    rest = without(opened(path), read_faults(tmp_path / "faults.json"))
    assert [rest.file_name(i) for i in rest.image_ids] == ["sound.jpg", "sub/deep.jpg", "odd.png", "turned.jpg"]
    rest.faults = []
    assert [fault.kind for fault in validate(rest, progress=False)] == []
    masks, class_ids = rest.load_mask(0)
    # The sound object, and the one of which nothing but its id is wrong: squares of 8 pixels a side.
    assert class_ids.tolist() == [1, 1] and masks.sum(axis=(0, 1)).tolist() == [64, 64]


# --- iMaterialist ----------------------------------------------------------------------------------------------------


def imaterialist_defects():
    """(rows of a CSV, {(photo, number): (kind, part of the message)})."""
    total = HEIGHT * WIDTH
    objects = [
        ("1 20", "6", None),
        ("", "6", ("empty mask", "no pixel")),
        ("5 0", "6", ("empty mask", "no pixel")),
        (f"{total} 2", "6", ("RLE overflow", f"pixels 1 to {total}")),
        (f"{total + 1} 1", "6", ("RLE overflow", f"from pixel {total + 1}")),
        ("0 3", "6", ("RLE overflow", "from pixel 0")),
        ("1 2 3", "6", ("bad entry", "3 numbers")),
        ("1 x", "6", ("bad entry", "no whole numbers")),
        ("1 2", "99", ("unknown class", "class 99")),
        ("1 2", "hat", ("bad entry", "no whole numbers")),
    ]
    rows = [[name, "1 2", HEIGHT, WIDTH, "6"] for name in ("sub/deep.jpg", "odd.png", "turned.jpg")]
    expected = {(name, None): fault for name, fault in PHOTO_FAULTS.items()}
    for number, (pixels, label, fault) in enumerate(objects):
        rows.append(["sound.jpg", pixels, HEIGHT, WIDTH, label])
        if fault:
            expected["sound.jpg", number] = fault
    rows += [[name, "1 2", HEIGHT, WIDTH, "6"] for name in PHOTO_FAULTS]
    rows += [["two.jpg", "1 2", HEIGHT, WIDTH, "6"], ["two.jpg", "1 2", HEIGHT, WIDTH + 1, "6"]]
    expected["two.jpg", None] = ("wrong size", "20x31")
    return rows, expected


def test_every_defect_of_an_imaterialist_file_is_named(tmp_path):
    break_photos(tmp_path / "photos")
    photo(tmp_path / "photos" / "two.jpg")
    rows, expected = imaterialist_defects()
    with open(tmp_path / "faulty.csv", "w", newline="") as file:
        csv.writer(file).writerows([["ImageId", "EncodedPixels", "Height", "Width", "ClassId"], *rows])
    names = {"categories": [{"id": 6, "name": "pants"}, {"id": 23, "name": "shoe"}]}
    (tmp_path / "label_descriptions.json").write_text(json.dumps(names))
    dataset = opened(tmp_path / "faulty.csv")
    faults = validate(dataset, progress=False)
    check(faults, expected)
    rest = without(dataset, faults)
    rest.faults = []
    assert sorted(rest.file_name(i) for i in rest.image_ids) == ["odd.png", "sound.jpg", "sub/deep.jpg",
                                                                         "turned.jpg"]
    assert validate(rest, progress=False) == []


# --- Data sets of the user's own -------------------------------------------------------------------------------------


class Own(Dataset):
    """Photos whose load_mask gives what it was given."""

    def load(self, *photos):
        self.add_class("own", 1, "hat")
        for i, (image, masks, class_ids) in enumerate(photos):
            self.add_image("own", f"photo {i}", None, image=image, masks=masks, class_ids=class_ids)
        self.prepare()
        return self

    def load_image(self, image_id):
        image = self.image_info[image_id]["image"]
        if isinstance(image, Exception):
            raise image
        return image

    def load_mask(self, image_id):
        masks = self.image_info[image_id]["masks"]
        if isinstance(masks, Exception):
            raise masks
        return masks, self.image_info[image_id]["class_ids"]


def test_data_sets_without_run_lengths():
    image, full = np.zeros((5, 6, 3), np.uint8), np.ones((5, 6, 1), bool)
    dataset = Own().load(
        (image, full, [1]),
        (image, np.zeros((5, 6, 1), bool), [1]),
        (image, full, [2]),
        (image, full, [0]),
        (image, full, [-1]),  # a crowd
        (image, full[:4], [1]),
        (image, full, [1, 1]),
        (image, np.zeros((0, 0, 0), bool), []),  # nothing to see
        (image, KeyError("annotations"), []),
        (OSError("disk\nfailed."), full, [1]),
        (image[..., 0], full, [1]),
    )
    assert [str(fault) for fault in validate(dataset, progress=False)] == [
        "photo 1, object 0: its mask has no pixel",
        "photo 10: load_image gave [5, 6] instead of [height, width, 3]",
        "photo 2, object 0: class id 2 is none of 1 to 1",
        "photo 3, object 0: class id 0 is none of 1 to 1",
        "photo 5: the photo is 5x6 pixels (height x width, upright), its masks are 4x6",
        "photo 6: load_mask gave masks [5, 6, 1] for 2 class ids",
        "photo 8: its objects cannot be read (KeyError: 'annotations')",
        "photo 9: OSError: disk failed",
    ]


def test_objects_of_one_mask_are_told(tmp_path):
    photo(tmp_path / "photos" / "a.jpg")
    # The square of 4 to 11 as run lengths: four columns of 20 rows and 4 rows, then 8 inside and 12 outside.
    runs = {"size": [HEIGHT, WIDTH], "counts": [84, *[8, 12] * 7, 8, 600 - 84 - 8 * 8 - 7 * 12]}
    entries = [(1, [SQUARE]), (1, runs), (2, [SQUARE]), (1, [[x + 1 for x in SQUARE]])]
    annotations = [{"image_id": 1, "category_id": i, "iscrowd": 0, "segmentation": mask} for i, mask in entries]
    images = [{"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}]
    categories = [{"id": 1, "name": "hat"}, {"id": 2, "name": "coat"}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    faults = validate(opened(path), progress=False)
    assert [str(fault) for fault in faults] == [
        "a.jpg, object 1: its mask is that of object 0 too: keep one of them",
        "a.jpg, object 2: its mask is that of object 0 too, there as 'hat' and here as 'coat': keep one of them"]
    assert {fault.kind for fault in faults} == {"same mask"} and "same mask" in FAULT_KINDS
    assert without(opened(path), faults).object_count(0) == 4  # training goes on with them


def test_masks_of_a_load_mask_that_are_one_are_told():
    image, masks = np.zeros((5, 6, 3), np.uint8), np.zeros((5, 6, 4), bool)
    masks[1:3, 1:3, [0, 2]] = True  # the others are empty, which is another fault
    (fault,) = [fault for fault in validate(Own().load((image, masks, [1, 1, 1, 1])), progress=False)
                if fault.kind != "empty mask"]
    assert (fault.kind, fault.number) == ("same mask", 2) and "that of object 0 too" in fault.message


def test_a_photo_that_went_away_since_is_missing(tmp_path):
    dataset = Dataset()
    dataset.add_class("test", 1, "hat")
    dataset.add_image("test", 1, str(tmp_path / "gone.jpg"))
    dataset.prepare()
    (fault,) = validate(dataset, progress=False)
    assert (fault.photo, fault.kind) == ("gone.jpg", "missing") and "No such file" in fault.message


# --- Size ------------------------------------------------------------------------------------------------------------


def test_one_large_photo_is_in_memory_at_a_time(tmp_path, monkeypatch):
    # Eight photos of 4 MB each, decoded by eight threads: no more than two photos' worth at once.
    monkeypatch.setattr(validation, "LARGE", 1_000_000)
    dataset = Dataset()
    dataset.add_class("test", 1, "hat")
    for i in range(8):
        path = tmp_path / f"{i}.png"
        Image.new("RGB", (1400, 1000)).save(path, compress_level=1)
        dataset.add_image("test", i, str(path))
    dataset.load_mask = lambda image_id: (np.zeros((0, 0, 0), bool), [])
    dataset.prepare()
    tracemalloc.start()
    try:
        assert validate(dataset, 8, False) == []
        assert tracemalloc.get_traced_memory()[1] < 2.5 * 3 * 1400 * 1000
    finally:
        tracemalloc.stop()


# --- The list --------------------------------------------------------------------------------------------------------

FAULTS = [
    Fault("a.jpg", "unreadable", "not a readable image"),
    Fault("b.jpg", "empty mask", "its mask has no pixel", 0),
    Fault("b.jpg", "empty mask", "its mask has no pixel", 3),
]


def test_the_list_is_read_back(tmp_path):
    write_faults(tmp_path / "faults.json", FAULTS)
    assert read_faults(tmp_path / "faults.json") == FAULTS
    write_faults(tmp_path / "none.json", [])
    assert read_faults(tmp_path / "none.json") == []


@pytest.mark.parametrize("content, message", [
    ([], 'no "faults"'),
    ({"faults": {}}, 'no "faults"'),
    ({"faults": [{"photo": "a.jpg", "kind": "missing", "number": None}, {"photo": "b.jpg"}]}, "fault number 1 lacks"),
    ({"faults": ["a.jpg"]}, "fault number 0 lacks"),
    ({"faults": [{"photo": "a.jpg", "kind": "missing", "number": "1"}]}, "fault number 0 lacks"),
])
def test_files_that_are_no_lists(tmp_path, content, message):
    (tmp_path / "faults.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"faults.json: .*{message}"):
        read_faults(tmp_path / "faults.json")


def test_text():
    assert faults_text(FAULTS).split("\n") == [
        "empty mask  2    an object has no pixel",
        "unreadable  1    the photo cannot be decoded",
        "",
        "a.jpg: not a readable image",
        "b.jpg, object 0: its mask has no pixel",
        "b.jpg, object 3: its mask has no pixel",
    ]
    assert faults_text([]) == "no faults"


@pytest.mark.skipif(not CCP.exists(), reason="needs ../shared/data/ccp")
def test_photos_of_clothes_are_sound():
    for path in (CCP / "instances_val.json", CCP / "imaterialist" / "val.csv"):
        assert validate(open_dataset(path, CCP / "photos", limit=20), progress=False) == []


def test_a_photo_under_two_ids_is_named(tmp_path):
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    outline = [[2, 2, 9, 2, 9, 9, 2, 9]]
    (tmp_path / "a.json").write_text(json.dumps({
        "images": [{"id": i, "file_name": "a.png", "height": 20, "width": 30} for i in (1, 2)],
        "categories": [{"id": 1, "name": "hat"}],
        "annotations": [{"id": i, "image_id": i, "category_id": 1, "segmentation": outline} for i in (1, 2)],
    }))
    with pytest.raises(DataError, match="image 2: the photo a.png is that of image 1 too"):
        open_dataset(str(tmp_path / "a.json"))
    dataset = open_dataset(str(tmp_path / "a.json"), on_error="skip")
    # Of a data set of the user's own, which names photos as it likes.
    dataset.add_image("own", 7, str(tmp_path / "a.png"), width=30, height=20, file_name="a.png", regions=[])
    dataset.prepare()
    assert ("a.png", "duplicate id", None) in [(fault.photo, fault.kind, fault.number)
                                               for fault in validate(dataset, progress=False)]


class Few(Dataset):
    """Photos with one object each."""

    def __init__(self, *paths):
        super().__init__()
        self.add_class("made", 1, "coat")
        for path in paths:
            self.add_image("made", path.name, str(path), file_name=path.name)
        self.prepare()

    def load_mask(self, image_id):
        return np.ones((4, 5, 1), bool), np.array([1])


def test_photos_of_16_bits_that_fill_little_of_them_are_counted(tmp_path):
    for name, top in (("bright.png", 60000), ("first.png", 2000), ("second.png", 3600), ("black.png", 0)):
        Image.fromarray(np.full((4, 5), top, np.uint16)).save(tmp_path / name)
    with pytest.warns(UserWarning, match=r"2 of 4 photos are of 16 bits and hold values up to 3600 of 65535, which "
                                         r"become 0..14 of 255, nearly black \(first: first.png\): .*multiply by 16"):
        assert validate(Few(*sorted(tmp_path.iterdir())), progress=False) == []


def test_faint_negatives_and_those_with_a_see_through_grey_are_counted_too(tmp_path):
    values = np.arange(20, dtype=np.uint16).reshape(4, 5) * 100
    Image.fromarray(values).save(tmp_path / "a.tif", tiffinfo={262: 0})
    Image.fromarray(values).save(tmp_path / "b.png", transparency=0)
    values[0, 0] = 65535
    Image.fromarray(values).save(tmp_path / "c.png", transparency=65535)
    with pytest.warns(UserWarning) as told:
        assert validate(Few(*sorted(tmp_path.iterdir())), progress=False) == []
    seen = [str(warning.message).partition("): ")[0] for warning in told]
    assert seen == [
        "2 of 3 photos are of 16 bits and hold values up to 1900 of 65535, which become 0..7 of 255, nearly black "
        "(first: b.png",
        "1 of 3 photos are of 16 bits and hold values up to 1900 of 65535, which become 248..255, nearly white "
        "(first: a.tif"]


def test_of_a_load_image_of_ones_own_the_files_that_it_reads_are_told(tmp_path, monkeypatch):
    class Own(Few):
        def load_image(self, image_id):
            return super().load_image(image_id)

    for known in (validation.bit_depth, validation.pages):
        monkeypatch.setattr(known, "_known", set())
    Image.fromarray(np.full((4, 5), 3600, np.uint16)).save(tmp_path / "a.png")
    frames = [Image.fromarray(np.full((4, 5), 80 * page, np.uint8)) for page in range(2)]
    frames[0].save(tmp_path / "b.tif", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"a.png: the photo's 16 bits hold") as told:
        assert validate(Own(*sorted(tmp_path.iterdir())), 1, progress=False) == []
    assert len(told) == 2 and "b.tif: the photo has 2 pages" in str(told[1].message)


def test_a_jpeg_that_is_damaged_in_the_middle_is_a_fault(tmp_path):
    class Large(Few):
        def load_mask(self, image_id):
            return np.ones((200, 300, 1), bool), np.array([1])

    for name in ("a.jpg", "b.jpg", "c.jpg"):
        photo(tmp_path / name, 200, 300)
    data = (tmp_path / "b.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(data[:len(data) // 2] + data[len(data) // 2 + 4000:])
    (tmp_path / "c.jpg").write_bytes(data[:len(data) // 2])  # cut off: unreadable, and told once
    damaged, cut = validate(Large(*sorted(tmp_path.iterdir())), progress=False)
    assert damaged[:2] == ("b.jpg", "damaged") and cut[:2] == ("c.jpg", "unreadable")
    assert "(Corrupt JPEG data: " in damaged.message and damaged.message.endswith("replace the file")


def test_a_photo_whose_file_is_gone_by_the_time_of_the_second_look_is_unreadable(tmp_path):
    class Fleeting(Few):
        def load_mask(self, image_id):
            return np.ones((20, 30, 1), bool), np.array([1])

        def photo_bytes(self, image_id):
            if image_id:
                raise PermissionError("no")
            return (tmp_path / "a.jpg").read_bytes()

    for name in ("a.jpg", "b.jpg"):
        photo(tmp_path / name, 20, 30)
    dataset = Fleeting(tmp_path / "a.jpg", tmp_path / "b.jpg")
    for info in dataset.image_info:
        info["embedded"] = True
    dataset.load_image = lambda image_id: np.full((20, 30, 3), 90, np.uint8)
    (fault,) = validate(dataset, progress=False)
    assert fault == ("b.jpg", "unreadable", "PermissionError: no", None)


def test_photos_of_other_channels_than_the_network_takes_are_faults(tmp_path):
    class Five(Few):
        def load_image(self, image_id):
            return np.full((4, 5, 3 if image_id else 5), 200, np.uint8)

    dataset = Five(tmp_path / "a.tif", tmp_path / "b.tif")
    assert validate(dataset, progress=False) == []  # what the network takes is not known
    (fault,) = validate(dataset, progress=False, channels=3)
    assert (fault.photo, fault.kind, fault.number) == ("a.tif", "wrong channels", None)
    assert "gave 5 channels, the network takes 3" in fault.message and "IMAGE_CHANNEL_COUNT = 5" in fault.message
    assert [fault.photo for fault in validate(dataset, progress=False, channels=1)] == ["a.tif"]  # of RGB grey is made


def test_a_dark_photo_that_its_reader_makes_of_another_file_is_sound(tmp_path, monkeypatch):
    class Made(Few):
        def load_image(self, image_id):
            return np.full((4, 5, 3), 7, np.uint8)

    (tmp_path / "a.json").write_text("{}")
    monkeypatch.setattr(validation, "is_users_own", lambda *_: False)
    assert validate(Made(tmp_path / "a.json"), progress=False) == []


def test_pages_of_photos_that_annotations_hold_are_counted(tmp_path):
    data = io.BytesIO()
    frames = [Image.fromarray(np.full((8, 9), 80 * page, np.uint8)) for page in range(3)]
    frames[0].save(data, "PNG", save_all=True, append_images=frames[1:])
    shapes = [{"label": "hat", "points": [[1, 1], [6, 1], [6, 6]], "shape_type": "polygon"}]
    content = {"shapes": shapes, "imagePath": "a.jpg", "imageHeight": 8, "imageWidth": 9,
               "imageData": base64.b64encode(data.getvalue()).decode()}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"1 of 1 photos have several pages.*first: a.jpg, with 3.: save each page"):
        assert validate(open_dataset(tmp_path), progress=False) == []


def test_photos_of_several_pages_are_counted_and_told(tmp_path):
    dataset = Dataset()
    dataset.add_class("made", 1, "thing")
    for name, pages in (("a.tif", 1), ("b.tif", 3), ("c.gif", 2)):
        frames = [Image.fromarray(np.full((8, 9), 80 * page, np.uint8)) for page in range(pages)]
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        dataset.add_image("made", name, str(tmp_path / name))
    dataset.prepare()
    with pytest.warns(UserWarning, match=r"2 of 3 photos have several pages.*first: .*b.tif, with 3.: save each page"):
        validate(dataset, progress=False)


@pytest.mark.parametrize("error", [FileNotFoundError("no b.map"), DataError("b.png: has no map.")])
def test_a_label_map_of_ones_own_that_cannot_be_read_is_a_fault(tmp_path, error):
    class Mapped(Few):
        def label_map(self, image_id):
            if image_id:
                raise error
            return np.zeros((4, 5), np.uint8)

    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        photo(path, 4, 5)
    fault, = validate(Mapped(*paths), progress=False)
    assert fault.photo == "b.png" and fault.kind == "bad entry"
    assert fault.message.startswith("its label map cannot be read (")
