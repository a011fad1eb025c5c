"""Which tickers of which dataset: in each form, from each source, and what is wrong with them in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from marketlake import settings
from marketlake.errors import SettingsError

SHORT = "MARKETLAKE__TICKERS"
SECONDS = "MARKETLAKE__DATASETS__SECOND_BARS__TICKERS"
MINUTES = "MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS"
OF_SECONDS = "MARKETLAKE__DATASETS__SECOND_BARS"
DATASETS = "MARKETLAKE__DATASETS"

Each = tuple[tuple[str, str], ...]
Variables = dict[str, str]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the two files lie; what a test says of the process environment goes with it."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(tmp_path / "settings.yaml"))
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(tmp_path / ".env"))
    return tmp_path


def loaded(folder: Path, yaml: str = "", env: Variables | None = None, process: Variables | None = None) -> Each:
    """Every dataset and ticker by what the three sources say."""
    (folder / "settings.yaml").write_text(yaml)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in (env or {}).items()))
    os.environ.update(process or {})
    return settings.load().datasets.each


def second(*tickers: str) -> Each:
    return tuple(("second_bars", ticker) for ticker in tickers)


def minute(*tickers: str) -> Each:
    return tuple(("minute_bars", ticker) for ticker in tickers)


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("", second("SPY")),
        ("tickers: [QQQ, DIA]", second("QQQ", "DIA")),
        ("datasets: {second_bars: {tickers: [QQQ]}}", second("QQQ")),
        ("datasets.second_bars.tickers: [QQQ]", second("QQQ")),
        ("datasets.second_bars: {tickers: [QQQ]}", second("QQQ")),
        ("datasets: {minute_bars: {tickers: [DIA]}}", second("SPY") + minute("DIA")),
        ("datasets.minute_bars.tickers: [DIA]", second("SPY") + minute("DIA")),
        ("datasets.minute_bars: {tickers: [DIA]}", second("SPY") + minute("DIA")),
        ("tickers: [QQQ]\ndatasets: {minute_bars: {tickers: [DIA]}}", second("QQQ") + minute("DIA")),
        ("tickers: [QQQ]\ndatasets.minute_bars.tickers: [DIA]", second("QQQ") + minute("DIA")),
        (
            "datasets.second_bars.tickers: [QQQ]\ndatasets: {minute_bars: {tickers: [DIA]}}",
            second("QQQ") + minute("DIA"),
        ),
        ("tickers: []\ndatasets.minute_bars.tickers: [SPY]", minute("SPY")),
        ("datasets: {second_bars: {tickers: []}, minute_bars: {tickers: [SPY]}}", minute("SPY")),
        ("datasets: {minute_bars: {tickers: [SPY]}, second_bars: {tickers: [QQQ]}}", second("QQQ") + minute("SPY")),
        # an empty list is what a line below it may fill, as in the file that is shipped
        ("datasets: {minute_bars: {tickers: []}}\ndatasets.minute_bars.tickers: [DIA]", second("SPY") + minute("DIA")),
        ("tickers:", second("SPY")),
        ("datasets:", second("SPY")),
        ("datasets: {minute_bars: }", second("SPY")),
        ("datasets: {second_bars: , minute_bars: {tickers: [DIA]}}", second("SPY") + minute("DIA")),
        ("tickers: [QQQ]\ndatasets: {second_bars: {}}", second("QQQ")),
        ("tickers: [QQQ]\ndatasets: {second_bars: }", second("QQQ")),
    ],
)
def test_a_file_names_tickers_in_any_form(folder: Path, yaml: str, expected: Each) -> None:
    assert loaded(folder, yaml) == expected


@pytest.mark.parametrize("source", ["env", "process"])
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({SHORT: '["QQQ"]'}, second("QQQ")),
        ({SECONDS: '["QQQ"]'}, second("QQQ")),
        ({SHORT.lower(): '["QQQ"]'}, second("QQQ")),
        ({OF_SECONDS: '{"tickers": ["QQQ"]}'}, second("QQQ")),
        ({DATASETS: '{"second_bars": {"tickers": ["QQQ"]}}'}, second("QQQ")),
        ({MINUTES: '["DIA"]'}, second("SPY") + minute("DIA")),
        ({MINUTES.lower(): '["DIA"]'}, second("SPY") + minute("DIA")),
        ({SHORT: '["QQQ"]', MINUTES: '["DIA"]'}, second("QQQ") + minute("DIA")),
        ({SHORT: '["QQQ"]', DATASETS: '{"minute_bars": {"tickers": ["DIA"]}}'}, second("QQQ") + minute("DIA")),
        ({SECONDS: '["QQQ"]', MINUTES: '["DIA"]'}, second("QQQ") + minute("DIA")),
        ({SHORT: "[]", MINUTES: '["SPY"]'}, minute("SPY")),
        ({SECONDS: "[]", MINUTES: '["SPY"]'}, minute("SPY")),
        ({SHORT: "", SECONDS: '["QQQ"]'}, second("QQQ")),
        ({SHORT: '["QQQ"]', SECONDS: ""}, second("QQQ")),
    ],
)
def test_variables_name_tickers_in_any_form(folder: Path, source: str, variables: Variables, expected: Each) -> None:
    given = {source: variables}
    assert loaded(folder, "", given.get("env"), given.get("process")) == expected


IN_THE_FILE = {
    "short": "tickers: [QQQ]",
    "full": "datasets: {second_bars: {tickers: [QQQ]}}",
    "dotted": "datasets.second_bars.tickers: [QQQ]",
}
AS_A_VARIABLE = {
    "short": lambda tickers: {SHORT: tickers},
    "full": lambda tickers: {SECONDS: tickers},
    "of a section": lambda tickers: {OF_SECONDS: f'{{"tickers": {tickers}}}'},
    "of all": lambda tickers: {DATASETS: f'{{"second_bars": {{"tickers": {tickers}}}}}'},
}


@pytest.mark.parametrize("weaker", IN_THE_FILE)
@pytest.mark.parametrize("stronger", AS_A_VARIABLE)
def test_the_env_file_wins_over_the_settings_file_in_whatever_form(folder: Path, weaker: str, stronger: str) -> None:
    assert loaded(folder, IN_THE_FILE[weaker], AS_A_VARIABLE[stronger]('["DIA"]')) == second("DIA")


@pytest.mark.parametrize("weaker", AS_A_VARIABLE)
@pytest.mark.parametrize("stronger", AS_A_VARIABLE)
def test_the_process_wins_over_the_env_file_and_both_over_the_settings_file_in_whatever_form(
    folder: Path, weaker: str, stronger: str
) -> None:
    weak, strong = AS_A_VARIABLE[weaker]('["DIA"]'), AS_A_VARIABLE[stronger]('["IWM"]')
    assert loaded(folder, IN_THE_FILE["short"], weak, strong) == second("IWM")


def test_each_source_may_say_something_else(folder: Path) -> None:
    file = "tickers: [QQQ]\ndatasets.minute_bars.tickers: [QQQ]"
    assert loaded(folder, file, {MINUTES: '["DIA"]'}) == second("QQQ") + minute("DIA")
    assert loaded(folder, file, {MINUTES: '["DIA"]'}, {SHORT: "[]"}) == minute("DIA")
    assert loaded(folder, file, {SHORT: '["DIA"]'}, {SHORT: "", MINUTES: '["IWM"]'}) == second("DIA") + minute("IWM")


def test_a_section_as_json_wins_over_a_line_of_a_weaker_source_and_leaves_the_lines_beside_it(folder: Path) -> None:
    lines = {"MARKETLAKE__API__ATTEMPTS": "7", "MARKETLAKE__API__PAGE_LIMIT": "9"}
    loaded(folder, "api: {page_limit: 8, read_timeout_s: 5}", lines, {"MARKETLAKE__API": '{"attempts": 3}'})
    api = settings.load().api
    assert (api.attempts, api.page_limit, api.read_timeout_s) == (3, 9, 5)


def test_a_line_of_the_env_file_that_the_process_replaces_need_not_be_readable(folder: Path) -> None:
    assert loaded(folder, "", {SHORT: "SPY"}, {SECONDS: '["DIA"]'}) == second("DIA")


# --- what is wrong ----------------------------------------------------------------------------------------------------


def refused(folder: Path, yaml: str = "", env: Variables | None = None, process: Variables | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, yaml, env, process)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "yaml",
    [
        "tickers: [QQQ]\ndatasets: {second_bars: {tickers: [DIA]}}",
        "tickers: [QQQ]\ndatasets: {second_bars: {tickers: [QQQ]}}",
        "tickers: [QQQ]\ndatasets: {second_bars: {tickers: []}}",
        "tickers: [QQQ]\ndatasets.second_bars.tickers: [DIA]",
        "tickers: [QQQ]\ndatasets.second_bars: {tickers: [DIA]}",
        "tickers: []\ndatasets.second_bars.tickers: [DIA]",
    ],
)
def test_both_forms_in_the_settings_file_are_refused(folder: Path, yaml: str) -> None:
    told = "settings.yaml: tickers and datasets.second_bars.tickers are the same setting: keep one of them."
    assert refused(folder, yaml) == told


@pytest.mark.parametrize("source", ["env", "process"])
@pytest.mark.parametrize("form", ["full", "of a section", "of all"])
def test_both_forms_among_the_variables_of_one_source_are_refused(folder: Path, source: str, form: str) -> None:
    full = AS_A_VARIABLE[form]('["DIA"]')
    both = {source: {SHORT: '["QQQ"]', **full}}
    (variable,) = full
    assert refused(folder, "", both.get("env"), both.get("process")) == (
        f"MARKETLAKE__TICKERS and {variable} are the same setting: keep one of them."
    )


def test_one_line_twice_in_the_settings_file_is_refused(folder: Path) -> None:
    yaml = "datasets: {minute_bars: {tickers: [QQQ]}}\ndatasets.minute_bars.tickers: [DIA]"
    told = "datasets.minute_bars.tickers stands twice, the other time under datasets.minute_bars: put all of it under"
    assert told in refused(folder, yaml)


@pytest.mark.parametrize(
    ("yaml", "env", "process", "origin"),
    [
        ("tickers: []", {}, {}, "settings.yaml"),
        ("datasets.second_bars.tickers: []", {}, {}, "settings.yaml"),
        ("datasets: {second_bars: {tickers: []}, minute_bars: {tickers: []}}", {}, {}, "settings.yaml"),
        ("", {SHORT: "[]"}, {}, SHORT),
        ("", {}, {SECONDS: "[]"}, SECONDS),
        ("", {}, {DATASETS: '{"second_bars": {"tickers": []}}'}, DATASETS),
    ],
)
def test_no_dataset_with_a_ticker_is_told_with_what_to_write(
    folder: Path, yaml: str, env: Variables, process: Variables, origin: str
) -> None:
    told = f"datasets ({origin}): no dataset has a ticker: name one, such as  tickers: [SPY]"
    assert refused(folder, yaml, env, process) == told


@pytest.mark.parametrize(
    ("yaml", "process", "origin"),
    [
        ("datasets: {hour_bars: {tickers: [SPY]}}", {}, "settings.yaml"),
        ("datasets.hour_bars.tickers: [SPY]", {}, "settings.yaml"),
        ("", {"MARKETLAKE__DATASETS__HOUR_BARS__TICKERS": '["SPY"]'}, "MARKETLAKE__DATASETS__HOUR_BARS__TICKERS"),
        ("", {DATASETS: '{"hour_bars": {"tickers": ["SPY"]}}'}, DATASETS),
    ],
)
def test_a_dataset_that_is_none_is_told_with_those_that_are(
    folder: Path, yaml: str, process: Variables, origin: str
) -> None:
    told = f"datasets.hour_bars ({origin}) is no setting: known are second_bars, minute_bars"
    assert refused(folder, yaml, {}, process) == told


WRONG = "= 'x y': 'x y' is no stock ticker: capital letters and digits, a class behind a dot, as in BRK.B"


@pytest.mark.parametrize(
    ("yaml", "env", "process", "told"),
    [
        ("tickers: ['x y']", {}, {}, f"tickers.0 (settings.yaml) {WRONG}"),
        ("datasets.second_bars.tickers: ['x y']", {}, {}, f"datasets.second_bars.tickers.0 (settings.yaml) {WRONG}"),
        (
            "datasets: {second_bars: {tickers: [SPY, 'x y']}}", {}, {},
            f"datasets.second_bars.tickers.1 (settings.yaml) {WRONG}",
        ),
        ("datasets.minute_bars.tickers: ['x y']", {}, {}, f"datasets.minute_bars.tickers.0 (settings.yaml) {WRONG}"),
        ("", {SHORT: '["x y"]'}, {}, f"tickers.0 (MARKETLAKE__TICKERS) {WRONG}"),
        ("", {}, {SHORT: '["x y"]'}, f"tickers.0 (MARKETLAKE__TICKERS) {WRONG}"),
        ("", {}, {SHORT.lower(): '["x y"]'}, f"tickers.0 (marketlake__tickers) {WRONG}"),
        ("", {}, {SECONDS: '["x y"]'}, f"datasets.second_bars.tickers.0 ({SECONDS}) {WRONG}"),
        ("", {}, {MINUTES: '["SPY", "x y"]'}, f"datasets.minute_bars.tickers.1 ({MINUTES}) {WRONG}"),
        ("", {}, {OF_SECONDS: '{"tickers": ["x y"]}'}, f"datasets.second_bars.tickers.0 ({OF_SECONDS}) {WRONG}"),
        # as the strongest source wrote it
        ("tickers: [SPY]", {}, {SECONDS: '["x y"]'}, f"datasets.second_bars.tickers.0 ({SECONDS}) {WRONG}"),
        ("datasets.second_bars.tickers: [SPY]", {}, {SHORT: '["x y"]'}, f"tickers.0 ({SHORT}) {WRONG}"),
        ("", {SHORT: '["SPY"]'}, {SECONDS: '["x y"]'}, f"datasets.second_bars.tickers.0 ({SECONDS}) {WRONG}"),
        ("", {SECONDS: '["SPY"]'}, {SHORT: '["x y"]'}, f"tickers.0 ({SHORT}) {WRONG}"),
        (
            "tickers: [SPY]", {}, {DATASETS: '{"second_bars": {"tickers": ["x y"]}}'},
            f"datasets.second_bars.tickers.0 ({DATASETS}) {WRONG}",
        ),
        (
            "tickers: ['x y']", {}, {DATASETS: '{"minute_bars": {"tickers": ["SPY"]}}'},
            f"tickers.0 (settings.yaml) {WRONG}",
        ),
        # other kinds of values
        ("tickers: SPY", {}, {}, "tickers (settings.yaml) = 'SPY': Input should be a list"),
        ("", {}, {SHORT: "null"}, "tickers (MARKETLAKE__TICKERS) = None: Input should be a list"),
        ("", {}, {f"{SHORT}__0": "SPY"}, "tickers (MARKETLAKE__TICKERS__0): Input should be a list"),
        ("", {}, {MINUTES: '"SPY"'}, f"datasets.minute_bars.tickers ({MINUTES}) = 'SPY': Input should be a list"),
        ("", {}, {MINUTES: "[7]"}, f'datasets.minute_bars.tickers.0 ({MINUTES}) = 7: must be a text in quotes, such'),
        (
            "datasets: {minute_bars: {tickers: [ON]}}", {}, {},
            'datasets.minute_bars.tickers.0 (settings.yaml) = True: must be a text in quotes, such as "ON"',
        ),
    ],
)  # fmt: skip
def test_a_wrong_ticker_is_told_with_its_name_as_it_was_written(
    folder: Path, yaml: str, env: Variables, process: Variables, told: str
) -> None:
    assert refused(folder, yaml, env, process).startswith(told)


@pytest.mark.parametrize("source", ["env", "process"])
@pytest.mark.parametrize(
    "variable", [SHORT, SECONDS, MINUTES, OF_SECONDS, DATASETS, "MARKETLAKE__DATASETS__MINUTE_BARS"]
)
def test_a_variable_that_is_no_json_names_itself(folder: Path, source: str, variable: str) -> None:
    given = {source: {variable: "SPY"}}
    told = f"{variable} is no JSON: lists and maps are written as JSON, such as '[\"SPY\"]'."
    assert refused(folder, "", given.get("env"), given.get("process")) == told


@pytest.mark.parametrize(
    ("yaml", "first", "on"),
    [
        ("", "second_bars", ("second_bars",)),
        ("datasets.minute_bars.tickers: [SPY]", "second_bars", ("second_bars", "minute_bars")),
        ("tickers: []\ndatasets.minute_bars.tickers: [SPY]", "minute_bars", ("minute_bars",)),
    ],
)
def test_the_first_dataset_that_is_on_is_what_commands_take(
    folder: Path, yaml: str, first: str, on: tuple[str, ...]
) -> None:
    loaded(folder, yaml)
    found = settings.load().datasets
    assert (found.on, found.on[0]) == (on, first)
