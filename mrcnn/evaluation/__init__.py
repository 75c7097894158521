"""Figures of merit: what `detect()` returned held against the ground truth. Numpy only; never the network."""
