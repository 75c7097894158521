"""Films, by PyAV: read frame by frame, and written with the time stamps and the sound of the film that was read."""

from types import ModuleType

from mrcnn.errors import UsageError


def load_av() -> ModuleType:
    """The module of PyAV, which is imported only where a film is read or written.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise UsageError('Films need the package PyAV: pip install av (or "mrcnn-keras[video]").') from error
    return av
