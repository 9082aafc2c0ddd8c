"""From a data set to fitted models: choose on validation, then fit on all that may be known.

1. Fit on the training rows; validation decides the epochs, the weight of the rating in the final
   order, and whether the two-tower model is good enough to serve.
2. Fit again, with those choices, on train and validation.
3. Map content into the final models' spaces, and place the movies that training never saw.

The test rows are not looked at here; `trainer.export.verify` scores the exported artifact on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer import baselines, metrics
from trainer.datasets import Col, DataError, Dataset
from trainer.export.graphs import CANDIDATES
from trainer.export.ingredients import Ingredients, catalogue_masks
from trainer.export.layers import NO_SPREAD
from trainer.features import movies as movie_features
from trainer.features import profiles as profile_features
from trainer.features.index import DenseIndex, IndexArray, Interactions
from trainer.models import (
    content,
    dot_bias,
    linear_sequence,
    similarity,
    two_tower_retrieval,
)
from trainer.models.towers import RatingTowers, RetrievalTowers
from trainer.split import Split

Report = Callable[[str], None]

RATING_WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5)
"""Tried for the final order."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Every model's settings; copied whole into the manifest."""

    dot_bias: dot_bias.Config = field(default_factory=dot_bias.Config)
    two_tower_retrieval: two_tower_retrieval.Config = field(
        default_factory=two_tower_retrieval.Config
    )
    linear_sequence: linear_sequence.Config = field(default_factory=linear_sequence.Config)
    similarity: similarity.Config = field(default_factory=similarity.Config)
    content: content.Config = field(default_factory=content.Config)

    @classmethod
    def with_seed(cls, seed: int) -> Hyperparameters:
        """The defaults, with every random start from `seed`."""
        return cls(
            dot_bias=dot_bias.Config(seed=seed),
            two_tower_retrieval=two_tower_retrieval.Config(seed=seed),
        )


@dataclass(frozen=True, eq=False)
class Choices:
    """What validation decided."""

    retrieval_model: str
    retrieval_epochs: int
    rating_epochs: int
    rating_weight: float
    metrics: dict[str, Any]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Trained:
    """Everything that a release is made of, and the live objects that it must agree with."""

    ingredients: Ingredients
    index: DenseIndex
    history: Interactions
    choices: Choices
    hyper_parameters: Hyperparameters
    live_rating: dot_bias.DotBias
    live_retrieval: two_tower_retrieval.TwoTower | None
    """None when the linear tower is served."""


def train(
    dataset: Dataset, split: Split, hyper_parameters: Hyperparameters, report: Report
) -> Trained:
    """Chooses on validation and fits the final models.

    Args:
      report: called with a sentence whenever there is something to say.

    Raises:
      DataError: there is too little to learn from, or nothing to choose on.
    """
    for name in ("train", "validation"):
        if getattr(split, name).empty:
            raise DataError(f"the {name} part of split {split.name!r} is empty")
    if not split.train.duplicated(Col.USER).any():
        raise DataError("no user has two ratings in the train part: nothing follows anything")
    index = DenseIndex(dataset)
    choices = _choose(index, split, dataset, hyper_parameters, report)
    history = index.interactions(split.final_train)
    return _fit_final(dataset, index, history, choices, hyper_parameters, report)


def _rating_rows(rows: Interactions) -> dot_bias.Ratings:
    return dot_bias.Ratings(rows.users, rows.movies, rows.ratings)


