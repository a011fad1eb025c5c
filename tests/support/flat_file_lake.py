"""Option bars out of the simulator's flat files: a bucket, a source, and a session's bars in one line."""

from __future__ import annotations

import datetime as dt

import botocore_files  # noqa: F401  (so that a client is made at once)
from conftest import NOW, a_client
from marketlake.ingest.options.bars import fetch_bars
from marketlake.ingest.options.flat_file import FlatFileSource
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.polygon.flat_file_bucket import FlatFileBucket
from marketlake.polygon.s3_bucket import S3Bucket
from marketlake.polygon.s3_keys import S3Keys
from marketlake.settings.option_sections import FlatFiles
from marketlake.settings.sections import Api
from option_lake import WEDNESDAY
from polygon_simulator.server import S3_ACCESS_KEY

SECRET = "secret-of-the-flat-files-of-a-test-wxyz"
KEYS = S3Keys(S3_ACCESS_KEY, SECRET, "a test")


def a_bucket(
    url: str, api: Api | None = None, *, waits: list[float] | None = None, keys: S3Keys = KEYS
) -> FlatFileBucket:
    """The flat files at an address. ``waits``: gets the seconds that it would have waited."""
    api, slept = api or Api(), [] if waits is None else waits
    bucket = S3Bucket(keys, FlatFiles(endpoint_url=url), api)
    return FlatFileBucket(bucket, api, sleep=slept.append, now_s=NOW.timestamp)


def bars_of_file(lake: Lake, session: dt.date = WEDNESDAY, *, waits: list[float] | None = None) -> Report:
    """Fetch a session's bars from its flat file, which lies at the address of the API."""
    api = lake.settings.api
    source = FlatFileSource(a_bucket(api.base_url, api, waits=waits))
    return fetch_bars(lake, "SPY", session, a_client(lake, []), source)
