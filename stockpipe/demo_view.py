"""How the demo looks: live panels in a terminal, plain lines elsewhere, and the closing tables."""

from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.actions import given_fields
from console.model import Model
from console.text import cell, milliseconds
from operations.queues import Depth
from profiles.environment import Environment
from runtime.clock import iso_utc
from runtime.contract import Contract

PLAIN_EVERY_SECONDS = 5.0
_LAST = 8
_WIDE = 110  # columns: from there on, records and alerts have room side by side
_HOPS = 5
_FRAME = 6  # columns around a panel's title
_ALERTS_BELOW = 6  # where they stand under the records, so that both fit a window of 45 lines


@dataclass(frozen=True)
class Moment:
    """One moment of a run: `seconds` of `total_seconds` have passed. `model` has what is new since it began."""

    model: Model
    seconds: float
    total_seconds: float
    sent: int
    failed: int

    @property
    def queue(self) -> Depth:
        """What waits for the function, or is with it."""
        return self.model.queue or Depth()

    @property
    def rates(self) -> tuple[str, str]:
        """How fast records are sent and stored."""
        sent, stored = (f"{self.model.per_second(counter) or 0:.1f}/s" for counter in ("sent", "stored"))
        return sent, stored

    @property
    def latency(self) -> tuple[str, str]:
        """The percentiles p50 and p95 in words."""
        p50, p95, _ = map(milliseconds, self.model.latency_percentiles())
        return f"p50 {p50}", f"p95 {p95}"


def live(environment: Environment, moment: Moment, width: int) -> RenderableType:
    """The live view for a window of `width` columns: progress, one panel per hop, records, and alerts."""
    names, contract = environment.names, environment.contract
    model, queue, (sent_rate, stored_rate) = moment.model, moment.queue, moment.rates
    is_wide = width >= _WIDE
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(ratio=2)
    head.add_column(ratio=1)
    head.add_row(
        Text.assemble(("stockpipe demo ", "bold"), (str(environment.aws.profile.endpoint_url), "dim")),
        ProgressBar(total=moment.total_seconds, completed=min(moment.seconds, moment.total_seconds)),
    )
    hops = Table.grid(expand=True)
    for _ in range(_HOPS):
        hops.add_column(ratio=1)
    titles = (f"SQS {names.queue}", f"S3 {contract.prefix}", f"SNS {names.topic}")
    fit = max(map(len, titles)) + _FRAME <= width // _HOPS
    sqs, s3, sns = titles if fit else ("SQS", "S3", "SNS")
    dead = f"{model.dead.total if model.dead else 0:,} {'dead letters' if is_wide else 'dead'}"
    hops.add_row(
        _hop("producer", f"{moment.sent:,} sent", sent_rate, "white"),
        _hop(sqs, f"{queue.waiting:,} waiting", f"{queue.in_flight:,} in flight", "magenta"),
        _hop("Lambda", *moment.latency, "yellow"),
        _hop(s3, f"{model.stored or 0:,} stored", stored_rate, "green"),
        _hop(sns, f"{len(model.alerts):,} alerts", dead, "red"),
    )
    records = Panel(_records_table(contract, model), title="last records", border_style="green")
    alerts = model.alerts[: -(_LAST if is_wide else _ALERTS_BELOW) - 1 : -1]
    lines = Text("\n".join(alert.subject for alert in alerts)) if alerts else Text("none yet", style="dim")
    told = Panel(lines, title="alerts", border_style="red")
    if not is_wide:
        return Group(head, hops, records, told)
    below = Table.grid(expand=True)
    below.add_column(ratio=3)
    below.add_column(ratio=2)
    below.add_row(records, told)
    return Group(head, hops, below)


def plain(moment: Moment) -> str:
    """The same figures as one line, for logs and pipes."""
    model, queue, (sent_rate, stored_rate) = moment.model, moment.queue, moment.rates
    failed = f", failed {moment.failed:,}" if moment.failed else ""
    return (
        f"{moment.seconds:5.1f} s: sent {moment.sent:,} ({sent_rate}){failed}, "
        f"queued {queue.waiting + queue.in_flight:,}, stored {model.stored or 0:,} ({stored_rate}), "
        f"alerts {len(model.alerts):,}, latency {' '.join(moment.latency)}"
    )


def show_results(console: Console, environment: Environment, model: Model) -> None:
    """The alerts and the last records, when the run has ended."""
    contract = environment.contract
    title = f"Alerts ({len(model.alerts)}), as a subscriber of {environment.names.topic} gets them"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("subject", no_wrap=True)
    table.add_column("event time", no_wrap=True)
    table.add_column(contract.noun, overflow="fold")  # it is there to be copied: stockpipe trace
    for alert in model.alerts:
        table.add_row(alert.subject, _time(str(alert.fields.get("event_time", ""))), alert.record_id)
    console.print()
    console.print(
        table if model.alerts else f"No {contract.noun} of this run met an alert rule, so there was no alert."
    )
    console.print()
    console.print(_records_table(contract, model, title="The last records in S3"))


def _records_table(contract: Contract[Any], model: Model, title: str | None = None) -> Table:
    """The last stored records, newest first."""
    table = Table(title=title, title_justify="left", expand=title is None, box=None)
    for one in (fields := given_fields(contract)):
        is_group = one.name in contract.record.GROUP
        justify: Literal["left", "right"] = "left" if one.sql_type == "string" else "right"
        table.add_column(one.name, style="bold" if is_group else "", justify=justify, no_wrap=True)
    table.add_column("event time", no_wrap=True)
    table.add_column("latency", justify="right", no_wrap=True)
    for stored in (seen.stored for seen in model.last_records[: -_LAST - 1 : -1]):
        values = [(one.name, cell(getattr(stored.record, one.name))) for one in fields]
        table.add_row(
            *(Text(value, style="red" if stored.alert and name == contract.charted else "") for name, value in values),
            _time(iso_utc(stored.record.event_time)),
            milliseconds(stored.latency_ms),
        )
    return table


def _hop(title: str, first: str, second: str, colour: str) -> Panel:
    text = Text(f"{first}\n{second}", justify="center", no_wrap=True)
    return Panel(text, title=title, border_style=colour, padding=0)


def _time(iso: str) -> str:
    """The time of day of a moment in UTC."""
    return iso[11:-1]
