"""Pixels of frames: turned and mirrored as a display matrix says."""

import struct

import numpy as np
import pytest

pytest.importorskip("av")

from films import RED, read_film, write_film  # noqa: E402

from mrcnn.data.films.pixels import upright  # noqa: E402
from mrcnn.data.films.reading import FilmReader  # noqa: E402

# (a, b, c, d): the pixel (x, y) is shown at (a x + c y, b x + d y), from the least of these on.
MATRICES = [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1), (0, 1, -1, 0), (0, -1, 1, 0), (0, 1, 1, 0),
            (0, -1, -1, 0)]


@pytest.mark.parametrize("matrix", MATRICES)
def test_each_pixel_goes_where_the_matrix_says(matrix):
    a, b, c, d = matrix
    image = np.arange(6).reshape(2, 3, 1)
    places = {(a * x + c * y, b * x + d * y): image[y, x, 0] for y in range(2) for x in range(3)}
    left, top = (min(place[i] for place in places) for i in (0, 1))
    shown = upright(image, matrix)
    assert shown.size == 6
    for (x, y), value in places.items():
        assert shown[y - top, x - left, 0] == value


@pytest.mark.parametrize("matrix, size, corner", [((-1, 0, 0, 1), (64, 96), (4, 92)), ((0, 1, 1, 0), (96, 64), (4, 4)),
                                                  ((0, 1, -1, 0), (96, 64), (4, 60))])
def test_a_mirrored_film_is_read_as_players_show_it(tmp_path, matrix, size, corner):
    picture = np.full((64, 96, 3), 90, np.uint8)
    picture[:8, :8] = RED
    write_film(tmp_path / "a.mp4", [picture] * 2)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    place = data.index(b"tkhd") + 4 + 4 + 20 + 16  # version and flags, times and ids, and reserved ones
    a, b, c, d = (value << 16 for value in matrix)
    data[place:place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "b.mp4").write_bytes(data)
    with FilmReader(tmp_path / "b.mp4") as film:
        first = next(film.parts())
    assert film.size == first.image.shape[:2] == size and len(read_film(tmp_path / "b.mp4")[0]) == 2
    np.testing.assert_allclose(first.image[corner], RED, atol=16)
