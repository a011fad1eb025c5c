"""No message holds a key, nor what a URL carries: every place that formats one, every shape of a key."""

from __future__ import annotations

import datetime as dt
import io
import json
import traceback
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk.log import redact

from conftest import KEY
from connections import FakeConnection
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import KeyUnusable, MalformedPage, MarketLakeError, SettingsError, StopAndTell, TransportTrouble
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey, key_from_environment
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from marketlake.redaction import redacted, redacted_url, without_secret, without_secret_bytes, without_url_secrets
from marketlake_airflow.hook import PolygonHook
from polygon_simulator.server import Simulator
from seconds import a_request, spy
from secret_search import SecretSearch

DAY = dt.date(2024, 11, 26)
PASSWORD = "hunter2-of-the-proxy"
STRANGE = """k+/&?%=<.*>$(x)[^]|{}"'\\-9-Zz9Z"""


def told(error: BaseException) -> str:
    """An error as a log shows it: with its chain."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("", "****"),
        ("short", "****"),
        ("elevenchars", "****"),
        ("twelve-chars", "****hars"),
        ("a-key-that-ends-in-\"}'", "****"),
        ("a-key-that-ends-in-1.23", "****"),
        ("schlüssel-mit-umlauten-äöüß", "****"),
        (STRANGE, "****Zz9Z"),
    ],
)
def test_of_a_key_at_most_four_plain_characters_are_shown(secret: str, shown: str) -> None:
    assert redacted(secret) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {STRANGE}.", "key ****Zz9Z."),
        ("?k=k%2B%2F%26%3F%25%3D%3C.%2A%3E%24%28x%29%5B%5E%5D%7C%7B%7D%22%27%5C-9-Zz9Z&a=1", "?k=****Zz9Z&a=1"),
        ("""{"k": "k+/&?%=<.*>$(x)[^]|{}\\"'\\\\-9-Zz9Z"}""", '{"k": "****Zz9Z"}'),
        ("<b>k+/&amp;?%=&lt;.*&gt;$(x)[^]|{}&quot;&#x27;\\-9-Zz9Z</b>", "<b>****Zz9Z</b>"),
        ("""header 'k+/&?%=<.*>$(x)[^]|{}"\\'\\\\-9-Zz9Z'""", "header '****Zz9Z'"),
        ("another key: k+/&?%=", "another key: k+/&?%="),
    ],
)
def test_a_key_is_replaced_however_it_is_written(text: str, shown: str) -> None:
    assert without_secret(text, STRANGE) == shown
    assert without_secret_bytes(text.encode(), STRANGE) == shown.encode()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/p?apiKey=abcdefgh12345678&limit=5&sort=asc", "https://h/p?apiKey=****5678&limit=5&sort=asc"),
        ("https://h/p?X-Amz-Signature=abcdef&adjusted=false", "https://h/p?X-Amz-Signature=****&adjusted=false"),
        ("https://h/p?hunter2-alone", "https://h/p?****="),
        ("https://user:hunter2@h:8443/p", "https://h:8443/p"),
        ("https://us@er:hunter2@h/p#hunter2", "https://h/p"),
        ("https://user:hun/ter2@h/p", "****"),
        ("https://user:hun?ter2@h/p", "****"),
        ("user:hunter2@h/p", "****"),
        ("https://[hunter2/p", "****"),
        ("https://h/p?cursor=bGltaXQ", "https://h/p?cursor=bGltaXQ"),
    ],
)
def test_a_url_is_shown_without_what_it_carries(url: str, shown: str) -> None:
    assert redacted_url(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Failed to parse: http://user:hunter2@host:bad", "Failed to parse: ****@host:bad"),
        ("ask /v2/x?apiKey=hunter2&limit=5 again", "ask /v2/x?apiKey=****&limit=5 again"),
        ("Data not found.", "Data not found."),
    ],
)
def test_a_text_of_others_is_shown_without_what_its_urls_carry(text: str, shown: str) -> None:
    assert without_url_secrets(text) == shown


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("POLYGON_BASE_URL", "https://user:hunter2-long-enough@api.polygon.io", "= 'https://api.polygon.io'"),
        ("POLYGON_BASE_URL", "api.polygon.io?apiKey=hunter2-long-enough", "= 'api.polygon.io?apiKey=****ough'"),
        ("POLYGON_BASE_URL", "user:hunter2-long-enough@api.polygon.io", "= '****'"),
        ("POLYGON_BASE_URL", "https://user:hunter2-long/enough@api.polygon.io", "= '****'"),
        ("POLYGON_BASE_URL", "https://api.polygon.io/?token=hunter2-long-enough", "?token=****ough"),
        ("POLYGON_BASE_URL", "https://user:hunter2-[long-enough@api.polygon.io", "= '****'"),
        ("MARKETLAKE__API__BASE_URL", "ftp://user:hunter2-long-enough@h", "= 'ftp://h'"),
        ("MARKETLAKE__API__ATTEMPTS", "hunter2-long-enough", "= '****ough'"),
        ("MARKETLAKE__TICKERS", '["hunter2-long-enough"]', "tickers.0 (MARKETLAKE__TICKERS) = '****ough'"),
    ],
)
def test_a_wrong_setting_is_told_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", "hunter2-long-enough")
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        settings.load()
    assert shown in str(caught.value)
    assert "hunter2" not in told(caught.value)


