"""The served rating model: `svdpp2` and `bayes_fm`, half and half.

They err differently: the mean of the two is better than either by far more than either's spread.
Both are dot products, so their mean is one, with the columns side by side. Where myfm has no wheel,
or from `most_rows` ratings on, svdpp2 stands alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from trainer.features.index import Interactions
from trainer.models import bayes_fm, strangers, svdpp2
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.towers import RatingTowers
from trainer.search_space import FloatRange, IntRange, SearchSpace

NAME = "blend"


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters of both, and how they are joined."""

    svdpp2: svdpp2.Config = field(default_factory=svdpp2.Config)
    bayes_fm: bayes_fm.Config = field(default_factory=bayes_fm.Config)
    share: float = 0.5
    """Of bayes_fm."""
    most_rows: int = 2_000_000
    """With more training ratings the sampler takes too long."""
    strangers: strangers.Config = field(default_factory=strangers.Config)
    """How strangers are placed; what the two models set themselves is not read."""
    seed: int = 0


SEARCH_SPACE: SearchSpace = {
    "share": FloatRange(0.2, 0.8),
    "svdpp2.steps": IntRange(40, 100),
    "bayes_fm.rank": IntRange(4, 24, log=True),
}


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Fits both and joins them; `validation` is not read."""
    del validation
    settings = replace(config.svdpp2, seed=config.seed, strangers=config.strangers)
    if not bayes_fm.is_available() or len(data.rows) > config.most_rows:
        towers = svdpp2.towers_of(data, settings)
        return FittedRating(predict=towers.pairs, towers=towers, config=config)
    # The sampler uses one core and leaves the interpreter to others.
    with ThreadPoolExecutor(max_workers=1) as beside:
        sampled = beside.submit(
            bayes_fm.towers_of, data, replace(config.bayes_fm, seed=config.seed)
        )
        both = joined(svdpp2.towers_of(data, settings), sampled.result(), config.share)
    towers = strangers.placed(both, data, config.strangers)
    return FittedRating(predict=towers.pairs, towers=towers, config=config)


def joined(first: RatingTowers, second: RatingTowers, share: float) -> RatingTowers:
    """(1 - share) times the first and share times the second, as one dot product.

    Strangers are not placed yet, see `trainer.models.strangers`.
    """
    shares = 1 - share, share

    def beside(name: str, *weights: float) -> np.ndarray:
        parts = [getattr(towers, name) for towers in (first, second)]
        return np.concatenate([w * p for w, p in zip(weights, parts, strict=True)], axis=-1)

    def mixed(name: str) -> np.ndarray:
        return shares[0] * getattr(first, name) + shares[1] * getattr(second, name)

    folds = first.fold_in, second.fold_in
    return RatingTowers(
        mean=float(mixed("mean")),
        item_vectors=beside("item_vectors", *shares),
        item_bias=mixed("item_bias"),
        history_vectors=beside("history_vectors", 1, 1),
        history_bias=mixed("history_bias"),
        stored_vectors=beside("stored_vectors", 1, 1),
        stored_bias=mixed("stored_bias"),
        user_vectors=beside("user_vectors", 1, 1),
        user_bias=mixed("user_bias"),
        fold_in=strangers.unplaced(
            np.concatenate([fold.profile_vectors for fold in folds], axis=1),
            shares[0] * folds[0].profile_bias + shares[1] * folds[1].profile_bias,
        ),
    )
