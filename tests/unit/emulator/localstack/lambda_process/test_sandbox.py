"""The life of an execution environment, with real processes that speak the Runtime API through our own client."""

import json
import threading
from pathlib import Path

import psutil
import pytest

from emulator.localstack.lambda_process.reaper import Reaper
from emulator.localstack.lambda_process.sandbox import Outcome, StoppedError
from tests.support.lambda_sandboxes import Make, call
from tests.support.waiting import running, wait_until


def test_a_process_serves_many_invocations_and_keeps_its_state(make: Make) -> None:
    sandbox = make("""
        count = 0
        def handler(event):
            global count
            count += 1
            print("got", event)
            return count
    """)
    failed = sandbox.start()

    first, second = call(sandbox, "a"), call(sandbox, "b", "id-2")

    assert failed is None
    assert (first.payload, second.payload) == (b"1", b"2")
    lines = first.logs.splitlines()
    assert lines[:4] == ["init", "START RequestId: id-1 Version: $LATEST", "got a", "END RequestId: id-1"]
    assert lines[4].startswith("REPORT RequestId: id-1\t")
    assert "Init Duration" in lines[4]
    assert second.logs.splitlines()[:2] == ["START RequestId: id-2 Version: $LATEST", "got b"]
    assert "Init Duration" not in second.logs


def test_all_that_was_printed_before_the_answer_is_in_the_log(make: Make) -> None:
    sandbox = make("""
        def handler(event):
            for number in range(20_000):
                print("line", number)
    """)
    sandbox.start()

    lines = call(sandbox).logs.splitlines()

    assert lines[lines.index("line 0") : -2] == [f"line {number}" for number in range(20_000)]


def test_after_a_timeout_the_process_is_gone_and_the_next_invocation_is_cold(make: Make) -> None:
    sandbox = make(
        """
        import os, tempfile, time
        from pathlib import Path
        warm = False
        def handler(seconds):
            global warm
            was, warm = warm, True
            note = Path(tempfile.gettempdir(), "pid")
            before = note.exists()
            note.write_text(str(os.getpid()))
            print("printed", flush=True)
            time.sleep(seconds)
            return {"warm": was, "note": before, "pid": os.getpid()}
        """,
        timeout_seconds=1,
    )
    sandbox.start()
    pid = json.loads(call(sandbox, 0).payload)["pid"]

    slow, after = call(sandbox, 60), call(sandbox, 0)

    assert slow.is_error
    assert json.loads(slow.payload)["errorType"] == "Sandbox.Timedout"
    assert "printed" in slow.logs
    assert "Status: timeout" in slow.logs
    assert not psutil.pid_exists(pid)
    assert json.loads(after.payload)["warm"] is False
    assert json.loads(after.payload)["note"] is True  # /tmp is not cleared, as on AWS


def test_a_process_that_ends_is_a_result_and_takes_its_children_along(make: Make) -> None:
    sandbox = make("""
        import os, subprocess
        def handler(code):
            if code is None:
                return "fine"
            child = subprocess.Popen(["sleep", "600"])
            print("child", child.pid, flush=True)
            os._exit(code)
    """)
    sandbox.start()

    ended, after = call(sandbox, 3), call(sandbox)

    assert json.loads(ended.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: id-1 Error: Runtime exited with error: exit status 3",
    }
    child = int(ended.logs.split("child ")[1].split()[0])
    assert not running(child)
    assert after.payload == b'"fine"'


def test_a_failed_init_phase_is_reported_and_tried_again_by_the_invocation(make: Make) -> None:
    sandbox = make("import os; print('hm', flush=True); os._exit(7)")

    failed = sandbox.start()
    outcome = call(sandbox)

    assert failed is not None
    assert failed.error_type == "Runtime.ExitError"
    assert outcome.is_error
    assert "exit status 7" in json.loads(outcome.payload)["errorMessage"]
    lines = outcome.logs.splitlines()
    assert lines[0] == "hm"
    assert lines[1].startswith("INIT_REPORT Init Duration: ")
    assert lines[2:4] == ["START RequestId: id-1 Version: $LATEST", "hm"]


def test_a_function_that_misuses_the_runtime_api_only_misleads_itself(make: Make) -> None:
    # given a function that asks for another invocation and answers others, before it returns
    sandbox = make("""
        import http.client, os
        def handler(event):
            answers = []
            for method, path in [("GET", "next"), ("POST", "another/response"), ("POST", "another/error")]:
                connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
                connection.request(method, "/2018-06-01/runtime/invocation/" + path)
                response = connection.getresponse()
                answers.append([response.status, response.getheader("Lambda-Runtime-Aws-Request-Id")])
            return answers
    """)
    sandbox.start()

    # when it is invoked, then the invocation has its own outcome, and so has the next
    for request_id in ("id-1", "id-2"):
        outcome = call(sandbox, None, request_id)
        assert not outcome.is_error
        assert json.loads(outcome.payload) == [[200, request_id], [400, None], [400, None]]


