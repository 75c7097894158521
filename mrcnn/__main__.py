"""`python -m mrcnn COMMAND` is the command `mrcnn COMMAND`."""

import sys

from mrcnn.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
