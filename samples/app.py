"""A page over a model, to begin your own with: python samples/app.py last, or logs/RUN/mask_rcnn_fashion_0020.h5"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # runs from a checkout too

import mrcnn  # noqa: E402
from mrcnn.errors import UserError  # noqa: E402
from mrcnn.serving.page import launch  # noqa: E402
from mrcnn.serving.served import ServedModel  # noqa: E402

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python samples/app.py last|CHECKPOINT")
    try:
        launch(ServedModel(mrcnn.load(sys.argv[1]), version="my model"), port=7860)
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
