"""A session of options, from its chain to its panel: what is asked for, by whom, and what came of it."""
