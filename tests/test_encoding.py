"""Neither sources, README nor runs depend on what a machine takes for its encoding."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from genmodels import folders

SOURCES = [
    path
    for place in ("genmodels", "pages", "benchmarks")
    for path in (folders.REPOSITORY / place).rglob("*.py")
] + list(folders.REPOSITORY.glob("*.py"))


def without_encoding(source: str) -> Iterator[int]:
    """The lines that open a file as text, or a process's output, in the machine's encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        words = [word.value for word in node.args if isinstance(word, ast.Constant)]
        text = {
            "read_text": not node.args,
            "write_text": len(node.args) < 2,
            # Without a mode it is Pillow's, a zip's or the like, unless it is Python's own.
            "open": any(isinstance(word, str) and word in MODES for word in words)
            or (isinstance(node.func, ast.Name) and len(node.args) == 1),
            "fdopen": not any(isinstance(word, str) and "b" in word for word in words),
        }.get(name, "text" in given or "universal_newlines" in given)
        if text and "encoding" not in given:
            yield node.lineno


MODES = {"r", "w", "a", "x", "r+", "w+", "a+"}


def test_every_text_is_read_and_written_in_a_named_encoding():
    found = [
        f"{path.relative_to(folders.REPOSITORY)}:{line}"
        for path in SOURCES
        for line in without_encoding(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "path.read_text()",
        "path.write_text('x')",
        "path.open('a')",
        "open('x')",
        "subprocess.run(x, text=True)",
        "os.fdopen(3, 'w')",
    ],
)
def test_what_is_looked_for_is_found(line):
    assert list(without_encoding(line)) == [1]
    encoded = line[:-1] + ", encoding='utf-8')"
    assert list(without_encoding(encoded.replace("(, ", "("))) == []


def test_the_package_serves_where_the_machines_encoding_is_ascii(runs_folder):
    """As under cp1252, what is not of it can't be read without a named encoding."""
    script = """
import locale
from genmodels import folders, runs, table
from genmodels.ui.widgets import map, lesson
assert locale.getpreferredencoding(False) in ("ANSI_X3.4-1968", "US-ASCII"), "not tried"
readme = (folders.REPOSITORY / "README.md").read_text("utf-8")
assert table.updated(readme) == readme
runs.request_stop(runs.folders.runs(), "f\\xfcr heute")
assert runs.stop_request(runs.folders.runs()) == "f\\xfcr heute"
"""
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folders.REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
