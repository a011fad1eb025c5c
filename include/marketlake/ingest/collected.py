"""What one DAG collects of a ticker, by its name: a dataset, or those of options together."""

from __future__ import annotations

from marketlake.coverage.coverage import Coverage
from marketlake.coverage.joint import JointCoverage
from marketlake.datasets import parts_of
from marketlake.lake import Lake


def coverage_of(lake: Lake, name: str, ticker: str) -> JointCoverage:
    """What the lake holds of it."""
    return JointCoverage(name, [Coverage(lake, dataset.spec, ticker) for dataset in parts_of(name, lake.settings)])
