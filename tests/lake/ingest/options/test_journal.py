"""The journal of a session's answers: whatever ends its writer, what came is there, and nothing else."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.datasets.option_answers import Basis, Question
from marketlake.errors import StorageError
from marketlake.ingest.options.journal import Journal, question_in
from marketlake.options.selection import FrozenRule, SelectionRule

RULE = FrozenRule(SelectionRule(), "SPY", dt.date(2024, 11, 27), 600.25, 1_732_654_800_000, "a test", "a chain")
BASIS = Basis(RULE.canonical, "minute", "rest", "rates", "dividends")
ASKED = Question(BASIS, RULE, {"O:A": "selected", "O:B": "dte"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal/spy/date=2024-11-27.log"


def opened(path: Path, question: Question = ASKED, not_before_ms: int = 0) -> Journal:
    return Journal.for_question(path, question, not_before_ms=not_before_ms)


def filled(path: Path) -> None:
    with opened(path) as journal:
        journal.add("O:A", [b"first"], 1_000)
        journal.add("O:B", [b"other"], 2_000, rows=3)
        journal.add("O:A", [b"first", b"second"], 3_000, attempts=2)


def held(
    path: Path, question: Question = ASKED, not_before_ms: int = 0
) -> dict[str, tuple[tuple[bytes, ...], int, int]]:
    with opened(path, question, not_before_ms) as journal:
        return {name: (one.bodies, one.rows, one.attempts) for name, one in journal.answers.items()}


def test_the_last_answer_of_a_name_counts_and_is_there_when_it_is_opened_again(path: Path) -> None:
    filled(path)
    assert held(path) == {"O:A": ((b"first", b"second"), 0, 2), "O:B": ((b"other",), 3, 1)}
    assert question_in(path) == ASKED


def test_a_dropped_answer_is_gone_and_may_come_again(path: Path) -> None:
    filled(path)
    with opened(path) as journal:
        journal.drop("O:A")
        assert list(journal.answers) == ["O:B"]
    assert list(held(path)) == ["O:B"]
    with opened(path) as journal:
        journal.add("O:A", [b"anew"], 4_000)
    assert held(path)["O:A"] == ((b"anew",), 0, 1)


def test_what_is_removed_is_begun_anew(path: Path) -> None:
    filled(path)
    with opened(path) as journal:
        journal.remove()
    assert not path.exists()
    assert question_in(path) is None
    assert held(path) == {}


@pytest.mark.parametrize(
    "question",
    [
        Question(BASIS, RULE, {"O:A": "selected", "O:B": "selected"}),
        Question(BASIS, RULE, {"O:A": "selected"}),
        Question(msgspec.structs.replace(BASIS, bar_size="second"), RULE, ASKED.reasons),
        Question(msgspec.structs.replace(BASIS, source="flat_file"), RULE, ASKED.reasons),
        Question(msgspec.structs.replace(BASIS, rule=RULE.canonical.replace("600.25", "600.5")), RULE, ASKED.reasons),
    ],
    ids=["another contract selected", "a shorter chain", "another size", "another source", "another reference"],
)
def test_answers_to_another_question_are_discarded(path: Path, question: Question) -> None:
    filled(path)
    assert held(path, question) == {}
    assert held(path) == {}  # for good


def test_other_rates_and_dividends_ask_the_same_question(path: Path) -> None:
    filled(path)
    assert len(held(path, Question(msgspec.structs.replace(BASIS, rates="x", dividends="y"), RULE, ASKED.reasons))) == 2


def test_all_answers_are_discarded_if_one_is_too_old(path: Path) -> None:
    filled(path)
    with opened(path) as journal:
        assert journal.began_ms == 2_000
    assert len(held(path, not_before_ms=2_000)) == 2
    assert held(path, not_before_ms=2_001) == {}


def test_an_empty_folder_and_a_file_of_something_else_hold_nothing(path: Path) -> None:
    assert question_in(path) is None
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a journal at all, however long it may be")
    assert question_in(path) is None
    assert held(path) == {}
    assert question_in(path) == ASKED


def test_a_place_that_cannot_be_written_is_told(path: Path) -> None:
    path.parent.parent.mkdir(parents=True)
    path.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(StorageError, match=r"journal/spy"):
        opened(path)


@given(cut=st.integers(0, 2_000), flipped=st.one_of(st.none(), st.integers(0, 2_000)))
def test_wherever_a_file_is_cut_or_changed_what_is_before_counts_and_what_is_added_behind_it(
    cut: int, flipped: int | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.log"
        filled(path)
        data = bytearray(path.read_bytes()[:cut])
        if flipped is not None and flipped < len(data):
            data[flipped] ^= 1
        path.write_bytes(bytes(data))
        before = held(path)
        assert before in (
            {},
            {"O:A": ((b"first",), 0, 1)},
            {"O:A": ((b"first",), 0, 1), "O:B": ((b"other",), 3, 1)},
            {"O:A": ((b"first", b"second"), 0, 2), "O:B": ((b"other",), 3, 1)},
        )
        with opened(path) as journal:
            journal.add("O:C", [b"more"], 5_000)
        assert held(path) == {**before, "O:C": ((b"more",), 0, 1)}
