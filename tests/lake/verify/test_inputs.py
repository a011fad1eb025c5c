"""What partitions of options are made of, held against what the lake holds: a finding of its own kind."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

from commanded import commanded
from conftest import NOW, a_client
from marketlake import settings
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.verify.findings import Kind
from marketlake.verify.verify import verify
from option_tables import (
    FRIDAY,
    ROWS,
    WEDNESDAY,
    OptionGround,
    chain_rows,
    option_ground,
    prepared_options,
)
from polygon_simulator.server import Simulator
from sparse_days import SparseDays

__all__ = ["option_ground", "prepared_options"]
LATER = NOW + dt.timedelta(days=2)
OWN = "MARKETLAKE__OPTIONS__ENABLED=true MARKETLAKE__OPTIONS__TICKERS='[\"SPY\"]' "
AGAIN = "make backfill DATASET=options FROM=2024-11-27 TO=2024-11-27 REFETCH=1"


def found(ground: OptionGround) -> dict[str, list[str]]:
    """What is found of each dataset, all of it of Wednesday's inputs."""
    findings = {name: verify(ground.written, dataset).findings for name, dataset in OF_OPTIONS.items()}
    assert {(one.session, one.kind) for every in findings.values() for one in every} <= {
        (WEDNESDAY, Kind.INPUT_DIFFERS)
    }  # fmt: skip
    return {name: [one.detail for one in every] for name, every in findings.items() if every}


def digest(ground: OptionGround, name: str) -> str:
    store = ground.written.store(OF_OPTIONS[name].spec)
    held = store.partitions.certificate(store.spec.key("SPY", WEDNESDAY))
    assert isinstance(held, Certificate)
    return held.content_hash[:12]


def test_of_sessions_that_are_of_one_piece_nothing_is_found(option_ground: OptionGround) -> None:
    assert found(option_ground) == {}
    states = {name: verify(option_ground.written, one).states for name, one in OF_OPTIONS.items()}
    assert states == {
        "option_chain": {"complete": 3}, "option_selection": {"complete": 2}, "option_bars": {"complete": 2},
        "option_panel": {"complete": 2},
    }  # fmt: skip


def test_another_chain_is_found_in_all_that_is_made_of_it(option_ground: OptionGround) -> None:
    old = digest(option_ground, "option_chain")
    option_ground.publish("option_chain", WEDNESDAY, chain_rows(WEDNESDAY).slice(0, 17), at=LATER)
    told = f"it is made of option_chain {old}, and the lake holds {digest(option_ground, 'option_chain')}"
    assert found(option_ground) == {"option_selection": [told], "option_bars": [told], "option_panel": [told]}
    done = verify(option_ground.written, OF_OPTIONS["option_panel"])
    assert (done.partitions, done.states) == (2, {"complete": 1})


def test_bars_without_the_selection_that_they_name_and_a_selection_that_no_bars_name(
    option_ground: OptionGround,
) -> None:
    """As a crash leaves it between the two."""
    old_bars, old_selection = digest(option_ground, "option_bars"), digest(option_ground, "option_selection")
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], without=["option_selection", "option_panel"], at=LATER)
    details = found(option_ground)
    (of_bars,) = details.pop("option_bars")
    assert re.fullmatch(rf"it is made of option_selection [0-9a-f]{{12}}, and the lake holds {old_selection}", of_bars)
    assert old_selection not in of_bars[:40]
    assert details == {
        "option_selection": ["the option_bars of that session do not name it, so that nobody reads it"],
        "option_panel": [
            f"it is made of option_bars {old_bars}, and the lake holds {digest(option_ground, 'option_bars')}"
        ],
    }


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ("option_chain", {"option_selection", "option_bars", "option_panel"}),
        ("option_selection", {"option_bars"}),
        ("option_bars", {"option_selection", "option_panel"}),
    ],
)
def test_what_lacks_is_found_in_all_that_is_made_of_it(
    option_ground: OptionGround, lost: str, expected: set[str]
) -> None:
    option_ground.file(lost, WEDNESDAY).unlink()
    option_ground.file(lost, WEDNESDAY).parent.rmdir()
    findings = {
        name: [one for one in verify(option_ground.written, dataset).findings if one.kind is Kind.INPUT_DIFFERS]
        for name, dataset in OF_OPTIONS.items()
    }
    assert {name for name, every in findings.items() if every} == expected
    details = {one.detail for every in findings.values() for one in every}
    assert any(re.search(rf"made of {lost} \w+, and the lake holds none of that session|do not name it", one)
               for one in details)  # fmt: skip


def test_an_input_that_cannot_be_read_is_as_good_as_none(option_ground: OptionGround) -> None:
    path = option_ground.file("option_chain", WEDNESDAY)
    path.unlink()
    path.mkdir()
    (detail,) = [one.detail for one in verify(option_ground.written, OF_OPTIONS["option_bars"]).findings]
    assert detail.endswith("and the lake holds none of that session")


def test_a_damaged_partition_is_told_to_be_that_and_no_more(option_ground: OptionGround) -> None:
    option_ground.file("option_chain", WEDNESDAY).unlink()
    option_ground.file("option_bars", WEDNESDAY).write_bytes(b"")
    (finding,) = verify(option_ground.written, OF_OPTIONS["option_bars"]).findings
    assert finding.kind is Kind.DAMAGED


