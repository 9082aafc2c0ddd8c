"""From a data set to fitted models: choose on validation, then fit on all that may be known.

1. Fit on the training rows; validation decides what the models' settings leave open, and the weight
   of the rating in the final order.
2. Fit again, with those choices, on all that the split lets the tested model know.
3. Map content into the final models' spaces, and place the movies that training never saw.

The test rows are not looked at here; `trainer.export.verify` scores the exported artifact on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from trainer import baselines, metrics
from trainer.datasets import Col, DataError, Dataset
from trainer.export.ingredients import Ingredients, catalogue_masks
from trainer.features import profiles as profile_features
from trainer.features.index import DenseIndex, Interactions
from trainer.final_order import best_rating_weight, try_rating_weights
from trainer.models import content, similarity
from trainer.models.interfaces import FittedRating, FittedRetrieval, TrainingData
from trainer.models.rating_net import RatingNet
from trainer.models.registry import NAMES, model
from trainer.models.training_data import training_data
from trainer.split import Split
from trainer.split.temporal import per_user_temporal

Report = Callable[[str], None]

USERS_MEASURED = 5_000
"""Validation users on whom top-N choices are made; drawn at random where there are more."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which models are trained, and how; copied whole into the manifest."""

    rating: str = "blend"
    retrieval: str = "gated_linear"
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """{model name: {setting: value}} where the defaults are not wanted."""
    configs: Mapping[str, Any] = field(default_factory=dict)
    """{model name: Config} that a search found, in place of both."""
    similarity: similarity.Config = field(default_factory=similarity.Config)
    content: content.Config = field(default_factory=content.Config)
    seed: int = 0

    def config(self, name: str) -> Any:
        """The Config of one of the two models.

        Raises:
          DataError: no such model or setting.
        """
        if name in self.configs:
            return self.configs[name]
        return model(name).config(self.values.get(name), self.seed)


def settings_from(names: Sequence[str], assignments: Sequence[str], seed: int) -> Settings:
    """Settings as the command line gives them.

    Args:
      names: models to train instead of the best ones, at most one of each task.
      assignments: "model.key=value", or "key=value" where one model is named.

    Raises:
      DataError: an unknown model or setting, two models of one task, or no assignment.
    """
    settings = Settings(seed=seed)
    for name in names:
        task = model(name).task
        if sum(model(other).task == task for other in names) > 1:
            raise DataError(f"--model {name}: there can be one {task} model")
        if task == "rating":
            settings = replace(settings, rating=name)
        else:
            settings = replace(settings, retrieval=name)
    values: dict[str, dict[str, str]] = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        name, dot, key = path.partition(".")
        if name not in NAMES:
            if len(names) != 1:
                raise DataError(f"--set {assignment}: of which model? Write NAME.{path}=VALUE")
            name, dot, key = names[0], ".", path
        if not equals or not dot:
            raise DataError(f"--set {assignment}: expected [NAME.]KEY=VALUE")
        if name not in (settings.rating, settings.retrieval):
            raise DataError(f"--set {assignment}: {name} is not being trained")
        values.setdefault(name, {})[key] = value
    return replace(settings, values=values)


@dataclass(frozen=True, eq=False)
class Choices:
    """What validation decided."""

    rating_config: Any
    retrieval_config: Any
    rating_weight: float
    metrics: dict[str, Any]
    curves: dict[str, dict[str, list[float]]]
    """{model name: {figure: values}}"""


@dataclass(frozen=True, eq=False)
class Trained:
    """Everything that a release is made of."""

    ingredients: Ingredients
    index: DenseIndex
    history: Interactions
    choices: Choices
    settings: Settings
    notes: tuple[str, ...]


def train(dataset: Dataset, split: Split, settings: Settings, report: Report) -> Trained:
    """Chooses on validation and fits the final models.

    Args:
      report: called with a sentence whenever there is something to say.

    Raises:
      DataError: there is too little to learn from, or a model or setting is unknown.
    """
    _check(split, settings)
    choices = choose(dataset, split, settings, report)
    report("final fit on all that may be known")
    data = training_data(dataset, split.final_train, settings.content.min_title_count)
    rating, retrieval = fit_final(data, settings, choices)
    ingredients = _ingredients(data, settings, choices, rating, retrieval, report)
    return Trained(
        ingredients=ingredients,
        index=data.index,
        history=data.rows,
        choices=choices,
        settings=settings,
        notes=(
            "a movie that was rated low counts against movies like it, any other one for them",
            "ranking reads the profile of users whom training did not see; retrieval does not",
            "movies without a training rating are placed by the content model",
            *dataset.repairs,
        ),
    )


