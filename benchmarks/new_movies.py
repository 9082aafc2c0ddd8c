"""Movies that nobody has rated: AddMovies after a training without them, then RecommendUser.

python -m benchmarks.new_movies

Trains a release on MovieLens-100k as if the 168 movies of the split `cold-movies` did not exist,
adds them to the running gateway by title, year and genres, and asks it as every user who rated one
of them: their other ratings are stored, all other movies are in exclude_movie_ids. Results go to
benchmarks/results/new_movies.json; the exit status is 1 below a recall@50 of 0.70.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.trained_stack import gateway_client, trained
from client import AddedMovie, RecommenderClient
from trainer import metrics
from trainer.datasets import Col, Dataset, load_dataset
from trainer.split import Split, make_split

SPLIT: Final = "cold-movies"
DEPTH: Final = 50
WANTED: Final = 0.70
RESULTS: Final = Path(__file__).parent / "results" / "new_movies.json"

MAPPING: Final = """
name = "ml-100k-without-new-movies"
rating_range = [1.0, 5.0]
[ratings]
file = "ratings.csv"
user_id = "user_id"
movie_id = "movie_id"
rating = "rating"
timestamp = "timestamp"
[movies]
file = "movies.csv"
movie_id = "movie_id"
title = "title"
year = "year"
genres = "genres"
[users]
file = "users.csv"
user_id = "user_id"
age = "age"
gender = "gender"
occupation = "occupation"
"""


def write_without(dataset: Dataset, split: Split, new: pd.Index, folder: Path) -> list[str]:
    """Writes what is left of a data set without its new movies; returns options of `train`."""
    movies = dataset.movies[~dataset.movies[Col.MOVIE].isin(new)]
    movies = movies.assign(**{Col.GENRES: movies[Col.GENRES].str.join("|")})
    split.train.to_csv(folder / "ratings.csv", index=False)
    movies[[Col.MOVIE, Col.TITLE, Col.YEAR, Col.GENRES]].to_csv(folder / "movies.csv", index=False)
    dataset.users[[Col.USER, Col.AGE, Col.GENDER, Col.OCCUPATION]].to_csv(
        folder / "users.csv", index=False
    )
    mapping, parts = folder / "mapping.toml", folder / "parts.csv"
    mapping.write_text(MAPPING, encoding="utf-8")
    # Every row is learnt from: what is asked for is not in the data at all.
    split.train.assign(**{Col.PART: "train"}).to_csv(parts, index=False)
    where = ["--mapping", str(mapping), "--data-dir", str(folder)]
    return [*where, "--split-file", str(parts)]


def added_movies(dataset: Dataset, new: pd.Index) -> list[AddedMovie]:
    """The new movies as a caller tells them."""
    rows = dataset.movies[dataset.movies[Col.MOVIE].isin(new)]
    columns = (rows[Col.MOVIE], rows[Col.TITLE], rows[Col.YEAR], rows[Col.GENRES])
    return [
        AddedMovie(movie_id, title, int(year), tuple(genres))
        for movie_id, title, year, genres in zip(*columns, strict=True)
    ]


def figures(
    client: RecommenderClient, relevant: dict[str, set[str]], others: list[str]
) -> dict[str, float]:
    """Means over users of the lists that leave out `others`."""
    users = sorted(relevant)
    hits = np.zeros((len(users), DEPTH), dtype=bool)
    for row, user in zip(hits, users, strict=True):
        page = client.recommend_user(user, page_size=DEPTH, exclude_movie_ids=others)
        if page.answer.degraded_reasons or len(page) < DEPTH:
            raise SystemExit(f"user {user}: {len(page)} movies, {page.answer}")
        row[:] = [movie_id in relevant[user] for movie_id in page.movie_ids]
    counts = np.array([len(relevant[user]) for user in users])
    return {
        "recall@10": float(metrics.recall_at_k(hits, counts, 10).mean()),
        f"recall@{DEPTH}": float(metrics.recall_at_k(hits, counts, DEPTH).mean()),
        "ndcg@10": float(metrics.ndcg_at_k(hits, counts, 10).mean()),
    }


def main() -> int:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="Quality for new movies through the gateway.")
    parser.add_argument("--data-dir", type=Path, help="a copy of MovieLens-100k")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()

    dataset = load_dataset("ml-100k", options.data_dir)
    split = make_split(SPLIT, dataset)
    new = split.asking.candidates
    relevant = {str(u): set(rows) for u, rows in split.test.groupby(Col.USER)[Col.MOVIE]}
    others = [str(movie) for movie in dataset.movies[Col.MOVIE] if movie not in set(new)]
    with tempfile.TemporaryDirectory() as folder:
        data = write_without(dataset, split, new, Path(folder))
        with trained(*data) as models, gateway_client(models) as client:
            added = client.add_movies(added_movies(dataset, new)).added
            found = figures(client, relevant, others)
    result = {
        "dataset": dataset.name,
        "split": SPLIT,
        "movies_added": added,
        "users": len(relevant),
        "gateway": found,
        "wanted": {f"recall@{DEPTH}": WANTED},
        "ok": found[f"recall@{DEPTH}"] >= WANTED,
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
