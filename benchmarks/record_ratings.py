"""Lists before and after RecordRatings, for three sample users of MovieLens-100k.

python -m benchmarks.record_ratings

Trains and publishes a release (or serves the one below --models-dir), starts model server and
gateway, and writes docs/record-ratings.md. Nothing is trained between the two lists.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.trained_stack import gateway_client, trained
from client import BecauseOfMovie, RatingEvent, Recommendations, RecommenderClient
from serving.contract import ModelsDir

SHOWN: Final = 10
OUTPUT: Final = Path(__file__).parents[1] / "docs" / "record-ratings.md"

INTRODUCTION: Final = """# What one rating changes

Three users of MovieLens-100k, asked for ten movies before and after `RecordRatings`; nothing is
trained in between. An arrow says how many places a movie went up or down, "new" that it was not
among the ten before. Written by `python -m benchmarks.record_ratings`.
"""


@dataclass(frozen=True)
class Sample:
    """A user, and what is recorded."""

    title: str
    user_id: str
    rated: Sequence[tuple[str, float]]
    """(title, rating) in the order of rating."""


SAMPLES: Final = (
    Sample("A newcomer likes one movie", "newcomer", (("Star Wars", 5.0),)),
    Sample(
        "A newcomer likes three movies for children",
        "newcomer with children",
        (("Lion King, The", 5.0), ("Aladdin", 5.0), ("Toy Story", 4.0)),
    ),
    Sample("User 42 dislikes two comedies", "42", (("Liar Liar", 1.0), ("Men in Black", 1.0))),
)


def record(client: RecommenderClient, sample: Sample) -> list[str]:
    """Records the sample's ratings; returns what was recorded, a phrase each."""
    events, told = [], []
    for title, rating in sample.rated:
        movie = client.search_movies(title, page_size=1)[0].movie
        if movie.title != title:
            raise SystemExit(f"the release has no movie {title!r}")
        events.append(RatingEvent(sample.user_id, movie.movie_id, rating))
        told.append(f"{movie}: {rating:g} of 5")
    client.record_ratings(events)
    return told


def table(before: Recommendations, after: Recommendations) -> list[str]:
    """The two lists side by side, with what the second one is said to be for."""
    places = {movie_id: place for place, movie_id in enumerate(before.movie_ids)}
    rows = ["| | before | after | | because of |", "|---|---|---|---|---|"]
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        former = places.get(new.movie.movie_id)
        moved = "new" if former is None else _arrow(former - place)
        cited = [str(r.movie) for r in new.reasons if isinstance(r, BecauseOfMovie)]
        rows.append(f"| {place + 1} | {old.movie} | {new.movie} | {moved} | {', '.join(cited)} |")
    return rows


def _arrow(gained: int) -> str:
    return "" if gained == 0 else f"{'↑' if gained > 0 else '↓'}{abs(gained)}"


def main() -> int:
    """Asks, records, asks again, and writes the page."""
    parser = argparse.ArgumentParser(description="Lists before and after RecordRatings.")
    parser.add_argument("--models-dir", type=Path, help="serve this; nothing is trained then")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()

    parts = [INTRODUCTION]
    with ExitStack() as stack:
        models = ModelsDir(options.models_dir) if options.models_dir else None
        client = stack.enter_context(gateway_client(models or stack.enter_context(trained())))
        for sample in SAMPLES:
            before = client.recommend_user(sample.user_id, page_size=SHOWN)
            told = record(client, sample)
            after = client.recommend_user(sample.user_id, page_size=SHOWN)
            states = f"{before.user_state.name} before, {after.user_state.name} after"
            parts.append(
                f"## {sample.title}\n\nRecorded: {'; '.join(told)}. The user is {states}.\n"
            )
            parts.append("\n".join(table(before, after)) + "\n")
    options.output.write_text("\n".join(parts), encoding="utf-8")
    print(f"written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
