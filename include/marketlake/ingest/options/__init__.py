"""Options of an underlying: what a session of them is made of, and how."""
