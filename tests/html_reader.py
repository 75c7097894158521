"""A reader of reports that finds tags that do not close."""

import html.parser

VOID = {"meta", "img", "br"}


class Reader(html.parser.HTMLParser):
    """Checks that tags close in order; collects texts of cells, sources of images, and all tags."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.images, self.cells, self.links = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1][-1] += data
