"""A corner of the object store as a place for bytes, and as the root of a lake."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from marketlake.lake_root import Bucket
from marketlake.storage.s3.access import Access, S3Options
from marketlake.storage.s3.storage import S3Storage
from object_store import BUCKET, REGION, WRITER, Identity


def access_of(identity: Identity) -> Access:
    return Access("a test", identity.access_key_id, identity.secret_access_key)


def storage_at(
    url: str, prefix: str, local: Path, *, identity: Identity = WRITER, bucket: str = BUCKET, **options: Any
) -> S3Storage:
    """The objects below a prefix of the bucket at an address. ``local``: for locks; ``options``: of S3Options."""
    patience = {"attempts": 3, "connect_timeout_s": 5, "read_timeout_s": 30, "region": REGION}
    chosen = S3Options(**{"endpoint_url": url, **patience, **options})
    return S3Storage(Bucket(bucket, prefix), chosen, partial(access_of, identity), local)


def variables_of(url: str, prefix: str, folder: Path, identity: Identity = WRITER) -> dict[str, str]:
    """What a user would export for a lake in the bucket. ``folder``: for logs and locks."""
    return {
        "MARKETLAKE__STORAGE__ROOT": f"s3://{BUCKET}/{prefix}",
        "MARKETLAKE__STORAGE__ENDPOINT_URL": url,
        "MARKETLAKE__STORAGE__REGION": REGION,
        "MARKETLAKE__STORAGE__ATTEMPTS": "3",
        "MARKETLAKE__LOGGING__FOLDER": str(folder / "logs"),
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
    }
