"""Ratings of strangers, on draws of users held out inside the training part of cold-100k.

python -m benchmarks.strangers [--draws 10]

What `trainer.models.strangers` does was chosen on draws like these: none of the users whom
cold-100k tests is looked at. Five draws are disjoint, 150 of the 754 training users each; the
rating models are fitted without them. As in cold-100k they are shown to the model with their first
0 to 20 ratings, and every rating from the 21st on is predicted. Printed are the mean RMSE over the
draws, and the mean of what each variant has more than the served one, with its standard error.
About 25 s for each draw on a core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainer import metrics
from trainer.datasets import Col, Dataset, load_dataset
from trainer.features.index import Histories
from trainer.models import bayes_fm, blend, strangers, svdpp2, user_movie_bias
from trainer.models.interfaces import TrainingData
from trainer.models.towers import RatingTowers, held_back_bias
from trainer.models.training_data import training_data
from trainer.split.cold import LADDER, cold_100k

SHOWN: Final = LADDER[-1]
HELD_OUT: Final = 150
DISJOINT: Final = 5
PSEUDO_RATINGS: Final = 16.0
"""Hold back the bias of a stranger where nothing else moves."""

Variants = dict[str, RatingTowers]


def draws(dataset: Dataset, n_draws: int) -> Iterator[tuple[TrainingData, Histories]]:
    """What is left of the training part, and the histories of the users that were taken out."""
    rows = cold_100k(dataset).train
    ids = np.array(sorted(rows[Col.USER].unique(), key=int))
    for number in range(n_draws):
        permutation, part = divmod(number, DISJOINT)
        order = np.random.default_rng(permutation).permutation(ids)
        held_out = rows[Col.USER].isin(order[part * HELD_OUT : (part + 1) * HELD_OUT])
        data = training_data(dataset, rows[~held_out])
        histories = data.index.interactions(rows[held_out]).histories(data.n_users)
        yield data, histories.of(np.flatnonzero(histories.lengths() > SHOWN))


def variants(data: TrainingData) -> Variants:
    """The served rating model first, then what it is compared with."""
    config = strangers.Config()
    both = svdpp2.towers_of(data, svdpp2.Config()), bayes_fm.towers_of(data, bayes_fm.Config())
    joined = blend.joined(*both, blend.Config().share)

    def placed(config: strangers.Config) -> RatingTowers:
        return strangers.placed(joined, data, config)

    served, biases = placed(config), user_movie_bias.fit(data, user_movie_bias.Config()).towers
    assert isinstance(biases, RatingTowers)  # noqa: S101 - it has no other kind
    return {
        "served": served,
        "svdpp2 alone": both[0],
        "bayes_fm alone": both[1],
        "no mood": placed(replace(config, mood=0.0)),
        "history as long as it is": placed(replace(config, history_hold=0.0)),
        "the bias moves alone": _bias_alone(served),
        "bias model": _bias_alone(biases),
    }


def _bias_alone(towers: RatingTowers) -> RatingTowers:
    fold = towers.fold_in
    plain = held_back_bias(fold.nobody_vector, len(fold.profile_bias), PSEUDO_RATINGS)
    return replace(towers, fold_in=replace(plain, nobody_bias=fold.nobody_bias))


def rmse(towers: RatingTowers, histories: Histories, n_shown: int) -> float:
    """Of all ratings from the 21st on, by the first `n_shown`, without a profile."""
    predicted, actual = [], []
    for movies, ratings in zip(histories.movies, histories.ratings, strict=True):
        vector, bias = towers.stranger(movies[:n_shown], ratings[:n_shown])
        every = towers.ratings(vector[None], np.array([bias], np.float32))[0]
        predicted.append(np.clip(every[movies[SHOWN:]], 1, 5))
        actual.append(ratings[SHOWN:])
    return metrics.rmse(np.concatenate(actual), np.concatenate(predicted))


def report(figures: dict[str, NDArray[np.float64]], print_line: Callable[[str], None]) -> None:
    """Prints a table of {variant: [draws, rungs]}, the served one first."""
    print_line("| RMSE after | " + " | ".join(str(n) for n in LADDER) + " |")
    print_line("|---|" + "---|" * len(LADDER))
    served = next(iter(figures.values()))
    for name, found in figures.items():
        more = found - served
        errors = more.std(axis=0) / np.sqrt(len(more))
        cells = [f"{value:.4f}" for value in found.mean(axis=0)]
        if more.any():
            cells = [
                f"{cell} ({mean:+.4f} ± {error:.4f})"
                for cell, mean, error in zip(cells, more.mean(axis=0), errors, strict=True)
            ]
        print_line(f"| {name} | " + " | ".join(cells) + " |")


def main() -> int:
    """Fits every draw, then prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    figures: dict[str, list[list[float]]] = {}
    for data, histories in draws(load_dataset("ml-100k"), arguments.draws):
        for name, towers in variants(data).items():
            figures.setdefault(name, []).append([rmse(towers, histories, n) for n in LADDER])
    report({name: np.array(found) for name, found in figures.items()}, print)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
