"""From a scorer's answers to the figures of a row, and the samples that a bootstrap draws from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from trainer import metrics
from trainer.evaluate.question import Question, Shown
from trainer.evaluate.results import RatingError, Slice, flat_name
from trainer.evaluate.scorers import RatingScorer, TopNScorer
from trainer.evaluate.slices import Group, activity_groups, movie_groups, user_groups
from trainer.features.index import IndexArray

Array = npt.NDArray[np.float64]

K = 10
KS = (10, 20)
CURVE = 100
BATCH = 256
"""Users scored at once: about BATCH * N * 30 bytes."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures of one rung."""

    metrics: Mapping[str, float]
    samples: Mapping[str, Array]
    """By metric: squared errors behind "rmse" and errors' sizes behind "mae" [test rows], values
    of each user behind the others [U]. The order is the same for every model."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """All figures of one fitted model."""

    rungs: Mapping[int | None, Measured]
    user_slices: tuple[Slice, ...]
    movie_slices: tuple[Slice, ...]
    by_activity: tuple[Slice, ...]
    by_rating: tuple[RatingError, ...] = ()
    recall_curve: tuple[float, ...] = ()

    def samples(self) -> dict[str, Array]:
        """By flat name."""
        return {
            flat_name(metric, n): values
            for n, measured in self.rungs.items()
            for metric, values in measured.samples.items()
        }


@dataclass(frozen=True, eq=False)
class _Lists:
    """What one rung's lists come to, user by user."""

    lists: IndexArray
    """[U, DEPTH]"""
    hits: npt.NDArray[np.bool_]
    """[U, DEPTH]"""
    n_relevant: IndexArray
    """[U]"""
    reciprocal_rank: Array
    """[U]"""


@dataclass(frozen=True, eq=False)
class _Answers:
    errors: Array | None = None
    """[n] clipped prediction minus actual rating."""
    lists: _Lists | None = None
    measured: Measured = field(default_factory=lambda: Measured({}, {}))


def measure(
    question: Question, rating: RatingScorer | None, topn: TopNScorer | None
) -> Measurement:
    """Asks a model everything, at every rung.

    Args:
      rating: None = the model predicts no ratings, and a row has no RMSE.
      topn: None = it ranks nothing.

    Raises:
      ValueError: predictions or scores that are no finite numbers.
    """
    answers = {n: _answers(question, question.shown(n), rating, topn) for n in question.rungs}
    last = answers[question.rungs[-1]]

    def sliced(groups: list[Group]) -> tuple[Slice, ...]:
        found = [_slice(question, last, group) for group in groups]
        return tuple(part for part in found if part.n_rows)

    return Measurement(
        rungs={n: answer.measured for n, answer in answers.items()},
        user_slices=sliced(user_groups(question)),
        movie_slices=sliced(movie_groups(question)),
        by_activity=sliced(activity_groups(question)),
        by_rating=_by_rating(question, last.errors) if last.errors is not None else (),
        recall_curve=_recall_curve(last.lists) if last.lists is not None else (),
    )


def _answers(
    question: Question, shown: Shown, rating: RatingScorer | None, topn: TopNScorer | None
) -> _Answers:
    errors = lists = None
    figures: dict[str, float] = {}
    samples: dict[str, Array] = {}
    if rating is not None:
        errors = _errors(question, shown, rating)
        samples |= {"rmse": errors**2, "mae": np.abs(errors)}
        figures |= {"rmse": float(np.sqrt(np.mean(errors**2))), "mae": float(np.abs(errors).mean())}
    if topn is not None:
        lists = _ranked(question, shown, topn)
        per_user = _per_user(lists.hits, lists.n_relevant) | {"mrr": lists.reciprocal_rank}
        samples |= per_user
        figures |= {name: float(values.mean()) for name, values in per_user.items()}
        figures |= _of_the_lists(question, lists.lists)
    return _Answers(errors, lists, Measured(figures, samples))


