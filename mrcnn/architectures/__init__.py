"""The networks, each behind what all of them share."""
