"""The coverage page: what a lake holds, to look at."""
