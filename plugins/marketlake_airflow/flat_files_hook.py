"""The hook of the vendor's flat files: S3 keys from Airflow, everything else from ``marketlake``."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from marketlake import commands
from marketlake.errors import KeyMissing
from marketlake.polygon.flat_file_bucket import FlatFileBucket
from marketlake.polygon.s3_bucket import S3Bucket
from marketlake.polygon.s3_keys import S3Keys, keys_from_environment, keys_of
from marketlake.redaction import forms
from marketlake.settings import Settings, environment
from marketlake.settings.option_sections import FlatFiles
from marketlake_airflow.hook import host_of, mask_extras


class FlatFilesHook(BaseHook):
    """Hands S3 keys to a ``FlatFileBucket``.

    Keys: login and password of the connection ``polygon_flat_files``, else ``POLYGON_S3_ACCESS_KEY_ID`` and
    ``POLYGON_S3_SECRET_ACCESS_KEY``, else the same with ``MASSIVE_``. A host in that connection goes with its keys;
    otherwise ``options.flat_files.endpoint_url``.
    """

    conn_name_attr = "flat_files_conn_id"
    default_conn_name = "polygon_flat_files"
    conn_type = "http"
    hook_name = "Flat files of Polygon.io (Massive)"

    def __init__(self, flat_files_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.flat_files_conn_id = flat_files_conn_id

    def bucket(self, configured: Settings) -> FlatFileBucket:
        """The bucket with this hook's keys. Raises KeyMissing, KeyUnusable or SettingsError."""
        files, connection = configured.options.flat_files, self._connection()
        keys = self._keys_of(connection) if connection is not None else None
        if keys is not None:
            files = self._files_of(connection, files)
        else:
            keys = keys_from_environment(environment())
        if keys is None:
            raise KeyMissing(commands.no_s3_keys())
        for secret in (*forms(keys.access_key_id), *forms(keys.secret_access_key)):
            mask_secret(secret)
        bucket = FlatFileBucket(S3Bucket(keys, files, configured.api), configured.api)
        self.log.info("flat files: %s", bucket)
        return bucket

    def _connection(self) -> Any:
        try:
            return self.get_connection(self.flat_files_conn_id)
        except AirflowNotFoundException:
            return None

    def _keys_of(self, connection: Any) -> S3Keys | None:
        mask_extras(connection.extra_dejson)  # nothing of them is used, or sent
        origin = f"the connection {self.flat_files_conn_id}"
        return keys_of(connection.login or "", connection.password or "", origin, ("login", "password"))

    def _files_of(self, connection: Any, files: FlatFiles) -> FlatFiles:
        host = host_of(connection, self.flat_files_conn_id)
        return files.model_copy(update={"endpoint_url": host}) if host else files
