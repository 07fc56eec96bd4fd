"""The time of an invocation: how much is left, and that nothing begins after it."""

from datetime import timedelta

import pytest

from runtime.clock import to_epoch_ms
from runtime.deadline import ANSWER_MS, OutOfTimeError
from tests.unit.runtime.fakes import FakeTime


def test_the_deadline_leaves_time_to_answer_before_lambda_ends_the_invocation() -> None:
    time = FakeTime()
    deadline = time.deadline(10_000)
    assert deadline.invocation_ends_ms == to_epoch_ms(time.now()) + 10_000
    assert deadline.seconds_left() == (10_000 - ANSWER_MS) / 1000
    time.sleep(8.999)
    deadline.check()
    time.sleep(0.001)
    with pytest.raises(OutOfTimeError):
        deadline.check()


def test_a_pause_does_not_outlast_the_deadline() -> None:
    time = FakeTime()
    deadline = time.deadline(ANSWER_MS + 300)
    deadline.sleep(60)
    assert time.slept == [0.3]
    assert deadline.seconds_left() == 0


def test_an_invocation_that_has_answered_has_no_time_left_whatever_the_clock_says() -> None:
    time = FakeTime()
    deadline = time.deadline(10_000)
    deadline.end()
    time.current -= timedelta(hours=1)
    assert deadline.seconds_left() == 0
    with pytest.raises(OutOfTimeError):
        deadline.check()
