"""The people that the program draws, so that everything runs without a download."""
