"""Where option bars come from: the API by REST, or the vendor's flat files with S3 keys of their own."""

from __future__ import annotations

from marketlake.datasets.option_answers import FLAT_FILE
from marketlake.ingest.options.rest import RestSource
from marketlake.ingest.options.source import OptionSource
from marketlake.polygon.client import PolygonClient
from marketlake.settings import Settings


def source_of(configured: Settings, client: PolygonClient) -> OptionSource:
    """The source of the settings. Raises KeyMissing, KeyUnusable or SettingsError for flat files without keys."""
    options = configured.options
    if options.source == FLAT_FILE:
        from marketlake.ingest.options.flat_file import FlatFileSource  # boto3 is loaded by whom it serves
        from marketlake_airflow.flat_files_hook import FlatFilesHook

        return FlatFileSource(FlatFilesHook().bucket(configured))
    return RestSource(client, concurrency=options.concurrency, recheck_s=options.empty_recheck_s)
