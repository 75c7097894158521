"""Splits that have names, and the one that there is without. No numpy: the parser of `data split` lists them."""

TRAIN_AND_VAL = {"train": 0.8, "val": 0.2}
# The set-ups of the first runs on iMaterialist: name: (number of photos, None for all; method).
PRESETS = {
    "10k-random": (10_000, "random"),
    "10k-stratified": (10_000, "stratified"),
    "full-random": (None, "random"),
    "full-stratified": (None, "stratified"),
}
