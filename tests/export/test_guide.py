"""The program of docs/export.md beside the package: photos read and placed, attributes named, canvases of any size."""

import json
import struct
import sys
import zlib

import numpy as np
import pytest
from export_guide import guide, program_of_guide
from exported_json import OBJECTS
from PIL import Image

from mrcnn.data.images import load_image, place_image, resize_pixels, to_channels
from mrcnn.inference.attributes import words_of

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
DEEP = RNG.integers(0, 65536, (20, 30)).astype(np.uint16)
TURNED = Image.Exif()
TURNED[0x112] = 6
RULE = {"min_side": 0, "max_side": 150, "min_scale": 1.0}


@pytest.fixture
def program(monkeypatch):
    return program_of_guide(monkeypatch)


def about_of(channels=3, height=64, width=64, batch=1):
    image = {"shape": [batch, height, width, channels], "dtype": "uint8"}
    return {**OBJECTS, "inputs": {"image": image}, "canvas": {"height": height, "width": width}, "resize": RULE,
            "mask_scores": False, "thresholds": {"score": 0.1, "mask": 0.5}}


def png(bits, kind, row, clear):
    """Bytes of a PNG of one row, one colour of which is see-through."""
    width = len(row) * 8 // bits // (3 if kind == 2 else 1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, kind, 0, 0, 0)), (b"tRNS", clear),
              (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
             for name, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


PHOTOS = {
    "plain.png": (COLOURS, None, {}), "turned.png": (COLOURS, None, {"exif": TURNED}),
    "turned.jpg": (COLOURS, None, {"exif": TURNED}), "inks.tif": (np.dstack([COLOURS, COLOURS[..., 0]]), "CMYK", {}),
    "clear.png": (np.dstack([COLOURS, COLOURS[..., 0]]), "RGBA", {"exif": TURNED}),
    "grey_clear.png": (COLOURS[..., :2].copy(), "LA", {}), "two.png": (COLOURS[..., 0] > 99, None, {}),
    "colour_clear.png": (COLOURS, None, {"transparency": tuple(COLOURS[0, 0].tolist())}),
    "deep.png": (DEEP, None, {"exif": TURNED}), "deep_clear.png": (DEEP, None, {"transparency": int(DEEP[3, 4])}),
    "deep.tif": (DEEP, None, {}), "negative.tif": (DEEP, None, {"tiffinfo": {262: 0}}),
}
PNGS = {  # grey of 4 and 2 bits, and colours of 16
    "four.png": png(4, 0, b"\x01\x23\x45\x67", struct.pack(">H", 3)),
    "bits.png": png(2, 0, b"\x1b\xe4", struct.pack(">H", 2)),
    "deep_colours.png": png(16, 2, struct.pack(">6H", 1000, 2000, 3000, 40000, 50000, 60000),
                            struct.pack(">3H", 1000, 2000, 3000)),
}


@pytest.mark.parametrize("name", [*PHOTOS, *PNGS, "palette.png", "palette.gif"])
def test_photos_are_read_as_the_package_reads_them(name, program, tmp_path):
    path = str(tmp_path / name)
    if name in PNGS:
        (tmp_path / name).write_bytes(PNGS[name])
    elif name in PHOTOS:
        values, mode, options = PHOTOS[name]
        (Image.frombytes(mode, values.shape[1::-1], values.tobytes()) if mode else Image.fromarray(values)).save(
            path, **options)
    else:
        Image.fromarray(COLOURS).convert("P", palette=Image.ADAPTIVE, colors=20).save(path, transparency=3)
    photo = program.read(path, about_of())
    assert photo.dtype == np.uint8
    np.testing.assert_array_equal(photo, load_image(path))
    np.testing.assert_array_equal(program.read(path, about_of(1)), to_channels(load_image(path), 1))


def test_arrays_are_read_and_what_does_not_fit_is_refused(program, tmp_path):
    four = np.dstack([COLOURS, COLOURS[..., 0]])
    np.save(tmp_path / "four.npy", four)
    np.testing.assert_array_equal(program.read(str(tmp_path / "four.npy"), about_of(4)), four)
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    with pytest.raises(SystemExit, match=r"a\.png is uint8 \[20, 30, 3\]: give uint8 \[height, width, 4\] as an \.npy"):
        program.read(str(tmp_path / "a.png"), about_of(4))
    Image.fromarray(np.float32(DEEP)).save(tmp_path / "f.tif")
    with pytest.raises(SystemExit, match="f.tif has pixels of 32 bits: convert it"):
        program.read(str(tmp_path / "f.tif"), about_of())


@pytest.mark.parametrize("shape, size", [
    ((40, 60), (20, 30)), ((40, 60), (40, 60)), ((60, 60), (20, 20)), ((40, 60), (80, 120)), ((40, 60), (75, 113)),
    ((40, 60), (40, 61)), ((40, 60), (31, 47)), ((5, 3), (64, 38))])
def test_pixels_are_rounded_as_the_package_rounds_them(shape, size, program):
    for channels in (1, 3, 4):
        photo = np.random.default_rng(1).integers(0, 256, (*shape, channels)).astype(np.uint8)
        difference = np.abs(program.pixels(photo, size) - resize_pixels(photo, size))
        assert difference.max() <= 1 and (difference > 0).mean() <= 0.005


@pytest.mark.parametrize("shape", [(40, 60), (64, 128), (300, 90), (1, 1), (3, 400)])
def test_a_file_of_any_canvas_gets_that_of_the_package(shape, program):
    photo = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    about = about_of(height=None, width=None)
    canvas, corner, size = program.place(photo, about)
    expected, window = place_image(photo, 0, RULE["max_side"], 0, "rectangle")
    assert canvas.shape == expected.shape and np.abs(canvas.astype(int) - expected).max() <= 1
    np.testing.assert_allclose([*corner, *np.add(corner, size)], window.box, atol=1e-4)


SCORES = np.float32([0.4, 0.0, 0.9, 0.6])


@pytest.mark.parametrize("least, names", [(None, ["c", "d"]), (0.4, ["c", "d", "a"]), (0.0, ["c", "d", "a"])])
def test_attributes_are_named_from_the_threshold_on(least, names, program):
    about = {**about_of(), "attribute_names": list("abcd")}
    if least is not None:  # files of before have none
        about["thresholds"]["attribute"] = np.float32(least)
    table = {"boxes": [[0, 0, 60, 60]], "class_ids": [1], "scores": [0.9], "valid": [True],
             "masks": np.ones((1, 4, 4), np.float32), "attributes": SCORES[None]}

    def run(inputs):
        return {name: np.array(value)[None] for name, value in table.items()}

    (found,) = program.detect(run, about, np.zeros((60, 60, 3), np.uint8))
    expected = words_of(SCORES, list("abcd"), 0.5 if least is None else np.float32(least))
    assert list(found["attributes"]) == names and found["attributes"] == expected
    about.pop("attribute_names")
    assert program.detect(run, about, np.zeros((60, 60, 3), np.uint8))[0]["attributes"] == {}


def test_the_command_prints_the_attributes_of_an_upright_photo(tmp_path, monkeypatch, capsys):
    about = {**about_of(), "attribute_names": ["long", "plain"]}
    (tmp_path / "a.onnx.json").write_text(json.dumps(about))
    Image.fromarray(COLOURS).save(tmp_path / "a.jpg", exif=TURNED)

    class InferenceSession:
        """A runtime whose object covers the photo, which is 30 pixels high and 20 wide when it is upright."""

        def __init__(self, path):
            self.outputs = {"boxes": [[17, 22, 47, 42]], "class_ids": [1], "scores": [0.9], "valid": [True],
                            "masks": np.ones((1, 4, 4), np.float32), "attributes": np.float32([[0.75, 0.25]])}

        def get_outputs(self):
            return [type("Output", (), {"name": name}) for name in self.outputs]

        def run(self, names, inputs):
            return [np.array(self.outputs[name])[None] for name in names]

    stand_in = type(sys)("onnxruntime")
    stand_in.InferenceSession = InferenceSession
    monkeypatch.setitem(sys.modules, "onnxruntime", stand_in)
    monkeypatch.setattr(sys, "argv", ["program.py", str(tmp_path / "a.onnx"), str(tmp_path / "a.jpg")])
    exec(compile(guide(), "export.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == "hat 0.9 [0.0, 0.0, 30.0, 20.0] 600 long 0.75\n"
