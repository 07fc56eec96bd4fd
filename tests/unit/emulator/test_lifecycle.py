"""The life of an engine, with a small one in the place of the real ones: a real process that answers as ministack."""

import dataclasses
import http.server
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from emulator import embedded, engines, interpreters, lifecycle, loopback, processes, state
from emulator.compose import COMPOSE, ComposeEngine
from emulator.embedded import EmbeddedEngine
from emulator.engine import Engine, Identity, Observer, Options, Running
from emulator.identity import identify
from emulator.interpreters import Interpreter
from emulator.localstack.engine import LOCALSTACK
from emulator.ministack.engine import MINISTACK
from profiles.errors import CannotRunError
from tests.support.command_line import stockpipe
from tests.support.small_engine import ANSWERS, small_engine
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("small_engines")

DIES = "print('reading settings'); print('FATAL: no such service'); raise SystemExit(7)"
HANGS = "import time; print('thinking', flush=True); time.sleep(300)"


def use(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(engines, "ENGINES", {"ministack": small_engine(script), "localstack": LOCALSTACK})


def nothing_is_left(port: int) -> bool:
    return state.load(port) is None and not state.private_folder(port).exists()


def test_start_status_logs_stop(free_port: int) -> None:
    running = lifecycle.start("ministack", free_port)
    assert not running.already_running
    assert identify(running.endpoint_url) == Identity("ministack", "9.9")
    assert [(entry.port, entry.state, entry.pid) for entry in lifecycle.status()] == [
        (free_port, "running", running.pid)
    ]
    assert next(lifecycle.logs(free_port)) == "serving"
    assert lifecycle.stop(free_port)
    assert running.pid
    assert not psutil.pid_exists(running.pid)
    assert nothing_is_left(free_port)
    assert lifecycle.status() == []
    assert next(lifecycle.logs(free_port)) == "serving", "the log stays"
    assert not lifecycle.stop(free_port), "there is nothing to stop twice"


def test_starting_what_already_runs_is_success(free_port: int) -> None:
    first = lifecycle.start("ministack", free_port)
    assert lifecycle.start("ministack", free_port) == dataclasses.replace(first, already_running=True)


def test_one_that_is_too_busy_to_answer_is_waited_for_and_keeps_its_data(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lifecycle.start("ministack", free_port)
    identify_now = engines.ENGINES["ministack"].identify
    silences = iter([None, None, None])
    monkeypatch.setattr(EmbeddedEngine, "identify", lambda _, url, *_t: next(silences, identify_now(url)))
    said: list[str] = []
    again = lifecycle.start("ministack", free_port, observer=said.append)
    assert again == dataclasses.replace(first, already_running=True)
    assert [line for line in said if line.endswith("is busy: waiting for its answer")] == said


def test_starting_it_with_other_settings_is_refused(free_port: int) -> None:
    lifecycle.start("ministack", free_port)
    with pytest.raises(CannotRunError, match=r"our own ministack 1\.5\.33 with other settings .*emulator stop --port"):
        lifecycle.start("ministack", free_port, Options(enforce_iam=True))
    with pytest.raises(CannotRunError, match=r"our own ministack 1\.5\.33 \(pid"):
        lifecycle.start("localstack", free_port)


def test_the_engine_gets_nothing_of_the_users_environment(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "HTTPS_PROXY", "PYTHONPATH", "MY_TOKEN"):
        monkeypatch.setenv(name, "the user's")
    lifecycle.start("ministack", free_port, Options(extra_environment={"AUTH": "overridden"}))
    folder = state.private_folder(free_port)
    environ = json.loads((folder / "environment.json").read_text())
    assert "the user's" not in environ.values()
    assert not [name for name in environ if name.startswith("AWS_")]
    assert Path(environ["HOME"]).is_relative_to(folder)
    assert Path(environ["TMPDIR"]).is_relative_to(folder)
    assert environ["GATEWAY_PORT"] == str(free_port)
    assert environ["AUTH"] == "overridden"


def test_an_engine_that_dies_while_starting_is_one_line_and_the_end_of_its_log(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, DIES)
    with pytest.raises(CannotRunError) as error:
        lifecycle.start("ministack", free_port)
    lines = str(error.value).splitlines()
    assert lines[0].startswith("ministack 1.5.33 ended with exit code 7 while starting. The end of its log (")
    assert [line.strip() for line in lines[1:]] == ["reading settings", "FATAL: no such service"]
    assert nothing_is_left(free_port)


def test_an_engine_that_never_answers_is_given_up_and_ended(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, HANGS)
    monkeypatch.setattr(embedded, "_READY_SECONDS", 1.0)
    started: list[psutil.Process] = []
    start_detached = processes.start_detached

    def remember(*arguments: Any) -> psutil.Process:
        started.append(start_detached(*arguments))
        return started[0]

    monkeypatch.setattr(processes, "start_detached", remember)
    with pytest.raises(CannotRunError, match=r"did not answer within 1 s.*\nthinking"):
        lifecycle.start("ministack", free_port)
    assert not started[0].is_running()
    assert nothing_is_left(free_port)


def test_ctrl_c_while_starting_leaves_nothing(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_engine: Engine, _url: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(EmbeddedEngine, "identify", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.start("ministack", free_port)
    assert nothing_is_left(free_port)


def test_a_record_of_an_engine_that_was_killed_is_cleaned_up(free_port: int) -> None:
    killed = lifecycle.start("ministack", free_port)
    assert killed.pid
    os.kill(killed.pid, signal.SIGKILL)
    wait_until(lambda: lifecycle.status(free_port)[0].state == "gone")
    said: list[str] = []
    again = lifecycle.start("ministack", free_port, observer=said.append)
    assert again.pid != killed.pid
    assert not again.already_running
    assert any("had ended without being stopped" in line for line in said)


def test_a_port_that_something_else_uses(free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        with pytest.raises(CannotRunError, match=rf"port {free_port} can't be used .*another --port"):
            lifecycle.start("ministack", free_port)
    assert nothing_is_left(free_port)


@pytest.fixture
def foreign(free_port: int) -> Iterator[int]:
    """LocalStack as somebody else may have started it, for example in a container."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/_localstack/health" else 404)
            self.end_headers()
            self.wfile.write(b'{"services": {"sqs": "running"}, "edition": "community", "version": "4.14.0"}')

        def log_message(self, *_arguments: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", free_port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield free_port
        server.shutdown()


def test_a_port_where_another_emulator_answers_names_it(foreign: int) -> None:
    with pytest.raises(CannotRunError, match=r"localstack 4\.14\.0 answers there, not started by stockpipe"):
        lifecycle.start("ministack", foreign)
    assert [(entry.state, entry.engine, entry.version) for entry in lifecycle.status(foreign)] == [
        ("foreign", "localstack", "4.14.0")
    ]
    assert not lifecycle.stop(foreign), "what isn't ours is left alone"


def test_nobody_is_identified_where_nothing_listens(free_port: int) -> None:
    assert identify(f"http://127.0.0.1:{free_port}") is None
    assert lifecycle.status(free_port) == []


def test_localstack_without_a_python_3_13_says_what_to_install(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(version: str, **_options: object) -> Interpreter | None:
        return None

    monkeypatch.setattr(interpreters, "find", find)
    reason = lifecycle.available("localstack")
    assert reason is not None
    assert "\n" not in reason
    assert "uv python install 3.13" in reason
    assert "--engine ministack" in reason
    with pytest.raises(CannotRunError) as error:
        lifecycle.start("localstack", free_port)
    assert str(error.value) == reason
    assert lifecycle.available("ministack") is None


def test_without_lambdas_own_python_another_is_used_and_said(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "find", lambda _version, **_options: None)
    said: list[str] = []
    lifecycle.start("ministack", free_port, observer=said.append)
    assert [line for line in said if line.startswith("warning: no Python 3.11 for ministack")]


def test_what_an_engine_cannot_do_is_refused_before_anything_starts(free_port: int) -> None:
    with pytest.raises(CannotRunError, match=r"LocalStack 4\.14\.0 never enforces IAM: use --engine ministack"):
        lifecycle.start("localstack", free_port, Options(enforce_iam=True))
    with pytest.raises(CannotRunError, match="without TLS"):
        lifecycle.start("localstack", free_port, Options(tls=True))
    with pytest.raises(CannotRunError, match="there is no engine 'floci'; there are: ministack, localstack"):
        lifecycle.start("floci", free_port)


def test_following_a_log_goes_on_until_the_engine_ends(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.start("ministack", free_port)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        with state.log_path(free_port).open("a") as log:
            log.write(f"line {len(waits)}\n")
        if len(waits) == 2:
            lifecycle.stop(free_port)

    monkeypatch.setattr(embedded, "time", SimpleNamespace(sleep=wait))
    lines = [line for line in lifecycle.logs(free_port, follow=True) if line.startswith(("serving", "line"))]
    assert lines == ["serving", "line 1", "line 2"]


def test_the_log_of_a_port_that_was_never_used(free_port: int) -> None:
    with pytest.raises(CannotRunError, match="no engine was started on port"):
        list(lifecycle.logs(free_port))


def test_a_port_that_is_taken_on_ipv6_only_is_taken_too(free_port: int) -> None:
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", free_port))
        other.listen()
        with pytest.raises(CannotRunError, match=rf"port {free_port} can't be used \(somebody listens there\)"):
            lifecycle.start("ministack", free_port)
    assert lifecycle.start("ministack", free_port).port == free_port


@pytest.mark.parametrize(
    ("engine", "options", "refusal"),
    [
        ("ministack", Options(function_limits=False), "ministack 1.5.33 sets functions no limits: use --engine"),
        ("compose", Options(enforce_iam=True), "LocalStack in a container 4.14.0 never enforces IAM: use --engine"),
        ("compose", Options(extra_environment={"DEBUG": "1"}), "takes no further variables: use --engine localstack"),
    ],
)
def test_an_option_that_an_engine_lacks_is_refused_with_the_engines_that_have_it(
    engine: str, options: Options, refusal: str, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "ENGINES", {one.name: one for one in (LOCALSTACK, MINISTACK, COMPOSE)})
    with pytest.raises(CannotRunError, match=re.escape(refusal)):
        lifecycle.start(engine, free_port, options)


def test_a_port_that_another_engine_of_ours_uses_is_not_called_foreign(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container, say, where a process runs already."""

    class Elsewhere(ComposeEngine):
        def start(self, port: int, options: Options, observer: Observer) -> Running:  # noqa: ARG002
            loopback.require_free(port)
            raise AssertionError("the port is free")

    elsewhere = Elsewhere(name="elsewhere", title="Elsewhere", version="1", summary="", capabilities=frozenset())
    monkeypatch.setattr(engines, "ENGINES", {**engines.ENGINES, "elsewhere": elsewhere})
    lifecycle.start("ministack", free_port)
    with pytest.raises(CannotRunError, match=rf"port {free_port} is taken by our own ministack 1\.5\.33\. Stop it"):
        lifecycle.start("elsewhere", free_port)


def test_a_further_engine_is_known_everywhere_once_it_is_registered(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it answers the health path of another one, as those do that imitate LocalStack."""
    script = ANSWERS.replace('self.path == "/_ministack/health"', '"ministack" in self.path or "other" in self.path')
    other = dataclasses.replace(small_engine(script), name="other", title="Other", health_path="/_other/health")
    monkeypatch.setattr(engines, "ENGINES", {**engines.ENGINES, "other": other})

    running = lifecycle.start("other", free_port)

    assert identify(running.endpoint_url) == Identity("other", "9.9")
    assert [(entry.engine, entry.state) for entry in lifecycle.status()] == [("other", "running")]
    assert stockpipe("emulator", "stop", "--port", str(free_port)).exit_code == 0
    assert nothing_is_left(free_port)
