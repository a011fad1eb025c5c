"""Processes that publish the same sessions at once, each as on a machine of its own, and some of which are killed.

Nothing is fetched: rows were fetched and certified before, and enter by the lake's own publication.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import KEY, NOW, a_client
from disk import die, ended, forked
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import LakeBusy
from marketlake.ingest.certify import CertifiedRows, certify, judge
from marketlake.ingest.publish import publish
from marketlake.ingest.rebuild import rebuild
from marketlake.lake import Lake
from marketlake.quality.reconciliation import SWITCHED_OFF
from marketlake.settings import Settings
from marketlake.storage.s3.objects import ConditionRefused, Objects
from marketlake.storage.s3.writer import ObjectWriter
from marketlake.storage.storage import Seen
from marketlake.verify.verify import verify
from polygon_simulator.server import Simulator
from seconds import spy
from sparse_days import SparseDays

SESSIONS = (dt.date(2024, 11, 26), dt.date(2024, 11, 27))
ANSWERS = ("", "changed:5", "changed:17", "changed:29")
STRICT_S = 1_700  # under another bound on silence, the same rows have another certificate
_BOUND_S = 300
_MOST_KILLED = 90


@dataclass(frozen=True)
class Race:
    """How many race, and how often each publishes.

    ``killed``: the first in each place dies at one of its first writes, before that is sent or when it was applied.
    ``dies``: how likely the others die at each.
    """

    racers: int = 6
    publications: int = 4
    killed: bool = True
    dies: float = 0.0
    seed: int = 16
    conditional: bool = True


@dataclass(frozen=True)
class Result:
    """What came of it. ``outcomes``: how often each; ``violations``: what is not so, and is where nothing is lost."""

    outcomes: Counter[str]
    killed: int
    refused: int
    violations: list[str]

    @property
    def publications(self) -> int:
        return self.outcomes.total() - self.outcomes["gave up"]


Prepared = dict[dt.date, list[CertifiedRows]]


def prepared() -> Prepared:
    """Of each session, each answer under two bounds."""
    with Simulator(SparseDays(), KEY) as simulator, pytest.MonkeyPatch.context() as patched:
        patched.setenv("POLYGON_BASE_URL", simulator.url)
        usual = settings.load()
        strict = usual.model_copy(update={"quality": usual.quality.model_copy(update={"max_silence_s": STRICT_S})})
        return {session: list(_certified(simulator, (usual, strict), session)) for session in SESSIONS}


def _certified(simulator: Simulator, bounds: tuple[Settings, Settings], session: dt.date) -> Iterator[CertifiedRows]:
    for answer in ANSWERS:
        simulator.faults.set(str(session), [{"fault": answer, "times": 0}] if answer else [])
        for configured in bounds:
            lake = Lake(configured, now=lambda: NOW)
            fetch, decoded = SECOND_BARS.fetch(lake, a_client(lake, []), spy(session))
            judged = judge(lake, SECOND_BARS, spy(session), fetch, decoded, final=True)
            yield certify(lake, SECOND_BARS, judged, fetch.with_listings(SECOND_BARS.without_longer(SWITCHED_OFF)))


def run(race: Race, lake: Lake, rows: Prepared, folder: Path) -> Result:
    """Let them race in an empty lake, and hold what is there then against what each was told."""
    chance = random.Random(race.seed)
    logs = [folder / f"racer-{number}" for number in range(race.racers)]
    places = [forked(partial(_racers, race, lake, rows, log, chance.random(), at)) for at, log in enumerate(logs, 1)]
    killed = [ended(place) for place in places]
    assert max(killed) < _MOST_KILLED, f"the racers ended with {killed}"
    told = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    outcomes = Counter(one["outcome"] for one in told)
    return Result(outcomes, sum(killed), sum(one["refused"] for one in told), list(_violations(lake, told)))


def _racers(race: Race, lake: Lake, rows: Prepared, log: Path, seed: float, at: int) -> int:
    """One after the other in the same place, until as much is published as one of them should have; how many died."""
    log.touch()
    for killed in range(_MOST_KILLED):
        left = race.publications - len(log.read_text().splitlines())
        deaths = _Deaths(random.Random(seed + killed), race.dies, at if race.killed and not killed else 0)
        child = forked(partial(_race, race, lake, rows, log, deaths, left))
        if (code := ended(child)) != -signal.SIGKILL:
            return killed if code == 0 else code
    return _MOST_KILLED


def _race(race: Race, lake: Lake, rows: Prepared, log: Path, deaths: _Deaths, times: int) -> int:
    signal.alarm(_BOUND_S)
    logging.disable()  # of being overtaken, say
    folder = lake.settings.logging.model_copy(update={"folder": log.with_suffix(".machine")})  # locks of its own
    own = Lake(lake.settings.model_copy(update={"logging": folder}), now=lambda: NOW)
    store, refused, chance = own.store(SECOND_BARS.spec), [0], deaths.chance
    _make_deadly(race, deaths, refused)
    with log.open("a") as told:
        for _ in range(times):
            certified = _as_of_now(chance.choice(rows[chance.choice(SESSIONS)]), chance)
            try:
                with store.exclusive(certified.certificate.key) as writer:
                    report = publish(own, SECOND_BARS, writer, certified)
                outcome: dict[str, Any] = {
                    "outcome": str(report.outcome), "revision": report.revision, "content": report.content_hash,
                }  # fmt: skip
            except LakeBusy:
                outcome = {"outcome": "gave up"}
            told.write(
                json.dumps(outcome | {"session": str(certified.certificate.session), "refused": refused[0]}) + "\n"
            )
            told.flush()
            refused[0] = 0
    return 0


def _as_of_now(certified: CertifiedRows, chance: random.Random) -> CertifiedRows:
    """The rows as if they had been fetched by this publication alone: no two write the same bytes."""
    assert certified.origin is not None
    fetched_at_ms = certified.certificate.fetched_at_ms + chance.randrange(1_000_000)
    origin = replace(certified.origin, fetch=replace(certified.origin.fetch, fetched_at_ms=fetched_at_ms))
    certificate = msgspec.structs.replace(certified.certificate, fetched_at_ms=fetched_at_ms)
    return replace(certified, certificate=certificate, origin=origin)


class _Deaths:
    """When a process dies: at the half of a write of that number, from 1 (0: at none), or else by chance."""

    def __init__(self, chance: random.Random, likely: float, at: int) -> None:
        self.chance, self._likely, self._left = chance, likely, at

    def meet(self) -> None:
        self._left -= 1
        if self._left == 0 or self.chance.random() < self._likely:
            die()


def _make_deadly(race: Race, deaths: _Deaths, refused: list[int]) -> None:
    """In this process, which ends with the race: a write may be its last, and may lose its condition."""
    really_put = Objects.put

    def put(self: Objects, key: str, data: bytes, **condition: str) -> None:
        deaths.meet()
        try:
            really_put(self, key, data, **condition)
        except ConditionRefused:
            refused[0] += 1
            raise
        deaths.meet()

    def write(self: ObjectWriter, key: str, data: bytes, seen: Seen | None) -> None:
        self.put(key, data)

    Objects.put = put  # type: ignore[method-assign]
    if not race.conditional:
        ObjectWriter._write = write  # type: ignore[method-assign]


def _violations(lake: Lake, told: list[dict[str, Any]]) -> Iterator[str]:
    """What somebody was told and is not so, and what does not fit together."""
    store = lake.store(SECOND_BARS.spec)
    for session in SESSIONS:
        listed = {one.number: one.certificate for one in store.revisions.list_revisions("SPY", session)}
        contents = {number: one.content_hash if one else "nothing" for number, one in listed.items()}
        of_session = [one for one in told if one["session"] == str(session) and "revision" in one]
        for one in of_session:
            if contents.get(one["revision"]) != one["content"]:
                yield f"{session}: {one['outcome']} {one['revision']} was told, and holds other rows or none"
        made = Counter(one["revision"] for one in of_session if one["outcome"] in {"created", "revised"})
        yield from (
            f"{session}: revision {number} was made {times} times" for number, times in made.items() if times > 1
        )
        for number, certificate in listed.items():
            if certificate is None or certificate.revision != number:
                yield f"{session}: revision {number} is kept as another"
            elif store.revisions.read_revision("SPY", session, number).num_rows != certificate.rows:
                yield f"{session}: revision {number} holds other rows than its own"
        if listed and _rebuilt(lake, session) != (max(listed), contents[max(listed)]):
            yield f"{session}: the pages that are kept are not those of its rows"
    yield from (f"{one.session}: {one.detail}" for one in verify(lake, SECOND_BARS).findings)


def _rebuilt(lake: Lake, session: dt.date) -> tuple[int, str]:
    """Revision and content of what the kept pages make; under this bound on silence its certificate may be another."""
    report = rebuild(lake, SECOND_BARS, spy(session))
    return report.revision, report.content_hash
