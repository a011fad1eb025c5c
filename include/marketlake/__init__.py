"""Per-second market data as partitions that carry their own evidence. Knows nothing of Airflow."""
