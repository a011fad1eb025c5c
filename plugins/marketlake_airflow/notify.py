"""One message to where the settings say: a webhook, e-mail. The log has it in any case."""

from __future__ import annotations

import html
import logging
import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
from airflow.sdk.log import mask_secret
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from marketlake.errors import MarketLakeError
from marketlake.settings import environment
from marketlake.settings.sections import Reporting

_log = logging.getLogger(__name__)
URL_VARIABLE = "MARKETLAKE_WEBHOOK_URL"
_ATTEMPTS = 3
_TIMEOUT_S = 10.0
_LONGEST_WAIT_S = 10.0
_TOO_MANY, _SERVER_TROUBLE = 429, 500


class NotSent(MarketLakeError):
    """A message did not get to everybody it was for. Says which channel and why, and never the webhook's URL."""


class _MayPass(Exception):
    """The webhook may take the same message in a moment. It never holds the URL."""


def send(configured: Reporting, subject: str, text: str) -> None:
    """Send a message over every configured channel, also if an earlier one failed.

    A webhook that answers too late may get a message twice: better than none. Raises NotSent.
    """
    trouble = []
    for channel in dict.fromkeys(configured.to):
        try:
            if channel == "webhook":
                _post(text)
            else:
                _mail(configured.email_to, subject, text)
        except NotSent as exc:
            trouble.append(str(exc))
        else:
            _log.info("the message was sent by %s", channel)
    if trouble:
        raise NotSent("; ".join(trouble))


class WebhookHook(HttpHook):
    """Posts to a URL that is a secret as a whole, with what else the connection says (proxy, certificate).

    URL: the password of the connection ``marketlake_webhook``, which alone Airflow hides, else
    ``MARKETLAKE_WEBHOOK_URL``.
    """

    conn_name_attr = "webhook_conn_id"
    default_conn_name = "marketlake_webhook"
    hook_name = "Webhook of the reports"

    def __init__(self, webhook_conn_id: str = default_conn_name) -> None:
        super().__init__(method="POST", http_conn_id=webhook_conn_id)
        self.webhook_conn_id = webhook_conn_id

    def post(self, payload: dict[str, Any]) -> None:
        """Post JSON, three times at most. Raises NotSent, without the URL in any part of it."""
        connection = self._connection()
        url = self._url(connection)
        parts = urlsplit(url)
        for secret in (url, url.partition(parts.netloc)[2].lstrip("/")):  # libraries log the path alone
            mask_secret(secret)
        with _without_paths_in_the_log(), self._session(connection) as session:
            try:
                for attempt in Retrying(
                    stop=stop_after_attempt(_ATTEMPTS),
                    wait=wait_exponential(multiplier=1, max=_LONGEST_WAIT_S),
                    retry=retry_if_exception_type(_MayPass),
                ):
                    with attempt:
                        self._post_once(session, url, payload)
            except RetryError as exc:
                last = exc.last_attempt.exception()
                raise NotSent(
                    f"webhook: {parts.hostname}: {last}, {_ATTEMPTS} times: try later, or check {URL_VARIABLE}"
                ) from None

    def _post_once(self, session: requests.Session, url: str, payload: dict[str, Any]) -> None:
        try:
            answer = session.post(url, json=payload, timeout=_TIMEOUT_S, allow_redirects=False)
        except (requests.ConnectionError, requests.Timeout) as exc:
            raise _MayPass(f"no answer ({type(exc).__name__})") from None  # its text holds the URL
        except (requests.RequestException, ValueError) as exc:
            raise NotSent(
                f"webhook: the request could not be made ({type(exc).__name__}): check {URL_VARIABLE}"
            ) from None
        if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_TROUBLE:
            raise _MayPass(f"HTTP {answer.status_code}")
        if not requests.codes.ok <= answer.status_code < requests.codes.multiple_choices:
            raise NotSent(
                f"webhook: {urlsplit(url).hostname}: HTTP {answer.status_code}: is the URL in use still valid?"
            )

    def _url(self, connection: Any) -> str:
        given = connection.password if connection is not None else None
        origin = f"the password of the connection {self.webhook_conn_id}" if given else URL_VARIABLE
        url = (given or environment().get(URL_VARIABLE, "")).strip()
        if not url:
            raise NotSent(
                f"webhook: no URL: put {URL_VARIABLE}=https://... into .env, or into the password of the Airflow"
                f" connection {self.webhook_conn_id}"
            )
        if not re.fullmatch(r"(https://[^/?#@\s\[\]]+|http://(127\.0\.0\.1|localhost)(:\d+)?)(/\S*)?", url):
            raise NotSent(
                f"webhook: {origin} is no https://HOST/... address (http:// only for 127.0.0.1 and localhost)"
            )
        return url

    def _connection(self) -> Any:
        try:
            return self.get_connection(self.webhook_conn_id)
        except (AirflowNotFoundException, PermissionError):  # the latter: see _mail
            return None

    def _session(self, connection: Any) -> requests.Session:
        if connection is not None and connection.password:
            return self.get_conn()
        self.base_url = "https://"
        return self._configure_session_from_mount_adapters(requests.Session())


@contextmanager
def _without_paths_in_the_log() -> Iterator[None]:
    """At DEBUG, urllib3 logs the path of every request. Airflow masks it in a task's log, but not where the
    local executor repeats that log in the scheduler's own.
    """
    library = logging.getLogger("urllib3.connectionpool")
    before = library.level
    library.setLevel(logging.INFO)
    try:
        yield
    finally:
        library.setLevel(before)


def _post(text: str) -> None:
    """A message as Slack, Mattermost and Rocket.Chat take it. Raises NotSent."""
    escaped = html.escape(text, quote=False)  # Slack reads &, < and > as markup
    WebhookHook().post({"text": escaped})


def _mail(to: tuple[str, ...], subject: str, text: str) -> None:
    """A message through the connection ``smtp_default``, within its own timeout and retries. Raises NotSent."""
    try:
        with SmtpHook() as smtp:
            smtp.send_email_smtp(to=list(to), subject=subject, html_content=f"<pre>{html.escape(text)}</pre>")
    except PermissionError as exc:
        # Airflow 3.3 lets the callback of a deadline read no connection of its database, nor whether there is one.
        raise NotSent(
            f"e-mail: the Airflow connection {SmtpHook.default_conn_name} cannot be read here: put"
            f" AIRFLOW_CONN_{SmtpHook.default_conn_name.upper()} into .env"
        ) from exc
    except (AirflowException, smtplib.SMTPException, OSError) as exc:
        raise NotSent(
            f"e-mail: {type(exc).__name__}: {' '.join(str(exc).split())}: check the Airflow connection"
            f" {SmtpHook.default_conn_name}"
        ) from exc
