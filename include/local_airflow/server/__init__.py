"""Airflow's processes on this machine: their home, how they are started, looked after and ended."""
