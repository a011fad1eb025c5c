"""The steps of one session of options: its chain, its bars, its panel. What is finished is left as it is, unless it is
wanted anew.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from marketlake.coverage.coverage import Coverage
from marketlake.coverage.joint import JointCoverage
from marketlake.dataset_names import OPTIONS
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.option_bars import OPTION_BARS
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.datasets.option_panel import OPTION_PANEL
from marketlake.ingest.options.bars import fetch_bars, rebuild_bars
from marketlake.ingest.options.panel import build_panel
from marketlake.ingest.options.source import OptionSource
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.report import Outcome, Report
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.rows.spec import DatasetSpec

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Steps:
    """Of one session. ``anew``: fetch also what is finished; ``provisional``: also a session that is not final yet."""

    lake: Lake
    ticker: str
    session: dt.date
    anew: bool = False
    provisional: bool = False

    def fetch_chain(self, client: PolygonClient) -> Report:
        """The session's chain. Raises as ``ingest``."""
        chains = JointCoverage(OPTIONS, [Coverage(self.lake, OPTION_CHAIN.spec, self.ticker)])
        if held := self._finished(chains, OPTION_CHAIN.spec):
            return held
        key = OPTION_CHAIN.spec.key(self.ticker, self.session)
        return ingest(self.lake, OPTION_CHAIN, key, client, allow_provisional=self.provisional)

    def fetch_bars(self, client: PolygonClient, source: OptionSource) -> Report:
        """Its bars and its selection, from the chain that the lake holds. Raises as ``bars.fetch_bars``."""
        if held := self._finished(fetched_of(self.lake, self.ticker), OPTION_BARS.spec):
            return held
        return fetch_bars(self.lake, self.ticker, self.session, client, source, allow_provisional=self.provisional)

    def rebuild_chain(self) -> Report:
        """The chain from its raw pages, without a call. Raises as ``rebuild``."""
        key = OPTION_CHAIN.spec.key(self.ticker, self.session)
        return rebuild(self.lake, OPTION_CHAIN, key, allow_provisional=self.provisional)

    def rebuild_bars(self) -> Report:
        """Bars and selection from their raw answers, without a call. Raises as ``bars.rebuild_bars``."""
        return rebuild_bars(self.lake, self.ticker, self.session, allow_provisional=self.provisional)

    def build_panel(self) -> Report:
        """Its panel, which takes no call. Raises as ``panel.build_panel``."""
        return build_panel(self.lake, self.ticker, self.session)

    def _finished(self, coverage: JointCoverage, spec: DatasetSpec) -> Report | None:
        """The report of what is held, if it is finished and not wanted anew."""
        if self.anew or coverage.unfinished([self.session]):
            return None
        key = spec.key(self.ticker, self.session)
        certificate = self.lake.store(spec).partitions.certificate(key)
        if certificate is None:
            return None
        _log.info("%s: held, and finished, so nothing is asked for; it is fetched anew with refetch", key)
        return Report.of(Outcome.UNCHANGED, certificate)


def fetched_of(lake: Lake, ticker: str) -> JointCoverage:
    """What the lake holds of an underlying's options, but for the panel, which takes no call."""
    fetched = (dataset.spec for dataset in OF_OPTIONS.values() if dataset is not OPTION_PANEL)
    return JointCoverage(OPTIONS, [Coverage(lake, spec, ticker) for spec in fetched])
