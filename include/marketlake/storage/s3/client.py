"""The client of boto3: one a process, for a store and with certain rights, and none that was there before a fork."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from typing import Any

from marketlake.errors import EngineMissing
from marketlake.storage.s3.access import Access, S3Options

READERS = 16
"""So many requests at once pay: of 2,500 footers 25 ms away, sixteen threads take 5 s, one takes a minute."""
_clients: dict[tuple[int, S3Options, Access], Any] = {}
_makers: dict[int, threading.Lock] = {}


def client_of(options: S3Options, access: Access) -> Any:
    """This process's client for that store and those rights; for many threads. Raises EngineMissing without boto3.

    A client that was used before a fork shares its connections with the child: each would read the other's answers.
    """
    pid = os.getpid()
    key = pid, options, access
    with _makers.setdefault(pid, threading.Lock()):  # one that a thread holds while another forks is never released
        if key not in _clients:
            _clients[key] = _new(options, access)
        return _clients[key]


def keys_of(access: Access) -> Access:
    """The keys themselves, also of a profile or a role, which expire. Raises EngineMissing without boto3."""
    if access.access_key_id:
        return access
    found = _session(access, None).get_credentials()
    frozen = found.get_frozen_credentials() if found is not None else None
    return replace(
        access,
        access_key_id=frozen and frozen.access_key,
        secret_access_key=frozen and frozen.secret_key,
        session_token=frozen and frozen.token,
    )


def _new(options: S3Options, access: Access) -> Any:
    session = _session(access, options.region)
    from botocore.config import Config

    config = Config(
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        retries={"total_max_attempts": options.attempts, "mode": "standard"},
        max_pool_connections=READERS,
        signature_version="s3v4",
        s3={"addressing_style": options.addressing},
    )
    client = session.client("s3", endpoint_url=options.endpoint_url or access.endpoint_url, config=config)
    client.meta.events.register("before-call.s3.HeadBucket", _follow_no_redirect)
    return client


def _follow_no_redirect(params: dict[str, Any], **_: Any) -> None:
    """What botocore notes of a call that it has sent to another region.

    It asks for a bucket's region by HeadBucket, and if that one is redirected too, for the region of that, without end.
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def _session(access: Access, region: str | None) -> Any:
    try:
        import boto3.session
    except ImportError:
        raise EngineMissing(
            "boto3 is not installed, which a lake in an object store needs: python -m pip install boto3", name="boto3"
        ) from None
    for name in ("boto3", "botocore", "urllib3"):  # at DEBUG they log the access key and every signature
        logging.getLogger(name).setLevel(logging.INFO)
    return boto3.session.Session(
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        aws_session_token=access.session_token,
        profile_name=access.profile,
        region_name=region or access.region,
    )
