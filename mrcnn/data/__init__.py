"""From files on disk to padded batches. Numpy only: no tensors, no network.

Boxes are (y1, x1, y2, x2) in continuous pixels, y2 and x2 exclusive: pixel i covers [i, i + 1). The *photo* is the
original image, the *canvas* the resized and padded one that the network sees; a `Window` leads from one to the other.
"""
