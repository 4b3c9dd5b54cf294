"""Command lines of real options with nonsense behind them: a sentence, never a traceback."""

import contextlib
import dataclasses
import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fuzz import few
from hypothesis import given
from hypothesis import strategies as st

from genmodels import runs
from genmodels.errors import RecipeError
from genmodels.evaluation import EvaluationError
from genmodels.evaluation import __main__ as measuring
from genmodels.export import packing
from genmodels.recipes import RECIPES, Recipe
from genmodels.training import ablation, command, loop
from genmodels.ui import site

# What an operating system hands over: no NUL, and bytes that are no UTF-8 as surrogates.
WORDS = st.one_of(
    st.sampled_from(
        ["", "-1", "0", "1e999", "nan", "None", "True", "9" * 5000, "x" * 300, "--", "-"]
    ),
    st.sampled_from(
        ["~nobody-here/x", "/etc/passwd/x", "nowhere/x", "first", "\udcff", "a=b", "×"]
    ),
    st.text(st.characters(exclude_characters="\0/.", exclude_categories=("Cs",)), max_size=12),
    st.integers().map(str),
    st.floats().map(str),
)


def options(names: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """Some of these options, mistyped ones too, each with nothing, a word or more behind it."""
    name = st.one_of(st.sampled_from(names), WORDS.map(lambda word: f"--{word}"))
    one = st.one_of(
        st.tuples(name),
        st.tuples(name, WORDS),
        st.tuples(name, WORDS),
        st.tuples(name, WORDS).map("=".join).map(lambda both: (both,)),
        st.tuples(WORDS),
    )
    return st.lists(one, max_size=4).map(lambda some: [word for words in some for word in words])


def told(main: Callable[[list[str]], int], arguments: list[str], program: str) -> bool:
    """Whether it did what it was told, or else said why not."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = ended.code
    if status == 0:
        return True
    assert status == 2
    last = err.getvalue().rstrip("\n").rsplit("\n", 1)[-1]
    assert program in last and "Traceback" not in err.getvalue()
    return False


@pytest.fixture
def disk(tmp_path, make_run, cache_folder, monkeypatch) -> Callable[[], dict[Path, int]]:
    """What lies where a command might write, by the time it was changed."""
    monkeypatch.chdir(tmp_path)
    runs.write_status(make_run("first", "gan-mnist").path, runs.Status("stopped"))

    def look() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    look()
    return look


def test_training(disk, monkeypatch):
    tried = []

    def fit(name: str, recipe: Recipe, folder: Path, **others: object) -> None:
        recipe.check()
        assert runs.ID.fullmatch(folder.name)
        tried.append(folder)
        raise RecipeError("it would train.")

    monkeypatch.setattr(loop, "fit", fit)
    before = disk()
    fields = {f.name for recipe in RECIPES.values() for f in dataclasses.fields(recipe)}
    fields |= {field.name for field in dataclasses.fields(command.Options)} - {"images"}
    names = sorted("--" + field.replace("_", "-") for field in fields)

    @few(15)
    @given(st.one_of(st.sampled_from(list(RECIPES)), WORDS), options([*names, "--help"]))
    def property_of(recipe: str, others: list[str]) -> None:
        told(command.main, [recipe, *others], "train.py: ")
        assert {path: time for path, time in disk().items() if path.name != "runs"} == {
            path: time for path, time in before.items() if path.name != "runs"
        }

    property_of()
    assert tried


def test_measuring(disk, monkeypatch):
    def evaluate(*_: object, **__: object) -> None:
        raise EvaluationError("it would measure.")

    monkeypatch.setattr(measuring, "evaluate", evaluate)
    before = disk()
    fields = [field.name for field in dataclasses.fields(measuring.Options)]
    names = sorted("--" + field.replace("_", "-") for field in fields if field != "runs")

    @few(20)
    @given(options([*names, "--all", "--help", "first"]))
    def property_of(arguments: list[str]) -> None:
        told(measuring.main, arguments, measuring.PROGRAM)
        assert disk() == before

    property_of()


@pytest.mark.parametrize(
    ("main", "program", "names"),
    [
        (site.main, "export", ["--out", "--help", "first"]),
        (packing.main, "pack", ["first", "vae-cifar"]),
        (ablation.main, "ablation", ["first", "--help"]),
    ],
)
def test_the_others(main, program, names, disk):
    before = disk()
    files = {path: changed for path, changed in before.items() if path.is_file()}

    @few(20)
    @given(options(names))
    def property_of(arguments: list[str]) -> None:
        nonlocal before
        if told(main, arguments or ["first"], program):
            for path in disk().keys() - before.keys():  # Where it was told to write.
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            after = disk()
            assert {path: after.get(path) for path in files} == files
            before = after
        assert disk() == before

    property_of()
