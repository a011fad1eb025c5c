"""``make backfill``: the range, the run through Airflow, and the verdict."""
