"""Six processes publish the same sessions at once, as six machines would, and some are killed: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bucket_places import variables_of
from conftest import NOW
from marketlake import settings
from marketlake.lake import Lake
from object_store import ObjectStore
from publication_race import Prepared, Race, Result, prepared, run


@pytest.fixture(scope="module")
def rows() -> Prepared:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MARKETLAKE_ENV_FILE", "")
        return prepared()


@pytest.fixture
def raced(
    rows: Prepared, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Race], Result]:
    for name, value in variables_of(object_store.endpoint_url, object_store.corner(), tmp_path).items():
        monkeypatch.setenv(name, value)
    return lambda race: run(race, Lake(settings.load(), now=lambda: NOW), rows, tmp_path)


def test_with_conditional_writes_nothing_is_lost(raced: Callable[[Race], Result]) -> None:
    result = raced(Race())
    assert result.violations == []
    assert result.publications + result.outcomes["gave up"] == 24
    assert result.refused > 0  # they did meet
    assert result.killed == 6


def test_without_their_conditions_much_is_lost_which_this_race_finds(raced: Callable[[Race], Result]) -> None:
    result = raced(Race(killed=False, conditional=False))
    assert len(result.violations) > 0