def _errors(question: Question, shown: Shown, rating: RatingScorer) -> Array:
    test = question.test
    predicted = np.asarray(rating.rate(shown, question.test_position, test.movies), np.float64)
    if predicted.shape != test.ratings.shape or not np.isfinite(predicted).all():
        raise ValueError(f"predictions must be finite and of shape {test.ratings.shape}")
    return np.clip(predicted, *question.rating_range) - test.ratings


def _ranked(question: Question, shown: Shown, topn: TopNScorer) -> _Lists:
    lists, hits, n_relevant, reciprocal = [], [], [], []
    for start in range(0, len(shown), BATCH):
        batch = shown.part(start, start + BATCH)
        relevant = question.relevant(batch.users)
        excluded = question.excluded(batch.users)
        if (relevant & excluded).any():
            raise ValueError("a test row's movie is no candidate: the protocol is broken")
        ranking = topn.rank(batch, excluded)
        found = np.take_along_axis(relevant, np.maximum(ranking.lists, 0), axis=1)
        found &= ranking.lists >= 0
        lists.append(ranking.lists)
        hits.append(found)
        n_relevant.append(relevant.sum(axis=1))
        reciprocal.append(
            metrics.reciprocal_rank_in_list(found)
            if ranking.scores is None
            else metrics.mrr(metrics.best_rank(ranking.scores, relevant))
        )
    return _Lists(
        np.concatenate(lists),
        np.concatenate(hits),
        np.concatenate(n_relevant),
        np.concatenate(reciprocal),
    )


def _per_user(hits: npt.NDArray[np.bool_], n_relevant: IndexArray) -> dict[str, Array]:
    """Recall and NDCG of each user; every one has a relevant movie."""
    return {
        f"{name}@{k}": np.asarray(at_k(hits, n_relevant, k), np.float64)
        for name, at_k in (("recall", metrics.recall_at_k), ("ndcg", metrics.ndcg_at_k))
        for k in KS
    }


def _of_the_lists(question: Question, lists: IndexArray) -> dict[str, float]:
    counts, n_users = question.movie_counts, int((question.user_counts > 0).sum())
    # Of a catalogue of new movies alone every list is as novel as any other; the counts say so.
    n_candidates = int(question.candidates.sum())
    return {
        f"coverage@{K}": metrics.coverage_at_k(lists, n_candidates, K),
        f"novelty@{K}": metrics.novelty_at_k(lists, counts, n_users, K),
        f"popularity@{K}": metrics.popularity_at_k(lists, counts, K),
    }


def _slice(question: Question, answer: _Answers, group: Group) -> Slice:
    """Figures of the test rows whose user and movie are both in the group."""
    test = question.test
    rows = group.users[test.users] & group.movies[test.movies]
    figures: dict[str, float] = {}
    if rows.any() and answer.errors is not None:
        errors = answer.errors[rows]
        figures |= {"rmse": float(np.sqrt(np.mean(errors**2))), "mae": float(np.abs(errors).mean())}
    if rows.any() and answer.lists is not None:
        # A movie outside the group keeps its place in the list and is no hit.
        position = question.test_position[rows]
        n_relevant = np.bincount(position, minlength=len(question.users))
        asked = n_relevant > 0
        lists = answer.lists
        hits = lists.hits & group.movies[lists.lists]
        per_user = _per_user(hits[asked], n_relevant[asked])
        figures |= {name: float(values.mean()) for name, values in per_user.items()}
    return Slice(
        name=group.name,
        definition=group.definition,
        n_rows=int(rows.sum()),
        n_users=len(np.unique(test.users[rows])),
        metrics=figures,
    )


def _by_rating(question: Question, errors: Array) -> tuple[RatingError, ...]:
    ratings = question.test.ratings
    found = []
    for rating in np.unique(ratings):
        own = errors[ratings == rating]
        rmse = float(np.sqrt(np.mean(own**2)))
        found.append(RatingError(float(rating), len(own), rmse, float(own.mean())))
    return tuple(found)


def _recall_curve(lists: _Lists) -> tuple[float, ...]:
    found = np.cumsum(lists.hits[:, :CURVE], axis=1) / lists.n_relevant[:, None]
    return tuple(found.mean(axis=0).tolist())
