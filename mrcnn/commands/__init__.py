"""The commands of `mrcnn`; each is a file with its options and what it does."""
