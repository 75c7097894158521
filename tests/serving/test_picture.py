"""The HTML of a photo: outlines along the pixels, names that stay names, nothing loaded."""

import base64
import html.parser
import io
import re

import numpy as np
from PIL import Image
from stub_server import NAMES, Describing, Stub, photo

from mrcnn.data import run_lengths
from mrcnn.serving.picture import LONGEST, _caption, outline, picture_html

HOSTILE = '<script>alert("1")</script>'


def shown(name="a.png", pixels=None, names=NAMES, found=True):
    pixels = photo() if pixels is None else pixels
    objects = Stub().detect([pixels], rle=True)[0] if found else None
    return picture_html(name, pixels, objects, (pixels[..., 0] == 255).astype(np.uint8), names)


def test_an_outline_runs_along_the_edges_and_around_holes():
    mask = np.zeros((5, 6), bool)
    mask[1:4, 1:4] = True
    mask[2, 2] = False
    numbers = re.findall(r"M([^Z]+)Z", outline(run_lengths.encode(mask)))
    corners = [{tuple(map(int, point.split())) for point in ring.split("L")} for ring in numbers]
    assert corners == [{(1, 1), (4, 1), (4, 4), (1, 4)}, {(2, 2), (3, 2), (3, 3), (2, 3)}]  # x, y


def test_objects_have_names_for_eyes_and_ears():
    text = shown()
    assert "a.png: 1 object<" in text and 'viewBox="0 0 16 12"' in text
    assert 'tabindex="0" role="img" aria-label="hat 0.80"' in text
    # 24 of 12 * 16 pixels are the hat's
    assert 'alt="Label map: BG 87.5%, hat 12.5%"' in text
    cells = re.findall(r"<td[^>]*>(?:<span[^>]*></span>)?([^<]*)</td>", text)
    assert cells == ["hat", "0.800", "24", "3", "2", "6", "4"]  # score, pixels, left, top, width, height


def test_attributes_stand_beside_the_class():
    model, pixels = Describing(), photo()
    text = picture_html("a.png", pixels, model.detect([pixels], rle=True)[0], np.zeros((12, 16), np.uint8), NAMES,
                        model.config.ATTRIBUTES)
    assert 'aria-label="hat 0.80: red 0.90, long 0.60"' in text  # of "colour: red" the value, for no other has it
    assert '<th scope="col">Attributes</th>' in text and '<td class="told">red 0.90, long 0.60</td>' in text
    lines = re.findall(r'<tspan class="told" x="(\d+)" dy="1.2em">([^<]*)</tspan>', text)
    assert [line for _, line in lines] == ["red 0.90", "long 0.60"]
    assert "Attributes" not in shown()


def test_a_caption_stays_within_the_photo():
    # At the lower right corner of 100 x 100 pixels, in a font of 10: letters are 6 wide, so 10 letters begin at 40;
    # the last of three lines ends at 100 - 2, its first baseline is at 100 - 12 * 2.2 = 73.6.
    text = _caption(["hat 0.80", "colour red", "old"], [95, 90, 99, 99], (100, 100), 10)
    assert text.startswith('<text x="40" y="74">hat 0.80<tspan class="told" x="40" dy="1.2em">colour red</tspan>')
    assert _caption(["hat"], [0, -3, 9, 9], (100, 100), 10) == '<text x="0" y="10">hat</text>'


def test_nothing_found_is_told_with_the_remedy():
    assert "No object: move the score down" in shown(pixels=photo(score=0.1))


def test_label_maps_alone_have_no_table():
    text = shown(found=False)
    assert "<table" not in text and "<figcaption>a.png</figcaption>" in text


def test_no_name_is_taken_for_html():
    text = shown(HOSTILE, names=["BG", HOSTILE, "shoe"])
    seen = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            seen.append((tag, dict(attributes)))

    Reader().feed(text)
    assert "script" not in {tag for tag, _ in seen}
    assert ("g", HOSTILE + " 0.80") in {(tag, attributes.get("aria-label")) for tag, attributes in seen}
    addresses = [attributes.get("href") or attributes["src"] for tag, attributes in seen if tag in ("image", "img")]
    assert len(addresses) == 2 and all(address.startswith("data:image/") for address in addresses)


def test_a_large_photo_is_sent_smaller_with_outlines_of_its_own_size():
    pixels = np.zeros((30, 2 * LONGEST, 3), np.uint8)
    pixels[0, 0, 1] = 255
    pixels[4:9, 2000:2400, 0] = 255
    text = shown(pixels=pixels)
    jpeg = base64.b64decode(re.search(r"image/jpeg;base64,([^\"]+)", text).group(1))
    assert Image.open(io.BytesIO(jpeg)).size == (LONGEST, 15) and "2400 9" in text
    labels = base64.b64decode(re.search(r"image/png;base64,([^\"]+)", text).group(1))
    assert Image.open(io.BytesIO(labels)).size == (LONGEST, 15)
