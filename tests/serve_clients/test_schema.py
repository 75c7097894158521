"""The OpenAPI page against the server, by Schemathesis: `make test-serve-clients`. EXAMPLES is the number of a route.

Requests that the page allows and that it forbids are made up and sent; no answer may be a fault of the server, or one
that the page does not describe.
"""

import os
import pathlib
import subprocess
import sys

import pytest
from stub_server import Stub, StubLabels, listening

pytest.importorskip("schemathesis")
PROGRAM = pathlib.Path(sys.executable).with_name("schemathesis")
# Not checked: that all which the page allows is taken. It cannot say that a text has to be the base64 of a photo.
NOT_CHECKED = "positive_data_acceptance"


@pytest.mark.parametrize("model, key", [(Stub, None), (StubLabels, None), (Stub, "secret")],
                         ids=["objects", "label maps", "key"])
def test_answers_are_as_the_page_says(model, key, tmp_path):
    model = model()
    with listening(model, key=key) as (app, (host, port)):
        arguments = ["--checks", "all", "--exclude-checks", NOT_CHECKED, "--max-examples",
                     os.environ.get("EXAMPLES", "30"), "--seed", "1", "--no-color"]
        header = ["--header", f"X-API-Key: {key}"] if key else []
        run = subprocess.run([PROGRAM, "run", f"http://{host}:{port}/openapi.json", *arguments, *header], cwd=tmp_path,
                             capture_output=True, text=True, timeout=900)
        assert app.state.service.in_hand == 0
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
