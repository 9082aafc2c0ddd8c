"""The commands of `python -m trainer`: data, training, and what becomes of a release."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from serving.contract import ContractError
from trainer.compare_command import add_compare_command
from trainer.datasets import DataError, Dataset, fetch, load_dataset, load_mapped
from trainer.release_commands import add_release_commands
from trainer.train_command import add_train_options, run_models, run_train

console = Console(stderr=True, highlight=False)


def report(sentence: str) -> None:
    """Says how training goes, on stderr: stdout holds the command's result alone."""
    console.print(sentence, soft_wrap=True, markup=False)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 = done, 2 = the user can mend it, with one sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.run(options)
    except (DataError, ContractError) as error:
        return _explain(error)
    except RuntimeError as error:
        # PublishError and VerificationError, whose modules import TensorFlow or are not needed.
        if type(error).__module__.startswith("trainer."):
            return _explain(error)
        raise
    except OSError as error:
        return _explain(error)
    return result


def _explain(error: Exception) -> int:
    console.print("[red]error:[/]", Text(str(error)), soft_wrap=True)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer", description="Trains and publishes.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("fetch", help="download a data set into the cache")
    _data_options(command)
    command.set_defaults(run=_fetch)

    command = commands.add_parser("describe", help="show what a data set looks like")
    _data_options(command)
    command.add_argument(
        "--html", type=Path, metavar="FILE", help="also write it as one page with plots"
    )
    command.set_defaults(run=_describe)

    command = commands.add_parser("train", help="train all models and stage one release")
    _data_options(command)
    add_train_options(command)
    _models_option(command)
    command.set_defaults(run=_train)

    add_release_commands(commands, _models_option, report)
    add_compare_command(commands, _data_options, _load, report)

    command = commands.add_parser("models", help="list the models, a line each")
    command.set_defaults(run=_models)
    return parser


def _data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dataset", default="ml-100k", help="name (default ml-100k)")
    command.add_argument(
        "--data-dir", type=Path, metavar="DIR_OR_ZIP", help="read this copy and download nothing"
    )
    command.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE.toml",
        help="columns of files of your own, see docs/data.md; --dataset is not read then",
    )
    command.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="where downloads are kept (default: recserve in the user's cache folder)",
    )


def _models_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--models-dir",
        type=Path,
        default=Path("serving/models"),
        metavar="DIR",
        help="where releases lie (default serving/models)",
    )


def _load(options: argparse.Namespace) -> Dataset:
    dataset = (
        load_mapped(options.mapping, options.data_dir)
        if options.mapping
        else load_dataset(options.dataset, options.data_dir, options.cache_dir)
    )
    report(
        f"{dataset.source}: {len(dataset.ratings):,} ratings of {len(dataset.movies):,} movies "
        f"by {len(dataset.users):,} users"
    )
    for sentence in dataset.repairs:
        report(f"  {sentence}")
    for reason, count in dataset.rejected.items():
        report(f"  left out: {count} rows, {reason}")
    return dataset


def _fetch(options: argparse.Namespace) -> int:
    if options.mapping or options.data_dir:
        _load(options)
        print(options.data_dir or options.mapping.parent)
    else:
        print(fetch(options.dataset, options.cache_dir))
    return 0


def _describe(options: argparse.Namespace) -> int:
    from trainer.describe import describe, show_terminal, write_html

    found = describe(_load(options))
    show_terminal(found)
    if options.html:
        write_html(found, options.html)
        report(f"written to {options.html}")
    return 0


def _train(options: argparse.Namespace) -> int:
    return run_train(options, _load, report)


def _models(options: argparse.Namespace) -> int:  # noqa: ARG001 - every command takes them
    return run_models()


if __name__ == "__main__":
    sys.exit(main())
