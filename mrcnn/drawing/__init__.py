"""Pictures and figures: as arrays, and on matplotlib's axes."""
