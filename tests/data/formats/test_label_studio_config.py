"""The labelling configuration: its labels in their order, and what is written is read."""

import xml.etree.ElementTree as ElementTree

import pytest

from mrcnn.data.formats.label_studio_config import config_text, is_config, read_controls, read_labels
from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError


def test_labels_in_their_order(tmp_path):
    path = tmp_path / "config.xml"
    path.write_text("""<!-- a project --><View><Image name="image" value="$image"/>
      <Header value="Choose"/><Choices name="c" toName="image"><Choice value="no label"/></Choices>
      <RectangleLabels name="a" toName="image"><Label value="shirt"/><Label value="hat" alias="h"/></RectangleLabels>
      <View><BrushLabels name="b" toName="image"><Label value=" shirt "/>
        <Label value="bag, purse"/></BrushLabels></View>
    </View>""")
    assert is_config(path) and read_labels(path) == ["shirt", "h", "bag, purse"]


def test_labels_that_outline_nothing_are_no_classes(tmp_path):
    path, report = tmp_path / "config.xml", Reporting()
    path.write_text("""<View><Image name="i" value="$image"/><Text name="t" value="$text"/>
      <KeyPointLabels name="k" toName="i"><Label value="nose"/><Label value="hat"/></KeyPointLabels>
      <Labels name="w" toName="t"><Label value="word"/></Labels>
      <Labels name="l" toName="i"><Label value="bag"/></Labels>
      <EllipseLabels name="e" toName="i"><Label value="hat"/></EllipseLabels></View>""")
    assert read_labels(path, report) == ["bag", "hat"]
    assert [str(note) for note in report.notes] == [
        "1 label of KeyPointLabels in the labelling configuration, which outlines no object of a photo: no class "
        "(first: nose)",
        "1 label of Labels in the labelling configuration, which outlines no object of a photo: no class (first: word)"]
    path.write_text('<View><Image name="i"/><KeyPointLabels toName="i"><Label value="nose"/></KeyPointLabels></View>')
    with pytest.raises(DataError, match="without a Label that outlines objects .*, only those of KeyPointLabels: give"):
        read_labels(path)


def test_what_is_written_is_read(tmp_path):
    labels = ['a "b" <c> & \'d\'', "Kleid, Rock", "é\u4e2d\U0001f600"]
    path = tmp_path / "config.xml"
    path.write_text(config_text(labels), encoding="utf-8")
    assert read_labels(path) == labels
    controls = [(tag.tag, tag.get("name"), tag.get("toName")) for tag in ElementTree.parse(path).getroot()]
    assert controls == [("Image", "image", None), ("PolygonLabels", "polygon", "image"),
                        ("BrushLabels", "brush", "image")]
    tree = ElementTree.fromstring(config_text(["hat"], {"length": ["mini", "a & b"]}))
    assert [(tag.get("name"), tag.get("perRegion"), [choice.get("value") for choice in tag])
            for tag in tree.iter("Choices")] == [("length", "true", ["mini", "a & b"])]


@pytest.mark.parametrize("name", ["a\x1bb", "a\0", "\ud800", "\ufffe"])
def test_names_that_xml_cannot_hold(name):
    with pytest.raises(DataError, match="a name with a letter that XML has not: rename"):
        config_text(["hat", name])


@pytest.mark.parametrize("text, said", [
    ("<View>", "no labelling configuration \\("),
    ("<View/>", "without a Label"),
    ('<!DOCTYPE a [<!ENTITY b "bbbb">]><View><Label value="&b;"/></View>', "declares entities"),
    ('<?xml version="1.0" encoding="none-such"?><View/>', "no labelling configuration"),
    ("<View>" + " " * (1 << 22), "too large"),
])
def test_other_files_are_refused(tmp_path, text, said):
    path = tmp_path / "config.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=f"config.xml: .*{said}"):
        read_labels(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
def test_entities_are_refused_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "config.xml"
    for head, said in (("", None), ('<!DOCTYPE a [<!ENTITY b "bbbb">]>', "declares entities")):
        label = f'<Label value="{"&b;" if head else "a"}"/>'
        text = f'<?xml version="1.0" encoding="utf-16"?>{head}<Labels>{label}</Labels>'
        path.write_bytes(text.encode(encoding))
        if said:
            with pytest.raises(DataError, match=said):
                read_labels(path)
        else:
            assert read_labels(path) == ["a"]


def test_what_is_no_xml(tmp_path):
    (tmp_path / "names.txt").write_text("shirt\nhat\n")
    assert not is_config(tmp_path / "names.txt") and not is_config(tmp_path / "gone")


def test_controls_of_photos_and_what_their_labels_may_be_called():
    text = """<View><Image name="img" value="$photo"/><Image name="fixed" value="http://a/b.jpg"/>
        <PolygonLabels name="p" toName="img">
          <Label value="Top" predicted_values="shirt, Shoe"/><Label value="shoe" alias="SHOE"/></PolygonLabels>
        <BrushLabels name="b" toName="fixed"><Label value="x"/></BrushLabels>
        <RectangleLabels name="r" toName="img"><Label value="x"/></RectangleLabels></View>"""
    [control] = read_controls(text)  # of a photo that tasks have, and of a kind that outlines
    assert (control.tag, control.name, control.image, control.key) == ("PolygonLabels", "p", "img", "photo")
    # A label's own name, and its alias, stand before what another predicts.
    assert control.labels == {"top": "Top", "shirt": "Top", "shoe": "SHOE"}


def test_a_label_is_of_the_control_next_above_it(tmp_path):
    """Labels of controls within controls were listed for all of these: their number grew with the square."""
    depth, path = 300, tmp_path / "config.xml"
    begin = "".join(f'<PolygonLabels name="p{i}" toName="i"><View><Label value="{i}"/></View>' for i in range(depth))
    path.write_text(f'<View><Image name="i" value="$image"/>{begin}{"</PolygonLabels>" * depth}</View>')
    assert [control.labels for control in read_controls(path.read_text())] == [{str(i): str(i)} for i in range(depth)]
    assert read_labels(path) == [str(i) for i in range(depth)]


def test_more_controls_than_any_project_has():
    control = '<BrushLabels name="b" toName="i"><Label value="x"/></BrushLabels>'
    text = '<View><Image name="i" value="$image"/>{}</View>'
    assert len(read_controls(text.format(1000 * control))) == 1000
    with pytest.raises(DataError, match="1001 controls PolygonLabels, BrushLabels: 1000 are taken: remove some"):
        read_controls(text.format(1001 * control))


def test_choices_within_choices():
    text = """<View><Image name="img" value="$photo"/><Choices name="c" toName="img" perRegion="true">
        <Choice value="long"><Choice value="very long"/></Choice></Choices></View>"""
    [control] = read_controls(text, ("Choices",))
    assert list(control.labels) == ["long", "very long"]
