"""How other libraries reach the files of a lake in an object store: as the lake itself does."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from marketlake.storage.s3.client import keys_of
from marketlake.storage.s3.storage import S3Storage


def arrow_filesystem(storage: S3Storage) -> Any:
    """A ``pyarrow.fs.S3FileSystem``, whose paths are ``bucket/key``. Roles' keys are as of now: they expire."""
    from pyarrow.fs import S3FileSystem

    options, access = storage.reached
    keys, endpoint = keys_of(access), urlsplit(options.endpoint_url or access.endpoint_url or "")
    there = {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme} if endpoint.netloc else {}
    region = options.region or access.region
    return S3FileSystem(
        access_key=keys.access_key_id,
        secret_key=keys.secret_access_key,
        session_token=keys.session_token,
        **({"region": region} if region else {}),
        connect_timeout=options.connect_timeout_s,
        request_timeout=options.read_timeout_s,
        **there,
    )


def polars_options(storage: S3Storage) -> dict[str, str]:
    """What Polars takes as ``storage_options``. Roles' keys are as of now: they expire."""
    options, access = storage.reached
    keys, endpoint = keys_of(access), options.endpoint_url or access.endpoint_url
    given = {
        "aws_access_key_id": keys.access_key_id,
        "aws_secret_access_key": keys.secret_access_key,
        "aws_session_token": keys.session_token,
        "aws_region": options.region or access.region or ("us-east-1" if endpoint else None),
        "aws_endpoint_url": endpoint,
        "aws_allow_http": "true" if endpoint and endpoint.startswith("http://") else None,
        "aws_virtual_hosted_style_request": "false" if endpoint or options.addressing == "path" else None,
    }
    return {name: value for name, value in given.items() if value}
