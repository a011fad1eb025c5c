"""The vendor's API, and nothing of the lake."""
