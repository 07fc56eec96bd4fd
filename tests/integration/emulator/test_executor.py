"""The executor plugin inside a real LocalStack: what a function's owner sees through the API, as on AWS.

Expected payloads and log lines are what AWS answered in LocalStack's recorded tests of the same situations.
"""

import json
import os
import re
import signal
import statistics
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from emulator import lifecycle
from emulator.engine import Options, Running
from profiles.session import open_endpoint
from tests.conftest import find_free_port
from tests.support.lambda_functions import (
    ROLE,
    Functions,
    assert_lines,
    cloudwatch_lines,
    configuration,
    masked,
    zipped,
)
from tests.support.waiting import running, wait_until

pytestmark = pytest.mark.localstack


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A LocalStack of this module's own, with a secret in its environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        running = lifecycle.start("localstack", find_free_port(), Options(extra_environment={"HOST_SECRET": "hush"}))
        yield running
        lifecycle.stop(running.port)


@pytest.fixture(scope="module")
def functions(engine: Running) -> Functions:
    """Functions on that LocalStack."""
    return Functions(open_endpoint(engine.endpoint_url))


def test_a_function_runs_on_its_runtime_with_lambda_s_environment_only(engine: Running, functions: Functions) -> None:
    name = functions.create(
        """
        import os, sys, tempfile
        def handler(event, context):
            import boto3
            return {"env": dict(os.environ), "cwd": os.getcwd(), "version": sys.version_info[:2], "file": __file__,
                    "tmp": tempfile.gettempdir(), "context": [context.function_name, context.memory_limit_in_mb,
                    context.invoked_function_arn], "remaining": context.get_remaining_time_in_millis()}
        """,
        Environment={"Variables": {"MINE": "yes"}},
        MemorySize=256,
    )

    got = functions.invoke(name).payload

    env = got["env"]
    assert got["version"] == [3, 11]
    assert env["MINE"] == "yes"
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert env["AWS_REGION"] == "us-east-2"
    assert env["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert env["AWS_ENDPOINT_URL"] == engine.endpoint_url
    assert env["LAMBDA_TASK_ROOT"] == got["cwd"] == str(Path(got["file"]).parent)
    assert got["tmp"] == env["HOME"]
    assert got["context"] == [name, "256", f"arn:aws:lambda:us-east-2:000000000000:function:{name}"]
    assert 0 < got["remaining"] <= 20_000
    assert "HOST_SECRET" not in env
    assert not any(key.startswith(("LOCALSTACK_RUNTIME", "LAMBDA_PROCESS", "GATEWAY", "UV_")) for key in env)


def test_a_function_calls_other_services_through_the_gateway(functions: Functions) -> None:
    name = functions.create("""
        import boto3
        def handler(event, context):
            return [boto3.client("sqs").create_queue(QueueName=event)["QueueUrl"],
                    boto3.client("sts").get_caller_identity()["Arn"]]
    """)

    url, identity = functions.invoke(name, f"{name}-queue").payload

    assert url.endswith(f"/000000000000/{name}-queue")
    assert identity == f"arn:aws:sts::000000000000:assumed-role/any/{name}"


def test_start_end_and_report_surround_the_output_in_the_tail_and_in_cloudwatch(functions: Functions) -> None:
    name = functions.create("""
        import logging
        print("loading")
        def handler(event, context):
            print("printed")
            logging.getLogger().warning("logged")
            return context.aws_request_id
    """)

    result = functions.invoke(name)

    request_id = result.payload
    expected = [
        r"loading",
        rf"START RequestId: {request_id} Version: \$LATEST",
        r"printed",
        rf"\[WARNING\]\t\S+Z\t{request_id}\tlogged",
        rf"END RequestId: {request_id}",
        rf"REPORT RequestId: {request_id}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t",
    ]
    assert_lines(result.log.splitlines(), expected)
    assert_lines(cloudwatch_lines(functions.aws, name, until="REPORT"), expected)
    assert int(result.log.split("Max Memory Used: ")[1].split()[0]) > 0


@pytest.mark.parametrize(
    ("source", "payload", "error"),
    [
        pytest.param(
            "def handler(event, context): raise ValueError('boom')",
            None,
            {"errorMessage": "boom", "errorType": "ValueError", "requestId": "<id>", "stackTrace": "<trace>"},
            id="unhandled",
        ),
        pytest.param(
            "raise Exception('startup fails')",
            None,
            {"errorMessage": "startup fails", "errorType": "Exception", "requestId": "", "stackTrace": "<trace>"},
            id="init",
        ),
        pytest.param(
            "import nothing_of_that_name",
            None,
            {
                "errorMessage": "Unable to import module 'index': No module named 'nothing_of_that_name'",
                "errorType": "Runtime.ImportModuleError",
                "requestId": "",
                "stackTrace": [],
            },
            id="import",
        ),
        pytest.param(
            "def handler(:",
            None,
            {
                "errorMessage": "Syntax error in module 'index': invalid syntax (index.py, line 1)",
                "errorType": "Runtime.UserCodeSyntaxError",
                "requestId": "",
                "stackTrace": "<trace>",
            },
            id="syntax",
        ),
        pytest.param(
            "other = 1",
            None,
            {
                "errorMessage": "Handler 'handler' missing on module 'index'",
                "errorType": "Runtime.HandlerNotFound",
                "requestId": "",
                "stackTrace": [],
            },
            id="no-handler",
        ),
        pytest.param(
            "import sys\ndef handler(event, context): sys.exit(event)",
            0,
            {
                "errorType": "Runtime.ExitError",
                "errorMessage": "RequestId: <id> Error: Runtime exited without providing a reason",
            },
            id="exit-0",
        ),
        pytest.param(
            "import sys\nsys.exit(127)",
            None,
            {
                "errorType": "Runtime.ExitError",
                "errorMessage": "RequestId: <id> Error: Runtime exited with error: exit status 127",
            },
            id="exit-in-init",
        ),
        pytest.param(
            "import os, signal\ndef handler(event, context): os.kill(os.getpid(), signal.SIGKILL)",
            None,
            {
                "errorType": "Runtime.ExitError",
                "errorMessage": "RequestId: <id> Error: Runtime exited with error: signal: killed",
            },
            id="killed",
        ),
        pytest.param(
            "def handler(event, context): return 'x' * event",
            7_000_000,
            {
                "errorType": "Function.ResponseSizeTooLarge",
                "errorMessage": "Response payload size (7000002 bytes) exceeded maximum allowed payload size "
                "(6291556 bytes).",
            },
            id="too-large",
        ),
    ],
)
def test_a_failure_is_a_result_with_aws_s_payload(
    functions: Functions, source: str, payload: Any, error: dict[str, Any]
) -> None:
    name = functions.create(source)

    first, second = functions.invoke(name, payload), functions.invoke(name, payload)

    for result in (first, second):
        assert result.error == "Unhandled"
        assert masked(result.payload) == error
        assert list(result.payload) == list(error)
        assert result.log.count("START RequestId") == result.log.count("REPORT RequestId") == 1


def test_after_a_timeout_the_process_is_gone_and_the_next_invocation_is_cold(functions: Functions) -> None:
    name = functions.create(
        """
        import os, time
        count = 0
        def handler(event, context):
            global count
            count += 1
            print("pid", os.getpid())
            time.sleep(event)
            return [count, os.getpid()]
        """,
        Timeout=1,
    )
    warm = functions.invoke(name, 0).payload

    slow = functions.invoke(name, 30)
    after = functions.invoke(name, 0).payload

    assert slow.error == "Unhandled"
    assert masked(slow.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: <id> Error: Task timed out after 1.00 seconds",
    }
    assert f"pid {warm[1]}" in slow.log
    assert re.search(r"Z \S+ Task timed out after 1\.00 seconds\n", slow.log)
    assert "\tStatus: timeout\t" in slow.log
    assert not running(warm[1])
    assert warm[0] == after[0] == 1
    assert after[1] != warm[1]


def test_several_environments_of_one_function_run_at_once(functions: Functions) -> None:
    name = functions.create("""
        import os, tempfile, time
        def handler(event, context):
            time.sleep(1)
            return [os.getpid(), tempfile.gettempdir()]
    """)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: functions.invoke(name).payload, range(4)))

    assert len({pid for pid, _ in results}) == 4
    assert len({folder for _, folder in results}) == 4


