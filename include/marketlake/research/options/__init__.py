"""Reading options for research: chains, their bars, their panel, and what could be known of them at a moment."""
