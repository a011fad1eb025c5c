"""A fetch of option bars in a process of its own, begun in a moment: what is slow to load is loaded before the fork."""

from __future__ import annotations

import os

from conftest import NOW
from marketlake import settings
from marketlake.lake import Lake
from marketlake.sessions import SessionCalendar
from option_lake import bars_of

SessionCalendar(NOW.date())


def fetch(variables: dict[str, str], concurrency: int) -> None:
    """Fetch the bars of the lake that the variables describe."""
    os.environ.update(variables)
    bars_of(Lake(settings.load(), now=lambda: NOW), concurrency=concurrency)
