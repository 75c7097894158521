"""Files of CVAT for images 1.1, written for tests as CVAT documents them."""

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    {kind}
    <dumped>2024-05-01 10:00:00.000000+00:00</dumped>
  </meta>
"""
TASK = "<task><id>7</id><name>shop</name><size>2</size><mode>annotation</mode>{subset}<labels>{labels}</labels></task>"
PROJECT = ("<project><id>3</id><tasks><task><id>7</id><subset>ignored</subset></task></tasks><subsets>Train</subsets>"
           "<labels>{labels}</labels></project>")


def label(name, kind="any", more=""):
    """The element of a label in <meta>."""
    return f"<label><name>{name}</name><color>#ff0000</color><type>{kind}</type><attributes></attributes>{more}</label>"


LABELS = (label("shirt"), label("bag"))


def image(content, name="a.jpg", size=(24, 32), more=""):
    """The element of a photo. size: (height, width) as text is written of it, None for none."""
    sides = "" if size is None else f' width="{size[1]}" height="{size[0]}"'
    return f'<image id="0" name="{name}"{sides}{more}>\n{content}\n</image>\n'


def shape(kind, given, label="shirt", attributes=(), **more):
    """The element of a shape. given: text of the XML attributes that are its outline."""
    more = "".join(f' {name}="{value}"' for name, value in more.items())
    inner = "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in attributes)
    return f'<{kind} label="{label}" source="manual" occluded="0" {given}{more}>{inner}</{kind}>'


def written(folder, *images, labels=LABELS, form=TASK, subset="", name="annotations.xml"):
    """Write a file of photos' elements; returns its path."""
    path = folder / name
    head = HEAD.format(kind=form.format(labels="".join(labels), subset=subset))
    path.write_text(head + "".join(images) + "</annotations>\n")
    return path
