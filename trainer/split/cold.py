"""Cold start: users of whom nothing is learnt, and movies that nobody in train has rated.

Both protocols have a twin that holds out again inside their training part, by the same rule. The
twin is what choices are made on: its test rows are training rows of the protocol proper, and no
user or movie that the protocol holds out is in it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from trainer.datasets import Col, DataError, Dataset
from trainer.split.parts import Asking, Split, in_time_order

LADDER: Final = (0, 1, 3, 5, 10, 20)
"""Numbers of ratings after which a cold user is asked for."""
_SHOWN: Final = LADDER[-1]
_SEED: Final = 42
_ML_100K_USERS: Final = 943


def cold_100k(dataset: Dataset) -> Split:
    """The ladder: 189 users of MovieLens 100K are new, and are asked for after 0 to 20 ratings.

    The users are `np.random.default_rng(42).permutation(943)[:189]`, 0-based. Of each the ratings
    from the 21st on, by (timestamp, file order), are test: the same for every rung, as are the
    candidates, all movies but the user's first 20.

    Raises:
      DataError: the data set is not MovieLens 100K.
    """
    ids = [str(number + 1) for number in range(_ML_100K_USERS)]
    if set(dataset.users[Col.USER]) != set(ids):
        raise DataError("cold-100k is a split of MovieLens 100K's users 1 to 943")
    return _ladder("cold-100k", dataset, dataset.ratings, ids)


def cold_100k_validation(dataset: Dataset) -> Split:
    """The ladder for a fifth of the 754 users that cold-100k learns from."""
    train = cold_100k(dataset).train
    ids = sorted(train[Col.USER].unique(), key=int)
    return _ladder("cold-100k-validation", dataset, train, ids)


def cold_movies(dataset: Dataset) -> Split:
    """A tenth of the movies is new: all their ratings are test, and only they are ranked.

    The movies are `np.random.default_rng(42).permutation(n)[: n // 10]` of the catalogue in its
    order. They are ranked for each user who rated one, by all that the user rated otherwise.
    """
    return _new_movies("cold-movies", dataset.ratings, dataset.movies[Col.MOVIE])


def cold_movies_validation(dataset: Dataset) -> Split:
    """The same with a tenth of the movies that cold-movies learns from."""
    outer = cold_movies(dataset)
    movies = dataset.movies[Col.MOVIE]
    known = movies[~movies.isin(outer.asking.candidates)]
    return _new_movies("cold-movies-validation", outer.train, known)


def _ladder(name: str, dataset: Dataset, ratings: pd.DataFrame, ids: list[str]) -> Split:
    n_cold = round(0.2 * len(ids))
    drawn = np.random.default_rng(_SEED).permutation(len(ids))[:n_cold]
    is_cold = ratings[Col.USER].isin([ids[position] for position in drawn])
    ordered = in_time_order(ratings[is_cold])
    position = ordered.groupby(Col.USER, sort=False).cumcount()
    return Split(
        name=name,
        parameters={"seed": _SEED, "cold_users": n_cold, "ladder": list(LADDER)},
        train=ratings[~is_cold],
        validation=ratings[:0],
        test=ordered[position >= _SHOWN].sort_index(),
        unassigned=int((position < _SHOWN).sum()),
        cold=Asking(
            given=ordered[position < _SHOWN],
            candidates=pd.Index(dataset.movies[Col.MOVIE]),
            ladder=LADDER,
        ),
    )


def _new_movies(name: str, ratings: pd.DataFrame, movie_ids: pd.Series) -> Split:
    n_new = len(movie_ids) // 10
    drawn = np.random.default_rng(_SEED).permutation(len(movie_ids))[:n_new]
    new = pd.Index(movie_ids.iloc[np.sort(drawn)])
    is_new = ratings[Col.MOVIE].isin(new)
    train, test = ratings[~is_new], ratings[is_new]
    if test.empty or train.empty:
        raise DataError(f"{name} needs movies with ratings to hold out; {n_new} were drawn")
    asked = train[Col.USER].isin(test[Col.USER].unique())
    return Split(
        name=name,
        parameters={"seed": _SEED, "new_movies": n_new},
        train=train,
        validation=ratings[:0],
        test=test,
        cold=Asking(given=in_time_order(train[asked]), candidates=new),
    )
