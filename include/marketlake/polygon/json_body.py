"""From a body to the shape that is documented, strictly: what is cut short is asked for again, what is odd refused."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from marketlake.errors import MalformedPage, UndecodableBody

_SHOWN_BYTES = 80
_BodyT = TypeVar("_BodyT")


def decoded(decoder: msgspec.json.Decoder[_BodyT], body: bytes) -> _BodyT:
    """What a decoder makes of a body.

    Raises UndecodableBody if it is no JSON (cut short, HTML), MalformedPage if it is JSON of another shape.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise MalformedPage(f"the page is not shaped as documented: {exc}; it begins {_shown(body)}") from exc
    except RecursionError as exc:
        raise MalformedPage(f"the page is nested too deeply; it begins {_shown(body)}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UndecodableBody(f"the body of {len(body)} bytes is no JSON ({exc}); it begins {_shown(body)}") from exc


def text(given: object) -> str:
    """What stands in the place of a text, as a text: vendors send numbers and objects there, too."""
    return given if isinstance(given, str) else "" if given is None else msgspec.json.encode(given).decode()


def _shown(body: bytes) -> str:
    return repr(body[:_SHOWN_BYTES].decode("utf-8", "replace"))
