"""Every answer of a session that is being fetched, on disk as soon as it came: who is killed goes on from there.

A file of frames, each with its length and checksum, appended to by one process that holds the session's lock. A frame
that a crash cut off ends the file. The last frame of a name counts.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from marketlake.datasets.option_answers import Basis, Question
from marketlake.options.selection import FrozenRule
from marketlake.polygon.fetch import Listing
from marketlake.storage.disk_errors import as_storage_error

_HEAD = struct.Struct("<II")  # length of the frame, CRC-32 of its bytes


class Answer(msgspec.Struct, frozen=True):
    """What came of one question. ``rows``: how many bars it has. ``attempts``: how often it was asked for; the bodies
    are of all of them if none had a row. ``asked_at_ms``: the last time, Unix ms UTC.
    """

    bodies: tuple[bytes, ...]
    rows: int
    attempts: int
    asked_at_ms: int

    @property
    def listing(self) -> Listing:
        """As a listing of a fetch."""
        return Listing(self.bodies, attempts=self.attempts)


class _Begin(msgspec.Struct, frozen=True, tag="begin"):
    basis: Basis
    reasons: list[tuple[str, str]]


class _Came(msgspec.Struct, frozen=True, tag="came"):
    name: str
    answer: Answer


class _Dropped(msgspec.Struct, frozen=True, tag="dropped"):
    name: str


_Frame = _Begin | _Came | _Dropped
_DECODER = msgspec.msgpack.Decoder(_Frame)


class Journal:
    """The answers of one session, safe to add to from many threads. ``for_question`` opens, ``question_in`` looks."""

    def __init__(self, path: Path, answers: dict[str, Answer], file: BinaryIO) -> None:
        self._path, self._file, self._lock = path, file, threading.Lock()
        self._answers = answers

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What came, by name of its listing."""
        return self._answers

    @property
    def began_ms(self) -> int | None:
        """When the oldest answer was asked for, Unix ms UTC; None without one."""
        return min((answer.asked_at_ms for answer in self._answers.values()), default=None)

    @classmethod
    def for_question(cls, path: Path, question: Question, *, not_before_ms: int) -> Journal:
        """The journal of what is asked for: with the answers that are there already, if they answer the same question
        and none before ``not_before_ms``; else begun anew. Raises StorageError.
        """
        with as_storage_error("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            frames, size = _read(path)
            begin = frames[0] if frames and isinstance(frames[0], _Begin) else None
            answers = _answers(frames) if begin is not None and _is_the_same(begin, question) else {}
            if not answers or any(answer.asked_at_ms < not_before_ms for answer in answers.values()):
                answers, size = {}, 0
            file = path.open("ab", buffering=0)
            file.truncate(size)
            journal = cls(path, answers, file)
            if not size:
                journal._append(_Begin(question.basis, list(question.reasons.items())))
            return journal

    def add(self, name: str, bodies: Sequence[bytes], asked_at_ms: int, *, rows: int = 0, attempts: int = 1) -> Answer:
        """Keep an answer, in the place of an earlier one of that name. Raises StorageError."""
        answer = Answer(tuple(bodies), rows, attempts, asked_at_ms)
        with self._lock:
            self._append(_Came(name, answer))
            self._answers[name] = answer
        return answer

    def drop(self, name: str) -> None:
        """Forget an answer, so that it is asked for again. Raises StorageError."""
        with self._lock:
            self._append(_Dropped(name))
            self._answers.pop(name, None)

    def remove(self) -> None:
        """All of it is published: begin anew next time. Raises StorageError."""
        with as_storage_error("remove", self._path):
            self._path.unlink(missing_ok=True)

    def _append(self, frame: _Frame) -> None:
        """In one write, past Python's buffers: a process that is killed loses no answer that this returned for."""
        data = msgspec.msgpack.encode(frame)
        with as_storage_error("write", self._path):
            framed = memoryview(_HEAD.pack(len(data), zlib.crc32(data)) + data)
            while framed:
                framed = framed[self._file.write(framed) :]


def question_in(path: Path) -> Question | None:
    """What a journal was begun for; None without one that can be read. Raises StorageError."""
    with as_storage_error("read", path):
        begin = next(iter(_frames(path)), None)
    if begin is None or not isinstance(begin[0], _Begin):
        return None
    basis = begin[0].basis
    return Question(basis, FrozenRule.from_canonical(basis.rule), dict(begin[0].reasons))


def _is_the_same(begin: _Begin, question: Question) -> bool:
    """Whether the same contracts are asked for in the same way. Rates and dividends are no part of any answer."""
    own, wanted = begin.basis, question.basis
    same_way = (own.rule, own.bar_size, own.source) == (wanted.rule, wanted.bar_size, wanted.source)
    return same_way and begin.reasons == list(question.reasons.items())


def _answers(frames: Sequence[_Frame]) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    for frame in frames:
        if isinstance(frame, _Came):
            answers[frame.name] = frame.answer
        elif isinstance(frame, _Dropped):
            answers.pop(frame.name, None)
    return answers


def _read(path: Path) -> tuple[list[_Frame], int]:
    """Every whole frame, and where the last one ends."""
    frames = list(_frames(path))
    return [frame for frame, _ in frames], frames[-1][1] if frames else 0


def _frames(path: Path) -> Iterator[tuple[_Frame, int]]:
    """The whole frames of a file, in order, and where each one ends. A file that is not there has none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, checksum = _HEAD.unpack(head)
            data = file.read(size)
            if len(data) < size or zlib.crc32(data) != checksum:
                return
            try:
                yield _DECODER.decode(data), file.tell()
            except msgspec.DecodeError:  # of another version: asked again
                return
