"""Gradio told to keep to itself before it is imported: no analytics, and photos in a folder of the page's."""

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator

from mrcnn.errors import UsageError

QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
FOLDER = "GRADIO_TEMP_DIR"


@contextlib.contextmanager
def private_gradio() -> Iterator[str]:
    """Let Gradio be imported and used inside; the photos that it keeps meanwhile are deleted at the end.

    Yields:
        The folder of the photos.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UsageError('mrcnn demo needs gradio: pip install "mrcnn-keras[demo]".')
    before = {name: os.environ.get(name) for name in (*QUIET, FOLDER)}
    with tempfile.TemporaryDirectory(prefix="mrcnn_demo_", ignore_cleanup_errors=True) as folder:
        os.environ.update({**QUIET, FOLDER: folder})
        try:
            yield folder
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                os.environ.update({} if value is None else {name: value})
