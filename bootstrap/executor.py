"""Carrying out a plan. Each action goes through the states waiting → running → done | failed | raced | skipped.

An action runs when all actions in its `after` are done; independent ones run at once. If one fails, those that need it
are skipped and the others go on. An action without steps is done at once.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from graphlib import TopologicalSorter

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.model import Action, Plan
from bootstrap.runner import RacedError, Runner
from profiles.errors import CannotRunError
from profiles.session import Aws
from runtime.clock import Clock

WORKERS = 16
NOTE_SECONDS = 5.0


class State(StrEnum):
    """Where an action is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    RACED = "raced"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Event:
    """An action has reached a state; `seconds` is how long it took, `error` is why it failed.

    A long-running action is reported repeatedly, with its progress in `note`.
    """

    action: Action
    state: State
    seconds: float = 0.0
    error: str = ""
    note: str = ""


Observer = Callable[[Event], None]


def execute(aws: Aws, plan: Plan, observer: Observer, clock: Clock) -> tuple[Event, ...]:
    """Carry out the plan; the last event of each action. The observer is called from this thread only."""
    runner = Runner(aws, plan.outputs, clock)
    actions = {action.resource: action for action in plan.actions}
    order = TopologicalSorter(
        {name: [one for one in action.after if one in actions] for name, action in actions.items()}
    )
    order.prepare()
    ended: dict[str, Event] = {}
    running: dict[Future[Event], Action] = {}

    def end(event: Event) -> None:
        ended[event.action.resource] = event
        order.done(event.action.resource)
        observer(event)

    with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="bootstrap") as pool:
        try:
            while order.is_active():
                while ready := order.get_ready():  # what ends at once makes others ready
                    for action in map(actions.__getitem__, ready):
                        if blocked := _blocker(action, ended):
                            end(Event(action, State.SKIPPED, error=f"{blocked} did not succeed"))
                        elif not action.steps:
                            end(Event(action, State.DONE))
                        else:
                            observer(Event(action, State.RUNNING))
                            running[pool.submit(_run, runner, action)] = action
                finished, _ = wait(running, timeout=NOTE_SECONDS, return_when=FIRST_COMPLETED)
                for future in finished:
                    end(future.result())
                    del running[future]
                for action in running.values() if not finished else ():
                    if note := runner.notes.pop(action.resource, ""):
                        observer(Event(action, State.RUNNING, note=note))
        except BaseException:
            runner.stop()  # Ctrl-C: the calls under way end, no further one is made
            raise
    return tuple(ended.values())


def _blocker(action: Action, ended: dict[str, Event]) -> str | None:
    return next((other for other in action.after if other in ended and ended[other].state is not State.DONE), None)


def _run(runner: Runner, action: Action) -> Event:
    started = time.monotonic()
    state, text = State.DONE, ""
    try:
        for step in action.steps:
            runner.run(action.resource, step)
    except RacedError as error:
        state, text = State.RACED, str(error)
    except (CannotRunError, ClientError, BotoCoreError) as error:
        state, text = State.FAILED, " ".join(str(error).split())  # botocore breaks some of its texts into lines
    return Event(action, state, time.monotonic() - started, text)
