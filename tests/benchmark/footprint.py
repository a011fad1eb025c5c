"""What Airflow keeps of a session, by a manual range and by a backfill: what ``docs/sizing.md`` multiplies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmark.airflow_runs import Spent
from benchmark.figures import Figure
from benchmark.metadata import Metadata, metadata_of
from sizing import Footprint


class Footprints:
    """What each of some runs left in Airflow's database and among its task logs."""

    def __init__(self, database: str, logs: Path) -> None:
        self._database, self._logs = database, logs
        self.found: list[Footprint] = []
        self._last = Metadata({}, {}), 0

    def of(self, run: Callable[[], Spent]) -> Callable[[], Spent]:
        """The run, which then leaves what it left here, too."""

        def noted() -> Spent:
            before, logs_before = metadata_of(self._database), _bytes_under(self._logs)
            spent = run()
            left = metadata_of(self._database).since(before)
            self._last = left, spent.sessions
            self.found.append(
                Footprint(
                    rows=sum(left.rows.values()) / spent.sessions,
                    database_bytes=sum(left.bytes.values()) // spent.sessions,
                    log_bytes=(_bytes_under(self._logs) - logs_before) // spent.sessions,
                )
            )
            return spent

        return noted

    def beside(self, name: str, known: Footprint) -> Iterator[Figure]:
        """What was found, against what the documents reckon with; and the tables of the last run."""
        left, sessions = self._last
        rows: Sequence[tuple[str, str, list[float], float]] = (
            ("rows in Airflow's database", "", [one.rows for one in self.found], known.rows),
            ("bytes in it", "bytes", [one.database_bytes for one in self.found], known.database_bytes),
            ("bytes of task logs", "bytes", [one.log_bytes for one in self.found], known.log_bytes),
        )
        for what, unit, values, expected in rows:
            tables = f"of 1,000: {left.a_thousand(sessions)}" if not unit else ""
            yield Figure(f"{what} a session of {name}", unit, values, "docs/sizing.md", [expected], note=tables)


def _bytes_under(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
