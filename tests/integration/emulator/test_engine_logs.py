"""The logs of real engines stay within bounds."""

import pytest

from emulator import bounded_log, lifecycle
from tests.support.sandboxes import ENGINES
from tests.support.waiting import wait_until


@pytest.mark.parametrize("engine", ENGINES)
def test_the_log_of_an_engine_is_emptied_when_it_is_too_long(request: pytest.FixtureRequest, engine: str) -> None:
    # given an engine whose log is as long as it may be
    running = request.getfixturevalue(engine).running
    log = running.log_path
    with log.open("a") as file:
        file.write("a long story\n" * (bounded_log.MOST_BYTES // 10))

    # when it sees that, then the log is short again, and all of it can still be read
    wait_until(bounded_log.earlier(log).exists, seconds=10)
    assert log.stat().st_size < bounded_log.MOST_BYTES
    assert "a long story" in lifecycle.logs(running.port)
