from __future__ import annotations

import logging
import threading

import pytest

from noodle.ffi_service import limits
from noodle.ffi_service.service_log import ServiceLog

WAIT_SECONDS = 30.0


class Written:
    """Takes what a log writes, as soon as it is let."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun, self.let = threading.Event(), threading.Event()
        self.let.set()
        self.changed = threading.Condition()

    def report(self, number: int, function: str, error: BaseException) -> None:
        self.tell(f"{number} {function} {error!r}")

    def tell(self, text: str) -> None:
        self.begun.set()
        assert self.let.wait(WAIT_SECONDS)
        with self.changed:
            self.lines.append(text)
            self.changed.notify_all()

    def wait_for(self, text: str) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: text in self.lines, WAIT_SECONDS)


@pytest.fixture
def written() -> Written:
    return Written()


def stalled(written: Written) -> ServiceLog:
    """A log in the middle of an entry that nobody takes."""
    log = ServiceLog(written.report, written.tell)
    written.let.clear()
    log.say("being written")
    assert written.begun.wait(WAIT_SECONDS)
    return log


def test_entries_are_written_in_order_by_one_thread(written: Written):
    log = ServiceLog(written.report, written.tell)
    log.say("first")
    log.call_failed(1, "f", ValueError("no"))
    log.say("last")
    log.finish(WAIT_SECONDS)
    assert ["first", "1 f ValueError('no')", "last"] == written.lines


def test_nobody_waits_for_a_reader_that_does_not_read(
    written: Written, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limits, "LOGGED_MOST", 2)
    log = stalled(written)
    for number in range(5):
        log.say(f"number {number}")
    written.let.set()
    assert written.wait_for("number 1")
    assert [
        "being written",
        "3 entries were lost, because nobody read what was written",
        "number 0",
        "number 1",
    ] == written.lines


def test_entries_that_hold_large_requests_are_few(
    written: Written, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limits, "LOGGED_BYTES_MAX", 100)
    log = stalled(written)
    for number in range(3):
        log.call_failed(number, "f", ValueError(), size=60)
    log.say("no request")
    written.let.set()
    assert written.wait_for("no request")
    log.call_failed(3, "f", ValueError(), size=60)
    assert written.wait_for("3 f ValueError()")
    lost = "2 entries were lost, because nobody read what was written"
    assert ["being written", lost, "0 f ValueError()", "no request", "3 f ValueError()"] == (
        written.lines
    )


@pytest.mark.parametrize("kind", [BrokenPipeError, SystemExit, KeyboardInterrupt])
def test_what_cannot_be_written_hinders_nothing(written: Written, kind: type[BaseException]):
    def tell(text: str) -> None:
        if text == "broken":
            raise kind
        written.tell(text)

    log = ServiceLog(written.report, tell)
    log.say("broken")
    log.say("whole")
    log.finish(WAIT_SECONDS)
    assert ["whole"] == written.lines


def test_what_packages_log_is_written_if_it_is_an_error(written: Written):
    log = ServiceLog(written.report, written.tell)
    logger = logging.Logger("package")
    logger.addHandler(log)
    logger.warning("unimportant")
    logger.error("important: %s", 7)
    log.finish(WAIT_SECONDS)
    assert ["important: 7"] == written.lines
