"""What surrounds `fit`: layers of a stage, optimizer, callbacks, weight files."""
