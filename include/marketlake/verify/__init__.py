"""Every partition against its proof."""
