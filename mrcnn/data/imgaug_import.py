"""imgaug 0.4, its last release, on NumPy 2: the names that it misses in numpy are put back when it is imported.

Nobody else sees numpy changed: `import mrcnn.model` only sets up what waits for imgaug.
"""

import sys

import numpy as np

MISSING = {  # in NumPy 2; read when imgaug is imported, and by two of its parameters
    "sctypes": {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64],
        "complex": [np.complex64, np.complex128],
        "others": [bool, object, bytes, str, np.void],
    },
    "complex": complex,
}


class _BeforeImgaug:
    """A finder of modules that finds imgaug as the others do, and has numpy completed before its code is run."""

    def find_spec(self, name, path=None, target=None):
        if name != "imgaug":
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_completed(module):
                for missing, value in MISSING.items():
                    if not hasattr(np, missing):
                        setattr(np, missing, value)
                run(module)

            spec.loader.exec_module = run_completed
        return spec


def allow_imgaug() -> None:
    """From now on `import imgaug` works on NumPy 2 anywhere in the process."""
    if not any(isinstance(finder, _BeforeImgaug) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BeforeImgaug())
