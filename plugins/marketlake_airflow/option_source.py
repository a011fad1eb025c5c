"""Where option bars come from: the API by REST, or the vendor's flat files with S3 keys of their own."""

from __future__ import annotations

from marketlake.datasets.option_answers import FLAT_FILE
from marketlake.ingest.options.flat_file import FlatFileSource
from marketlake.ingest.options.source import OptionSource
from marketlake.ingest.options.sources import rest_source
from marketlake.polygon.client import PolygonClient
from marketlake.settings import Settings
from marketlake_airflow.flat_files_hook import FlatFilesHook


def source_of(configured: Settings, client: PolygonClient) -> OptionSource:
    """The source of the settings. Raises KeyMissing, KeyUnusable or SettingsError for flat files without keys."""
    if configured.options.source == FLAT_FILE:
        return FlatFileSource(FlatFilesHook().bucket(configured))
    return rest_source(configured, client)
