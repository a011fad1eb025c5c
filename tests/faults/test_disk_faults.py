"""Every fault of the disk and of the process, at every call of the store and all over a session."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from disk import Meet, die, dies, disturbs, ended, forked, intercepted, is_full, is_read_only, vanishes
from fault_lake import DAY, Ground, contents, ground, require_whole, seen
from fault_table import (
    EITHER,
    INSTANTS,
    READ_ONLY,
    STORE_CALLS,
    DiskCase,
    calls_of_a_refusal,
    disk_cases,
)
from marketlake.errors import InvalidBars, StorageError
from marketlake.ingest.session import Report
from marketlake.lake import Lake

PARTITION = f"processed/spy/date={DAY}"
either = pytest.mark.parametrize("old", EITHER, ids=["no partition", "old partition"])
OUTCOMES = {"created": 10, "unchanged": 11, "revised": 12}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("disk")) as prepared:
        prepared.keep_answers()
        yield prepared


@pytest.fixture
def on(made: Ground) -> Ground:
    """Where the vendor's answers are kept: the disk is what a test here is about."""
    made.faithful()
    return made


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("asking")) as prepared:
        yield prepared


@pytest.fixture
def wire(asking: Ground) -> Ground:
    """Where every session asks the vendor itself."""
    asking.faithful()
    return asking


def require_told(error: StorageError) -> None:
    """One line that names ticker and session, or the lake's own file, and the next step."""
    told = str(error)
    assert "lake.json" in told or ("spy" in told and "2024-11-26" in told)
    assert "storage.root" in told
    assert "\n" not in told


def met(on: Ground, lake: Lake, meet: Meet) -> tuple[Report | None, list[str]]:
    """The report of a session under a fault, or None where it failed as it should; and the calls it made."""
    with intercepted(meet) as made:
        try:
            return on.ingest(lake), made
        except StorageError as exc:
            require_told(exc)
            return None, made


@either
def test_the_table_counts_every_call_of_the_store(on: Ground, tmp_path: Path, old: bool) -> None:
    _, made = met(on, on.lake(tmp_path / "lake", old=old), lambda *_: None)
    assert len(made) == STORE_CALLS[old]
    assert made.count("replace") == (1 if old else 0)  # of the partition
    assert made.count("link") == 3  # lake.json, pages and partition; or pages, and what is kept, into its two places
    assert {"mkdir", "create", "write", "fsync", "link", "rmtree"} <= set(made)


@pytest.mark.parametrize("case", disk_cases("full"), ids=str)
def test_a_disk_that_is_full(case: DiskCase, on: Ground, tmp_path: Path) -> None:
    lake = on.lake(tmp_path / "lake", old=case.old)
    report, _ = met(on, lake, is_full(case.call))
    found = seen(lake)
    assert found == on.undisturbed if report else found in {on.before(old=case.old), on.undisturbed}
    assert (report is not None) is (case.call == STORE_CALLS[case.old])  # the last one only clears staging
    require_whole(lake, staged=report is not None)
    on.run_again(lake)


@pytest.mark.parametrize("folder", READ_ONLY)
def test_a_folder_that_is_read_only(folder: str, on: Ground, tmp_path: Path) -> None:
    lake = on.lake(tmp_path / "lake", old=True)
    before = contents(lake)
    report, _ = met(on, lake, is_read_only(lake.storage.root / folder.format(day=DAY)))
    assert report is None
    assert seen(lake) == on.old
    assert {name: data for name, data in contents(lake).items() if name in before} == before
    require_whole(lake)
    on.run_again(lake)


@pytest.mark.parametrize("case", disk_cases("staging", "lake", "partition"), ids=str)
def test_a_folder_that_vanishes(case: DiskCase, on: Ground, tmp_path: Path) -> None:
    lake = on.lake(tmp_path / "lake", old=case.old)
    folder = {"staging": ".staging", "lake": "", "partition": PARTITION}[case.what]
    report, made = met(on, lake, vanishes(lake.storage.root / folder, case.call))
    published = max((number for number, name in enumerate(made, 1) if name == "replace"), default=0)
    found = seen(lake)
    if report and (case.what == "staging" or case.call <= published):
        assert found == on.undisturbed
    assert found in {on.old, on.undisturbed} | (set() if case.what == "staging" else {None})
    require_whole(lake)
    on.run_again(lake)


