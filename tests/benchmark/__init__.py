"""``make bench``: what this project costs, each figure against a peer that was measured in the same run."""
