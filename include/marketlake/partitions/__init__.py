"""What is kept, and its proof."""
