"""Reading the lake for research: bars, pinned and resampled, tensors, SQL. It writes nothing and knows no Airflow."""
