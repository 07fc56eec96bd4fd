"""`stockpipe demo`: the whole pipeline, started, played, shown, proven and stopped by one command."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.live import Live
from rich.text import Text

import bootstrap
from analytics import Result, run_query
from analytics.chart import as_chart
from analytics.render import as_table
from analytics.statements import named_queries
from analytics.tables import tables
from bootstrap.render import Progress, summary
from bootstrap.settings import Settings
from emulator import lifecycle
from emulator.cli import progress
from emulator.engines import ENGINES, engine_named
from emulator.identity import identify
from operations.reconcile import reconcile
from producer.production import Production, simulated
from producer.source import simulate
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.session import open_profile
from runtime.clock import to_epoch_ms
from runtime.contract import group_of_values
from stockpipe.demo_view import PLAIN_EVERY_SECONDS, Moment, Rate, live, plain, show_results
from stockpipe.flow import Figures, FlowWatch, Sampler
from terminal import (
    EXIT_CHECK_FAILED,
    PrefixOption,
    ProfileOption,
    console,
    errors,
    finite,
    open_environment,
    stopped_by_signals,
)

app = typer.Typer()

_FRAMES_PER_SECOND = 5
_DRAIN_SECONDS = 20.0  # how long the live view waits for the last records; reconcile waits longer
_RECONCILE_SECONDS = 120.0


_CHARTED_GROUPS = 2
_QUERIES = 2


@dataclass(frozen=True)
class Played:
    """What the run left: the manifest to reconcile, and the last figures, if they could be read."""

    production: Production
    figures: Figures | None


@app.command(rich_help_panel="Start here")
def demo(
    *,
    seconds: Annotated[float, typer.Option(min=1, callback=finite, help="Seconds of simulated records.")] = 30,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, callback=finite, help="Records per second. Default: the simulation's own, 20 ticks."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed simulates the same; default: a new one.")] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            envvar="STOCKPIPE_ENGINE",
            help="Engine to start where none answers: " + " or ".join(ENGINES) + ". Default: localstack, or ministack "
            "where localstack can't be had.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the engine and the resources for you to look at.")
    ] = False,
    profile: ProfileOption = "local",
    prefix: PrefixOption = "",
) -> None:
    """Show the whole pipeline at work: no account, no Docker, no network.

    Starts an emulator if none answers, creates every resource, sends simulated records with live figures, shows the
    alerts and the records, proves that nothing was lost, and stops what it started.
    """
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)  # what was started is stopped then, as it is on Ctrl-C
    with ExitStack() as cleanup:
        started_here = _ensure_engine(profile, engine, cleanup, keep=keep)
        environment = open_environment(profile, prefix)
        settings = Settings(environment.pipeline.settings())
        _step("Creating the resources")
        found = not started_here and any(one.exists for one in bootstrap.status(environment, settings))
        if not (keep or started_here or found):
            cleanup.callback(_take_down, environment, settings)
        with Progress(errors) as shown:
            report = bootstrap.up(environment, settings, shown)
        console.print(f"  {summary(report)}", soft_wrap=True)
        played = _play(environment, seconds, rate, seed, began)
        holds = True
        if played.production.sent:
            holds = _show_proof(environment, played)
        else:
            console.print(f"No {environment.contract.noun} was sent: there is nothing to prove.")
        if keep:
            _say_what_is_left(environment, played)
    if not holds:
        raise typer.Exit(EXIT_CHECK_FAILED)


def _show_proof(environment: Environment, played: Played) -> bool:
    """Show what is stored, and whether it is everything that was sent."""
    if played.figures:
        show_results(console, environment, played.figures)
    _ask_history(environment, played)
    console.print()
    with progress() as observer:
        result = reconcile(
            environment,
            [played.production.manifest],
            wait_seconds=_RECONCILE_SECONDS,
            observer=observer,
        )
    console.print(result.line, style="bold green" if result.holds else "bold red", soft_wrap=True)
    return result.holds


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _ensure_engine(profile: str, wanted: str | None, cleanup: ExitStack, *, keep: bool) -> bool:
    """Make sure that an emulator answers at the profile's endpoint; True if it was started here."""
    endpoint = open_profile(profile).profile.endpoint_url
    if endpoint is None:
        raise CannotRunError(
            f"profile {profile} is AWS, and the demo is for emulators. On AWS use: stockpipe --help, up, produce, down"
        )
    found = identify(endpoint)
    if found:
        console.print(f"[bold]{found}[/] answers at {endpoint}: using it", soft_wrap=True)
        return False
    url = urlsplit(endpoint)
    if url.hostname not in ("localhost", "127.0.0.1") or url.scheme != "http":
        raise CannotRunError(
            f"nothing answers at {endpoint}, and only http on this machine's loopback can be started here"
        )
    name = _choose_engine(wanted)
    _step(f"Starting {engine_named(name).full_title}")
    with progress() as observer:
        running = lifecycle.start(name, url.port or lifecycle.DEFAULT_PORT, observer=observer)
    console.print(f"  ready at {running.endpoint_url}", soft_wrap=True)
    if running.already_running:  # it was too busy to answer when it was asked
        return False
    if not keep:
        cleanup.callback(_stop_engine, running.port)
    return True


