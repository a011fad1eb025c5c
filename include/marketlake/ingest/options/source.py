"""Where option bars come from: one interface, whether each contract is asked for or a whole file is."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from marketlake.datasets.option_answers import Question
from marketlake.ingest.options.journal import Journal
from marketlake.polygon.request import Timespan
from marketlake.sessions import SessionHours


class OptionSource(Protocol):
    """One source. ``name``: REST or FLAT_FILE of ``datasets.option_answers``."""

    @property
    def name(self) -> str: ...  # noqa: D102 (said above)

    @property
    def host(self) -> str:
        """Host and port, as a certificate records them."""

    def collect(self, question: Question, hours: SessionHours, journal: Journal) -> None:
        """Ask for what the journal lacks, until every selected contract has bars or the evidence that it has none.

        Each answer is in the journal once it came. Raises Retryable, StopAndTell or RefusedData.
        """

    def probe(self, contract: str, hours: SessionHours, size: Timespan) -> None:
        """Ask for a little of a session: of that contract, or of the file. Raises NotEntitled and the like."""

    def edition(self, session: dt.date) -> str:
        """What the source has of a session now, by a name that changes with it; empty if only fetching it tells."""
