"""The flow's throughput on embedded LocalStack at batch size 10: stockpipe's poll settings against LocalStack's own.

Both engines run in this process's time, one after the other, on the same real data. The figure is ticks per second from
the first send to the last stored record.
"""

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

import bootstrap
from bootstrap.settings import Settings
from emulator import lifecycle
from emulator.engine import Options
from operations.reconcile import Reconciliation, reconcile
from producer.production import Production, replayed
from producer.replay import find
from profiles.environment import Environment
from profiles.names import Names
from profiles.pipeline import load
from profiles.session import open_endpoint
from terminal import console

# What LocalStack does unless told otherwise: https://docs.localstack.cloud/aws/capabilities/config/configuration/
LOCALSTACKS_OWN = {
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "1",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "10",
}
WAIT_SECONDS = 600.0


@dataclass(frozen=True)
class Measurement:
    """Ticks per second, and the proof that they all arrived."""

    label: str
    ticks: int
    seconds: float
    proof: Reconciliation

    @property
    def rate(self) -> float:
        """Ticks per second from the first send to the last stored record."""
        return self.ticks / self.seconds


def measure(label: str, ticks: int, extra_environment: dict[str, str]) -> Measurement:
    """Run the flow of `ticks` ticks on an engine of its own, and take it down again."""
    port = _free_port()
    running = lifecycle.start("localstack", port, Options(extra_environment=extra_environment))
    try:
        aws, pipeline = open_endpoint(running.endpoint_url), load()
        environment = Environment(pipeline, aws, Names(pipeline.names, aws.account))
        bootstrap.up(environment, Settings(pipeline.settings()))
        replay = find("daily-closes", pipeline)
        with TemporaryDirectory() as folder:
            # The first ticks wake the function and the mapping; they aren't measured.
            warm = Production(environment, replayed(replay, count=10), manifest=Path(folder) / "warm.jsonl")
            warm.run()
            reconcile(environment, [warm.manifest], wait_seconds=WAIT_SECONDS)
            production = Production(
                environment, replayed(replay, count=10 + ticks), manifest=Path(folder) / "flow.jsonl"
            )
            began = time.monotonic()
            production.run()
            proof = reconcile(environment, [production.manifest], wait_seconds=WAIT_SECONDS)
            return Measurement(label, ticks, time.monotonic() - began, proof)
    finally:
        lifecycle.stop(port)


def main() -> None:
    """Measure both and print the ratio."""
    own = measure("LocalStack's own poll settings", 200, LOCALSTACKS_OWN)
    ours = measure("stockpipe's poll settings", 2000, {})
    table = Table(title="Flow on embedded LocalStack, batch size 10", title_justify="left")
    for column in ("settings", "ticks", "seconds", "ticks/s"):
        table.add_column(column, justify="left" if column == "settings" else "right")
    for each in (own, ours):
        table.add_row(each.label, f"{each.ticks:,}", f"{each.seconds:.1f}", f"{each.rate:.1f}")
    console.print(table)
    console.print(f"ratio: {ours.rate / own.rate:.1f} times")
    for each in (own, ours):
        console.print(f"{each.label}: {each.proof.line}", soft_wrap=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
