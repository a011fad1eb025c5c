"""An Airflow on this machine for one checkout: its environment, its processes, and the backfill command.

Speaks to Airflow as any user would, by its command line and its REST API.
"""