def _choose(
    index: DenseIndex, split: Split, dataset: Dataset, hyper: Hyperparameters, report: Report
) -> Choices:
    known, held_out = index.interactions(split.train), index.interactions(split.validation)
    histories = known.by_user(index.n_users)

    def top_n(scores: NDArray[Any]) -> dict[str, float]:
        return metrics.evaluate_topn(
            scores,
            (known.users, known.movies),
            (held_out.users, held_out.movies),
            index.n_movies,
            ks=(10,),
        ).metrics

    rated = baselines.popularity(known.movies, index.n_movies)
    popular = top_n(np.broadcast_to(rated, (index.n_users, index.n_movies)))
    report(f"popularity on validation: {_figures(popular)}")

    model, curve = two_tower_retrieval.fit(
        histories,
        index.n_movies,
        hyper.two_tower_retrieval,
        measure=lambda towers: top_n(towers.scores(histories))["ndcg@10"],
    )
    towers = model.towers()
    neural = top_n(towers.scores(histories))
    report(f"{two_tower_retrieval.NAME} on validation: {_figures(neural)}")
    found: dict[str, Any] = {"popularity": popular, two_tower_retrieval.NAME: neural}
    name, notes = two_tower_retrieval.NAME, []
    if neural["recall@10"] <= popular["recall@10"] or neural["ndcg@10"] <= popular["ndcg@10"]:
        name = linear_sequence.NAME
        towers = linear_sequence.fit(histories, index.n_movies, hyper.linear_sequence)
        found[name] = top_n(towers.scores(histories))
        notes.append(
            f"{two_tower_retrieval.NAME} does not beat popularity on validation: {name} is served"
        )
        report(f"{notes[-1]}; {_figures(found[name])}")

    rating_model, rmse_curve = dot_bias.fit(
        _rating_rows(known),
        index.n_users,
        index.n_movies,
        hyper.dot_bias,
        validation=_rating_rows(held_out),
    )
    found[dot_bias.NAME] = {"rmse": min(rmse_curve)}
    report(f"{dot_bias.NAME} on validation: rmse {min(rmse_curve):.4f}")

    weights = _try_rating_weights(towers, rating_model.towers(), histories, top_n, known)
    best = max(weights, key=lambda weight: weights[weight]["ndcg@10"])
    found["final_order"] = {str(weight): figures for weight, figures in weights.items()}
    report(f"final order: weight {best} on the predicted rating: {_figures(weights[best])}")
    return Choices(
        retrieval_model=name,
        retrieval_epochs=int(np.argmax(curve)) + 1,
        rating_epochs=int(np.argmin(rmse_curve)) + 1,
        rating_weight=best,
        metrics=found,
        notes=notes + _notes(dataset),
    )


def _notes(dataset: Dataset) -> list[str]:
    """What a reader of the manifest should know of these first models."""
    return [
        "recommend, ranking and retrieval read no profile; content/embed_user does",
        "every rating in a history counts as an interaction, whatever its value",
        "content knows no tags of this data set",
        "movies without a training rating are placed by the content model",
        *dataset.repairs,
    ]


def _figures(found: dict[str, float]) -> str:
    return f"Recall@10 {found['recall@10']:.4f}, NDCG@10 {found['ndcg@10']:.4f}"


def _try_rating_weights(
    towers: RetrievalTowers,
    rating: RatingTowers,
    histories: list[IndexArray],
    top_n: Callable[[NDArray[Any]], dict[str, float]],
    known: Interactions,
) -> dict[float, dict[str, float]]:
    """Validation figures of the final order for each weight; the arithmetic of `recommend`."""
    scores = towers.scores(histories).astype(np.float64)
    scores[known.users, known.movies] = -np.inf
    ratings = rating.ratings(np.arange(len(histories))).astype(np.float64)
    n_candidates = min(CANDIDATES, scores.shape[1])
    movies = np.argpartition(-scores, n_candidates - 1, axis=1)[:, :n_candidates]
    candidate_scores = np.take_along_axis(scores, movies, axis=1)
    valid = np.isfinite(candidate_scores)
    z_score = _standardised(candidate_scores, valid)
    z_rating = _standardised(np.take_along_axis(ratings, movies, axis=1), valid)
    # Below every candidate, above nothing: movies outside the 300 can't enter the top 10.
    lowest = min(z_score.min(), z_rating.min()) * (1 + max(RATING_WEIGHTS)) - 1
    found = {}
    for weight in RATING_WEIGHTS:
        final = np.full(scores.shape, lowest)
        blended = np.where(valid, z_score + weight * z_rating, lowest)
        np.put_along_axis(final, movies, blended, axis=1)
        found[weight] = top_n(final)
    return found