def searched(
    dataset: Dataset,
    split: Split,
    settings: Settings,
    names: Sequence[str],
    n_trials: int,
    report: Report,
) -> Settings:
    """The settings with those of `names` tuned on validation; see `trainer.search`.

    Raises:
      DataError: a model has nothing to search, or is not among the settings.
    """
    from trainer.search import Budget, search  # noqa: PLC0415 - optuna takes a second to import

    _check(split, settings)
    known, held_out = _choosing_rows(split)
    data = training_data(dataset, known, settings.content.min_title_count)
    validation = data.index.interactions(held_out)
    budget = Budget(n_trials)
    configs = {
        name: search(
            model(name), data, validation, budget, settings.seed, report, settings.values.get(name)
        )
        for name in names or (settings.rating, settings.retrieval)
    }
    return replace(settings, configs=configs)


def _choosing_rows(split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What choices are made on: rows that are learnt from, and rows that decide.

    In a split without validation rows each user's newest tenth of train decides.
    """
    if not split.validation.empty:
        return split.train, split.validation
    inner = per_user_temporal(split.train, test=0.0, validation=0.1)
    return inner.train, inner.validation


def _check(split: Split, settings: Settings) -> None:
    if split.train.empty:
        raise DataError(f"the train part of split {split.name!r} is empty")
    if not split.train.duplicated(Col.USER).any():
        raise DataError("no user has two ratings in the train part: nothing follows anything")
    for name, task in ((settings.rating, "rating"), (settings.retrieval, "retrieval")):
        if model(name).task != task:
            raise DataError(f"{name} is no {task} model; see python -m trainer models")
        if model(name).kind == "baseline":
            raise DataError(f"{name} is a baseline: no graph serves it")
        settings.config(name)


def choose(dataset: Dataset, split: Split, settings: Settings, report: Report) -> Choices:
    """Fits on the training rows and lets validation decide.

    A split without validation rows leaves the models to choose within their training rows.
    """
    known, held_out = _choosing_rows(split)
    data = training_data(dataset, known, settings.content.min_title_count)
    validation = data.index.interactions(held_out)
    asked = _some_users(validation, settings.seed)
    histories = data.histories.of(asked)
    position = np.full(data.n_users, -1)
    position[asked] = np.arange(len(asked))
    known_of_asked = _renumbered(data.rows, position)
    wanted = _renumbered(validation, position)

    rated = baselines.popularity(data.rows.movies, data.n_movies)
    found: dict[str, Any] = {
        "popularity": metrics.evaluate_topn(
            np.broadcast_to(rated, (len(asked), data.n_movies)),
            (known_of_asked.users, known_of_asked.movies),
            (wanted.users, wanted.movies),
            data.n_movies,
            ks=(10,),
        ).metrics
    }
    report(f"popularity on validation: {_figures(found['popularity'])}")

    deciding = None if split.validation.empty else validation
    retrieval = _fit_retrieval(data, settings, settings.config(settings.retrieval), deciding)
    rating = _fit_rating(data, settings, settings.config(settings.rating), deciding)
    predicted = np.clip(rating.predict(validation.users, validation.movies), *data.rating_range)
    found[settings.rating] = {"rmse": metrics.rmse(validation.ratings, predicted)}

    scores = retrieval.scores(histories)
    weights = try_rating_weights(
        scores, lambda rows, movies: rating.predict(asked[rows], movies), known_of_asked, wanted
    )
    found[settings.retrieval] = weights[0.0]
    report(f"{settings.retrieval} on validation: {_figures(weights[0.0])}")
    report(f"{settings.rating} on validation: RMSE {found[settings.rating]['rmse']:.4f}")
    best = best_rating_weight(weights)
    found["final_order"] = {str(weight): figures for weight, figures in weights.items()}
    report(f"final order: weight {best} on the predicted rating: {_figures(weights[best])}")
    return Choices(
        rating_config=rating.config,
        retrieval_config=retrieval.config,
        rating_weight=best,
        metrics=found,
        curves={settings.rating: rating.curves, settings.retrieval: retrieval.curves},
    )


def _fit_rating(
    data: TrainingData, settings: Settings, config: Any, validation: Interactions | None = None
) -> FittedRating:
    fitted = model(settings.rating).fit(data, config, validation)
    assert isinstance(fitted, FittedRating)  # noqa: S101 - _check asked the registry
    return fitted


def _fit_retrieval(
    data: TrainingData, settings: Settings, config: Any, validation: Interactions | None = None
) -> FittedRetrieval:
    fitted = model(settings.retrieval).fit(data, config, validation)
    assert isinstance(fitted, FittedRetrieval)  # noqa: S101 - _check asked the registry
    return fitted


def fit_final(
    data: TrainingData, settings: Settings, choices: Choices
) -> tuple[FittedRating, FittedRetrieval]:
    """The two models on all rows, with what was chosen."""
    return (
        _fit_rating(data, settings, choices.rating_config),
        _fit_retrieval(data, settings, choices.retrieval_config),
    )


def _some_users(validation: Interactions, seed: int) -> np.ndarray:
    users = np.unique(validation.users)
    return np.sort(np.random.default_rng(seed).permutation(users)[:USERS_MEASURED])


def _renumbered(rows: Interactions, position: np.ndarray) -> Interactions:
    """The rows of some users, by their position among them."""
    kept = rows.where(position[rows.users] >= 0)
    return replace(kept, users=position[kept.users])


def _figures(found: dict[str, float]) -> str:
    return f"Recall@10 {found['recall@10']:.4f}, NDCG@10 {found['ndcg@10']:.4f}"


def _ingredients(
    data: TrainingData,
    settings: Settings,
    choices: Choices,
    rating: FittedRating,
    retrieval: FittedRetrieval,
    report: Report,
) -> Ingredients:
    towers, rating_towers = retrieval.towers, rating.towers
    assert towers is not None  # noqa: S101 - _check let no baseline pass
    assert rating_towers is not None  # noqa: S101 - likewise
    dataset, index, histories = data.dataset, data.index, data.histories
    alike = similarity.fit(data.rows, data.n_users, data.n_movies, settings.similarity)
    profiles = profile_features.ProfileFeatures(profile_features.build_vocabulary(dataset))
    active = np.flatnonzero(histories.lengths() > 0)
    user_rows = profile_features.user_rows(profiles, dataset, index, histories.movies)[active]
    rows = data.movie_rows.rows
    maps = content.fit(
        rows,
        user_rows,
        towers.user_vectors(histories.of(active)),
        towers.item_vectors if retrieval.placing is None else retrieval.placing,
        content.rating_targets(rating_towers, data.rows),
        alike,
        settings.content,
    )
    unrated = np.flatnonzero(alike.confidence == 0)
    if not isinstance(rating_towers, RatingNet):
        # A model that reads genres and years knows more of such a movie than this map does.
        blank = unrated[~rating_towers.item_vectors[unrated].any(axis=1)]
        placed = rows[blank] @ maps.rating
        rating_towers = rating_towers.with_items(blank, placed[:, :-1], placed[:, -1])
    # A rated movie may still be nobody's next movie: then retrieval knows nothing of it either.
    unknown = np.union1d(unrated, np.flatnonzero(~towers.item_vectors.any(axis=1)))
    towers = towers.with_items(unknown, rows[unknown] @ maps.retrieval)
    report(
        f"placed by their content: {len(unrated)} movies without a rating, "
        f"{len(unknown)} that retrieval does not know"
    )
    return Ingredients(
        movie_ids=index.movie_ids,
        user_ids=tuple(index.user_ids[user] for user in active),
        genre_words=catalogue_masks(dataset),
        years=dataset.movies[Col.YEAR].to_numpy(np.int64),
        rating_range=dataset.rating_range,
        retrieval=towers,
        # A user without training rows has nothing stored, only a random start.
        rating=rating_towers.of_users(active),
        profile_tokens=profiles.vocabulary.tokens,
        similarity=alike,
        content=maps,
        content_vectors=rows @ maps.similarity,
        movie_features=data.movie_rows.features,
        profile_features=profiles,
        rating_weight=choices.rating_weight,
    )


def described(trained: Trained) -> dict[str, dict[str, Any]]:
    """The hyper-parameters as the manifest holds them, with what validation chose."""
    settings, choices = trained.settings, trained.choices
    return {
        settings.rating: asdict(choices.rating_config),
        settings.retrieval: asdict(choices.retrieval_config),
        similarity.NAME: asdict(settings.similarity),
        content.NAME: asdict(settings.content),
    }
