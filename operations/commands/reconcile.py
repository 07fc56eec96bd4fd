"""`stockpipe reconcile`."""

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status

import terminal
from operations.display import as_document
from operations.reconcile import SAMPLE, Reconciliation, reconcile
from producer import manifest as manifests
from profiles.environment import Environment
from profiles.errors import CannotRunError
from runtime.log_events import log_events
from terminal.untrusted import one_line

app = typer.Typer()

SHOWN = 10
LONGEST_ITEM = 500  # characters
SECONDS_BETWEEN_LINES = 10.0


@app.command(name="reconcile")
def reconcile_command(
    *,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(help="What was produced; may be given several times. Default: this environment's latest run."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs of this environment.")] = False,
    wait: Annotated[
        float,
        typer.Option(help="Stop waiting after this many seconds without progress.", min=0.0, callback=terminal.finite),
    ] = 10.0,
    full: Annotated[
        bool, typer.Option("--full", help=f"Compare the content of all records. Default: {SAMPLE:,} at random.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Compare the same records as the run with this seed.")] = None,
    as_json: terminal.JsonOption = False,
    profile: terminal.ProfileOption = terminal.DEFAULT_PROFILE,
    prefix: terminal.PrefixOption = "",
    bucket: terminal.BucketOption = None,
    pipeline: terminal.PipelineOption = None,
) -> None:
    """Prove that every produced record is stored once and unaltered, or dead-lettered, and that alerts arrived.

    Exit code 1: a record is missing, duplicated, altered or without its alert, or nothing was produced.
    """
    if manifest and every:
        raise CannotRunError("--manifest and --all exclude each other")
    environment = terminal.open_environment(profile, prefix, bucket, pipeline)
    contract = environment.contract
    paths = manifest or _manifests(environment, every=every)
    with terminal.errors.status("comparing …") as status:
        result = reconcile(
            environment,
            paths,
            wait_seconds=wait,
            sample=None if full else SAMPLE,
            seed=seed,
            observer=_Progress(status, time.monotonic),
        )
    if as_json:
        terminal.print_json({**as_document(contract, result), "holds": result.holds, "manifests": paths})
    else:
        _show(result)
    if not result.produced:
        terminal.errors.print(
            f"nothing to prove: SQS accepted no {contract.noun}, {' and '.join(str(path) for path in paths)} "
            f"{'is' if len(paths) == 1 else 'are'} empty",
            markup=False,
            soft_wrap=True,
        )
    if result.missing and result.queued:
        terminal.errors.print(
            f"about {result.queued:,} messages are still in the queue: missing {contract.plural} may be among them. "
            f"Nothing moved for {wait:g} s; look again later or with a longer --wait. "
            f'Is one of them failing? stockpipe logs --filter "{log_events(contract).rejected}"',
            markup=False,
            soft_wrap=True,
        )
    elif result.missing:
        terminal.errors.print(
            "SQS counts no messages in the queue, but its counts may be a minute old: "
            f"run reconcile again before you conclude that a {contract.noun} is lost",
            markup=False,
            soft_wrap=True,
        )
    if not result.holds:
        raise typer.Exit(terminal.EXIT_CHECK_FAILED)


class _Progress:
    """What is waited for: the status line of a terminal; elsewhere a plain line every ten seconds."""

    def __init__(self, status: Status, now: Callable[[], float]) -> None:
        self._status = status
        self._now = now
        self._said = now()

    def __call__(self, text: str) -> None:
        if terminal.errors.is_terminal:
            self._status.update(f"waiting: {text}")
        elif self._now() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = self._now()
            terminal.errors.print(f"waiting: {text}", markup=False, soft_wrap=True)


def _manifests(environment: Environment, *, every: bool) -> list[Path]:
    paths = manifests.all_paths(environment)
    if paths:
        return paths if every else paths[-1:]
    if earlier := manifests.earlier_paths(environment):
        raise CannotRunError(
            "no run has started since this environment was created; the latest manifest belongs to an earlier one. "
            f"Run: stockpipe produce; or compare with: --manifest {shlex.quote(str(earlier[-1]))}"
        )
    raise CannotRunError(
        f"nothing was produced yet: no manifest in {manifests.folder(environment)}; run: stockpipe produce"
    )


def _show(result: Reconciliation) -> None:
    terminal.console.print(result.line, soft_wrap=True, markup=False)
    _list("missing", result.missing)
    _list("duplicated", [f"{each.record_id} in {' and '.join(each.places)}" for each in result.duplicated])
    _list("altered", [f"{each.record_id} in {each.place}: {each.difference}" for each in result.altered])
    _list("without alert", [f"{each.window}: {each.why}" for each in result.unalerted])
    _list("not known", [f"{each.window}: {each.why}" for each in result.unknown_alerts])
    _list("repeated", [f"{each.window}: {each.alerts} alerts" for each in result.repeated_alerts])
    _list("dead-lettered", [f"{each.record_id}: {each.reason}" for each in result.dead_lettered])
    _list("no record", [f"{place}: {what}" for place, what in result.foreign])
    if result.other_dead_letters:
        _list("dead letters", [f"{result.other_dead_letters} more that no manifest of these runs knows"])


def _list(what: str, items: Sequence[str]) -> None:
    for item in items[:SHOWN]:
        terminal.console.print(f"  {what}: {one_line(item, LONGEST_ITEM)}", soft_wrap=True, markup=False)
    if len(items) > SHOWN:
        terminal.console.print(f"  {what}: … and {len(items) - SHOWN} more; all of them: --json")