def test_the_underlying_that_a_panel_is_made_of_is_looked_at_as_well(
    option_ground: OptionGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = option_ground.written.store(OF_OPTIONS["option_panel"].spec)
    certificate = store.partitions.certificate(store.spec.key("SPY", WEDNESDAY))
    assert certificate is not None
    option_ground.amend("option_panel", WEDNESDAY, inputs=certificate.inputs | {"second_bars": "ab" * 32})
    assert found(option_ground) == {
        "option_panel": ["it is made of second_bars abababababab, and the lake holds none of that session"]
    }
    with Simulator(SparseDays(), "a-key") as simulator:
        monkeypatch.setenv("POLYGON_BASE_URL", simulator.url)
        lake = Lake(option_ground.written.settings.model_copy(update={"api": settings.load().api}), now=lambda: NOW)
        report = ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", WEDNESDAY), a_client(lake, [], "a-key"))
    held = report.content_hash
    assert found(option_ground) == {
        "option_panel": [f"it is made of second_bars abababababab, and the lake holds {held[:12]}"]
    }
    option_ground.amend("option_panel", WEDNESDAY, inputs=certificate.inputs | {"second_bars": held})
    assert found(option_ground) == {}


def verified(ground: OptionGround, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    """Exit code and lines of the command, the seconds left out."""
    done = commanded("verify", *arguments, MARKETLAKE__STORAGE__ROOT=str(ground.root), **environment)
    return done.returncode, re.sub(r"; \d+\.\d s$", "", done.stdout + done.stderr, flags=re.MULTILINE).splitlines()


def test_the_command_goes_through_the_four_together(option_ground: OptionGround, tmp_path: Path) -> None:
    code, lines = verified(option_ground, "--dataset", "options", "--json", str(tmp_path / "found.json"))
    assert code == 0
    assert [line.partition(": ")[0] for line in lines] == [
        "SPY option chain", "SPY option selection", "SPY option bars", "SPY option panel",
    ]  # fmt: skip
    assert all(line.endswith("complete; 0 findings") for line in lines)
    written = json.loads((tmp_path / "found.json").read_text())
    assert {name: one["rows"] for name, one in written.items()} == {
        "option_chain": 23, "option_selection": 21, "option_bars": 14, "option_panel": 13,
    }  # fmt: skip


@pytest.mark.parametrize("name", OF_OPTIONS)
def test_a_dataset_of_options_is_verified_alone(option_ground: OptionGround, name: str) -> None:
    code, lines = verified(option_ground, "--dataset", name)
    assert (code, len(lines)) == (0, 1)
    assert lines[0].startswith(f"SPY {name.replace('_', ' ')}: ")


@pytest.mark.parametrize(
    ("variables", "before"),
    [({}, OWN), ({"MARKETLAKE__OPTIONS__ENABLED": "true"}, "")],
    ids=["off", "on"],
)
def test_a_finding_says_how_the_session_is_fetched_again(
    option_ground: OptionGround, tmp_path: Path, variables: dict[str, str], before: str
) -> None:
    old = digest(option_ground, "option_bars")
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], without=["option_panel"], at=LATER)
    now = digest(option_ground, "option_bars")
    code, lines = verified(option_ground, "--json", str(tmp_path / "found.json"), **variables)
    assert (code, len(lines)) == (1, 5)
    assert lines[3] == (
        f"SPY option panel  2024-11-27  input differs  it is made of option_bars {old}, and the lake holds {now}:"
        f" {before}{AGAIN}"
    )
    assert re.search(r"13 rows, 0\.0 MB, 1 complete, 1 not proven; 1 findings$", lines[4])
    (finding,) = json.loads((tmp_path / "found.json").read_text())["option_panel"]["findings"]
    assert (finding["kind"], finding["session"]) == ("input differs", "2024-11-27")
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], at=LATER)  # as that command would
    assert verified(option_ground, **variables)[0] == 0


def damaged(ground: OptionGround, name: str) -> None:
    ground.file(name, WEDNESDAY).write_bytes(b"PAR1")


@pytest.mark.parametrize("name", OF_OPTIONS)
def test_whatever_is_wrong_with_options_is_mended_by_fetching_them_together(
    option_ground: OptionGround, name: str
) -> None:
    damaged(option_ground, name)
    _, lines = verified(option_ground, "--dataset", name)
    assert lines[0].startswith(f"SPY {name.replace('_', ' ')}  2024-11-27  damaged  ")
    assert lines[0].endswith(f": {OWN}{AGAIN}")


def test_where_there_is_no_makefile_it_is_airflows_own_command(
    option_ground: OptionGround, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from marketlake import commands

    monkeypatch.setattr(commands, "checkout", lambda: tmp_path)
    told: Any = commands.fetching("option_panel", "SPY", WEDNESDAY, FRIDAY, tickers=["SPY"], again=True)
    assert told == (
        "airflow backfill create --dag-id spy_options --from-date 2024-11-27 --to-date 2024-11-29"
        " --reprocess-behavior completed"
    )
    assert commands.fetching_any("option_bars") == "airflow backfill create"