def test_too_much_memory_ends_as_on_aws(make: Make) -> None:
    sandbox = make(
        """
        import time
        def handler(mib):
            block = bytearray(mib * 1024 * 1024)
            time.sleep(20 if mib else 0)
            return len(block)
        """,
        memory_mb=128,
    )
    sandbox.start()

    outcome, after = call(sandbox, 200), call(sandbox, 0)

    assert json.loads(outcome.payload)["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "Error Type: Runtime.OutOfMemory" in outcome.logs
    assert after.payload == b"0"


def test_memory_is_only_reported_if_it_is_not_enforced(make: Make) -> None:
    sandbox = make(
        """
        import time
        def handler(mib):
            block = bytearray(mib * 1024 * 1024)
            time.sleep(0.3)
            return len(block)
        """,
        memory_mb=128,
        enforce_memory=False,
    )
    sandbox.start()

    outcome = call(sandbox, 200)

    assert not outcome.is_error
    assert int(outcome.logs.split("Max Memory Used: ")[1].split()[0]) > 200


def test_a_too_large_response_is_an_error_and_the_process_stays(make: Make) -> None:
    sandbox = make("""
        import os
        def handler(size):
            return "x" * size if size else os.getpid()
    """)
    sandbox.start()
    pid = call(sandbox, 0).payload

    outcome = call(sandbox, 2000)

    assert outcome.is_error
    assert json.loads(outcome.payload)["errorType"] == "Function.ResponseSizeTooLarge"
    assert call(sandbox, 0).payload == pid


def test_changed_code_is_loaded_by_the_next_invocation(make: Make) -> None:
    sandbox = make("handler = lambda event: 'one'", watch_code=True)
    sandbox.start()
    assert call(sandbox).payload == b'"one"'
    assert call(sandbox).payload == b'"one"'

    make("handler = lambda event: 'two'")

    assert call(sandbox).payload == b'"two"'


def test_a_process_that_died_while_idle_is_replaced(make: Make) -> None:
    sandbox = make("import os\ndef handler(event): return os.getpid()")
    sandbox.start()
    pid = int(call(sandbox).payload)
    psutil.Process(pid).kill()
    wait_until(lambda: not running(pid))

    outcome = call(sandbox)

    assert not outcome.is_error
    assert int(outcome.payload) != pid


def test_stopping_leaves_no_process_and_no_folder(make: Make) -> None:
    sandbox = make("import os, tempfile\ndef handler(event): return [os.getpid(), tempfile.gettempdir()]")
    sandbox.start()
    pid, folder = json.loads(call(sandbox).payload)

    sandbox.stop(finish_invocation=True)

    assert not running(pid)
    assert not Path(folder).exists()
    with pytest.raises(StoppedError):
        call(sandbox)


def test_stopping_leaves_no_thread_and_no_open_file(make: Make) -> None:
    reaper = Reaper()
    reaper.forget("group 0")  # starts its process, which is there to stay
    me = psutil.Process()
    threads, files = threading.active_count(), me.num_fds()

    for _ in range(3):
        sandbox = make("def handler(event): return event", reaper=reaper)
        sandbox.start()
        assert call(sandbox, 1).payload == b"1"
        sandbox.stop(finish_invocation=True)

    wait_until(lambda: threading.active_count() == threads)
    wait_until(lambda: me.num_fds() == files)


def test_a_running_invocation_may_finish_when_its_function_is_updated(make: Make, tmp_path: Path) -> None:
    began, go = tmp_path / "began", tmp_path / "go"
    sandbox = make(f"""
        import os, time
        from pathlib import Path
        def handler(event):
            Path({str(began)!r}).write_text(str(os.getpid()))
            while not Path({str(go)!r}).exists():
                time.sleep(0.01)
            return "finished"
    """)
    sandbox.start()
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(call(sandbox)))
    thread.start()
    wait_until(lambda: began.exists() and began.read_text() != "")

    sandbox.stop(finish_invocation=True)
    go.touch()
    thread.join(timeout=20)

    assert [outcome.payload for outcome in outcomes] == [b'"finished"']
    assert not running(int(began.read_text()))


def test_a_running_invocation_is_ended_when_the_engine_stops(make: Make, tmp_path: Path) -> None:
    began = tmp_path / "began"
    sandbox = make(f"""
        import os, time
        from pathlib import Path
        def handler(event):
            Path({str(began)!r}).write_text(str(os.getpid()))
            time.sleep(600)
    """)
    sandbox.start()
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(call(sandbox)))
    thread.start()
    wait_until(lambda: began.exists() and began.read_text() != "")

    sandbox.stop(finish_invocation=False)
    thread.join(timeout=20)

    assert "signal: killed" in json.loads(outcomes[0].payload)["errorMessage"]
    assert not running(int(began.read_text()))
