"""One session, from pages to a partition that proves itself; and which sessions a run fetches."""
