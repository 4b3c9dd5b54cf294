"""Heavy work of pages: how much at once, for whom, and what becomes of it."""

import logging
import threading

import pytest

from genmodels.errors import DataError
from genmodels.ui import visitor, work

WAIT = 60


@pytest.fixture(autouse=True)
def visit(monkeypatch):
    """Makes the next calls those of a visitor; two may work at once."""
    monkeypatch.setattr(work, "AT_ONCE", 2)
    now = ["ann"]
    monkeypatch.setattr(visitor, "key", lambda: now[0])
    yield lambda name: now.__setitem__(0, name)
    for task in list(work._tasks.values()):
        task.stop()
        assert task.over.wait(WAIT)
    work._tasks.clear()
    assert not work._working and not work._waiting


class Gate:
    """Work that goes on until it is let go, and may be stopped all the time."""

    def __init__(self):
        self.began, self.let_go = threading.Event(), threading.Event()

    def __call__(self, progress: work.Progress) -> str:
        self.began.set()
        while not self.let_go.wait(0.01):
            progress("Step", 1, 4)
        return "made"


def test_so_much_at_once_and_one_for_each_visitor(visit):
    gates = [Gate() for _ in range(4)]
    first = work.start("a", "First", gates[0])
    second = work.start("b", "Second", gates[1])  # The same visitor's.
    visit("ben")
    third = work.start("a", "Third", gates[2])
    visit("cem")
    fourth = work.start("a", "Fourth", gates[3])
    assert gates[0].began.wait(WAIT) and gates[2].began.wait(WAIT)
    assert not gates[1].began.is_set() and not gates[3].began.is_set()
    assert second.words() == "Second: waiting for other work to finish, it is next"
    assert fourth.words() == "Fourth: waiting for other work to finish, 1 before it"
    gates[2].let_go.set()
    assert gates[3].began.wait(WAIT)  # Not the second: its visitor has one at work.
    assert not gates[1].began.is_set()
    gates[0].let_go.set()
    assert gates[1].began.wait(WAIT)
    for task, gate in zip((first, second, third, fourth), gates, strict=True):
        gate.let_go.set()
        assert task.over.wait(WAIT)
        assert task.result() == "made" and not task.stopped


def test_long_work_leaves_room_for_short(visit):
    long, other, short = Gate(), Gate(), Gate()
    work.start("measure", "Measuring", long, long=True)
    visit("ben")
    work.start("measure", "Measuring", other, long=True)
    visit("cem")
    work.start("tsne", "t-SNE", short)
    assert long.began.wait(WAIT) and short.began.wait(WAIT)
    assert not other.began.is_set()
    long.let_go.set()
    assert other.began.wait(WAIT)


def test_work_is_found_again_by_its_visitor_alone_and_stops_when_asked(visit):
    gate, waiting = Gate(), Gate()
    task = work.start("a", "First", gate)
    queued = work.start("b", "Second", waiting)
    assert gate.began.wait(WAIT)
    assert work.find("a") is task and work.find("b") is queued
    visit("ben")
    assert work.find("a") is None
    visit("ann")
    queued.stop()
    assert queued.over.is_set() and queued.stopped and queued.result() is None
    task.stop()
    assert task.over.wait(WAIT)
    assert task.stopped and task.result() is None
    assert not waiting.began.is_set()
    task.stop()
    assert task.stopped


def test_the_next_of_a_kind_takes_the_place_of_the_last():
    gate, next_gate = Gate(), Gate()
    task = work.start("a", "First", gate, key=1)
    assert gate.began.wait(WAIT)
    following = work.start("a", "Second", next_gate, key=2)
    assert task.over.wait(WAIT) and task.stopped
    assert next_gate.began.wait(WAIT)
    assert work.find("a") is following


def test_a_mistake_is_raised_and_a_fault_is_logged_whole(caplog):
    def mistake(progress):
        raise DataError("no such picture.")

    def fault(progress):
        raise ZeroDivisionError("hidden cause")

    task = work.start("a", "First", mistake)
    assert task.over.wait(WAIT)
    with pytest.raises(DataError, match="no such picture"):
        task.result()
    with caplog.at_level(logging.ERROR):
        task = work.start("a", "First", fault)
        assert task.over.wait(WAIT)
    with pytest.raises(work.WorkError, match="reference") as told:
        task.result()
    assert "hidden cause" in caplog.text and "hidden cause" not in str(told.value)
    gate = Gate()
    work.start("a", "First", gate)
    assert gate.began.wait(WAIT)  # Neither holds a place.


def test_what_nobody_fetched_is_dropped_after_a_while(visit, monkeypatch):
    gate = Gate()
    gate.let_go.set()
    assert work.start("a", "First", gate).over.wait(WAIT)
    visit("ben")
    work.start("a", "First", gate)
    visit("ann")
    assert work.find("a")
    monkeypatch.setattr(work, "KEPT_SECONDS", -1)
    visit("ben")
    work.start("b", "Second", gate)
    visit("ann")
    assert work.find("a") is None
