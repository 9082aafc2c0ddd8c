"""python -m trainer fetch | train | publish | models."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from serving.contract import ContractError, ModelsDir
from trainer.datasets import DataError, Dataset, fetch, load_dataset

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

    command = commands.add_parser("train", help="train all models and stage one release")
    _data_options(command)
    command.add_argument(
        "--split-file",
        type=Path,
        metavar="FILE",
        help="CSV or TSV with the columns user_id, movie_id, rating, timestamp and part (train, "
        "validation, test); default: each user's newest tenth is test, the tenth before validation",
    )
    _models_option(command)
    command.add_argument("--seed", type=int, default=0, help="of every random start (default 0)")
    command.add_argument("--publish", action="store_true", help="publish the release at once")
    command.add_argument(
        "--save-predictions",
        type=Path,
        metavar="FILE.npz",
        help="also save the live models' own answers, to compare with what is served",
    )
    command.set_defaults(run=_train)

    command = commands.add_parser("publish", help="make a staged release the stable one")
    command.add_argument("release", nargs="?", help="id that train printed (default: the newest)")
    _models_option(command)
    command.set_defaults(run=_publish)

    command = commands.add_parser("models", help="list the models, a line each")
    command.set_defaults(run=_models)
    return parser


def _data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dataset", default="ml-100k", help="name (default ml-100k)")
    command.add_argument(
        "--data-dir", type=Path, metavar="DIR_OR_ZIP", help="read this copy and download nothing"
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
    dataset = load_dataset(options.dataset, options.data_dir, options.cache_dir)
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
    if options.data_dir:
        _load(options)
        print(options.data_dir)
    else:
        print(fetch(options.dataset, options.cache_dir))
    return 0


def _train(options: argparse.Namespace) -> int:
    started = time.monotonic()
    dataset = _load(options)
    # TensorFlow takes seconds to import: not before the data is known to be good.
    from trainer import pipeline
    from trainer.export.release import publish
    from trainer.export.stage import stage
    from trainer.live_predictions import save_live_predictions
    from trainer.split import per_user_temporal, split_file

    split = (
        split_file(options.split_file, dataset.ratings)
        if options.split_file
        else per_user_temporal(dataset.ratings)
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
    if options.publish:
        report(f"published as release {publish(models, release_id)}")
    print(release_id)
    return 0


def _publish(options: argparse.Namespace) -> int:
    from trainer.export.release import publish

    print(publish(ModelsDir(options.models_dir), options.release))
    return 0


def _models(options: argparse.Namespace) -> int:  # noqa: ARG001 - every command takes them
    from trainer.models import summaries

    for name, summary in summaries().items():
        print(f"{name:22}{summary}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
