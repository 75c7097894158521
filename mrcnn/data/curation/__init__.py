"""Getting to know a data set: checking, splitting, counting, finding duplicates, fitting anchors."""
