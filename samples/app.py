"""A page over a checkpoint, to begin your own with: python samples/app.py logs/RUN/mask_rcnn_fashion_0020.h5"""

import sys

from mrcnn import architectures
from mrcnn.serving.page import launch
from mrcnn.serving.served import ServedModel

if __name__ == "__main__":
    launch(ServedModel(architectures.load(sys.argv[1]), version="my model"), port=7860)
