"""The photo that a collection is asked about."""

import pytest

pytest.importorskip("pyarrow")

from made_collections import row, write_collection  # noqa: E402

from mrcnn.collections.queries import query_of  # noqa: E402
from mrcnn.collections.reading import Collection  # noqa: E402
from mrcnn.errors import DataError  # noqa: E402


def test_a_photo_is_known_by_any_spelling_of_its_path(tmp_path):
    names = ("a.jpg", "/photos/b.jpg")  # the latter as a collection of before has it
    collection = Collection(write_collection(tmp_path, [[row(name, 0, "top") for name in names]], root="/photos"))
    for given, name in (("a.jpg", "a.jpg"), ("./a.jpg", "a.jpg"), ("/photos/a.jpg", "a.jpg"), (names[1], names[1])):
        query = query_of(collection, given, pytest.fail, embeddings=False)
        assert query.name == name and query.inside and query.image is None
    with pytest.raises(DataError, match="c.jpg: there is no such file, and .* has no photo of this name"):
        query_of(collection, "./c.jpg", pytest.fail)
