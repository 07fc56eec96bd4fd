"""How the demo looks: live panels in a terminal, plain lines elsewhere, and the closing tables."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.actions import given_fields
from console.text import cell
from operations.alerts import Alert
from profiles.environment import Environment
from runtime.clock import iso_utc
from runtime.contract import Contract, Stored
from stockpipe.flow import LAST_RECORDS, Figures

_RATE_WINDOW_SECONDS = 5.0
PLAIN_EVERY_SECONDS = 5.0
_WIDE = 110  # columns: from there on, records and alerts have room side by side
_HOPS = 5
_FRAME = 6  # columns around a panel's title
_ALERTS_BELOW = 6  # where they stand under the records, so that both fit a window of 45 lines


class Rate:
    """How fast a counter has grown lately, per second."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def at(self, seconds: float, count: int) -> float:
        """Note the counter's value at a moment, and return its growth over the last seconds."""
        self._samples.append((seconds, count))
        while len(self._samples) > 2 and seconds - self._samples[0][0] > _RATE_WINDOW_SECONDS:
            self._samples.popleft()
        began, first = self._samples[0]
        return (count - first) / (seconds - began) if seconds > began else 0.0


@dataclass(frozen=True)
class Moment:
    """What is shown at one moment. `seconds` since the first record of `total_seconds`; rates per second."""

    seconds: float
    total_seconds: float
    sent: int
    failed: int
    sent_rate: float
    stored_rate: float
    figures: Figures


def live(environment: Environment, moment: Moment, width: int) -> RenderableType:
    """The live view for a window of `width` columns: progress, one panel per hop, records, and alerts."""
    figures, names, contract = moment.figures, environment.names, environment.contract
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
    dead = f"{figures.dead_letters:,} dead letters" if is_wide else f"{figures.dead_letters:,} dead"
    hops.add_row(
        _hop("producer", f"{moment.sent:,} sent", f"{moment.sent_rate:.1f}/s", "white"),
        _hop(sqs, f"{figures.queued:,} waiting", f"{figures.in_flight:,} in flight", "magenta"),
        _hop("Lambda", f"p50 {_ms(figures.latency_p50)}", f"p95 {_ms(figures.latency_p95)}", "yellow"),
        _hop(s3, f"{figures.stored:,} stored", f"{moment.stored_rate:.1f}/s", "green"),
        _hop(sns, f"{len(figures.alerts):,} alerts", dead, "red"),
    )
    records = Panel(records_table(contract, figures.records), title="last records", border_style="green")
    if not is_wide:
        return Group(head, hops, records, _alerts_panel(figures.alerts[-_ALERTS_BELOW:]))
    below = Table.grid(expand=True)
    below.add_column(ratio=3)
    below.add_column(ratio=2)
    below.add_row(records, _alerts_panel(figures.alerts[-LAST_RECORDS:]))
    return Group(head, hops, below)


def plain(moment: Moment) -> str:
    """The same figures as one line, for logs and pipes."""
    figures = moment.figures
    failed = f", failed {moment.failed:,}" if moment.failed else ""
    return (
        f"{moment.seconds:5.1f} s: sent {moment.sent:,} ({moment.sent_rate:.1f}/s){failed}, "
        f"queued {figures.queued + figures.in_flight:,}, stored {figures.stored:,} ({moment.stored_rate:.1f}/s), "
        f"alerts {len(figures.alerts):,}, latency p50 {_ms(figures.latency_p50)} p95 {_ms(figures.latency_p95)}"
    )


def show_results(console: Console, environment: Environment, figures: Figures) -> None:
    """The alerts and the last records, when the run has ended."""
    contract = environment.contract
    console.print()
    alerts = Table(
        title=f"Alerts ({len(figures.alerts)}), as a subscriber of {environment.names.topic} gets them",
        title_justify="left",
        box=None,
    )
    alerts.add_column("subject", no_wrap=True)
    alerts.add_column("event time", no_wrap=True)
    alerts.add_column(contract.noun, overflow="fold")  # it is there to be copied: stockpipe trace
    for alert in figures.alerts:
        alerts.add_row(alert.subject, _time(str(alert.fields.get("event_time", ""))), alert.record_id)
    if figures.alerts:
        console.print(alerts)
    else:
        console.print(f"No {contract.noun} of this run met an alert rule, so there was no alert.")
    console.print()
    console.print(records_table(contract, figures.records, title="The last records in S3"))


def records_table(contract: Contract[Any], records: Sequence[Stored[Any]], title: str | None = None) -> Table:
    """Stored records, newest first."""
    table = Table(title=title, title_justify="left", expand=title is None, box=None)
    for one in (fields := given_fields(contract)):
        is_group = one.name in contract.record.GROUP
        justify: Literal["left", "right"] = "left" if one.sql_type == "string" else "right"
        table.add_column(one.name, style="bold" if is_group else "", justify=justify, no_wrap=True)
    table.add_column("event time", no_wrap=True)
    table.add_column("latency", justify="right", no_wrap=True)
    for stored in records:
        values = [(one.name, cell(getattr(stored.record, one.name))) for one in fields]
        table.add_row(
            *(Text(value, style="red" if stored.alert and name == contract.charted else "") for name, value in values),
            _time(iso_utc(stored.record.event_time)),
            f"{stored.latency_ms:,} ms",
        )
    return table


def _alerts_panel(alerts: Sequence[Alert]) -> Panel:
    return Panel(_alert_lines(alerts), title="alerts", border_style="red")


def _alert_lines(alerts: Sequence[Alert]) -> RenderableType:
    if not alerts:
        return Text("none yet", style="dim")
    return Text("\n".join(alert.subject for alert in reversed(alerts)))


def _hop(title: str, first: str, second: str, colour: str) -> Panel:
    return Panel(
        Text(f"{first}\n{second}", justify="center", no_wrap=True), title=title, border_style=colour, padding=0
    )


def _time(iso: str) -> str:
    """The time of day of a moment in UTC."""
    return iso[11:-1]


def _ms(latency: float | None) -> str:
    return "-" if latency is None else f"{latency:,.0f} ms"
