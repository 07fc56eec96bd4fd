"""Several functions race for one window, under every schedule and every crash that hypothesis thinks of.

Each function runs in a thread and stops at every call to AWS, and whenever it sleeps, until the schedule lets it go on.
As on Lambda, a function that has answered is frozen, and its thread goes on in a later invocation. So the model has
functions that are slow, that hang, that die, and that are thawed after their time.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.contract import CONTRACT, Tick
from pipeline.rules import PRICE, Settings
from runtime.alerts import Alerter, AlertPendingError
from runtime.clock import Clock
from runtime.deadline import Deadline, OutOfTimeError
from tests.unit.runtime.fakes import FakeAws, FakeTime, bucket

TIMEOUT_SECONDS = 10
HANG_SECONDS = TIMEOUT_SECONDS + 1
SLOW_SECONDS = 6
PATIENCE_SECONDS = 30


class KilledError(BaseException):
    """The function's process ends here."""


@dataclass
class Function:
    """One invocation in a thread. `outcome` is what `ensure` returned or raised."""

    name: str
    aws: FakeAws
    time: FakeTime
    deadline: Deadline | None = None
    outcome: object = None
    doomed: bool = False
    published_unmarked: bool = False
    late: list[str] = field(default_factory=list)
    waiting: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    finished: bool = False

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()
        assert self.waiting.wait(PATIENCE_SECONDS)

    def step(self) -> None:
        """Let it run to its next stop."""
        self.waiting.clear()
        self.go.set()
        assert self.waiting.wait(PATIENCE_SECONDS)

    def _run(self) -> None:
        clock = Clock(now=self.time.now, sleep=self._sleep)
        mine: Any = Stoppable(self.aws, self._stop, self)
        alerter = Alerter(CONTRACT, Settings(), bucket(mine), lambda _: mine, clock, topic_arn="t")
        try:
            self._wait_for_my_turn()
            self.deadline = self.time.deadline(1000 * TIMEOUT_SECONDS)
            tick = Tick(self.name, "TSLA", 2.0, 1, "2026-01-05T14:30:00Z")
            self.outcome = alerter.ensure(PRICE, tick, self.deadline)
        except (KilledError, AlertPendingError, OutOfTimeError) as error:
            self.outcome = error
        finally:
            self.finished = True
            self.waiting.set()

    def _sleep(self, seconds: float) -> None:
        self.time.sleep(seconds)
        self._stop()

    def _wait_for_my_turn(self) -> None:
        self.waiting.set()
        assert self.go.wait(PATIENCE_SECONDS)
        self.go.clear()

    def _stop(self) -> None:
        self._wait_for_my_turn()
        if self.doomed:
            raise KilledError


class Stoppable:
    """A client whose every call stops before it takes effect and after it."""

    def __init__(self, aws: FakeAws, stop: Callable[[], None], function: Function) -> None:
        self._aws = aws
        self._stop = stop
        self._function = function

    def close(self) -> None:
        """As a client has it."""

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            if self._function.deadline is None or self._function.deadline.seconds_left() == 0:
                self._function.late.append(operation)
            self._stop()
            answer = getattr(self._aws, operation)(**parameters)
            if operation == "publish":
                self._function.published_unmarked = True
            if b'"published"' in parameters.get("Body", b""):
                self._function.published_unmarked = False
            self._stop()
            return answer

        return call


schedules = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["run"] * 12 + ["die", "slow", "hang"])), min_size=10, max_size=80
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schedules)
def test_a_window_is_alerted_at_least_once_and_again_only_where_an_outcome_stayed_unknown(
    schedule: list[tuple[int, str]],
) -> None:
    aws = FakeAws()
    time = aws.time
    functions = [Function(f"t-{index}", aws, time) for index in range(3)]
    for function in functions:
        function.start()
    # Given: a schedule with crashes and hangs, after which everybody runs to his end
    for index, what in schedule + [(index, "run") for _ in range(200) for index in range(3)]:
        function = functions[index]
        if function.finished:
            continue
        time.sleep({"slow": SLOW_SECONDS, "hang": HANG_SECONDS}.get(what, 0))
        function.doomed = function.doomed or what == "die"
        function.step()
    assert all(function.finished for function in functions)
    # When: SQS delivers again, after the visibility timeout, what wasn't acknowledged
    for function in functions:
        if isinstance(function.outcome, BaseException):
            time.sleep(6 * TIMEOUT_SECONDS)
            again = Function(f"{function.name}-again", aws, time)
            again.start()
            while not again.finished:
                again.step()
            assert again.outcome in (True, False)
    # Then: at least one alert, and no other but for those who died or ran out of time between SNS and the marker
    unknown = sum(function.published_unmarked for function in functions)
    assert 1 <= len(aws.published) <= 1 + unknown
    # And: nobody sent anything after his deadline
    assert [function.late for function in functions] == [[]] * 3
