"""What looks at the coverage page's scripts: locked, without a registry's name, and able to find something."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = PROJECT / ".ci" / "javascript"
TOOLS = SCRIPTS / "node_modules"
STATIC = PROJECT / "include" / "marketlake" / "coverage_page" / "static"
needs_tools = pytest.mark.skipif(
    not (TOOLS / ".installed").exists() and not os.environ.get("CI"), reason="needs Node 20.19 or newer with npm"
)


def test_the_lock_pins_every_package_with_a_digest_and_names_no_registry() -> None:
    given = json.loads((SCRIPTS / "package.json").read_text())["devDependencies"]
    lock = json.loads((SCRIPTS / "package-lock.json").read_text())["packages"]
    assert lock.pop("")["devDependencies"] == given
    assert {f"node_modules/{name}": version for name, version in given.items()}.items() <= {
        name: one["version"] for name, one in lock.items()
    }.items()
    assert {name for name, one in lock.items() if not one["integrity"].startswith("sha512-")} == set()
    assert {name for name, one in lock.items() if "resolved" in one} == set()
    assert {version for version in given.values() if not re.fullmatch(r"[\d.]+", version)} == set()


FORBIDDEN = {
    "element.innerHTML = text;": "no-restricted-properties",
    "element['outerHTML'] = text;": "no-restricted-properties",
    "element.insertAdjacentHTML('beforeend', text);": "no-restricted-properties",
    "document.write(text);": "no-restricted-properties",
    "new DOMParser().parseFromString(text, 'text/html');": "no-restricted-properties",
    "Object.assign(element, { innerHTML: text });": "no-restricted-syntax",
    "element.setAttribute('onclick', text);": "no-restricted-syntax",
    "element.setAttribute('style', text);": "no-restricted-syntax",
    "eval(text);": "no-eval",
    "setTimeout('text', 1);": "no-implied-eval",
    "new Function(text);": "no-new-func",
    "element.href = 'javascript:text';": "no-script-url",
    "if (text == 1) element.remove();": "eqeqeq",
    "let never = text; element.append(never);": "prefer-const",
    "const never = text;": "no-unused-vars",
    "nobody(text);": "no-undef",
    "console.log(text);": "no-console",
}


@needs_tools
def test_eslint_finds_what_is_forbidden_and_lets_the_rest_pass(tmp_path: Path) -> None:
    fine = "element.textContent = text; element.style.left = '1px'; element.setAttribute('role', text);"
    expected = FORBIDDEN | {fine: None}
    for number, source in enumerate(expected):
        (tmp_path / f"{number}.js").write_text(
            f"export const element = document.body, text = element.title;\n{source}\n"
        )
    command = [TOOLS / ".bin" / "eslint", "--config", SCRIPTS / "eslint.config.js", "--format", "json", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    found = {
        Path(one["filePath"]).stem: {said["ruleId"] for said in one["messages"]} for one in json.loads(done.stdout)
    }
    assert {source: found[str(number)] or None for number, source in enumerate(expected)} == {
        source: {rule} if rule else None for source, rule in expected.items()
    }


@needs_tools
@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/** @type {number} */\nexport const n = 'a';\n", "error TS2322"),
        ("export const f = (x) => x;\n", "error TS7006"),
        ("document.querySelector('p').remove();\n", "error TS2531"),
        ("/** @param {number} x */\nexport const f = (x) => x + 1;\n", ""),
    ],
)
def test_typescript_holds_scripts_against_their_jsdoc(tmp_path: Path, source: str, told: str) -> None:
    (tmp_path / "page.js").write_text(source)
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"extends": str(SCRIPTS / "tsconfig.json"), "include": ["page.js"]})
    )
    command = [TOOLS / ".bin" / "tsc", "--project", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode == 0) is (told == "")
    assert told in done.stdout


@needs_tools
def test_every_script_of_the_page_is_looked_at() -> None:
    own = {path for path in STATIC.rglob("*.js") if "vendor" not in path.parts}
    assert STATIC / "page.js" in own
    lint = [TOOLS / ".bin" / "eslint", "--config", SCRIPTS / "eslint.config.js", "--format", "json", "include"]
    linted = subprocess.run(lint, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False).stdout
    assert {Path(one["filePath"]) for one in json.loads(linted)} == own
    held = [TOOLS / ".bin" / "tsc", "--project", SCRIPTS, "--listFilesOnly"]
    listed = subprocess.run(held, capture_output=True, text=True, timeout=120, check=True).stdout
    assert {Path(line) for line in listed.splitlines() if line.endswith(".js")} == {*own, SCRIPTS / "eslint.config.js"}


@needs_tools
def test_what_others_wrote_is_what_the_lock_names_byte_for_byte() -> None:
    """So that its version and its digest stand in the lock."""
    published = {path.read_bytes() for path in (TOOLS / "uplot").rglob("*") if path.is_file()}
    vendored = [path for path in (STATIC / "vendor").rglob("*") if path.is_file() and path.suffix != ".md"]
    assert {"LICENSE", "uPlot.esm.js", "uPlot.min.css"} <= {path.name for path in vendored}
    assert [path.name for path in vendored if path.read_bytes() not in published] == []
