"""Every split by its name, with parameters where it has any: "random:seed=7,test=0.2"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from trainer.datasets import DataError, Dataset
from trainer.split import cold, drawn, temporal
from trainer.split.file import split_file
from trainer.split.parts import Split


@dataclass(frozen=True)
class Named:
    """A split that can be asked for by name."""

    summary: str
    make: Callable[..., Split]
    """Takes the data set and the parameters."""
    parameters: Mapping[str, Callable[[str], Any]] = field(default_factory=dict)
    """Name -> what turns its text into a value."""


def _of_ratings(make: Callable[..., Split]) -> Callable[..., Split]:
    return lambda dataset, **parameters: make(dataset.ratings, **parameters)


def _from_file(dataset: Dataset, path: Path | None = None) -> Split:
    if path is None:
        raise DataError("the split file needs its path: file:path=FILE.csv")
    return split_file(path, dataset.ratings)


_FRACTIONS: Final = {"test": float, "validation": float}

SPLITS: Final[Mapping[str, Named]] = {
    **{
        f"u{fold}": Named(
            f"ml-100k's u{fold}.base and u{fold}.test",
            _of_ratings(partial(drawn.ml_100k_fold, fold=fold)),
        )
        for fold in range(1, 6)
    },
    "ls-random": Named("80/10/10 of each user's ratings, seed 42", _of_ratings(drawn.ls_random)),
    "ls-temporal": Named("each user's newest fifth is test", _of_ratings(temporal.ls_temporal)),
    "cold-100k": Named("189 users of ml-100k after 0 to 20 ratings", cold.cold_100k),
    "cold-100k-validation": Named("the same inside its training users", cold.cold_100k_validation),
    "cold-movies": Named("a tenth of the movies, never rated before", cold.cold_movies),
    "cold-movies-validation": Named(
        "the same inside its training movies", cold.cold_movies_validation
    ),
    "random": Named(
        "fractions of all ratings", _of_ratings(drawn.random_rows), {"seed": int, **_FRACTIONS}
    ),
    "index%20": Named("every 20th row is test (000)", _of_ratings(drawn.every_twentieth)),
    "70/15/15": Named("of all ratings, seed 47005 (001)", _of_ratings(drawn.split_70_15_15)),
    "85/15": Named("of all ratings, seed 2137 (002)", _of_ratings(drawn.split_85_15)),
    "72/8/20": Named("of each user's ratings, seed 42 (003)", _of_ratings(drawn.split_72_8_20)),
    "80/20": Named("a random mask (004)", _of_ratings(drawn.split_80_20), {"seed": int}),
    "per-user-temporal": Named(
        "each user's newest ratings", _of_ratings(temporal.per_user_temporal), _FRACTIONS
    ),
    "global-temporal": Named(
        "the newest of all ratings", _of_ratings(temporal.global_temporal), _FRACTIONS
    ),
    "leave-last-out": Named("each user's last rating", _of_ratings(temporal.leave_last_out)),
    "file": Named("parts as a file lists them", _from_file, {"path": Path}),
}


def make_split(name: str, dataset: Dataset) -> Split:
    """The split that is called so.

    Args:
      name: as `split_named` takes it.
      dataset: whose ratings are split.

    Raises:
      DataError: unknown name or parameter, a value that is none, or a data set that cannot be
        split so.
    """
    return split_named(name)(dataset)


def split_named(name: str) -> Callable[[Dataset], Split]:
    """What makes the split that is called so; a mistake in the name is told without any data.

    Args:
      name: a key of SPLITS, with parameters as "name:key=value,key=value".

    Raises:
      DataError: unknown name or parameter, or a value that is none.
    """
    key, _, text = name.partition(":")
    if key not in SPLITS:
        raise DataError(f"split {key!r} is unknown; known: {', '.join(SPLITS)}")
    named = SPLITS[key]
    parameters: dict[str, Any] = {}
    for setting in text.split(",") if text else ():
        parameter, equals, value = setting.partition("=")
        if parameter not in named.parameters or not equals:
            known = ", ".join(f"{p}=..." for p in named.parameters) or "none"
            raise DataError(f"split {key}: {setting!r} is no parameter of it; known: {known}")
        try:
            parameters[parameter] = named.parameters[parameter](value)
        except ValueError as error:
            raise DataError(f"split {key}: {setting!r}: {error}") from error
    return partial(named.make, **parameters)
