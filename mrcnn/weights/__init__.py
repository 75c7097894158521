"""Weight files: our HDF5, Matterport's, PyTorch's and torchvision's, and where pretrained ones come from."""
