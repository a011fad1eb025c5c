"""A stand-in for the vendor's aggregates endpoint. What it serves is never real unless it replays."""
