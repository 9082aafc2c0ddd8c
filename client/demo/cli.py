"""The command line of the demonstration, and the order of its phases."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console

from client.arguments import target as checked_target
from client.client import RecommenderClient
from client.demo.check import check
from client.demo.failures import FAILED, USER_ERROR, DemoError
from client.demo.holdout import Holdout, read_holdout
from client.demo.index import INDEXES, wait_for_index
from client.demo.phases import Phases
from client.demo.prepare import prepare
from client.demo.release import active_release, holdout_path
from client.demo.signals import unwind_on_signals
from client.demo.stack import embedded_stack
from client.demo.story import collect
from client.demo.tables import show_check, show_story
from client.errors import (
    DeadlineExceededError,
    RecommenderError,
    UnavailableError,
    UnimplementedError,
)

CALL_TIMEOUT_S: Final = 20.0
"""Generous: the first call of a fresh model server is its slowest."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; argparse ends the process with status 2 when they contradict each other."""
    parser = argparse.ArgumentParser(
        prog="python -m client.demo",
        description="What recserve recommends to one user, and how good that is. Without --target "
        "it starts a model server and a gateway of its own and stops them afterwards.",
    )
    option = parser.add_argument
    option("--target", type=_target, metavar="HOST:PORT", help="ask this gateway")
    option("--user", default="42", metavar="ID", help="whose movies (42)")
    option("--holdout", type=Path, metavar="FILE", help="held-out ratings (the release's own)")
    option("--models-dir", type=Path, metavar="DIR", help="releases (serving/models)")
    option(
        "--prepare", action="store_true", help="get MovieLens-100k, train and publish if need be"
    )
    option("--data-dir", type=Path, metavar="DIR", help="a folder or zip with MovieLens-100k")
    option(
        "--index",
        choices=INDEXES,
        help="index to train with (auto); scann also shows that it is served",
    )
    option("--check", action="store_true", help="fail unless it beats popularity and is personal")
    options = parser.parse_args(arguments)
    if options.target and (options.prepare or options.models_dir):
        parser.error("--prepare and --models-dir are for the embedded stack, leave --target out")
    for name in ("data_dir", "index"):
        if getattr(options, name) and not options.prepare:
            parser.error(f"--{name.replace('_', '-')} is for training, add --prepare")
    if options.target and options.check and not options.holdout:
        parser.error("--check needs --holdout FILE when --target names the gateway")
    options.index = options.index or INDEXES[0]
    options.models_dir = options.models_dir or Path("serving/models")
    return options


def _target(text: str) -> str:
    try:
        return checked_target("it", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demonstration.

    Returns:
      0 when all is well; 1 when something failed or a check does not hold; 2 when the caller can
      put it right; 128 and the number of the signal that stopped it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title must not fail on an ASCII terminal
    options = parse(arguments)
    console = Console()
    try:
        with unwind_on_signals():
            return _run(options, console)
    except DemoError as error:
        return _fail(str(error), error.exit_code)
    except RecommenderError as error:
        return _fail(*_explain(error, options.target))


def _run(options: argparse.Namespace, console: Console) -> int:
    phases = Phases(console)
    with ExitStack() as resources:
        if options.target:
            target, default_holdout = options.target, None
        else:
            version = _release(options, phases)
            default_holdout = holdout_path(options.models_dir, version)
            target = resources.enter_context(embedded_stack(options.models_dir, phases))
        path = options.holdout or default_holdout
        holdout = read_holdout(path) if path else None
        client = resources.enter_context(RecommenderClient(target, timeout=CALL_TIMEOUT_S))
        problems = _show(client, options, holdout, console, phases)
    phases.total()
    return _fail("; ".join(problems), FAILED) if problems else 0


def _release(options: argparse.Namespace, phases: Phases) -> int:
    if options.prepare:
        prepare(options.models_dir, options.data_dir, options.index, phases)
    version = active_release(options.models_dir)
    if version is None:
        message = f"no release in {options.models_dir}: type `make demo`, or add --prepare"
        raise DemoError(message, exit_code=USER_ERROR)
    return version


def _show(
    client: RecommenderClient,
    options: argparse.Namespace,
    holdout: Holdout | None,
    console: Console,
    phases: Phases,
) -> list[str]:
    with phases.phase("show"):
        story = collect(client, options.user, holdout)
        console.print()
        show_story(console, story)
        console.print()
    if options.index == "scann":
        with phases.phase("index", spinner=True):
            sentence = wait_for_index(client)
        console.print(sentence)
    if not (options.check and holdout):
        return []
    with phases.phase("check", spinner=True):
        result = check(client, holdout)
    show_check(console, result)
    return result.problems()


def _explain(error: RecommenderError, target: str | None) -> tuple[str, int]:
    """A sentence and an exit status for a call that failed."""
    # An error of the service has a reason; without one the call did not get there.
    if target and isinstance(error, UnavailableError) and not error.reason:
        hint = "start a gateway with `python -m server`, or leave --target out"
        return f"nobody answers at {target}: {hint}", USER_ERROR
    if target and isinstance(error, UnimplementedError) and not error.reason:
        return f"{target} is no recserve gateway: {error}", USER_ERROR
    if isinstance(error, DeadlineExceededError):
        return f"no answer within {CALL_TIMEOUT_S:.0f} s from {target or 'the gateway'}", FAILED
    named = f" (request {error.request_id})" if error.request_id else ""
    return f"{error}{named}", FAILED


def _fail(message: str, exit_code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return exit_code
