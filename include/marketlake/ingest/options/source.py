"""Where option bars come from: one interface, whether each contract is asked for or a whole file is."""

from __future__ import annotations

from typing import Protocol

from marketlake.datasets.option_answers import Asked
from marketlake.ingest.options.journal import Journal
from marketlake.sessions import SessionHours


class OptionSource(Protocol):
    """One source. ``name``: REST or FLAT_FILE of ``datasets.option_answers``."""

    @property
    def name(self) -> str: ...  # noqa: D102 (said above)

    @property
    def host(self) -> str:
        """Host and port, as a certificate records them."""

    def collect(self, asked: Asked, hours: SessionHours, journal: Journal) -> None:
        """Ask for what the journal lacks, until every selected contract has bars or the evidence that it has none.

        Each answer is in the journal once it came. Raises Retryable, StopAndTell or RefusedData.
        """
