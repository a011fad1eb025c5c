"""Sessions through Airflow, against the official client's bare rate and against a plain DAG."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmark.airflow_runs import Spent, airflow
from benchmark.figures import Figure
from benchmark.footprint import Footprints
from benchmark.peers import OfficialClient
from benchmark.vendor import TICKER
from sizing import BACKFILL, MANUAL

DAG = f"{TICKER.lower()}_second_bars"
_WARM = 8
_BESIDE = 2
_CLIENT = "official client, bare"


class BareClient:
    """The official client in a loop, a few sessions before and after each of our runs: machines change their pace."""

    def __init__(self, url: str, folder: Path, days: Sequence[dt.date]) -> None:
        folder.mkdir(parents=True)
        self._client, self._days = OfficialClient(url, folder), days
        self._client.session(days[0])

    def beside(self, *runs: Callable[[], Spent]) -> tuple[list[Spent], list[float]]:
        """What our runs took, and the client's sessions a minute around them, one figure a session."""
        rates, spent = self._rates(), []
        for run in runs:
            spent.append(run())
            rates += self._rates()
        return spent, rates

    def _rates(self) -> list[float]:
        found = []
        for day in self._days[:_BESIDE]:
            started_s = time.perf_counter()
            self._client.session(day)
            found.append(60 / (time.perf_counter() - started_s))
        return found


def on_postgres(
    url: str,
    folder: Path,
    database: str,
    dense: Sequence[dt.date],
    sparse: Sequence[dt.date],
    *,
    few: int,
    many: int,
    warm: int = _WARM,
) -> list[Figure]:
    """Two manual ranges and two backfills, a quarter of the dense sessions each; small and large runs of sparse ones.

    ``database`` is empty. No session is fetched twice. Sparse ones leave what Airflow costs, which is what could grow
    with a run.
    """
    bare = BareClient(url, folder / "client", dense)
    count = len(dense) // 4
    ranges = [dense[start : start + count] for start in range(0, 4 * count, count)]
    of_manual, of_backfill = (Footprints(database, folder / "logs") for _ in range(2))
    with airflow(folder, url, database) as up:
        up.manual(DAG, sparse[:warm])
        small = [up.manual(DAG, sparse[warm : warm + few])]
        manual, beside_manual = bare.beside(*(of_manual.of(partial(up.manual, DAG, days)) for days in ranges[:2]))
        backfill, beside_backfill = bare.beside(of_backfill.of(partial(up.backfill, DAG, ranges[2])))
        large = up.manual(DAG, sparse[-many:])
        small.append(up.manual(DAG, sparse[warm + few : warm + 2 * few]))
        again, beside_again = bare.beside(of_backfill.of(partial(up.backfill, DAG, ranges[3])))
    backfill += again
    where, parts = "PostgreSQL, LocalExecutor", f"{small[0].cpu_ms_a_session}; then {large.cpu_ms_a_session}"
    return [
        _rate(f"{where}: manual range of {count}", manual, beside_manual, limit=3),
        _rate(f"{where}: airflow backfill of {count}", backfill, beside_backfill + beside_again, limit=1.5),
        Figure(f"sessions a minute, {where}: airflow backfill of {count}", "/min", [one.a_minute for one in backfill],
               "a manual range", [one.a_minute for one in manual], more_is_better=True),
        Figure(f"CPU a dense session of a backfill of {count}", "s", [one.cpu_s / count for one in backfill],
               "of a manual range", [one.cpu_s / count for one in manual],
               note=f"{backfill[-1].cpu_ms_a_session}; of a range {manual[-1].cpu_ms_a_session}"),
        Figure(f"CPU a sparse session in a run of {many}", "s", [large.cpu_s / many], f"in a run of {few}",
               [one.cpu_s / few for one in small], limit=1.15, note=parts),
        Figure(f"wall a sparse session in a run of {many}", "s", [large.wall_s / many], f"in a run of {few}",
               [one.wall_s / few for one in small], limit=1.15),
        *of_manual.beside("a manual range", MANUAL),
        *of_backfill.beside("a backfill", BACKFILL),
    ]  # fmt: skip


def on_sqlite(url: str, folder: Path, backfilled: Sequence[dt.date], ranged: Sequence[dt.date]) -> list[Figure]:
    """A backfill and a manual range on the embedded database; a failed session fails the benchmark."""
    bare = BareClient(url, folder / "client", backfilled)
    with airflow(folder, url, None) as up:
        up.manual(DAG, ranged[:1])
        backfill, beside_backfill = bare.beside(partial(up.backfill, DAG, backfilled))
        manual, beside_manual = bare.beside(partial(up.manual, DAG, ranged[1:]))
    where = "embedded SQLite, none failed"
    return [
        _rate(f"{where}: airflow backfill of {len(backfilled)}", backfill, beside_backfill, limit=1),
        _rate(f"{where}: manual range of {len(ranged) - 1}", manual, beside_manual, limit=1),
    ]


def plain_dag(url: str, folder: Path, database: str, days: Sequence[dt.date]) -> list[Figure]:
    """A DAG as people write it, on PostgreSQL as above. It knows no holidays: ``days`` must be without."""
    bare = BareClient(url, folder / "client", days)
    with airflow(folder, url, database, plain=True) as up:
        up.manual("plain_bars", days[:2])
        spent, beside = bare.beside(partial(up.manual, "plain_bars", days))
    return [_rate(f"a plain DAG, PostgreSQL: manual range of {len(days)}", spent, beside, limit=None)]


def _rate(what: str, ours: Sequence[Spent], client: Sequence[float], *, limit: float | None) -> Figure:
    rates = [one.a_minute for one in ours]
    return Figure(f"sessions a minute, {what}", "/min", rates, _CLIENT, client, limit=limit, more_is_better=True)
