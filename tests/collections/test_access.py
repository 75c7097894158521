"""How workers open addresses: as the command does, with its options and variables; on a cluster where Ray is there."""

import json
import os

import pytest

pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")

from garments import GarmentFinder, rows_of  # noqa: E402
from ray_cluster import needs_ray  # noqa: E402
from web_folder import served  # noqa: E402

from mrcnn.collections import storage  # noqa: E402
from mrcnn.collections.access import Access, access_to  # noqa: E402
from mrcnn.errors import UsageError  # noqa: E402

pytest_plugins = ("ray_fixtures",)
SECRETS = {"AWS_SECRET_ACCESS_KEY": "secret 1", "AZURE_STORAGE_ACCOUNT_KEY": "secret 2"}


@pytest.fixture
def options(monkeypatch):
    """fsspec's options, {protocol: {name: value}}."""
    conf = {"memory": {"key": "secret 3"}, "ftp": {"password": "secret 4"}}
    monkeypatch.setattr(fsspec.config, "conf", conf)
    return conf


def test_what_addresses_need_is_handed_over_and_nothing_else(options, monkeypatch):
    monkeypatch.setitem(storage.PACKAGES, "memory", "s3fs")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    chained = "zip://x.jpg::memory://a/z.zip"
    access = access_to(["/photos", "memory://a/b.jpg", "memory://a/c.jpg", "d.jpg", chained])
    assert access.addresses == ("memory://a/b.jpg", chained)  # one of each kind
    assert access.options == {"memory": {"key": "secret 3"}}
    assert access.variables == {"AWS_SECRET_ACCESS_KEY": "secret 1"}
    assert access.told() == "fsspec's options of memory, AWS_SECRET_ACCESS_KEY"
    assert "secret" not in f"{access!r} {access}"
    assert access_to(["/photos", "a.jpg"]) == Access() and Access().told() == ""


def test_another_process_opens_addresses_in_the_same_way(options, monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, "another")
    Access(("memory://a",), {"memory": {"key": "new"}, "zip": {"level": 1}}, SECRETS).take_over()
    assert options == {"memory": {"key": "new"}, "zip": {"level": 1}, "ftp": {"password": "secret 4"}}
    assert {name: os.environ[name] for name in SECRETS} == SECRETS
    with pytest.raises(UsageError, match="^nothing://x: fsspec knows no such protocol.* said by the machine "):
        Access(("nothing://x",)).take_over()
    Access().take_over()


@needs_ray
def test_workers_of_a_cluster_open_addresses_with_the_options_of_the_command(cluster, start, tmp_path):
    from mrcnn.commands import collection
    from mrcnn.commands.main import main

    names = [f"photo-{number:02d}.png" for number in range(9)]
    with served(tmp_path / "photos", token="Bearer secret") as server:
        (tmp_path / "list.txt").write_text("".join(f"{server.address}/{name}\n" for name in names))
        for output, photos in (("list", tmp_path / "list.txt"), ("folder", server.address)):
            process = start("--engine", "ray", "--address", cluster.address, "--limit", str(len(names)), photos=photos,
                            output=output, delay=0, shard_size=2,  # the cluster is older than this variable
                            environment={"FSSPEC_HTTP_CLIENT_KWARGS": json.dumps({"headers": {
                                "Authorization": "Bearer secret"}})})
            errors = process.communicate(timeout=200)[1]
            assert process.returncode == 0 and "cannot be read" not in errors, errors
            assert "fsspec's options of http." in errors and "secret" not in errors
            assert "secret" not in (tmp_path / output / "collection.json").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "load_model", lambda *_: GarmentFinder())
        assert main(["collection", "label", str(tmp_path / "photos"), "--weights", str(tmp_path / "weights.h5"),
                     "--output", str(tmp_path / "here"), "--limit", str(len(names))]) == 0
    expected = rows_of(tmp_path / "here")
    assert rows_of(tmp_path / "folder") == expected
    assert [{**row, "photo": row["photo"].rpartition("/")[2]} for row in rows_of(tmp_path / "list")] == expected
