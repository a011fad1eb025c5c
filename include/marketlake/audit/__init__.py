"""Looking again at what is held: what is due, and what came of it."""
