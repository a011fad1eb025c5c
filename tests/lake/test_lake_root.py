"""Where a lake lies, as people write it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from marketlake.lake_root import Bucket, LakeRoot, above, last_part, root_of


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("s3://my-lake", Bucket("my-lake")),
        ("s3://my-lake/", Bucket("my-lake")),
        ("s3://my.lake.2024/a/b c/é", Bucket("my.lake.2024", "a/b c/é")),
        ("s3://my-lake/spy/", Bucket("my-lake", "spy")),
        (Bucket("my-lake", "spy"), Bucket("my-lake", "spy")),
        ("data", Path("data")),
        ("/mnt/lake", Path("/mnt/lake")),
        ("s3", Path("s3")),
        ("a:b/c", Path("a:b/c")),
        (Path("/mnt/lake"), Path("/mnt/lake")),
    ],
)
def test_a_folder_or_a_bucket_is_told_by_its_form(given: str | Path | Bucket, root: LakeRoot) -> None:
    assert root_of(given) == root


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ("gs://lake/spy", "begins with gs://, which is not supported: a folder, or s3://bucket/prefix"),
        ("s3a://lake/spy", "begins with s3a://, which is not supported"),
        ("https://lake.s3.amazonaws.com/spy", "begins with https://, which is not supported"),
        (Path("s3://lake/spy"), "is given as a text: a Path takes one of its slashes"),
        ("s3://AKIA:hidden-secret@lake/spy", "without user, query and fragment: credentials belong in the environment"),
        ("s3://lake/spy?versionId=hidden-secret", "without user, query and fragment"),
        ("s3://lake/spy#hidden-secret", "without user, query and fragment"),
        ("s3://", "names the bucket '', which none can be called"),
        ("s3:///spy", "names the bucket '', which none can be called"),
        ("s3://My_Lake/spy", "names the bucket 'My_Lake', which none can be called: 3 to 63 small letters"),
        ("s3://ab/spy", "names the bucket 'ab'"),
        ("s3://a..b/spy", "names the bucket 'a..b'"),
        ("s3://lake//spy", "has the prefix '/spy': none of its parts may be empty"),
        ("s3://lake/a/../b", "has the prefix 'a/../b'"),
        ("s3://lake/./b", "has the prefix './b'"),
    ],
)
def test_what_is_neither_is_refused_and_no_secret_of_it_repeated(given: str | Path, because: str) -> None:
    with pytest.raises(ValueError, match=re.escape(because)) as caught:
        root_of(given)
    assert "hidden-secret" not in str(caught.value)


def test_a_home_is_found_before_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HOME", "/home/someone")
    assert root_of("~/lake") == Path("/home/someone/lake")


def test_a_bucket_reads_as_it_is_written() -> None:
    assert [str(Bucket("lake")), str(Bucket("lake", "a/b"))] == ["s3://lake", "s3://lake/a/b"]


@pytest.mark.parametrize(
    ("root", "last", "parent"),
    [
        (Bucket("lake", "a/minute_bars"), "minute_bars", Bucket("lake", "a")),
        (Bucket("lake", "minute_bars"), "minute_bars", Bucket("lake")),
        (Bucket("lake"), "", Bucket("lake")),
        (Path("/mnt/minute_bars"), "minute_bars", Path("/mnt")),
    ],
)
def test_what_a_root_lies_in(root: LakeRoot, last: str, parent: LakeRoot) -> None:
    assert (last_part(root), above(root)) == (last, parent)
