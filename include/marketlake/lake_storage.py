"""The place where the settings' lake lies: a folder, or a bucket with whose rights it is reached."""

from __future__ import annotations

import os

from marketlake.lake_root import Bucket
from marketlake.settings import Settings, environment
from marketlake.storage.local import LocalStorage
from marketlake.storage.s3.access import Access, FindAccess, S3Options
from marketlake.storage.s3.storage import S3Storage
from marketlake.storage.storage import Storage

_LOCAL = "object_stores"
"""The folder, beside the logs, of what this machine keeps for itself of lakes that lie elsewhere."""


def storage_of(configured: Settings, find_access: FindAccess) -> Storage:
    """What the settings' ``storage.root`` names. Nothing is opened."""
    root = configured.storage_root
    if not isinstance(root, Bucket):
        return LocalStorage(root)
    wanted = configured.storage
    options = S3Options(
        endpoint_url=wanted.endpoint_url,
        region=wanted.region,
        addressing=wanted.addressing,
        attempts=wanted.attempts,
        connect_timeout_s=wanted.connect_timeout_s,
        read_timeout_s=wanted.read_timeout_s,
        conditional=wanted.conditional_writes == "required",
    )
    return S3Storage(root, options, find_access, configured.logging_folder / _LOCAL)


def access_from_environment() -> Access:
    """The keys of the process environment, or else of ``.env``; without any, what boto3 finds by itself."""
    known = environment()
    profile = known.get("AWS_PROFILE")
    region = known.get("AWS_REGION") or known.get("AWS_DEFAULT_REGION")
    key_id, secret = known.get("AWS_ACCESS_KEY_ID"), known.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret:
        return Access("what boto3 found (profile, role)", profile=profile, region=region)
    origin = "the environment" if os.environ.get("AWS_ACCESS_KEY_ID") == key_id else ".env"
    return Access(f"AWS_ACCESS_KEY_ID of {origin}", key_id, secret, known.get("AWS_SESSION_TOKEN"), region=region)
