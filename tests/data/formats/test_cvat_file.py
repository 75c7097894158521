"""CVAT's XML as a stream: what is refused before it costs anything."""

import pytest
from cvat_files import image, shape, written

from mrcnn.data.formats import cvat_file, recognise
from mrcnn.data.formats.cvat import recognises
from mrcnn.data.formats.cvat_file import CvatFile
from mrcnn.errors import DataError

BOMB = ("<!DOCTYPE annotations [" + '<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi")) + "]>")
OUTER = '<!DOCTYPE annotations [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
BODY = '<annotations><image id="0" name="{}"/></annotations>'


def test_labels_photos_and_shapes(tmp_path):
    length = [("length", "mini &amp; more")]
    polygon = shape("polygon", 'points="1,1;5,1;5,5"', attributes=length, group_id=3, z_order=2)
    content = CvatFile(written(tmp_path, image(polygon), image("", "b.jpg")))
    assert content.labels == {"shirt": "any", "bag": "any"}
    assert [photo.name for photo in content.photos] == ["a.jpg", "b.jpg"]
    (only,) = content.photos[0].shapes
    assert (only.kind, only.label, only.group, only.z_order) == ("polygon", "shirt", 3, 2)
    assert only.attributes == [("length", "mini & more")]
    assert only.outline["all_points_x"].tolist() == [1, 5, 5]


@pytest.mark.parametrize("doctype, name", [(BOMB, "&i;"), (OUTER, "&a;"), ("<!DOCTYPE annotations>", "a.jpg")])
def test_document_types_and_their_entities_are_refused(tmp_path, doctype, name):
    path = tmp_path / "a.xml"
    path.write_text(f'<?xml version="1.0"?>{doctype}{BODY.format(name)}')
    with pytest.raises(DataError, match="a.xml: declares a document type.*refused"):
        CvatFile(path)


def test_depth_and_lengths_are_bounded(tmp_path, monkeypatch):
    path = tmp_path / "a.xml"
    path.write_text("<annotations>" + "<a>" * 5000)
    with pytest.raises(DataError, match="elements 17 deep"):
        CvatFile(path)
    path.write_text(f"<annotations><meta><task><labels><label><name>{'x' * 5000}</name>")
    with pytest.raises(DataError, match="<name> has more than 4096 letters"):
        CvatFile(path)
    monkeypatch.setattr(cvat_file, "LONGEST_TAG", 1 << 10)
    monkeypatch.setattr(cvat_file, "BLOCK", 1 << 10)
    path.write_text(f'<annotations><image id="0" name="{"x" * 5000}"/></annotations>')
    with pytest.raises(DataError, match="an element of more than 1024 bytes"):
        CvatFile(path)
    monkeypatch.setattr(cvat_file, "LARGEST_FILE", 10)
    with pytest.raises(DataError, match="export fewer photos"):
        CvatFile(path)


@pytest.mark.parametrize("text, said", [
    ("<annotations><image id='0' name='a.jpg'>", "no whole XML file"),
    ("<annotations><image></annotations>", "no whole XML file"),
    ("", "no whole XML file"),
    ('<?xml version="1.0" encoding="klingon"?><annotations/>', "no whole XML file"),
    ("<annotation/>", "its root is <annotation>"),
    ("<annotations>\0</annotations>", "no whole XML file"),
])
def test_files_that_are_none_are_named(tmp_path, text, said):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=f"a.xml: .*{said}"):
        CvatFile(path)


def test_labels_out_of_place_do_no_harm(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<annotations><meta><label><label><name>in</name></label><name>out</name></label><name>no</name>"
                    "</meta><attribute name='x'>y</attribute><image><attribute>z</attribute></image></annotations>")
    assert CvatFile(path).labels == {"in": ""}


def test_video_is_named_with_the_export_to_choose(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text('<annotations><version>1.1</version><track id="0" label="shirt"/></annotations>')
    assert recognise(path) == "cvat"
    with pytest.raises(DataError, match="for video.*export CVAT for images 1.1"):
        CvatFile(path)


def test_other_xml_is_not_recognised(tmp_path):
    path = tmp_path / "a.xml"
    for text in ("<annotation><object/></annotation>", "no <annotations>", "<!-- c --><other/>", "<annotationset/>"):
        path.write_text(text)
        assert not recognises(path)
    path.write_text('\ufeff<?xml version="1.0"?>\n<!-- made -->\n<annotations>')
    assert recognises(path)
