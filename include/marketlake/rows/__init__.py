"""What a table of the lake looks like."""