def _standardised(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    masked = np.ma.masked_array(values, ~valid)
    mean, deviation = masked.mean(axis=1, keepdims=True), masked.std(axis=1, keepdims=True)
    spread = deviation > NO_SPREAD * abs(masked).max(axis=1, keepdims=True)
    return np.asarray((spread * (masked - mean) / (deviation + 1e-6)).filled(0.0))


def _fit_final(
    dataset: Dataset,
    index: DenseIndex,
    history: Interactions,
    choices: Choices,
    hyper: Hyperparameters,
    report: Report,
) -> Trained:
    report("final fit on train and validation")
    histories = history.by_user(index.n_users)
    live_retrieval = None
    if choices.retrieval_model == two_tower_retrieval.NAME:
        live_retrieval, _ = two_tower_retrieval.fit(
            histories,
            index.n_movies,
            hyper.two_tower_retrieval,
            n_epochs=choices.retrieval_epochs,
        )
        retrieval = live_retrieval.towers()
    else:
        retrieval = linear_sequence.fit(histories, index.n_movies, hyper.linear_sequence)
    live_rating, _ = dot_bias.fit(
        _rating_rows(history),
        index.n_users,
        index.n_movies,
        hyper.dot_bias,
        n_epochs=choices.rating_epochs,
    )
    alike = similarity.fit(history, index.n_users, index.n_movies, hyper.similarity)

    vocabulary = movie_features.build_vocabulary(dataset, hyper.content.min_title_count)
    features = movie_features.MovieFeatures(vocabulary)
    rows = movie_features.catalogue_rows(features, dataset)
    profiles = profile_features.ProfileFeatures(profile_features.build_vocabulary(dataset))
    active = np.flatnonzero([len(history) > 0 for history in histories])
    user_rows = profile_features.user_rows(profiles, dataset, index, histories)[active]
    maps = content.fit(
        rows,
        user_rows,
        retrieval.user_vectors([histories[user] for user in active]),
        retrieval,
        live_rating.towers(),
        alike,
        hyper.content,
    )
    unrated = np.flatnonzero(alike.confidence == 0)
    placed = rows[unrated] @ maps.rating
    live_rating.place_items(unrated, placed[:, :-1], placed[:, -1])
    # A rated movie may still be nobody's next movie: then retrieval knows nothing of it either.
    unknown = np.union1d(unrated, np.flatnonzero(~retrieval.item_vectors.any(axis=1)))
    retrieval = retrieval.with_items(unknown, rows[unknown] @ maps.retrieval)
    if live_retrieval is not None:
        live_retrieval.place_items(unknown, retrieval.item_vectors[unknown])
    report(
        f"placed by their content: {len(unrated)} movies without a rating, "
        f"{len(unknown)} that retrieval does not know"
    )
    ingredients = Ingredients(
        movie_ids=index.movie_ids,
        user_ids=tuple(index.user_ids[user] for user in active),
        genre_words=catalogue_masks(dataset),
        years=dataset.movies[Col.YEAR].to_numpy(np.int64),
        rating_range=dataset.rating_range,
        retrieval=retrieval,
        # A user without training rows has nothing stored, only a random start.
        rating=live_rating.towers().of_users(active),
        similarity=alike,
        content=maps,
        content_vectors=rows @ maps.similarity,
        movie_features=features,
        profile_features=profiles,
        rating_weight=choices.rating_weight,
    )
    return Trained(
        ingredients=ingredients,
        index=index,
        history=history,
        choices=choices,
        hyper_parameters=hyper,
        live_rating=live_rating,
        live_retrieval=live_retrieval,
    )


def described(trained: Trained) -> dict[str, dict[str, Any]]:
    """The hyper-parameters as the manifest holds them, with what validation chose."""
    found: dict[str, dict[str, Any]] = asdict(trained.hyper_parameters)
    found[two_tower_retrieval.NAME]["epochs"] = trained.choices.retrieval_epochs
    found[dot_bias.NAME]["epochs"] = trained.choices.rating_epochs
    return found
