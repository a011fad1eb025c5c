"""What was asked for a session's option bars, and what came: the names and shapes of the listings of one fetch.

``basis`` and ``chosen``, one page each, are written by the lake itself, so that a session is rebuilt from its archive
alone. By REST there follow the pages of each selected contract, under its ticker, and, of those that answered empty
twice, ``day O:...``, the page of the day bar. Of a file there follows ``file``: what is known of it, and its lines of
the underlying.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from marketlake.errors import BadArgument, RawPagesUnusable
from marketlake.options.selection import SELECTED, FrozenRule
from marketlake.polygon.fetch import Fetch, Listing

REST, FLAT_FILE = "rest", "flat_file"
BASIS, CHOSEN, FILE = "basis", "chosen", "file"
_DAY = "day "


class Basis(msgspec.Struct, frozen=True):
    """By what a session's bars were asked for. ``rule``: canonical JSON of the frozen rule. ``bar_size``: the vendor's
    word. ``source``: REST or FLAT_FILE. ``rates`` and ``dividends``: what could be known of them, as texts that
    ``market_inputs`` wrote; the panel is made by them.
    """

    rule: str
    bar_size: str
    source: str
    rates: str
    dividends: str


@dataclass(frozen=True)
class Question:
    """What was asked for. ``reasons``: by contract, ascending, why it is selected or not."""

    basis: Basis
    frozen: FrozenRule
    reasons: Mapping[str, str]

    @property
    def selected(self) -> list[str]:
        """The contracts that were asked for, ascending."""
        return [contract for contract, reason in self.reasons.items() if reason == SELECTED]

    def listings(self) -> dict[str, Listing]:
        """As listings of a fetch."""
        chosen = msgspec.json.encode(list(self.reasons.items()))
        return {BASIS: Listing((msgspec.json.encode(self.basis),)), CHOSEN: Listing((chosen,))}

    @classmethod
    def of(cls, fetch: Fetch) -> Question:
        """What a fetch says that it was asked. Raises RawPagesUnusable if it says nothing of the kind."""
        try:
            basis = msgspec.json.decode(fetch.of(BASIS).bodies[0], type=Basis)
            chosen = msgspec.json.decode(fetch.of(CHOSEN).bodies[0], type=list[tuple[str, str]])
            return cls(basis, FrozenRule.from_canonical(basis.rule), dict(chosen))
        except (IndexError, msgspec.DecodeError, BadArgument) as exc:
            raise RawPagesUnusable(f"these are no answers for option bars: {exc}. Fetch the session anew.") from exc


def day_listing(contract: str) -> str:
    """The name of the listing with a contract's day bar."""
    return f"{_DAY}{contract}"
