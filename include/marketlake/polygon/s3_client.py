"""A client of boto3 that goes by our settings alone: nothing that a shell, a file or a cloud says of AWS changes it."""

from __future__ import annotations

import logging
import os
from typing import Any
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from marketlake.errors import EngineMissing
from marketlake.polygon.s3_keys import S3Keys
from marketlake.settings.sections import Api

_REGION = "us-east-1"
"""What is signed for if a server has no regions."""
_NOT_OF_THE_MACHINE = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""Of botocore's variables, those by which it would read profiles and keys: name, variable, default, type."""


class S3Client:
    """Makes the client of each process when it is first wanted: one that was used before a fork shares its connections.

    The keys are these, never an instance's own. Addresses are path-style, signatures SigV4, timeouts those of ``api``;
    a call is made once.
    """

    def __init__(self, keys: S3Keys, endpoint_url: str, api: Api) -> None:
        self._keys, self._endpoint_url, self._api = keys, endpoint_url, api
        self._made: tuple[int, Any] | None = None

    def own(self) -> Any:
        """The client of this process. Raises EngineMissing without boto3."""
        if self._made is None or self._made[0] != os.getpid():
            self._made = os.getpid(), self._new()
        return self._made[1]

    def _new(self) -> Any:
        try:
            import boto3.session
            import botocore.session
        except ImportError:
            raise EngineMissing("boto3 is not installed: python -m pip install boto3", name="boto3") from None
        for name in ("boto3", "botocore"):  # at DEBUG they log the access key and every signature
            logging.getLogger(name).setLevel(logging.INFO)
        session = boto3.session.Session(
            aws_access_key_id=self._keys.access_key_id,
            aws_secret_access_key=self._keys.secret_access_key,
            region_name=_REGION,
            botocore_session=botocore.session.Session(session_vars=_NOT_OF_THE_MACHINE),
        )
        # As requests has it, which calls the rest of the vendor's API.
        certificates = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        client = session.client("s3", endpoint_url=self._endpoint_url, config=self._config(), verify=certificates)
        client.meta.events.register("before-call.s3", _follow_no_redirect)
        return client

    def _config(self) -> Any:
        from botocore.config import Config

        proxy = select_proxy(self._endpoint_url, get_environ_proxies(self._endpoint_url))
        return Config(
            connect_timeout=self._api.connect_timeout_s,
            read_timeout=self._api.read_timeout_s,
            retries={"total_max_attempts": 1, "mode": "standard"},
            proxies={urlsplit(self._endpoint_url).scheme: proxy} if proxy else {},
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )


def _follow_no_redirect(params: dict[str, Any], **_: Any) -> None:
    """What botocore notes of a call that it sent to another region: else it looks for one, by calls of its own."""
    params["context"].setdefault("s3_redirect", {})["redirected"] = True
