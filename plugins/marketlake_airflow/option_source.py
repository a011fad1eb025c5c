"""Where option bars come from: the API by REST, or the vendor's flat files with S3 keys of their own."""

from __future__ import annotations

from marketlake.ingest.options.rest import RestSource
from marketlake.ingest.options.source import OptionSource
from marketlake.polygon.client import PolygonClient
from marketlake.settings import Settings


def source_of(configured: Settings, client: PolygonClient) -> OptionSource:
    """The source of the settings."""
    options = configured.options
    return RestSource(client, concurrency=options.concurrency, recheck_s=options.empty_recheck_s)
