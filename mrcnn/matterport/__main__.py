"""Run a script written for Matterport's Mask_RCNN as it is: `python -m mrcnn.matterport script.py [its options]`.

What it changes for the script: imgaug 0.4 may be imported before mrcnn. On NumPy 2 that needs names which
`mrcnn.data.imgaug_import` puts back, and the first line of a script comes before any import of ours.
"""

import os
import runpy
import sys
from collections.abc import Sequence

from mrcnn.data.imgaug_import import allow_imgaug

USAGE = "usage: python -m mrcnn.matterport script.py [options of the script]"


def main(arguments: Sequence[str] | None) -> int | None:
    """Run the script `arguments[0]` with the rest as its own.

    Returns:
        The exit code of a wrong call.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    script = arguments[0]
    if not os.path.isfile(script):
        print(f"{script}: no such script. {USAGE}", file=sys.stderr)
        return 2
    allow_imgaug()
    # As `python script.py` would have them.
    sys.argv = list(arguments)
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