def test_a_greedy_function_gets_an_error_of_its_own(functions: Functions) -> None:
    greedy = functions.create("""
        import os, tempfile
        def handler(event, context):
            if event == "files":
                return len([os.open(os.devnull, os.O_RDONLY) for _ in range(5000)])
            with tempfile.TemporaryFile() as file:
                file.truncate(event)
    """)
    neighbour = functions.create("handler = lambda event, context: event")

    allowed, large, files = (functions.invoke(greedy, what) for what in (512 * 1024**2, 10 * 1024**3, "files"))

    assert allowed.error == ""
    assert large.payload["errorMessage"] == "[Errno 27] File too large"
    assert files.payload["errorMessage"].startswith("[Errno 24] Too many open files")
    assert functions.invoke(neighbour, "lives").payload == "lives"


def test_out_of_memory_is_a_result(functions: Functions) -> None:
    name = functions.create("""
        import time
        def handler(event, context):
            block = bytearray(event * 1024 * 1024)
            time.sleep(10 if event else 0)
            return len(block)
    """)

    result, after = functions.invoke(name, 300), functions.invoke(name, 0)

    assert result.error == "Unhandled"
    assert result.payload["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert after.payload == 0


def test_hot_reload_runs_the_code_of_a_local_folder_and_its_changes(functions: Functions, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("import helper\nhandler = lambda event, context: helper.text\n")
    (tmp_path / "helper.py").write_text("text = 'one'\n")
    name = functions.create_from({"S3Bucket": "hot-reload", "S3Key": str(tmp_path)})
    before = functions.invoke(name).payload

    (tmp_path / "helper.py").write_text("text = 'two'\n")

    assert before == "one"
    assert functions.invoke(name).payload == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["helper.py", "index.py"], (
        "nothing is written to the user's folder"
    )


def test_a_layer_is_on_the_path(functions: Functions) -> None:
    layer = functions.aws.lambda_.publish_layer_version(
        LayerName=f"layer-{uuid.uuid4().hex[:8]}",
        Content={"ZipFile": zipped("text = 'from the layer'", path="python/from_layer.py")},
    )
    name = functions.create(
        "import from_layer\nhandler = lambda event, context: from_layer.text",
        Layers=[layer["LayerVersionArn"]],
    )

    assert functions.invoke(name).payload == "from the layer"


def test_changed_variables_reach_the_next_invocation_and_the_old_process_ends(functions: Functions) -> None:
    name = functions.create(
        "import os\nhandler = lambda event, context: [os.environ['MINE'], os.getpid()]",
        Environment={"Variables": {"MINE": "one"}},
    )
    before, pid = functions.invoke(name).payload

    functions.aws.lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"MINE": "two"}})

    assert before == "one"
    wait_until(lambda: functions.invoke(name).payload[0] == "two")
    wait_until(lambda: not running(pid))


