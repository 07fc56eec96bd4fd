"""The time until which an invocation may send requests.

Lambda freezes a function once it has answered, and its threads go on in the next invocation, minutes later. By then SQS
has delivered the failed messages again, and another function may have taken over what this one had claimed. So every
request that publishes or stores is preceded by `check`, and no request may take longer than the time that is left. The
exception is the request that is under way at the deadline: its outcome is unknown, and its record has failed.
"""

from runtime.clock import Clock

# Reserved for the answer. A function that times out fails its whole batch: records that are stored would also end
# in the dead-letter queue. The clocks of two functions may also differ by this much: a claim expires when Lambda ends
# the invocation, and its owner sends its last request this much earlier. Lambda synchronizes its hosts' clocks.
ANSWER_MS = 1_000


class OutOfTimeError(Exception):
    """The deadline has passed. A request in flight may still succeed; a redelivery shows whether it did."""

    def __init__(self, reason: str = "no answer from AWS before the function's deadline") -> None:
        super().__init__(reason)


class Deadline:
    """The deadline of one invocation that has `remaining_ms` milliseconds until Lambda ends it.

    `invocation_ends_ms` is that moment in milliseconds since 1970; the deadline is `ANSWER_MS` before it.
    """

    def __init__(self, clock: Clock, remaining_ms: int) -> None:
        self._clock = clock
        self.invocation_ends_ms = clock.now_ms() + remaining_ms
        self._ended = False

    def seconds_left(self) -> float:
        """Seconds until the deadline; 0 after it."""
        if self._ended:
            return 0
        return max(0, self.invocation_ends_ms - ANSWER_MS - self._clock.now_ms()) / 1000

    def check(self) -> None:
        """Raise `OutOfTimeError` after the deadline."""
        if self.seconds_left() == 0:
            raise OutOfTimeError

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds, but not past the deadline."""
        self._clock.sleep(min(seconds, self.seconds_left()))

    def end(self) -> None:
        """The function answers now. From here on the deadline has passed, whatever the clock of a thawed host says."""
        self._ended = True
