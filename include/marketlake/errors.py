"""What can go wrong, split by what the caller does about it.

``Retryable``: ask again. ``StopAndTell``: asking again cannot help, a person must act.
``RefusedData``: the vendor answered, and the answer must not enter the lake. ``StorageError``: the
lake itself. Every message names the thing, the cause and the next step.
"""

from __future__ import annotations

import datetime as dt


class MarketLakeError(Exception):
    """Root of every error this package raises on purpose."""


class Retryable(MarketLakeError):
    """The same request may succeed later: server trouble, transport, a body cut short."""


class RateLimited(Retryable):
    """The vendor asks for fewer calls (HTTP 429). ``retry_after_s`` is its own figure, if it gave one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BudgetSpent(RateLimited):
    """Our own count of calls (``api.requests_per_minute``) has no turn soon; not a call was made."""


class ServerTrouble(Retryable):
    """HTTP 5xx, or a 200 whose body reports an error of the server."""


class TransportTrouble(Retryable):
    """No usable answer arrived: refused, reset, timed out, name not found, TLS failed."""


class UndecodableBody(Retryable):
    """The body is no JSON: cut short, or an HTML page of something in between."""


class ComparisonLost(Retryable):
    """Rows that would replace compared ones could not be compared themselves."""


class NotPublished(Retryable):
    """The vendor's file of a session is not there, or not yet (HTTP 404)."""


class Republished(Retryable):
    """The vendor replaced a file while it was being fetched: what came of the old one is no use."""


class InputMissing(Retryable):
    """What this is made of is not in the lake yet."""


class UnderlyingMissing(InputMissing):
    """The underlying's second bars of a session are not in the lake yet."""


class StopAndTell(MarketLakeError):
    """Asking again cannot help; the message says what to change."""


class SettingsError(StopAndTell):
    """A setting is missing, unknown, of the wrong type or out of range."""


class OutputLost(StopAndTell):
    """What a command says could not be written."""


class KeyMissing(StopAndTell):
    """No API key was found anywhere."""


class KeyUnusable(StopAndTell):
    """What was found cannot be a key: it could not be sent."""


class KeyRefused(StopAndTell):
    """The vendor does not know the key (HTTP 401)."""


class NotEntitled(StopAndTell):
    """The key is good, but its plan does not include this data (HTTP 403)."""


class BadRequest(StopAndTell):
    """The vendor calls the request wrong (other HTTP 4xx, an unexpected redirect)."""


class NotFinal(StopAndTell):
    """The session is in the future, or its bars may still change."""


class NotASession(StopAndTell):
    """The exchange did not trade on that date."""


class BadArgument(StopAndTell, ValueError):
    """An argument is not one of those that there are, or contradicts another."""


class EngineMissing(StopAndTell, ImportError):
    """A library that was asked for is not installed."""


class RefusedData(MarketLakeError):
    """The answer is not fit for the lake; nothing was published and the old partition stays.

    ``bodies`` are the pages received up to then, for whoever keeps the evidence.
    """

    def __init__(self, message: str, *, bodies: tuple[bytes, ...] = ()) -> None:
        super().__init__(message)
        self.bodies = bodies


class MalformedPage(RefusedData):
    """A page breaks the protocol: shape, echo, count, cursor or host."""


class InvalidBars(RefusedData):
    """Well-formed bars that cannot be true, or a session without any."""


class RawPagesUnusable(RefusedData):
    """Stored raw pages are absent, or do not match their digest."""


class StorageError(MarketLakeError):
    """The lake could not be read or written."""


class PlaceUnusable(StorageError):
    """It is the lake's whole place that cannot be used, not one file in it."""


class StoreUnreachable(PlaceUnusable, Retryable):
    """The object store gave no usable answer, as often as it was asked."""


class StoreRefused(PlaceUnusable, StopAndTell):
    """The object store refuses: rights, credentials, bucket, region or clock."""


class DamagedPartition(StorageError):
    """A partition file cannot be read, or its rows are not those that its certificate is of."""


class NoSuchRevision(StorageError):
    """A session has no revision of that number."""


class SessionsMissing(StorageError):
    """Sessions of a range cannot be given: all of them are in ``sessions``, ascending."""

    def __init__(self, message: str, sessions: tuple[dt.date, ...]) -> None:
        super().__init__(message)
        self.sessions = sessions


class LakeBusy(StorageError):
    """Another process holds the lock of the same session for longer than the bound."""


class Overtaken(StorageError):
    """Somebody else published in between, and nothing was overwritten: decide anew from what is there now."""
