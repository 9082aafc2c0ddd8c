"""Lays the movie vectors of a model out in the plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.manifold import TSNE

from trainer.datasets import Col, Dataset
from trainer.evaluate.results import MovieMap, MoviePoint

FEWEST = 10
"""With fewer movies there is no map."""
_PERPLEXITY = 30.0
_SEED = 0


def map_movies(
    dataset: Dataset,
    model: str,
    movies: npt.NDArray[np.int64],
    vectors: npt.NDArray[np.float32],
    counts: npt.NDArray[np.int64],
) -> MovieMap | None:
    """t-SNE of the directions of some movies' vectors; None = there are too few.

    Args:
      movies: [m] rows of `dataset.movies`.
      vectors: [m, D]; movies whose vector is zero are left out.
      counts: [N] training ratings of every movie.
    """
    length = np.linalg.norm(vectors, axis=1)
    movies, vectors = movies[length > 0], vectors[length > 0]
    if len(movies) < FEWEST:
        return None
    perplexity = min(_PERPLEXITY, (len(movies) - 1) / 3)
    plane = TSNE(
        metric="cosine", init="random", perplexity=perplexity, random_state=_SEED
    ).fit_transform(vectors)
    plane = plane / np.abs(plane).max()
    table = dataset.movies.iloc[movies]
    return MovieMap(
        model=model,
        method=f"t-SNE of the {vectors.shape[1]}-d item vectors of the {len(movies)} most-rated "
        "movies, cosine distance",
        points=tuple(
            MoviePoint(str(movie_id), str(title), tuple(genres), int(counts[movie]), *place)
            for movie_id, title, genres, movie, place in zip(
                table[Col.MOVIE],
                table[Col.TITLE],
                table[Col.GENRES],
                movies,
                np.round(plane.astype(float), 4).tolist(),
                strict=True,
            )
        ),
    )
