"""What the user who looks may see and do: the rights that Airflow gives over a DAG."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails


def may_see(user: BaseUser, dag_id: str) -> bool:
    """Whether the user may see the DAG, and so what it fetched."""
    return get_auth_manager().is_authorized_dag(method="GET", details=DagDetails(id=dag_id), user=user)


def may_trigger(user: BaseUser, dag_id: str) -> bool:
    """Whether Airflow would let the user trigger the DAG."""
    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
    )
