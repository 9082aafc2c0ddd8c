"""python -m trainer publish | rollback | gc | tune-index | status: commands on releases."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Protocol

from serving.contract import ModelsDir
from trainer.export import gc, release
from trainer.export.live import Retention
from trainer.export.status import ModelsStatus, models_status

TARGET_RECALL = 0.98
LABELS_NOT_MOVED = 1
"""Exit status: the release is live, and the labels still name another one."""

AddOption = Callable[[argparse.ArgumentParser], None]
Report = Callable[[str], None]


class Commands(Protocol):
    """What `ArgumentParser.add_subparsers` returns; argparse has no public name for it."""

    def add_parser(self, name: str, /, *, help: str) -> argparse.ArgumentParser:  # noqa: A002 - argparse's word
        """A parser of one command."""
        ...


def add_release_commands(commands: Commands, models_option: AddOption, report: Report) -> None:
    """Adds the parsers; each sets `run`, which takes the options.

    Args:
      models_option: adds --models-dir to a parser.
      report: takes what is no result of the command.
    """
    command = commands.add_parser("publish", help="make a staged release stable, or the candidate")
    command.add_argument("release", nargs="?", help="id that train printed (default: the newest)")
    command.add_argument("--candidate", action="store_true", help="answer a share of the users")
    command.add_argument("--share", type=float, metavar="S", help="that share, 0 < S < 1")
    command.add_argument("--promote", action="store_true", help="make the candidate stable instead")
    models_option(command)
    _retention_options(command, with_keep=True)
    _label_options(command)
    command.set_defaults(run=partial(_publish, report=report), fail=command.error)

    command = commands.add_parser("rollback", help="make an earlier release stable again")
    command.add_argument(
        "version", nargs="?", type=int, help="default: the release that was stable before"
    )
    command.add_argument(
        "--candidate", action="store_true", help="take the candidate back; stable stays"
    )
    models_option(command)
    _retention_options(command, with_keep=True)
    _label_options(command)
    command.set_defaults(run=partial(_rollback, report=report), fail=command.error)

    command = commands.add_parser("gc", help="remove releases that nobody needs, and leftovers")
    command.add_argument(
        "--keep",
        type=_count,
        required=True,
        metavar="N",
        help="releases kept beside the live ones and the one that was stable before",
    )
    models_option(command)
    _retention_options(command, with_keep=False)
    command.set_defaults(run=partial(_gc, report=report))

    command = commands.add_parser(
        "tune-index", help="compare a ScaNN index with exact search, and publish a release with it"
    )
    command.add_argument(
        "--target-recall",
        type=float,
        default=TARGET_RECALL,
        metavar="R",
        help=f"share of the exact top 200 that it must find (default {TARGET_RECALL})",
    )
    command.add_argument(
        "--force", action="store_true", help="publish even where exact search is the better choice"
    )
    models_option(command)
    _retention_options(command, with_keep=True)
    _label_options(command)
    command.set_defaults(run=partial(_tune_index, report=report))

    command = commands.add_parser("status", help="what is live, on disk, staged and left over")
    command.add_argument("--json", action="store_true", help="for programs")
    command.add_argument(
        "--model-server", metavar="HOST:PORT", help="also ask it which versions are AVAILABLE"
    )
    models_option(command)
    command.set_defaults(run=_status)


def _retention_options(command: argparse.ArgumentParser, *, with_keep: bool) -> None:
    if with_keep:
        command.add_argument(
            "--keep",
            type=_count,
            default=Retention().keep,
            metavar="N",
            help="releases that stay live beside the one that was stable before (default 1)",
        )
    command.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="ask this gateway which release it answers from, and retain that one; may be repeated",
    )


def _label_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model-server",
        metavar="HOST:PORT",
        help="move the labels stable and candidate once this model server has the versions; "
        "without it they stay where they are",
    )
    command.add_argument(
        "--wait",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="how long to wait for it (default 120)",
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _retention(options: argparse.Namespace) -> Retention:
    # grpc is imported only where somebody is asked.
    from trainer.export.labels import confirmed_releases  # noqa: PLC0415

    confirmed = confirmed_releases(options.gateway) if options.gateway else ()
    return Retention(options.keep, confirmed)


def _publish(options: argparse.Namespace, report: Report) -> int:
    if options.candidate != (options.share is not None):
        options.fail("--candidate and --share belong together: --candidate --share 0.1")
    if options.promote and (options.candidate or options.release):
        options.fail("--promote makes the candidate stable and takes no release and no --candidate")
    models, retention = ModelsDir(options.models_dir), _retention(options)
    if options.promote:
        version = release.promote(models, retention)
    else:
        version = release.publish(
            models, options.release, candidate_share=options.share, retention=retention
        )
    print(version)
    return _move_labels(models, options, report)


def _rollback(options: argparse.Namespace, report: Report) -> int:
    models, retention = ModelsDir(options.models_dir), _retention(options)
    if options.candidate and options.version:
        options.fail("--candidate takes the candidate back and takes no version")
    if options.candidate:
        print(release.withdraw_candidate(models, retention))
    else:
        print(release.rollback(models, options.version, retention))
    return _move_labels(models, options, report)


def _move_labels(models: ModelsDir, options: argparse.Namespace, report: Report) -> int:
    if not options.model_server:
        return 0
    from trainer.export.labels import move_labels  # noqa: PLC0415

    try:
        labels = move_labels(models, options.model_server, options.wait)
    except release.PublishError as error:
        report(f"the release is live, but {error}")
        return LABELS_NOT_MOVED
    report("labels: " + ", ".join(f"{name} -> {version}" for name, version in labels.items()))
    return 0


def _gc(options: argparse.Namespace, report: Report) -> int:
    removed = gc.collect_garbage(ModelsDir(options.models_dir), _retention(options))
    for path in removed:
        print(path)
    report(f"removed {len(removed)} files and folders" if removed else "nothing to remove")
    return 0


def _tune_index(options: argparse.Namespace, report: Report) -> int:
    from trainer.export import tuning  # noqa: PLC0415 - TensorFlow takes seconds to import

    models = ModelsDir(options.models_dir)
    stable = release.require_active(models).stable
    found = tuning.tune(models, stable, options.target_recall)
    print(f"{'leaves':>8}  {'recall@200':>10}  {'ms':>7}")
    for point in (*found.curve.points, found.curve.exact):
        name = f"{point.leaves_to_search}/{found.curve.num_leaves}"
        chosen = "  <- chosen" if point == found.point else ""
        searched = name if point.leaves_to_search else "exact"
        print(f"{searched:>8}  {point.recall:>10.4f}  {point.ms:>7.3f}{chosen}")
    why_not = found.why_exact_is_better(options.target_recall)
    if why_not and not options.force:
        report(f"exact search stays: {why_not}; --force publishes the index all the same")
        return 0
    staged = tuning.stage_with_index(models, found, options.target_recall)
    version = release.publish(models, staged, retention=_retention(options))
    report(f"published release {version}: release {stable} and its ScaNN index")
    print(version)
    return _move_labels(models, options, report)


def _status(options: argparse.Namespace) -> int:
    models = ModelsDir(options.models_dir)
    found = models_status(models)
    if options.model_server:
        from trainer.export.labels import model_states  # noqa: PLC0415

        live = [entry.version for entry in found.releases if entry.role]
        states = model_states(models, live, options.model_server)
        found = replace(
            found, available={f"{part}/{v}": there for (part, v), there in states.items()}
        )
    print(json.dumps(asdict(found), indent=1) if options.json else "\n".join(_sentences(found)))
    return 0


def _sentences(found: ModelsStatus) -> list[str]:
    if not found.releases:
        lines = [f"{found.models_dir}: nothing is published"]
    else:
        lines = [f"{found.models_dir}: {len(found.releases)} published"]
    for entry in found.releases:
        share = f" for {found.share:.0%} of the users" if entry.role == "candidate" else ""
        figures = ", ".join(f"{name} {value:.4g}" for name, value in entry.test_metrics.items())
        lacking = f"; LACKS {', '.join(entry.lacking_parts)}" if entry.lacking_parts else ""
        lines.append(
            f"  {entry.version:>4}  {(entry.role or 'on disk') + share:<10} "
            f"{entry.created_at}  {entry.dataset}  {figures}{lacking}"
        )
        not_there = [
            name
            for name, there in found.available.items()
            if name.endswith(f"/{entry.version}") and not there
        ]
        if not_there:
            lines.append(f"        not AVAILABLE: {', '.join(not_there)}")
    lines.append(f"labels: {_labels(found)}")
    lines += [f"staged: {release_id}" for release_id in found.staged]
    lines += [f"left over, `gc` removes it: {path}" for path in found.leftovers]
    return lines


def _labels(found: ModelsStatus) -> str:
    there = ", ".join(f"{name} -> {version}" for name, version in found.labels.items())
    if found.labels == found.labels_wanted:
        return there or "none"
    return (
        f"{there or 'none'}; `publish` and `rollback` move them when they are given "
        "--model-server HOST:PORT"
    )