@pytest.mark.parametrize("case", disk_cases("killed"), ids=str)
def test_a_task_killed_at_a_call_of_the_store(case: DiskCase, on: Ground, tmp_path: Path) -> None:
    lake = on.lake(tmp_path / "lake", old=case.old)

    def body() -> int:
        met(on, lake, dies(case.call))
        return 0

    assert ended(forked(body)) == -9
    assert seen(lake) in {on.before(old=case.old), on.undisturbed}
    require_whole(lake, staged=True)
    on.run_again(lake)


def counted(on: Ground, lake: Lake, at: int) -> int:
    """Ingest, and die at that call of a Python function or of one of C; how many there were otherwise."""
    count = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += 1
        if count == at:
            die()

    sys.setprofile(profile)
    try:
        on.ingest(lake)
    finally:
        sys.setprofile(None)
    return count


@pytest.fixture(scope="module")
def lengths(asking: Ground) -> dict[bool, int]:
    """How many calls of functions a session takes."""
    return {old: counted(asking, asking.lake(asking.folder / f"counted-{old}", old=old), -1) for old in (False, True)}


@either
@pytest.mark.parametrize("instant", range(INSTANTS))
def test_a_task_killed_at_an_instant_of_its_session(
    instant: int, old: bool, wire: Ground, lengths: dict[bool, int], tmp_path: Path
) -> None:
    lake = wire.lake(tmp_path / "lake", old=old)
    share = random.Random(f"kill -9, {instant}").uniform(0, 0.95)
    assert ended(forked(lambda: counted(wire, lake, int(share * lengths[old])))) == -9
    assert seen(lake) in {wire.before(old=old), wire.undisturbed}
    require_whole(lake, staged=True)
    wire.run_again(lake)


@either
def test_tasks_on_the_same_date_take_turns(on: Ground, tmp_path: Path, old: bool) -> None:
    lake = on.lake(tmp_path / "lake", old=old)
    children = [forked(lambda: OUTCOMES[on.ingest(lake).outcome]) for _ in range(4)]
    first = "revised" if old else "created"
    assert sorted(ended(child) for child in children) == sorted([OUTCOMES[first], *[OUTCOMES["unchanged"]] * 3])
    require_whole(lake)
    on.run_again(lake)


@either
def test_a_task_that_waits_goes_on_when_the_holder_of_the_lock_is_killed(on: Ground, tmp_path: Path, old: bool) -> None:
    lake = on.lake(tmp_path / "lake", old=old)
    (held, holds), (tried, tries) = os.pipe(), os.pipe()
    last = STORE_CALLS[old] - 1

    def hold() -> None:
        os.write(holds, b".")
        os.read(os.pipe()[0], 1)  # for ever

    def holder() -> int:
        met(on, lake, disturbs(hold, last))
        return 0

    def tell(number: int, name: str, path: str) -> None:
        if path.endswith(".lock"):
            os.write(tries, b".")

    def waiter() -> int:
        with intercepted(tell):
            return OUTCOMES[on.ingest(lake).outcome]

    first = forked(holder)
    os.read(held, 1)
    second = forked(waiter)
    os.read(tried, 1)
    assert os.waitpid(second, os.WNOHANG) == (0, 0)
    os.kill(first, 9)
    assert ended(first) == -9
    assert ended(second) == OUTCOMES["unchanged"]
    require_whole(lake)
    on.run_again(lake)


@pytest.mark.parametrize("case", calls_of_a_refusal(), ids=str)
def test_a_refusal_is_told_though_its_pages_cannot_be_kept(case: DiskCase, wire: Ground, tmp_path: Path) -> None:
    lake = wire.lake(tmp_path / "lake", old=case.old)
    before = contents(lake)
    wire.vendor.faults.set(str(DAY), [{"fault": "duplicate", "times": 0}])
    with intercepted(is_full(case.call)), pytest.raises((InvalidBars, StorageError)) as caught:
        wire.ingest(lake)
    if isinstance(caught.value, StorageError):
        assert not wire.vendor.requests, "the disk was full before anything was asked"
        require_told(caught.value)
    after = contents(lake)
    after.pop("raw-rejected/spy/date=2024-11-26/pages.tar", None)
    assert after == before
    wire.run_again(lake)
