"""The sources of option bars, as the settings have them."""

from __future__ import annotations

from marketlake import commands
from marketlake.errors import KeyMissing
from marketlake.ingest.options.flat_file import FlatFileSource
from marketlake.ingest.options.rest import RestSource
from marketlake.ingest.options.source import OptionSource
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.flat_file_bucket import FlatFileBucket
from marketlake.polygon.s3_bucket import S3Bucket
from marketlake.polygon.s3_keys import S3Keys, keys_from_environment
from marketlake.settings import Settings, environment
from marketlake.settings.option_sections import FlatFiles


def rest_source(configured: Settings, client: PolygonClient) -> OptionSource:
    """The API, with as many requests at a time as the settings say."""
    options = configured.options
    return RestSource(client, concurrency=options.concurrency, recheck_s=options.empty_recheck_s)


def file_source(configured: Settings, keys: S3Keys, files: FlatFiles) -> OptionSource:
    """The flat files of a bucket."""
    return FlatFileSource(FlatFileBucket(S3Bucket(keys, files, configured.api), configured.api))


def keys_without_connection() -> S3Keys:
    """The S3 keys of the environment. Raises KeyMissing or KeyUnusable."""
    keys = keys_from_environment(environment())
    if keys is None:
        raise KeyMissing(commands.no_s3_keys())
    return keys
