"""A function that takes too much gets an error of its own, and everything else goes on."""

import json
import sys

import pytest

from emulator.localstack.lambda_process.limits import command
from emulator.localstack.lambda_process.sandbox import Sandbox
from tests.support.lambda_sandboxes import Make, call

MIB = 1024 * 1024

# Each takes what it is told to, and returns the name of the error that this ended with.
GREEDY = """
    import errno, os, signal, sys, tempfile
    def open_files():
        kept = []
        for _ in range(5000):
            kept.append(open(os.devnull))
    def large_file():
        with tempfile.TemporaryFile() as file:
            file.truncate(10 * 1024**3)
    def long_file():
        with tempfile.TemporaryFile(buffering=0) as file:
            for _ in range(64):
                file.write(bytes(1024**2))
    def forks():
        if os.getuid() == 0:
            os.setuid(65534)  # the system sets root no such limit
        children = []
        try:
            for _ in range(5000):
                child = os.fork()
                if child == 0:
                    signal.pause()
                children.append(child)
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
    def handler(what):
        if what == "started":
            return [sys.argv[1:], __name__, sys.path[0] == os.getcwd()]
        try:
            globals()[what]()
        except OSError as error:
            return errno.errorcode[error.errno]
"""


def restricted(make: Make) -> Sandbox:
    limits = command(
        [sys.executable, "-B"], ["loop", "an argument"], file_bytes=8 * MIB, environ={}, open_files=100, processes=20
    )
    return make(GREEDY, command=limits, enforce_memory=False)  # forked, the same memory counts many times


@pytest.mark.parametrize(
    ("what", "error"), [("open_files", "EMFILE"), ("large_file", "EFBIG"), ("long_file", "EFBIG"), ("forks", "EAGAIN")]
)
def test_a_greedy_function_gets_an_error_and_the_rest_goes_on(make: Make, what: str, error: str) -> None:
    # given a greedy function and a neighbour
    greedy, neighbour = restricted(make), restricted(make)
    greedy.start()
    neighbour.start()

    # when it takes all that it can get
    outcome = call(greedy, what)

    # then it gets the system's error, and both can be invoked again
    assert json.loads(outcome.payload) == error
    for sandbox in (greedy, neighbour):
        assert not call(sandbox, "started").is_error


def test_the_module_is_started_as_python_m_starts_it(make: Make) -> None:
    with_limits, without = restricted(make), make(GREEDY, command=[sys.executable, "-B", "-m", "loop", "an argument"])

    started = [json.loads(call(sandbox, "started").payload) for sandbox in (with_limits, without)]

    assert started[0] == started[1] == [["an argument"], "function", True]


def test_the_limits_are_aws_s_and_a_setting_lifts_them() -> None:
    python, module = ["python3.11"], ["awslambdaric", "index.handler"]

    limited_by_default = command(python, module, file_bytes=512 * MIB, environ={})
    lifted = command(python, module, file_bytes=512 * MIB, environ={"LAMBDA_PROCESS_ENFORCE_LIMITS": "0"})

    _, _, open_files, processes, file_bytes, *rest = limited_by_default
    assert (open_files, file_bytes, rest) == ("1024", str(512 * MIB), module)
    assert int(processes) > 1024, "on top of what the user runs already"
    assert lifted == ["python3.11", "-m", "awslambdaric", "index.handler"]
