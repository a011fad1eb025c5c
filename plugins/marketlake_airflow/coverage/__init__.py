"""The coverage page in Airflow's API server, and in no other process."""
