"""`python -m trainer train` and `models`: from options to one staged release."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from serving.contract import ModelsDir
from trainer.datasets import DataError, Dataset, with_events
from trainer.release_commands import TARGET_RECALL

Report = Callable[[str], None]
Load = Callable[[argparse.Namespace], Dataset]


def add_train_options(command: argparse.ArgumentParser) -> None:
    """Everything but where data comes from and where releases lie."""
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
    command.add_argument(
        "--events",
        type=Path,
        metavar="FILE.csv",
        help="put the ratings that `python -m server export-events` wrote into the data set first",
    )
    command.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="a rating or retrieval model of `models` instead of the best one; may be given twice",
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="[NAME.]KEY=VALUE",
        help="a setting of a model, such as svdpp2.dim=8; without NAME of the --model",
    )
    command.add_argument(
        "--search",
        type=int,
        default=0,
        metavar="N",
        help="tune each --model on validation with N trials first",
    )
    command.add_argument("--seed", type=int, default=0, help="of every random start (default 0)")
    command.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="write the neural models' logs there"
    )
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
        help="also save the towers' own answers, to compare with what is served",
    )


def run_train(options: argparse.Namespace, load: Load, report: Report) -> int:
    """Trains, stages and perhaps publishes one release; prints its id."""
    started = time.monotonic()
    _check(options)
    dataset = load(options)
    if options.events:
        merged = with_events(dataset, options.events)
        report(merged.sentence())
        dataset = merged.dataset
    # TensorFlow takes seconds to import: not before the data is known to be good.
    from trainer import fit, pipeline
    from trainer.export.release import publish
    from trainer.export.stage import stage
    from trainer.live_predictions import save_live_predictions
    from trainer.split import make_split, split_file

    split = (
        split_file(options.split_file, dataset.ratings)
        if options.split_file
        else make_split(options.split, dataset)
    )
    settings = pipeline.settings_from(options.model, options.set, options.seed)
    with fit.logging_to(options.tensorboard):
        if options.search:
            settings = pipeline.searched(
                dataset, split, settings, options.model, options.search, report
            )
        trained = pipeline.train(dataset, split, settings, report)
    if options.save_predictions:
        save_live_predictions(options.save_predictions, trained, split)
    models = ModelsDir(options.models_dir)
    release_id, manifest = stage(models, dataset, split, trained, report)
    figures = ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics["test"].items())
    if figures:
        report(f"exported artifact on the test rows: {figures}")
    report(f"staged {release_id} after {time.monotonic() - started:.1f} s")
    if _wants_index(options.index, trained.ingredients.n_movies, report):
        release_id = _with_index(models, release_id, report)
    if options.publish:
        report(f"published as release {publish(models, release_id)}")
    print(release_id)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Looks at names and files before any data: reading that may take minutes.

    Raises:
      DataError: a name that is unknown, a file that is not there, or a setting that is none.
    """
    if options.save_predictions and not options.save_predictions.parent.is_dir():
        raise DataError(f"--save-predictions: {options.save_predictions.parent} is no folder")
    for option, path in (("--events", options.events), ("--split-file", options.split_file)):
        if path and not path.exists():
            raise DataError(f"{option}: {path} is no file")
    if not options.split_file:
        from trainer.split import split_named

        split_named(options.split)
    if options.model or options.set:
        # TensorFlow takes seconds to import: only where there is a name to look at.
        from trainer import pipeline

        settings = pipeline.settings_from(options.model, options.set, options.seed)
        for name in (settings.rating, settings.retrieval):
            settings.config(name)


def _wants_index(choice: str, n_movies: int, report: Report) -> bool:
    from trainer.export.tuning import INDEX_FROM

    if choice == "auto" and n_movies >= INDEX_FROM and not find_spec("scann"):
        report("ScaNN is not installed: exact search it is")
        return False
    return choice == "scann" or (choice == "auto" and n_movies >= INDEX_FROM)


def _with_index(models: ModelsDir, release_id: str, report: Report) -> str:
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


def run_models() -> int:
    """Prints every model, a line each."""
    from trainer.models.registry import models

    for model in models():
        print(f"{model.name:22}{model.task:11}{model.kind:10}{model.summary}")
    return 0
