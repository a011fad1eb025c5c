"""Windows over a session's steps: what a model sees, and what it is asked."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from marketlake.research.counts import count
from marketlake.research.tensor_grid import Positions


def windows_of(
    lengths: Positions, length: SupportsIndex, horizon: SupportsIndex, stride: SupportsIndex = 1
) -> Positions:
    """Every (position in ``lengths``, first step) from which ``length`` + ``horizon`` steps lie within that length.

    int64, n × 2, by position and then by step, every ``stride`` steps from 0 on; n is 0 if nothing is long enough.
    Raises BadArgument on a number below 1.
    """
    span, by = count("length", length) + count("horizon", horizon), count("stride", stride)
    counts = np.maximum(0, (lengths - span) // by + 1)
    positions = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.column_stack([positions, number * by])
