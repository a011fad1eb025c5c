"""Sessions that several datasets make together: finished once each of them is, and made of what the others hold."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from conftest import NOW
from fetched_options import a_market, fill_with_options
from marketlake import settings
from marketlake.audit.due import AuditReason, reason_for, sessions_due
from marketlake.coverage.joint import disagreements, state_of, suspect_because
from marketlake.datasets import OF_OPTIONS
from marketlake.ingest.collected import coverage_of
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.quality.reconciliation import Reconciliation
from option_lake import BARS, CHAIN, PANEL, SELECTION, SETTINGS, TUESDAY, WEDNESDAY, held
from polygon_simulator.server import Simulator

FILES = {CHAIN: "chain", SELECTION: "selection", BARS: "bars", PANEL: "panel"}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with a_market() as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with every part of one session, which each test has a copy of."""
    folder = tmp_path_factory.mktemp("joint") / "lake"
    with a_market() as market:
        fill_with_options(market, folder, [WEDNESDAY], [WEDNESDAY])
    return folder


@pytest.fixture
def whole(lake: Lake, made: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(made, lake.storage.root)
    return Lake(settings.load(), now=lake.now)


def unfinished(lake: Lake) -> list[dt.date]:
    return coverage_of(lake, "options", "SPY").unfinished([TUESDAY, WEDNESDAY])


def alter(lake: Lake, name: str, **changed: object) -> None:
    """Publish a part as it is, with other facts in its certificate."""
    store, (certificate, rows) = lake.store(OF_OPTIONS[name].spec), held(lake, name)
    with store.exclusive(certificate.key) as writer:
        other: Certificate = msgspec.structs.replace(certificate, **changed)
        store.partitions.publish(writer, rows, other, store.partitions.inspect(certificate.key))


def test_a_session_is_finished_once_every_part_of_it_is(whole: Lake) -> None:
    coverage = coverage_of(whole, "options", "SPY")
    assert (coverage.title, coverage.where) == ("SPY options", str(whole.storage.root))
    assert coverage.missing([TUESDAY, WEDNESDAY]) == coverage.unfinished([TUESDAY, WEDNESDAY]) == [TUESDAY]
    assert {name: one.state.value for name, one in coverage.certificates()[WEDNESDAY].items() if one} == dict.fromkeys(
        FILES, "complete"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_session_that_lacks_a_part_is_not(whole: Lake, name: str) -> None:
    whole.storage.path(f"{name}/processed/spy/date={WEDNESDAY}/{FILES[name]}.parquet").unlink()
    coverage = coverage_of(whole, "options", "SPY")
    assert coverage.missing([WEDNESDAY]) == coverage.unfinished([WEDNESDAY]) == [WEDNESDAY]
    assert coverage.certificates() == {}


@pytest.mark.parametrize("name", FILES)
def test_nor_is_one_of_which_a_part_is_provisional(whole: Lake, name: str) -> None:
    alter(whole, name, state=State.PROVISIONAL)
    assert unfinished(whole) == [TUESDAY, WEDNESDAY]
    assert reason_for(whole, "options", "SPY", WEDNESDAY) is AuditReason.PROVISIONAL


@pytest.mark.parametrize(("name", "of"), [(BARS, CHAIN), (BARS, SELECTION), (SELECTION, CHAIN), (PANEL, BARS)])
def test_nor_is_one_of_which_a_part_is_made_of_other_rows(whole: Lake, name: str, of: str) -> None:
    alter(whole, name, inputs=held(whole, name)[0].inputs | {of: "0" * 64})
    assert unfinished(whole) == [TUESDAY, WEDNESDAY]
    assert disagreements(coverage_of(whole, "options", "SPY").certificates()[WEDNESDAY]) == {name: of}
    assert reason_for(whole, "options", "SPY", WEDNESDAY) is AuditReason.OUTDATED


def test_a_panel_that_is_switched_off_is_no_part(whole: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    whole.storage.path(f"{PANEL}/processed/spy/date={WEDNESDAY}/panel.parquet").unlink()
    assert unfinished(whole) == [TUESDAY, WEDNESDAY]
    monkeypatch.setenv("MARKETLAKE__OPTIONS__PANEL__ENABLED", "false")
    assert unfinished(Lake(settings.load(), now=whole.now)) == [TUESDAY]


def test_the_gravest_state_of_the_parts_is_the_sessions_and_reasons_are_told_once(whole: Lake) -> None:
    def now() -> tuple[State | None, tuple[str, ...]]:
        parts = coverage_of(whole, "options", "SPY").certificates()[WEDNESDAY]
        return state_of(parts), suspect_because(parts)

    assert now() == (State.COMPLETE, ())
    doubt, derived = "many are empty", "option_bars is suspect"
    alter(whole, BARS, state=State.SUSPECT, reconciliation=Reconciliation(None, None, {}, {"contracts": (doubt,)}))
    alter(whole, PANEL, state=State.SUSPECT, reconciliation=Reconciliation(None, None, {}, {"inputs": (derived,)}))
    assert now() == (State.SUSPECT, (doubt,))
    assert unfinished(whole) == [TUESDAY]
    alter(whole, SELECTION, state=State.PROVISIONAL)
    assert now()[0] is State.PROVISIONAL


@pytest.mark.parametrize(
    ("age", "fetched_after", "because"), [(6, 1, None), (7, 1, "revisit"), (7, 8, None), (200, 250, None)]
)
def test_options_are_looked_at_again_at_their_own_age_alone(
    whole: Lake, age: int, fetched_after: int, because: str | None
) -> None:
    """Also if they are suspect: a look may cost thousands of calls."""
    later = whole.calendar.sessions(WEDNESDAY, NOW.date())
    at = dt.datetime.combine(later[age], dt.time(23), dt.UTC) + dt.timedelta(days=1)
    fetched = dt.datetime.combine(later[fetched_after], dt.time(23), dt.UTC)
    alter(whole, BARS, state=State.SUSPECT, fetched_at_ms=int(fetched.timestamp() * 1000))
    due = sessions_due(Lake(whole.settings, now=lambda: at), "options", "SPY")
    assert [one.reason.value for one in due] == ([because] if because else [])
