"""What the values of settings may be, and what every section has in common."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, WithJsonSchema

from marketlake.lake_root import LakeRoot, root_of
from marketlake.paths import expanded

_LONGEST_TICKER = 10


def _written_as_text(value: object) -> object:
    """YAML reads ON, NO and their like without quotes as true or false, and 1 as a number."""
    if not isinstance(value, str):
        raise ValueError('must be a text in quotes, such as "ON": without them YAML takes it for something else')
    return value


def _is_ticker(value: str) -> str:
    if len(value) > _LONGEST_TICKER or not re.fullmatch(r"[A-Z][A-Z0-9]*(\.[A-Z0-9]+)*", value):
        raise ValueError(f"{value!r} is no stock ticker: capital letters and digits, a class behind a dot, as in BRK.B")
    return value


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted(ticker for ticker, times in Counter(value).items() if times > 1)
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return value


def checked_base_url(value: str) -> str:
    """The address of an API, without a slash at its end. Raises ValueError if it would leak the key."""
    if not re.fullmatch(
        r"https://[^/?#@\s]+|http://(127\.0\.0\.1|localhost|simulator)(:[^/?#@\s]*)?", value.rstrip("/")
    ):
        raise ValueError(
            "must be https://HOST without path or user (http:// only for 127.0.0.1, localhost or simulator)"
        )
    if not _has_usable_host(value.rstrip("/")):
        raise ValueError("names no host and port that can be: a port is a number from 1 to 65535")
    return value.rstrip("/").lower()


def checked_store_url(value: str) -> str:
    """The address of an object store, without a slash at its end. Raises ValueError for what is none.

    Also ``http://``, as stores within a house have it: the secret never travels, requests are signed with it.
    """
    if not re.fullmatch(r"https?://[^/?#@\s]+", value.rstrip("/")):
        raise ValueError("must be https://HOST or http://HOST without path or user")
    if not _has_usable_host(value.rstrip("/")):
        raise ValueError("names no host and port that can be: a port is a number from 1 to 65535")
    return value.rstrip("/").lower()


def _has_usable_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False


def _written_as_time(value: object) -> object:
    """YAML reads 11:30 without quotes as a number, and a number of seconds as a time is another one."""
    if not isinstance(value, str | dt.time):
        raise ValueError('must be a time in quotes, such as "12:30"')
    return value


def _after_final(value: dt.time) -> dt.time:
    if value.tzinfo is not None:
        raise ValueError("must be without a zone: it is New York's time")
    if value < dt.time(11, 0):
        raise ValueError("is before 11:00, when bars become final")
    return value


def _local_folder(folder: Path) -> Path:
    if ":/" in str(folder):
        raise ValueError("must be a folder of this machine")
    return expanded(folder)


ReadyTime = Annotated[dt.time, BeforeValidator(_written_as_time), AfterValidator(_after_final)]
Root = Annotated[LakeRoot, PlainValidator(root_of), WithJsonSchema({"type": "string", "format": "lake-root"})]
Folder = Annotated[Path, AfterValidator(_local_folder)]
Ticker = Annotated[str, BeforeValidator(_written_as_text), AfterValidator(_is_ticker)]
Tickers = Annotated[tuple[Ticker, ...], AfterValidator(_each_once)]
WaivableCheck = Literal[
    "low_above_open",
    "low_above_close",
    "high_below_open",
    "high_below_close",
    "price_not_positive",
    "negative_number",
    "long_silence",
]


class Section(BaseModel):
    """What every section has in common.

    The text after each field says what it means, for people and for docs/configuration.md; pydantic is not told to
    read it (``use_attribute_docstrings``): it would read this file once a section, whenever a DAG file is parsed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