def _choose_engine(wanted: str | None) -> str:
    """The engine asked for; without a wish LocalStack, or ministack where LocalStack can't be had."""
    if wanted:
        return engine_named(wanted).name
    with progress() as observer:
        reason = lifecycle.available(lifecycle.DEFAULT_ENGINE, observer=observer)
    if reason is None:
        return lifecycle.DEFAULT_ENGINE
    console.print(f"[yellow]note:[/] {reason}", soft_wrap=True)
    console.print("  so this demo runs on ministack", soft_wrap=True)
    return "ministack"


def _play(environment: Environment, seconds: float, rate: float | None, seed: int | None, began: float) -> Played:
    """Send simulated records for `seconds`, and show what comes of it; Ctrl-C ends that early."""
    start = datetime.now(UTC)
    seed = seed if seed is not None else int(start.timestamp())
    simulation = simulate(environment.pipeline, seed=seed, start=start, rate=rate)
    production = Production(environment, simulated(simulation, count=round(seconds * simulation.rate)))
    watch = FlowWatch(environment, simulation.run, to_epoch_ms(start), simulation.groups)
    contract = environment.contract
    sent_rate, stored_rate = Rate(), Rate()
    first_stored: float | None = None
    opened = time.monotonic()
    with (
        stopped_by_signals(production.stop),
        ThreadPoolExecutor(1, "producer") as pool,
        Sampler(watch) as sampler,
        _display(environment) as show,
    ):
        _step(f"Simulated {contract.plural} for {seconds:g} s, seed {simulation.seed} (Ctrl-C ends it early)")
        run = pool.submit(production.run)
        closing = opened + seconds + _DRAIN_SECONDS
        # It goes on until what was sent is stored, so that the last figures shown are final ones.
        while not run.done() or (
            sampler.figures.stored < production.sent and not sampler.error and time.monotonic() < closing
        ):
            time.sleep(1 / _FRAMES_PER_SECOND)
            figures = sampler.figures
            now = time.monotonic()
            if figures.stored and first_stored is None:
                first_stored = now - began
            show(
                Moment(
                    seconds=now - opened,
                    total_seconds=seconds,
                    sent=production.sent,
                    failed=production.failed,
                    sent_rate=sent_rate.at(now, production.sent),
                    stored_rate=stored_rate.at(now, figures.stored),
                    figures=figures,
                )
            )
        run.result()
    if first_stored is not None:
        console.print(
            f"  the first {contract.noun} was stored {first_stored:.1f} s after the command began", style="dim"
        )
    if sampler.error:
        errors.print(f"the figures stop here, they could not be read: {sampler.error}", soft_wrap=True, markup=False)
    return Played(production, None if sampler.error else sampler.figures)


