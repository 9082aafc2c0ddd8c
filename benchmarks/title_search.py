"""Does SearchMovies find the right movie first when its title is misspelt?

python benchmarks/title_search.py [--models-dir DIR] [--queries N] [--seed N]

Starts a gateway on a published release (no model server is needed), draws movies with a seed,
misspells each title as a person at a keyboard does, and asks SearchMovies over gRPC. Titles of
fewer than 4 letters and digits are not drawn: one slip leaves nothing of them. A query is answered
rightly when the first movie is the one drawn, or another movie of exactly the same title. Results
go to benchmarks/results/title_search.json; the exit status is 1 when the bar is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any, Final

import grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from serving.contract import MOVIES_FILE, ModelsDir, read_active

BAR: Final = 0.95
MIN_LETTERS: Final = 4
LONG_TITLE: Final = 12
"""From this length on a title gets two slips instead of one."""
RESULTS: Final = Path(__file__).parent / "results" / "title_search.json"

_KEYS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS: Final = {
    key: row[max(i - 1, 0) : i] + row[i + 1 : i + 2] for row in _KEYS for i, key in enumerate(row)
}


@dataclass(frozen=True)
class Asked:
    """One query and what came first."""

    title: str
    query: str
    first: str
    right: bool
    ms: float


def misspell(title: str, rng: random.Random) -> str:
    """The title as somebody might type it: other case, article in front, one slip or two."""
    head, comma, article = title.rpartition(", ")
    if comma and article in {"The", "A", "An"} and rng.random() < 0.5:
        title = f"{article} {head}"
    if rng.random() < 0.7:
        title = title.lower()
    n_slips = 1 + (len(title) >= LONG_TITLE)
    for _ in range(n_slips):
        title = _slip(title, rng)
    return title


def _slip(text: str, rng: random.Random) -> str:
    """One key left out, doubled, exchanged with the next one, or missed for its neighbour."""
    letters = [i for i, c in enumerate(text) if c.isalnum()]
    at = rng.choice(letters)
    match rng.choice(("drop", "double", "swap", "neighbour")):
        case "drop":
            return text[:at] + text[at + 1 :]
        case "double":
            return text[:at] + text[at] + text[at:]
        case "swap" if at + 1 < len(text):
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        case _:
            wrong = rng.choice(_NEIGHBOURS.get(text[at].lower(), "x"))
            return text[:at] + wrong + text[at + 1 :]


def read_titles(models_dir: Path) -> list[str]:
    """The titles of the stable release."""
    models = ModelsDir(models_dir)
    active = read_active(models)
    if active is None:
        raise SystemExit(f"nothing is published in {models_dir}")
    content: dict[str, Any] = json.loads(
        (models.features(active.stable) / MOVIES_FILE).read_text(encoding="utf-8")
    )
    return [movie["title"] for movie in content["movies"]]


def ask(stub: RecommenderServiceStub, title: str, query: str) -> Asked:
    """Sends one query."""
    before = perf_counter()
    found = stub.SearchMovies(pb.SearchMoviesRequest(query=query, page_size=1), timeout=10).movies
    ms = (perf_counter() - before) * 1000
    first = found[0].movie.title if found else ""
    return Asked(title, query, first, first == title, round(ms, 3))


def main() -> int:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="Title search with misspelt queries.")
    parser.add_argument("--models-dir", type=Path, default=Path("serving/models"))
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()

    titles = read_titles(options.models_dir)
    rng = random.Random(options.seed)  # noqa: S311 - a draw that can be repeated, no secret
    typeable = [t for t in titles if sum(c.isalnum() for c in t) >= MIN_LETTERS]
    drawn = rng.sample(typeable, min(options.queries, len(typeable)))
    queries = [(title, misspell(title, rng)) for title in drawn]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            port=0,
            models_dir=options.models_dir,
            store_path=Path(folder) / "store.sqlite3",
            model_server="127.0.0.1:1",
        )
        with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
            stub = RecommenderServiceStub(channel)
            ask(stub, "", "the first search makes the index")
            asked = [ask(stub, title, query) for title, query in queries]

    share = sum(one.right for one in asked) / len(asked)
    cuts = quantiles([one.ms for one in asked], n=100)
    result = {
        "movies": len(titles),
        "queries": len(asked),
        "seed": options.seed,
        "bar": BAR,
        "right_first": share,
        "ms": {"p50": round(cuts[49], 3), "p99": round(cuts[98], 3)},
        "wrong": [asdict(one) for one in asked if not one.right],
        "ok": share >= BAR,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(
        json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(f"right movie first {share:6.1%}  (bar {BAR:.0%}) of {len(asked)} misspelt titles")
    print(f"a search takes    {cuts[49]:6.2f} ms p50, {cuts[98]:.2f} ms p99, {len(titles)} movies")
    return 0 if share >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