def test_an_invocation_that_runs_during_an_update_comes_to_its_end(functions: Functions, tmp_path: Path) -> None:
    began, go = tmp_path / "began", tmp_path / "go"
    name = functions.create(
        f"""
        import os, time
        from pathlib import Path
        def handler(event, context):
            Path({str(began)!r}).touch()
            while not Path({str(go)!r}).exists():
                time.sleep(0.01)
            return [os.environ["MINE"], os.getpid()]
        """,
        Environment={"Variables": {"MINE": "one"}},
    )
    with ThreadPoolExecutor(1) as pool:
        invocation = pool.submit(functions.invoke, name)
        wait_until(began.exists)

        functions.aws.lambda_.update_function_configuration(
            FunctionName=name, Environment={"Variables": {"MINE": "two"}}
        )
        wait_until(lambda: configuration(functions, name)["LastUpdateStatus"] == "Successful")
        go.touch()

    value, pid = invocation.result().payload
    assert value == "one"
    assert functions.invoke(name).payload[0] == "two"
    wait_until(lambda: not running(pid))


def test_deleting_a_function_ends_its_processes(functions: Functions) -> None:
    name = functions.create("import os\nhandler = lambda event, context: os.getpid()")
    pid = functions.invoke(name).payload

    functions.aws.lambda_.delete_function(FunctionName=name)

    wait_until(lambda: not running(pid))


def test_another_runtime_than_python_fails_with_the_reason(functions: Functions) -> None:
    name = f"fn-{uuid.uuid4().hex[:10]}"
    functions.aws.lambda_.create_function(
        FunctionName=name, Runtime="nodejs20.x", Handler="index.handler", Role=ROLE, Code={"ZipFile": zipped("")}
    )

    wait_until(lambda: configuration(functions, name)["State"] != "Pending")

    assert configuration(functions, name)["State"] == "Failed"
    assert "zipped Python functions" in configuration(functions, name)["StateReason"]


def test_an_undeclared_interpreter_stands_in_and_the_log_says_so(engine: Running, functions: Functions) -> None:
    name = functions.create(
        "import sys\nhandler = lambda event, context: list(sys.version_info[:2])", Runtime="python3.12"
    )

    assert functions.invoke(name).payload == [3, 11]
    assert "functions of runtime python3.12 run on python3.11" in "\n".join(lifecycle.logs(engine.port))


def test_a_warm_invocation_is_much_faster_than_a_cold_one(functions: Functions) -> None:
    """No Nagle stall (40 ms each) and no new process: otherwise the two would be alike."""
    name = functions.create("handler = lambda event, context: event")
    cold_ms = float(functions.invoke(name, 1).log.split("Init Duration: ")[1].split()[0])

    warm_ms = [float(functions.invoke(name, 1).log.split("\tDuration: ")[1].split()[0]) for _ in range(20)]

    assert statistics.median(warm_ms) < cold_ms / 4


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_function_outlives_localstack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals) -> None:
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path))
    engine = lifecycle.start("localstack", find_free_port())
    try:
        functions = Functions(open_endpoint(engine.endpoint_url))
        source = """
            import os, subprocess, time
            def handler(event, context):
                child = subprocess.Popen(["sleep", "600"])
                open(event, "w").write(f"{os.getpid()} {child.pid} ")
                time.sleep(600 if "busy" in event else 0)
        """
        idle, busy = functions.create(source), functions.create(source, Timeout=600)
        functions.invoke(idle, str(tmp_path / "idle"))
        functions.aws.lambda_.invoke(
            FunctionName=busy, InvocationType="Event", Payload=json.dumps(str(tmp_path / "busy"))
        )
        notes = [tmp_path / "idle", tmp_path / "busy"]
        wait_until(lambda: all(note.exists() and note.read_text().count(" ") == 2 for note in notes))
        pids = [int(pid) for note in notes for pid in note.read_text().split()]
        assert all(map(running, pids))

        assert engine.pid
        os.kill(engine.pid, how)

        wait_until(lambda: not any(map(running, pids)), seconds=60)
    finally:
        lifecycle.stop(engine.port)
