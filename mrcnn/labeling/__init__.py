"""One label per pixel, after the network: arrays in, arrays out; never the network."""
