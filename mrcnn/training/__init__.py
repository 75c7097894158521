"""What goes round `fit`: layers of a stage, optimizer, callbacks, weight files."""
