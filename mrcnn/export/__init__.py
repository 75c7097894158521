"""A checkpoint as a file that other programs run: `export`."""

__all__ = ["export"]


def __getattr__(name):
    if name == "export":  # brings Keras in, which those who only run files do without
        from mrcnn.export.files import export

        return export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
