"""The lines of an environment file: each is read as it stands, or told with its number; none is passed over."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from marketlake import settings
from marketlake.env_lines import assignments, read_file
from marketlake.errors import SettingsError
from marketlake.settings import variables

SHELL = {"HOME": "/home/someone", "EMPTY": "", "BOTH": "of the shell"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nB=two words\n", {"A": "1", "B": "two words"}),
        ("A=1", {"A": "1"}),
        ("  export A = 1  \n", {"A": "1"}),
        ("# A=0\n\n   # a comment\n\t\nA=1 # one\n", {"A": "1"}),
        ("A= # nothing\nB=#5\nC=a#b\nD=a # b\n", {"A": "", "B": "#5", "C": "a#b", "D": "a"}),
        ("A=\n", {"A": ""}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A=1\nA=\n", {"A": "1"}),
        ("A=\nA=1\n", {"A": "1"}),
        ("A='x y'\nB=\"x y\" # why\nC='x'#why\n", {"A": "x y", "B": "x y", "C": "x"}),
        ("A='it\\'s'\nB=\"say \\\"no\\\"\"\nC=\"a\\tb\\\\n\"\n", {"A": "it's", "B": 'say "no"', "C": "a\tb\\n"}),
        ("A=it's\nB=5\" wide\n", {"A": "it's", "B": '5" wide'}),
        ("A='{\n  \"conn_type\": \"smtp\"\n}'\nB=1\n", {"A": '{\n  "conn_type": "smtp"\n}', "B": "1"}),
        ("A=\"-----BEGIN\nQUJD==\n-----END\"\nB=1\n", {"A": "-----BEGIN\nQUJD==\n-----END", "B": "1"}),
        ("A=1\r\nB='x'\r\nC=3\r", {"A": "1", "B": "x", "C": "3"}),
        ("\ufeffA=1\n", {"A": "1"}),
        ("A=$HOME/lake\nB=pa$$word\nC=$\n", {"A": "$HOME/lake", "B": "pa$$word", "C": "$"}),
        ("A=${HOME}/lake\nB=\"${HOME}\"\n", {"A": "/home/someone/lake", "B": "/home/someone"}),
        ("A='${HOME}'\nB='${NOWHERE'\n", {"A": "${HOME}", "B": "${NOWHERE"}),
        ("A=${NOWHERE:-/mnt}/lake\nB=${EMPTY:-}\n", {"A": "/mnt/lake", "B": ""}),
        ("BASE=/mnt\nA=${BASE}/lake\n", {"BASE": "/mnt", "A": "/mnt/lake"}),
        ("BOTH=of the file\nA=${BOTH}\n", {"BOTH": "of the file", "A": "of the shell"}),
        ("", {}),
    ],
)  # fmt: skip
def test_a_line_that_can_be_read_says_what_stands_there(text: str, expected: dict[str, str]) -> None:
    assert assignments(text, ".env", SHELL) == expected


SECRET = "abcdSECRETwxyz"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'OK=1\nROOT="/{SECRET}\n', '.env, line 2: ROOT: the " that opens its value is closed nowhere'),
        (f"ROOT='/{SECRET}\nOK=1\n", ".env, line 1: ROOT: the ' that opens its value is closed nowhere"),
        (f'ROOT="/{SECRET}";\n', '.env, line 1: ROOT: something follows the " that closes its value'),
        (f"ROOT='/{SECRET}' B=1\n", ".env, line 1: ROOT: something follows the ' that closes its value"),
        (f'ROOT="/{SECRET}"x\n', ".env, line 1: ROOT: something follows"),
        (f'ROOT="/{SECRET}\nGOOD=1\nLAST=x"\n', ".env, line 1: ROOT: its value goes on over the assignment in line 2"),
        (f'ROOT="/{SECRET}\n# why\nexport last="x"\n', "ROOT: its value goes on over the assignment in line 3"),
        (f"ROOT: {SECRET}\n", ".env, line 1: ROOT: this is no NAME=value"),
        (f"STORAGE ROOT={SECRET}\n", ".env, line 1: STORAGE: this is no NAME=value"),
        (f"STORAGE-ROOT={SECRET}\n", ".env, line 1: STORAGE: this is no NAME=value"),
        (f"set ROOT={SECRET}\n", ".env, line 1: this is no NAME=value"),
        (f"\n\n{SECRET}\n", ".env, line 3: this is no NAME=value"),
        (f"{SECRET.upper()}\n", ".env, line 1: this is no NAME=value"),
        (f"={SECRET}\n", ".env, line 1: this is no NAME=value"),
        (f"2A={SECRET}\n", ".env, line 1: this is no NAME=value"),
        ("export ROOT\n", ".env, line 1: this is no NAME=value"),
        (f"ROOT=${{NOWHERE}}/{SECRET}\n", ".env, line 1: ROOT: ${NOWHERE} is set nowhere before this line: set it"),
        ("ROOT=${EMPTY}/lake\n", ".env, line 1: ROOT: ${EMPTY} is set nowhere before this line"),
        ("ROOT=${LATER}\nLATER=1\n", ".env, line 1: ROOT: ${LATER} is set nowhere before this line"),
        (f"ROOT=${{{SECRET}\n", ".env, line 1: ROOT: its value holds ${ without a name and } behind it"),
        ("ROOT=${HOME:?must be set}\n", ".env, line 1: ROOT: its value holds ${ without a name and } behind it"),
        (f"ROOT=${{LAKE:-${{HOME}}/{SECRET}}}\n", ".env, line 1: ROOT: its value holds ${ without a name and }"),
        (f"ROOT=/{SECRET};\n", ".env, line 1: ROOT: its value ends with a semicolon"),
        (f"export ROOT=/{SECRET} TICKERS=x\n", ".env, line 1: ROOT: its value holds another NAME="),
        (f"ROOT=\u201c/{SECRET}\u201d\n", ".env, line 1: ROOT: its value begins or ends with a typographic quote"),
        (f"ROOT=\u00a0/{SECRET}\n", ".env, line 1: ROOT: its value begins or ends with a typographic quote"),
        ('A="x\ny"\nROOT="\n', '.env, line 3: ROOT: the " that opens its value is closed nowhere'),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_number_and_without_its_value(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        assignments(text, ".env", SHELL)
    assert str(caught.value).startswith(told) or told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value)


names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
ODD = "\r\n;\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\"'#$\\\ufeff"
plain = st.text(
    st.characters(codec="utf-8", exclude_characters=ODD, exclude_categories=("Cc", "Zs", "Zl", "Zp")),
)


@given(st.dictionaries(names, plain, max_size=5))
def test_plain_values_come_out_as_they_stand_and_as_python_dotenv_reads_them(values: dict[str, str]) -> None:
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    assert assignments(text, ".env", {}) == values == dotenv_values(stream=io.StringIO(text))


@given(st.text(st.sampled_from("AB=:'\"\\ \n#;x{}$"), max_size=30))
def test_whatever_stands_in_a_file_it_is_read_or_told_in_one_line(text: str) -> None:
    found, told = None, ""
    try:
        found = assignments(text, ".env", {})
    except SettingsError as exc:
        told = str(exc)
    if found is None:
        assert told.startswith(".env, line ")
        assert "\n" not in told
    else:
        assert set(dotenv_values(stream=io.StringIO(text))) == set(found)


def test_the_settings_are_refused_as_a_whole_where_a_line_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text('MARKETLAKE__API__ATTEMPTS=7\nMARKETLAKE__STORAGE__ROOT="/somewhere/my-lake\n')
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(path))
    with pytest.raises(SettingsError, match=r"\.env, line 2: MARKETLAKE__STORAGE__ROOT: the \" that opens its value"):
        settings.load()


@pytest.mark.parametrize(
    ("given", "name"),
    [("own.env", "own.env"), ("~/own.env", "home/own.env")],
)
def test_another_file_is_read_from_the_project_folder_or_a_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, name: str
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(variables, "project_folder", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", given)
    (tmp_path / "home").mkdir()
    (tmp_path / name).write_text("FOO=1\n")
    assert settings.environment()["FOO"] == "1"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("nowhere.env", "MARKETLAKE_ENV_FILE names .*/nowhere.env, which is not there: correct it, or unset it."),
        ("~nobodyhere/.env", "MARKETLAKE_ENV_FILE=~nobodyhere/.env: ~nobodyhere is nobody's home on this machine"),
    ],
)
def test_a_file_that_is_named_and_not_there_is_told(monkeypatch: pytest.MonkeyPatch, given: str, told: str) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", given)
    with pytest.raises(SettingsError, match=told):
        settings.environment()


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match=r"\.env cannot be read \(Is a directory\)"):
        read_file(tmp_path / ".env", {})
