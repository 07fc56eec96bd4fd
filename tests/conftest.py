"""Engines for the tests: real ones, started once per xdist worker, each on a port of its own.

Tests and the processes that they start see nothing of the caller's AWS configuration, settings and state. The cache
folder is the user's: engines are set up once per machine, not once per test run, wherever the user keeps caches.
"""

import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# The second one is for a test that can write what it checks.
_KEPT = {"STOCKPIPE_CACHE_DIR", "STOCKPIPE_WRITE_DOCS"}

# Before any module of the project is imported. Without the files, botocore would read those in the caller's home.
for _name in [name for name in os.environ if name.startswith(("AWS_", "STOCKPIPE_")) and name not in _KEPT]:
    del os.environ[_name]
# pytest imports readline, which gives xdist's workers the size of a terminal that isn't there.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")

from emulator import lifecycle, loopback
from emulator.engine import DEFAULTS, Options, Running
from profiles.session import Aws, open_endpoint

_NOT_RUN = "not run: "
ALLOWED_ORIGIN = "https://app.example"

# A shell starts background jobs with SIGINT ignored, and their children inherit that: the tests that press Ctrl-C in
# a process of theirs would then wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class RunningEngine:
    """A started engine and clients for it."""

    running: Running
    aws: Aws

    @property
    def endpoint_url(self) -> str:
        return self.running.endpoint_url


# Below the ports that Linux and macOS give to outgoing connections: one of those could be taken before it is used.
_PORTS = range(20000, 30000)


def find_free_port() -> int:
    """A port that nothing listens on, chosen at random, so that workers that run at the same time don't meet."""
    while True:
        port = secrets.choice(_PORTS)
        if not any(loopback.why_taken(host, port) for host in loopback.hosts()):
            return port


@pytest.fixture
def free_port() -> int:
    """A port on loopback that nothing listens on."""
    return find_free_port()


@pytest.fixture(scope="session", autouse=True)
def _private_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOCKPIPE_STATE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def localstack(_private_state_folder: Path) -> Iterator[RunningEngine]:
    """LocalStack with our settings, one per xdist worker."""
    yield from _engine("localstack")


@pytest.fixture(scope="session")
def ministack(_private_state_folder: Path) -> Iterator[RunningEngine]:
    """Ministack (IAM not enforced), one per xdist worker."""
    yield from _engine("ministack")


@pytest.fixture(scope="session")
def localstack_with_options(_private_state_folder: Path) -> Iterator[RunningEngine]:
    """LocalStack as `emulator start --cloudformation --allow-origin https://app.example` starts it."""
    yield from _engine("localstack", Options(allowed_origins=(ALLOWED_ORIGIN,), cloudformation=True))


def _engine(name: str, options: Options = DEFAULTS) -> Iterator[RunningEngine]:
    running = lifecycle.start(name, find_free_port(), options)
    yield RunningEngine(running, open_endpoint(running.endpoint_url))
    lifecycle.stop(running.port)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the engine they use; without a Python 3.13 those for LocalStack can't run."""
    for item in items:
        for engine in ("localstack", "ministack"):
            if any(name.startswith(engine) for name in getattr(item, "fixturenames", ())):
                item.add_marker(engine)
    needing = [item for item in items if item.get_closest_marker("localstack")]
    reason = lifecycle.available("localstack") if needing else None
    if reason:
        for item in needing:
            item.add_marker(pytest.mark.skip(reason=f"{_NOT_RUN}{reason}"))


def _not_run(config: pytest.Config) -> dict[str, str]:
    """Tests that could not be run, with the reason. From the reports, because with xdist others have collected."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    reasons = {report.nodeid: str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple)}
    return {nodeid: reason.partition(_NOT_RUN)[2] for nodeid, reason in reasons.items() if _NOT_RUN in reason}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a test that could not be run is a failure."""
    if _in_ci() and exitstatus == pytest.ExitCode.OK and _not_run(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List what could not be run, with the reason."""
    not_run = _not_run(config)
    if not not_run:
        return
    verdict = "a failure in CI" if _in_ci() else "the rest is what was tested"
    terminalreporter.section(f"NOT RUN: {len(not_run)} tests ({verdict})", red=_in_ci(), yellow=True)
    for reason in sorted(set(not_run.values())):
        terminalreporter.line(reason)
        for nodeid in sorted(nodeid for nodeid, why in not_run.items() if why == reason):
            terminalreporter.line(f"  {nodeid}")


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() == "true"