@pytest.mark.parametrize("text", ['api: {api_key: "hunter2', "api:\n  token: hunter2: x", "a: !!python/hunter2 b"])
def test_a_broken_settings_file_is_told_by_its_line_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(path))
    with pytest.raises(SettingsError, match=r"cannot be read: it is no YAML in line \d") as caught:
        settings.load()
    assert "hunter2" not in told(caught.value)


class Broken:
    """A session of ``requests`` that fails as it is told to, or answers with a given code, headers and body."""

    def __init__(self, answer: Exception | tuple[int, dict[str, str], bytes]) -> None:
        self._answer = answer
        self.adapters: dict[str, Any] = {}

    def get(self, *_: Any, **__: Any) -> requests.Response:
        if isinstance(self._answer, Exception):
            raise self._answer
        response = requests.Response()
        response.status_code, headers, body = self._answer
        response.headers.update(headers)
        response.raw = io.BytesIO(body)
        return response


def failing(lake: Lake, http: Any, key: str = KEY) -> MarketLakeError:
    """What a fetch over that session ends with."""
    client = PolygonClient(Transport(http, ApiKey(key, "a test"), lake.settings.api, sleep=lambda _: None))
    with pytest.raises(MarketLakeError) as caught:
        client.fetch(a_request(lake, DAY))
    return caught.value


AGGREGATES = "/v2/aggs/ticker/SPY/range/1/second/1/2"


@pytest.mark.parametrize(
    ("next_url", "shown"),
    [
        (f"https://evil.example.com{AGGREGATES}?apiKey=hunter2-long-enough", "the foreign host 'evil.example.com'"),
        (f"https://user:hunter2@evil.example.com{AGGREGATES}", "(https://evil.example.com/v2/aggs/ticker/SPY/"),
        (f"https://user:hun/ter2@evil.example.com{AGGREGATES}", "(****)"),
        ("https://api.polygon.io/v3/quotes?token=hunter2-long-enough", "leads elsewhere: https://api.polygon.io/v3/"),
        (
            f"https://api.polygon.io/{KEY}?cursor={KEY}",
            "leads elsewhere: https://api.polygon.io/****abcd?cursor=****abcd",
        ),
        ("https://user:hunter2@\u2100.example.com/", "next_url is no address"),
        ("https://[hunter2/", "next_url is no address"),
    ],
)
def test_a_next_url_is_told_without_what_it_carries(lake: Lake, next_url: str, shown: str) -> None:
    body = {"status": "OK", "ticker": "SPY", "adjusted": False, "resultsCount": 0, "results": [], "next_url": next_url}
    error = failing(lake, Broken((200, {}, json.dumps(body).encode())))
    assert isinstance(error, MalformedPage)
    assert shown in str(error)
    for secret in ("hunter2", "ter2", KEY):
        assert secret not in told(error)


