"""The commands of `python -m trainer`: data, training, and what becomes of a release."""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

from serving.contract import ContractError, ModelsDir
from trainer.datasets import DataError, Dataset, fetch, load_dataset, load_mapped
from trainer.release_commands import TARGET_RECALL, add_release_commands

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
    splits = command.add_mutually_exclusive_group()
    splits.add_argument(
        "--split",
        default="per-user-temporal",
        metavar="NAME",
        help="a split of docs/data.md, such as u1 or random:seed=7 (default per-user-temporal: "
        "each user's newest tenth is test, the tenth before it validation)",
    )
    splits.add_argument(
        "--split-file",
        type=Path,
        metavar="FILE",
        help="CSV or TSV with the columns user_id, movie_id, rating, timestamp and part (train, "
        "validation, test)",
    )
    _models_option(command)
    command.add_argument("--seed", type=int, default=0, help="of every random start (default 0)")
    command.add_argument(
        "--index",
        choices=("auto", "bruteforce", "scann"),
        default="auto",
        help="also export a ScaNN index; auto does from 50,000 movies on, where ScaNN is installed",
    )
    command.add_argument("--publish", action="store_true", help="publish the release at once")
    command.add_argument(
        "--save-predictions",
        type=Path,
        metavar="FILE.npz",
        help="also save the live models' own answers, to compare with what is served",
    )
    command.set_defaults(run=_train)

    add_release_commands(commands, _models_option, report)

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
    started = time.monotonic()
    if options.save_predictions and not options.save_predictions.parent.is_dir():
        raise DataError(f"--save-predictions: {options.save_predictions.parent} is no folder")
    dataset = _load(options)
    # TensorFlow takes seconds to import: not before the data is known to be good.
    from trainer import pipeline
    from trainer.export.release import publish
    from trainer.export.stage import stage
    from trainer.live_predictions import save_live_predictions
    from trainer.split import make_split, split_file

    split = (
        split_file(options.split_file, dataset.ratings)
        if options.split_file
        else make_split(options.split, dataset)
    )
    hyper_parameters = pipeline.Hyperparameters.with_seed(options.seed)
    trained = pipeline.train(dataset, split, hyper_parameters, report)
    if options.save_predictions:
        save_live_predictions(options.save_predictions, trained, split)
    models = ModelsDir(options.models_dir)
    release_id, manifest = stage(models, dataset, split, trained, options.seed, report)
    figures = ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics["test"].items())
    if figures:
        report(f"exported artifact on the test rows: {figures}")
    report(f"staged {release_id} after {time.monotonic() - started:.1f} s")
    if _wants_index(options.index, trained.ingredients.n_movies):
        release_id = _with_index(models, release_id)
    if options.publish:
        report(f"published as release {publish(models, release_id)}")
    print(release_id)
    return 0


def _wants_index(choice: str, n_movies: int) -> bool:
    from trainer.export.tuning import INDEX_FROM

    if choice == "auto" and n_movies >= INDEX_FROM and not find_spec("scann"):
        report("ScaNN is not installed: exact search it is")
        return False
    return choice == "scann" or (choice == "auto" and n_movies >= INDEX_FROM)


def _with_index(models: ModelsDir, release_id: str) -> str:
    """Tunes an index for a staged release; the one with the index takes its place."""
    from trainer.export.durable import remove_tree
    from trainer.export.tuning import stage_with_index, tune

    tuned = tune(models, release_id, TARGET_RECALL)
    point = tuned.point
    report(
        f"ScaNN index: {point.leaves_to_search} of {tuned.curve.num_leaves} leaves, recall@200 "
        f"{point.recall:.4f}, {point.ms:.2f} ms; exact search {tuned.curve.exact.ms:.2f} ms"
    )
    report("verifying the release with its index in a clean process")
    indexed = stage_with_index(models, tuned, TARGET_RECALL)
    remove_tree(models.staging / release_id)
    return indexed


def _models(options: argparse.Namespace) -> int:  # noqa: ARG001 - every command takes them
    from trainer.models import summaries

    for name, summary in summaries().items():
        print(f"{name:22}{summary}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
