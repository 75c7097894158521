"""Metrics as Prometheus reads them."""

import re

from mrcnn.serving.metrics import Counter, Gauge, Histogram, Metrics


def test_a_histogram_is_cumulative():
    histogram = Histogram("h", "Text.", (1, 2), ("route",))
    for value in (0.5, 1, 1.5, 9):  # an upper end belongs to its bucket
        histogram.add(value, "/a")
    assert histogram.lines() == [
        'h_bucket{route="/a",le="1"} 2', 'h_bucket{route="/a",le="2"} 3', 'h_bucket{route="/a",le="+Inf"} 4',
        'h_sum{route="/a"} 12', 'h_count{route="/a"} 4']


def test_numbers_are_written_with_all_their_digits():
    counter, histogram = Counter("c", "Text."), Histogram("h", "Text.", (0.025, 2_500_000))
    counter.add(amount=1_000_000)
    counter.add()
    assert counter.lines() == ["c 1000001"]
    for value in (12_345_678, 0.25):
        histogram.add(value)
    assert histogram.lines() == ['h_bucket{le="0.025"} 0', 'h_bucket{le="2500000"} 1', 'h_bucket{le="+Inf"} 2',
                                 "h_sum 12345678.25", "h_count 2"]
    assert Gauge("g", "Text.", lambda: 1_234_567).lines() == ["g 1234567"]


def test_labels_are_escaped():
    counter = Counter("c", "Text.", ("path",))
    counter.add('a"b\\c\nd')
    assert counter.lines() == ['c{path="a\\"b\\\\c\\nd"} 1'] and Counter("c", "Text.").lines() == ["c 0"]


def test_every_line_is_of_the_format():
    metrics = Metrics(lambda: 3, lambda: True)
    metrics.requests.add("/detect", "200")
    metrics.seconds.add(0.2, "/detect")
    metrics.batch(4)
    text = metrics.text()
    sample = r'mrcnn_\w+(\{(\w+="[^"]*",?)+\})? [0-9.e+-]+'
    assert all(re.fullmatch(rf"# (HELP|TYPE) mrcnn_\w+ .+|{sample}", line) for line in text.splitlines())
    assert "mrcnn_queue_photos 3" in text and "mrcnn_photos_total 4" in text and text.endswith("\n")
