"""Find clothes in photos: train, evaluate, detect, label each pixel, and look after the data.

    python samples/fashion.py train                       on drawn pictures, nothing to download
    python samples/fashion.py evaluate --weights last     AP, AP50 and AP75 of masks and boxes
    python samples/fashion.py detect --weights last --image photos/
    python samples/fashion.py diagnose --weights last     where objects are lost, why, and what mends it

    python samples/fashion.py data summary|validate|convert|split|show --annotations train.csv --images train
    python samples/fashion.py train --annotations train.csv --images train --split split.json --weights imagenet
    python samples/fashion.py label --weights last --image photos/
    python samples/fashion.py export --weights last --format onnx
    python samples/fashion.py tune --search LEARNING_RATE=1e-4:1e-2:log --search BATCH_SIZE=2,4
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # runs from a checkout too

from mrcnn.commands.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