@pytest.mark.parametrize(
    "raised",
    [
        requests.exceptions.ProxyError(f"cannot reach http://user:{PASSWORD}@proxy:3128"),
        requests.exceptions.InvalidProxyURL(f"http://user:{PASSWORD}@proxy:bad"),
        requests.exceptions.ConnectionError(f"Max retries exceeded with url: /v2/x?apiKey={PASSWORD}&limit=5"),
        requests.exceptions.InvalidHeader(f"Header part ('Bearer {KEY}') must be of type str"),
        ValueError(f"netloc user:{PASSWORD}@proxy contains invalid characters under NFKC normalization"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_of_transport_is_told_without_secrets_and_without_its_chain(lake: Lake, raised: Exception) -> None:
    error = failing(lake, Broken(raised))
    assert isinstance(error, TransportTrouble)
    assert type(raised).__name__ in str(error)
    for secret in (PASSWORD, KEY):
        assert secret not in told(error)


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://user:{PASSWORD}@127.0.0.1:9",
        f"http://user:{PASSWORD}@127.0.0.1:bad",
        f"http://{PASSWORD}:p/ss@127.0.0.1:9",
        f"user:{PASSWORD}@127.0.0.1:9",
        f"http://[{PASSWORD}@127.0.0.1:9",
        f"http://user:{PASSWORD}@no.such.host.invalid:3128",
    ],
)
def test_a_proxy_that_fails_is_told_without_its_password(lake: Lake, proxy: str) -> None:
    http = requests.Session()
    http.proxies = {"http": proxy}
    error = failing(lake, http)
    assert isinstance(error, TransportTrouble)
    assert PASSWORD not in told(error)


@pytest.mark.parametrize(
    ("code", "headers", "body", "shown"),
    [
        (302, {"Location": f"https://user:{PASSWORD}@h/p?apiKey={PASSWORD}"}, b"", "A redirect is not followed"),
        (403, {"X-Request-Id": f"of {KEY}"}, b"<html>", "HTTP 403"),
        (400, {}, json.dumps({"status": "ERROR", "error": f"bad /v2?apiKey={KEY}"}).encode(), "apiKey=****"),
        (400, {}, json.dumps({"status": "ERROR", "error": f"no http://u:{PASSWORD}@h/"}).encode(), "no ****@h/"),
        (
            401,
            {},
            json.dumps({"status": "ERROR", "error": f"Unknown API Key {KEY}"}).encode(),
            "Unknown API Key ****abcd",
        ),
        (200, {}, f"<html>Bearer {KEY}</html>".encode(), "it begins '<html>Bearer ****abcd</html>'"),
        (200, {}, json.dumps({"results": KEY}).encode(), 'it begins \'{"results": "****abcd"}\''),
    ],
)
def test_an_answer_is_told_without_secrets(
    lake: Lake, code: int, headers: dict[str, str], body: bytes, shown: str
) -> None:
    error = failing(lake, Broken((code, headers, body)))
    assert shown in str(error)
    for secret in (PASSWORD, KEY):
        assert secret not in told(error)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("plain-key-of-somebody", "plain-key-of-somebody"),
        ("  plain-key-of-somebody\r\n", "plain-key-of-somebody"),
        ("'plain-key-of-somebody'", "plain-key-of-somebody"),
        ('"plain-key-of-somebody" ', "plain-key-of-somebody"),
        (STRANGE, STRANGE),
    ],
)
def test_white_space_and_quotes_around_a_key_are_not_part_of_it(given: str, key: str) -> None:
    found = key_from_environment({"POLYGON_API_KEY": given})
    assert (found.value, found.origin) == (key, "POLYGON_API_KEY")
    assert key not in str(found) + repr(found)


