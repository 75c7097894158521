"""Files that nobody vouches for: pickles and HDF5, which are looked at before anything in them is believed."""
