"""
### Looking again at the sessions that are held

`plan_audit` names the sessions that are due: provisional, suspect, at their revisit age
(`audit.revisit_after_sessions`), or never compared with minute and day bars. `audit_session` fetches each again
and compares row by row: if rows differ, a revision is published and the old file kept. DAGs that wait for the
session's asset are then told, also if the same rows are now in another state. `summarise_audit` writes
`audit/{ticker}/audit.json` below the dataset's folder and a table into its log, and is red if a date failed.

Triggered by hand with `start_date` and `end_date`, it looks at every session that is held between them.
"""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 (Airflow reads only files that name it)

from marketlake import settings
from marketlake_airflow.audit_dag import audit_dags

globals().update(audit_dags(settings.load(), __doc__))