@pytest.mark.parametrize("line", ["KEY", "KEY\r", "'KEY'", '"KEY"', "KEY   # mine", " 'KEY' "])
def test_a_key_is_read_from_any_line_of_an_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(f"POLYGON_API_KEY={line}\n".encode())
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(path))
    assert key_from_environment(settings.environment()).value == "KEY"


@pytest.mark.parametrize("given", ["two words-of-a-key", "a-key-\nof-two-lines", "schlüssel-of-a-key", "a-key-of-\x00"])
def test_what_could_not_be_sent_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(KeyUnusable) as caught:
        key_from_environment({"POLYGON_API_KEY": given})
    assert "POLYGON_API_KEY holds a space, a line break or a character beyond ASCII" in str(caught.value)
    assert "key-of" not in told(caught.value)
    assert "of-a-key" not in told(caught.value)


def test_a_strange_key_is_sent_as_it_is_and_kept_out_of_everything_stored(lake: Lake, simulator: Simulator) -> None:
    simulator.key = STRANGE
    simulator.faults.set(str(DAY), [{"fault": "echoed_key", "times": 1}])
    client = PolygonClient(Transport(requests.Session(), ApiKey(STRANGE, "a test"), lake.settings.api))
    ingest(lake, SECOND_BARS, spy(DAY), client)
    assert simulator.requests[0]["authorization"] == f"Bearer {STRANGE}"
    search = SecretSearch({"the key": STRANGE})
    assert search.in_folder(lake.storage.root) == {}
    (raw,) = lake.storage.root.glob("raw/spy/*/*/pages-*.tar")
    assert SecretSearch({"what stands for it": '"asked_with":"****Zz9Z"'}).in_bytes(raw.read_bytes())


def a_client(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> PolygonClient:
    """The hook's client for a connection with these fields."""
    connection = FakeConnection("https://api.polygon.io", "")
    for name, value in fields.items():
        setattr(connection, name, value)
    connection.extra = json.dumps(connection.extra_dejson)  # type: ignore[assignment]
    monkeypatch.setattr(PolygonHook, "get_connection", lambda _self, _name: connection)
    return PolygonHook().client(settings.load())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": KEY, "extra_dejson": {"headers": {"X-Key": "hunter2-nested"}}}, "the extra 'headers' of the"),
        ({"password": KEY, "extra_dejson": {"X-Key": "hunter2\nhunter2"}}, "the extra 'X-Key' of the connection"),
        ({"password": KEY, "host": "https://user:hunter2@h"}, "the host of the connection polygon_default must be"),
        ({"password": KEY, "host": "://user:hunter2@h"}, "the host of the connection polygon_default must be"),
        ({"password": "", "host": "https://user:hunter2@h"}, "the host of the connection polygon_default must be"),
        ({"password": "hunter2 hunter2"}, "the API key from the connection polygon_default holds a space"),
    ],
)
def test_a_connection_that_cannot_serve_is_told_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(StopAndTell) as caught:
        a_client(monkeypatch, **fields)
    assert words in str(caught.value)
    assert "hunter2" not in told(caught.value)


def test_what_extras_hold_is_masked_by_airflow_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    extras: dict[str, Any] = {
        "second": "header-of-an-extra",
        "proxies": {"https": "http://user:pass%40word-of-a-proxy@proxy:3128"},
        "verify": "/etc/ssl/of-the-company.pem",
    }
    client = a_client(monkeypatch, password=f"{KEY}\n", extra_dejson=extras)
    assert str(client) == "https://api.polygon.io with API key ****abcd from the connection polygon_default"
    texts = (KEY, "header-of-an-extra", "pass@word-of-a-proxy", *extras["proxies"].values(), extras["verify"])
    assert [redact(text) for text in texts] == ["***", "***", "***", "***", "/etc/ssl/of-the-company.pem"]
