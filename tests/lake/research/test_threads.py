"""``in_turn``: the order of the items, errors, and how far ahead the threads are."""

from __future__ import annotations

import threading

import pytest

from marketlake.research.threads import in_turn


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 40])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(count: int, workers: int) -> None:
    assert list(in_turn(lambda item: item * item, range(count), workers)) == [item * item for item in range(count)]


def test_the_earliest_error_ends_it_and_every_thread() -> None:
    before = threading.active_count()

    def act(item: int) -> int:
        if item in {5, 9}:
            raise ValueError(f"item {item}")
        return item

    taken: list[int] = []
    with pytest.raises(ValueError, match="item 5"):
        taken.extend(in_turn(act, range(100), 2))
    assert taken == [0, 1, 2, 3]
    assert threading.active_count() == before


def test_no_thread_is_far_ahead_of_who_takes_the_results() -> None:
    begun: set[int] = set()
    results = in_turn(begun.add, range(1_000), 2)
    for _ in range(100):
        next(results)
    assert 100 <= len(begun) <= 116
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 120
