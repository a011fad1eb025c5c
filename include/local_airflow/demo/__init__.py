"""``make demo``: its folder, and what it shows."""