def _ask_history(environment: Environment, played: Played) -> None:
    """Some named queries and a chart, by the offline engine: emulators' Athenas differ, or are missing."""
    contract = environment.contract
    known = list(named_queries(environment.pipeline))
    shown = ([name for name in known if contract.charted in name] or known)[:_QUERIES]
    _step(f"The same records in SQL: {', '.join(f'stockpipe query {name}' for name in shown)}")
    for name in shown:
        console.print(as_table(_offline(environment, name)))
    sql = _chart_sql(environment, played)
    values = _offline(environment, sql) if sql else None
    if values and len(values.rows) > 1:
        width = min(console.width, 100)
        drawn = as_chart(values, group=contract.record.GROUP, width=width, height=14, colour=console.is_terminal)
        console.print(Text.from_ansi(drawn), soft_wrap=True)


def _chart_sql(environment: Environment, played: Played) -> str | None:
    """The charted field of some groups by second, those with alerts first; None without a table that has both."""
    contract, figures = environment.contract, played.figures or Figures()
    needed = {"event_time", contract.charted, *contract.record.GROUP}
    found = (table for table in tables(environment).values() if needed <= dict(table.all_columns).keys())
    alerted = (group_of_values(contract.record, alert.fields) for alert in figures.alerts)
    groups = [group for group in dict.fromkeys((*alerted, *(one.record.group for one in figures.records))) if group]
    table = next(found, None)
    if table is None or not groups:
        return None
    columns = ", ".join(contract.record.GROUP)
    whole = " || '/' || ".join(contract.record.GROUP)
    values = ", ".join("'" + group.replace("'", "''") + "'" for group in groups[:_CHARTED_GROUPS])
    return (  # the values come from records that the contract has accepted
        f"SELECT {columns}, substr(event_time, 12, 8) AS event_time, "  # noqa: S608
        f"AVG({contract.charted}) AS {contract.charted} "
        f"FROM {environment.names.database}.{table.name} WHERE {whole} IN ({values}) "
        f"GROUP BY {columns}, substr(event_time, 12, 8) ORDER BY event_time, {columns}"
    )


def _offline(environment: Environment, asked: str) -> Result:
    return run_query(environment, asked, "duckdb")


@contextmanager
def _display(environment: Environment) -> Iterator[Callable[[Moment], None]]:
    """A live view where a person looks at a terminal; elsewhere a plain line now and then."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as view:
            yield lambda moment: view.update(live(environment, moment, console.width), refresh=True)
        return
    printed = 0.0

    def print_now_and_then(moment: Moment) -> None:
        nonlocal printed
        if moment.seconds - printed >= PLAIN_EVERY_SECONDS:
            printed = moment.seconds
            console.print(f"  {plain(moment)}", soft_wrap=True)

    yield print_now_and_then


def _step(text: str) -> None:
    console.print(f"[bold cyan]▸[/] {text}", soft_wrap=True)


def _stop_engine(port: int) -> None:
    try:
        with progress() as observer:
            lifecycle.stop(port, observer)  # returns when it has made sure that nothing is left
    except KeyboardInterrupt:
        console.print(f"The engine may still run. Stop it with: stockpipe emulator stop --port {port}", soft_wrap=True)
        raise
    console.print("Stopped the engine: nothing is left running.")


def _take_down(environment: Environment, settings: Settings) -> None:
    with Progress(errors) as shown:
        bootstrap.down(environment, settings, shown)
    console.print("Removed the resources that the demo created; the engine goes on.")


def _say_what_is_left(environment: Environment, played: Played) -> None:
    endpoint = environment.aws.profile.endpoint_url
    console.print(
        f"\nLeft for you at {endpoint}: look around with awslocal or aws --endpoint-url {endpoint}, send more with "
        f"stockpipe produce, remove the resources with stockpipe down, stop the engine with stockpipe emulator stop.\n"
        f"Manifest of this run: {played.production.manifest}",
        soft_wrap=True,
    )
