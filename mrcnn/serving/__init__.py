"""One model behind HTTP: routes of our own, the Open Inference Protocol, and Label Studio's ML backend protocol.

The files of routes import FastAPI at their top, which is an extra: whoever imports `mrcnn.serving.app` first calls
`mrcnn.serving.listening.check_installed`, which says what to install.
"""
