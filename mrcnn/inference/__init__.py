"""From photos to objects: the detector, its views of a photo, its tiles."""
