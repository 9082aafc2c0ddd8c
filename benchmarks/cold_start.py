"""New users after 0 to 20 ratings: RecommendUser through the running gateway, rung by rung.

python -m benchmarks.cold_start

Trains a release on MovieLens-100k without the 189 users of the split `cold-100k`, and asks the
gateway as each of the 179 of them who have rated more than 20 movies: an unknown id, the first n
ratings as the request's history, and at every rung the user's first 20 movies in exclude_movie_ids,
so that all rungs rank the same candidates.
Beside the gateway stand the trainer's own figures of the same artifact, measured as `python -m
trainer compare` does, and popularity. A last figure tells the gateway the profile and no rating.

Results go to benchmarks/results/cold_start.json, a plot to docs/cold-start.svg; the exit status is
1 when gateway and trainer differ by more than 0.002, or a rung is below popularity by NDCG@10.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.trained_stack import gateway_client, trained
from client import Profile, RatedMovie, RecommenderClient
from serving.contract import ModelsDir, read_active
from trainer.datasets import Col, Dataset, load_dataset
from trainer.drawing import STYLE, Axis, Frame, Line, nice_ticks, plot, text
from trainer.evaluate.measure import KS, measure
from trainer.evaluate.question import BoolArray, Question, Shown, ask
from trainer.evaluate.saved_models import ReleaseScorer
from trainer.evaluate.scorers import Ranking, ScoreRanking, TopNScorer
from trainer.split import make_split

SPLIT: Final = "cold-100k"
TOLERANCE: Final = 0.002
JUDGED: Final = "ndcg@10"
METRICS: Final = (JUDGED, "recall@10")
ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results" / "cold_start.json"
PLOT: Final = ROOT / "docs" / "cold-start.svg"

Rungs = dict[int, dict[str, float]]
"""{number of ratings shown: metrics}."""


@dataclass(frozen=True, eq=False)
class GatewayRanking:
    """What a gateway recommends to somebody whom it does not know."""

    client: RecommenderClient
    movie_ids: Sequence[str]
    """By movie_index."""
    profiles: Sequence[Profile] | None = None
    """By user_index; None = nobody tells his."""
    topn_of: str = "RecommendUser"

    def rank(self, shown: Shown, excluded: BoolArray) -> Ranking:
        """The first page for each user; an answer that is degraded is no measurement."""
        index = {movie_id: i for i, movie_id in enumerate(self.movie_ids)}
        lists = np.full((len(shown), max(KS)), -1, np.int64)
        for row, user in enumerate(shown.users):
            movies, ratings = shown.histories.movies[row], shown.histories.ratings[row]
            page = self.client.recommend_user(
                f"nobody-{user}",
                page_size=max(KS),
                history=[
                    RatedMovie(self.movie_ids[movie], float(rating))
                    for movie, rating in zip(movies, ratings, strict=True)
                ],
                exclude_movie_ids=[
                    self.movie_ids[movie] for movie in np.flatnonzero(excluded[row])
                ],
                profile=self.profiles[user] if self.profiles else None,
            )
            if page.answer.degraded_reasons:
                raise SystemExit(f"degraded: {', '.join(page.answer.degraded_reasons)}")
            lists[row, : len(page)] = [index[movie_id] for movie_id in page.movie_ids]
        return Ranking(lists, None)


def rungs_of(question: Question, topn: TopNScorer) -> Rungs:
    """The figures of every rung."""
    found = measure(question, None, topn).rungs
    return {n or 0: {name: found[n].metrics[name] for name in METRICS} for n in question.rungs}


def by_trainer(models: ModelsDir, question: Question, n_genres: int) -> Rungs:
    """The published artifact asked by its signatures, in this process."""
    active = read_active(models)
    if active is None:
        raise SystemExit(f"{models.root}: nothing is published")
    with tempfile.TemporaryDirectory() as folder:
        for servable in ("recommend", "ranking"):
            (Path(folder) / servable).symlink_to(models.part(servable, active.stable))
        return rungs_of(question, ReleaseScorer(Path(folder), question.index, n_genres))


def popularity(question: Question) -> ScoreRanking:
    """The same scores for everybody: how often each movie was rated in training."""
    return ScoreRanking(lambda shown: np.tile(question.movie_counts, (len(shown), 1)))


def profiles_of(dataset: Dataset, question: Question) -> list[Profile]:
    """What each user said of himself or herself, by user_index."""
    users = dataset.users.set_index(Col.USER).loc[list(question.index.user_ids)]
    columns = (users[Col.AGE], users[Col.GENDER], users[Col.OCCUPATION])
    return [Profile(int(age), gender, job) for age, gender, job in zip(*columns, strict=True)]


def drawn(rungs: dict[str, Rungs]) -> str:
    """NDCG@10 by the number of ratings, as an SVG file of its own."""
    styles = {
        "popularity": ("quiet", "dotted"),
        "trainer": ("second", "dashed"),
        "gateway": ("mark", ""),
    }
    lines = [
        Line(name, [(n, found[JUDGED]) for n, found in rungs[name].items()], style, dash)
        for name, (style, dash) in styles.items()
    ]
    values = [y for line in lines for _, y in line.points]
    low, high = min(values) - 0.02, max(values) + 0.02
    ladder = list(rungs["gateway"])
    frame = Frame(width=520, height=300, right=96)
    x = Axis("ratings of a new user", 0, max(ladder), [(n, str(n)) for n in ladder])
    y = Axis("NDCG@10, cold-100k", low, high, [(t, f"{t:g}") for t in nice_ticks(low, high)])
    svg = plot("NDCG@10 of new users by number of ratings", lines, x, y, frame=frame)
    # At their ends the trainer's line and the gateway's are one.
    labels = [
        text(
            frame.width - frame.right + 8,
            frame.y(y.share(line.points[-1][1])) + dy,
            line.label,
            "start",
        )
        for line, dy in zip(lines, (4, 16, 2), strict=True)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{frame.width}"'
    opening, rest = svg.removeprefix("<svg").removesuffix("</svg>").split(">", 1)
    return f"{head}{opening}><style>{STYLE}</style>{rest}{''.join(labels)}</svg>\n"


def main() -> int:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="Quality for new users through the gateway.")
    parser.add_argument("--data-dir", type=Path, help="a copy of MovieLens-100k")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--plot", type=Path, default=PLOT)
    options = parser.parse_args()

    dataset = load_dataset("ml-100k", options.data_dir)
    question = ask(dataset, make_split(SPLIT, dataset))
    where = ["--data-dir", str(options.data_dir)] if options.data_dir else []
    with trained("--split", SPLIT, *where) as models:
        trainer = by_trainer(models, question, len(dataset.genres))
        with gateway_client(models) as client:
            asked = GatewayRanking(client, question.index.movie_ids)
            gateway = rungs_of(question, asked)
            told = replace(asked, profiles=profiles_of(dataset, question))
            by_profile = rungs_of(replace(question, ladder=(0,)), told)[0]
    rungs = {"popularity": rungs_of(question, popularity(question)), "trainer": trainer}
    rungs["gateway"] = gateway
    result = _result(rungs, by_profile, len(question.users))
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    options.plot.write_text(drawn(rungs), encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0 if result["ok"] else 1


def _result(rungs: dict[str, Rungs], by_profile: dict[str, float], n_users: int) -> dict[str, Any]:
    trainer, gateway, popular = rungs["trainer"], rungs["gateway"], rungs["popularity"]
    difference = max(abs(gateway[n][name] - trainer[n][name]) for n in gateway for name in METRICS)
    below = [n for n in gateway if gateway[n][JUDGED] < popular[n][JUDGED]]
    profile_below = by_profile[JUDGED] < popular[0][JUDGED]
    return {
        "dataset": "ml-100k",
        "split": SPLIT,
        "users": n_users,
        **rungs,
        "gateway, profile and no rating": by_profile,
        "largest difference between gateway and trainer": difference,
        f"rungs below popularity by {JUDGED}": below,
        "ok": difference <= TOLERANCE and not below and not profile_below,
    }


if __name__ == "__main__":
    sys.exit(main())
