"""From a data set and the rows of one part to what models learn from."""

from __future__ import annotations

import pandas as pd

from trainer.datasets import Dataset
from trainer.features import movies, profiles
from trainer.features.index import DenseIndex
from trainer.models.interfaces import TrainingData

MIN_TITLE_COUNT = 4
"""A title word has a feature when so many titles hold it."""


def training_data(
    dataset: Dataset, rows: pd.DataFrame, min_title_count: int = MIN_TITLE_COUNT
) -> TrainingData:
    """What a model may learn from.

    Args:
      rows: the ratings that may be learnt from; a part of `dataset.ratings`.
    """
    index = DenseIndex(dataset)
    features = movies.MovieFeatures(movies.build_vocabulary(dataset, min_title_count))
    said = profiles.ProfileFeatures(profiles.build_vocabulary(dataset))
    return TrainingData(
        rows=index.interactions(rows),
        dataset=dataset,
        index=index,
        movie_rows=movies.MovieRows(features, movies.catalogue_rows(features, dataset)),
        user_rows=profiles.said_rows(said, dataset, index),
    )
