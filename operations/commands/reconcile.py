"""`stockpipe reconcile`."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from operations import reconcile as proof
from operations.display import as_document
from operations.reconcile import Reconciliation
from producer import manifest as manifests
from profiles.environment import Environment
from profiles.errors import CannotRunError
from runtime.log_events import log_events
from terminal import note, print_json, progress, say
from terminal.commands import Json, number
from terminal.environment import HERE, Where
from terminal.untrusted import one_line

SHOWN = 10
LONGEST_ITEM = 500  # characters
SECONDS_BETWEEN_LINES = 10.0


def reconcile(
    *,
    where: Where = HERE,
    manifest: list[Path] | None = None,
    every: Annotated[bool, Parameter(name="--all")] = False,
    wait: Annotated[float, number(least=0)] = 10.0,
    full: Annotated[
        bool, Parameter(help=f"Compare all records' content. Default: {proof.SAMPLE:,} at random.")
    ] = False,
    seed: Annotated[int | None, number()] = None,
    as_json: Json = False,
) -> bool:
    """Prove that every produced record is stored once and unaltered, or dead-lettered, and that alerts arrived.

    Exit code 1: a record is missing, duplicated, altered or without its alert, or nothing was produced.

    Args:
        manifest: What was produced; may be given several times. Default: this environment's latest run.
        every: All runs of this environment.
        wait: Stop waiting after this many seconds without progress.
        seed: Compare the same records as the run with this seed.
    """
    if manifest and every:
        raise CannotRunError("--manifest and --all exclude each other")
    environment = where.open()
    contract = environment.contract
    paths = manifest or _manifests(environment, every=every)
    with progress("comparing …", every=SECONDS_BETWEEN_LINES) as observe:
        result = proof.reconcile(
            environment,
            paths,
            wait_seconds=wait,
            sample=None if full else proof.SAMPLE,
            seed=seed,
            observer=lambda text: observe(f"waiting: {text}"),
        )
    if as_json:
        print_json({**as_document(contract, result), "holds": result.holds, "manifests": paths})
    else:
        _show(result)
    if not result.produced:
        note(
            f"nothing to prove: SQS accepted no {contract.noun}, {' and '.join(str(path) for path in paths)} "
            f"{'is' if len(paths) == 1 else 'are'} empty"
        )
    if result.missing and result.queued:
        note(
            f"about {result.queued:,} messages are still in the queue: missing {contract.plural} may be among them. "
            f"Nothing moved for {wait:g} s; look again later or with a longer --wait. "
            f'Is one of them failing? stockpipe logs --filter "{log_events(contract).rejected}"'
        )
    elif result.missing:
        note(
            "SQS counts no messages in the queue, but its counts may be a minute old: "
            f"run reconcile again before you conclude that a {contract.noun} is lost"
        )
    return result.holds


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
    say(result.line)
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
        say(f"  {what}: {one_line(item, LONGEST_ITEM)}")
    if len(items) > SHOWN:
        say(f"  {what}: … and {len(items) - SHOWN} more; all of them: --json")
