"""What the lake holds of each session."""
