"""The folder of finished rows, which makes a comparison go on where it was killed.

A row is found again by all that it depends on: model, seed, configuration, data, split, and the
source of the trainer. Its file appears by rename, whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trainer.evaluate.contestants import Contestant
from trainer.evaluate.question import Question
from trainer.evaluate.results import Row, row_from_document, row_to_document

Array = npt.NDArray[np.float64]

_NOT_IN_THE_KEY: Final = ("describe", "drawing", "evaluate/report")
"""Parts of the trainer that show and don't compute."""
_OF_A_PEER: Final = ("evaluate/", "features/index.py", "metrics.py")
"""All that a peer's row depends on; our own models' rows depend on the whole trainer."""
_SAMPLE: Final = "sample/"
_MAP_MOVIES: Final = "map_movies"
_MAP_VECTORS: Final = "map_vectors"


@dataclass(frozen=True, eq=False)
class Finished:
    """What one fit leaves behind."""

    row: Row
    """Without intervals: they are taken when all rows are there."""
    samples: Mapping[str, Array]
    """By flat metric name, see `measure.Measured`."""
    map_movies: npt.NDArray[np.int64]
    """[m] the movies of the map; empty where the model has no item vectors."""
    map_vectors: npt.NDArray[np.float32]
    """[m, D]"""


def row_key(contestant: Contestant, question_digest: str) -> str:
    """The name of a row's files: readable, and different wherever the fit would be."""
    peer = contestant.peer
    told = [contestant.asked, None if peer is None else [peer.settings, peer.for_split]]
    depends = json.dumps(
        [told, question_digest, _source_digest(peer is not None)], default=repr, sort_keys=True
    )
    digest = hashlib.sha256(depends.encode()).hexdigest()[:12]
    return f"{contestant.model}-{contestant.seed}-{digest}"


def question_digest(question: Question, fingerprint: str) -> str:
    """Hex SHA-256 of the data set and of every array that the split makes of it."""
    digest = hashlib.sha256(fingerprint.encode())
    for rows in (question.train, question.test):
        for column in (rows.users, rows.movies, rows.ratings, rows.timestamps):
            digest.update(column.tobytes())
    for movies in question.given.movies:
        digest.update(movies.tobytes() + b"/")
    digest.update(question.candidates.tobytes() + repr(question.ladder).encode())
    return digest.hexdigest()


def save(folder: Path, key: str, finished: Sequence[Finished]) -> None:
    """Writes the rows of one fit; after a crash they are all there or none is."""
    named: dict[str, npt.NDArray[Any]] = {}
    for position, found in enumerate(finished):
        named |= {f"{position}/{_SAMPLE}{name}": v for name, v in found.samples.items()}
        named[f"{position}/{_MAP_MOVIES}"] = found.map_movies
        named[f"{position}/{_MAP_VECTORS}"] = found.map_vectors
    arrays = folder / f"{key}.npz.part"
    with arrays.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **named)
    arrays.replace(folder / f"{key}.npz")
    text = folder / f"{key}.json.part"
    text.write_text(json.dumps([row_to_document(f.row) for f in finished]), encoding="utf-8")
    # The last step: rows count as finished when their JSON is there.
    text.replace(folder / f"{key}.json")


def load(folder: Path, key: str) -> list[Finished]:
    """The finished rows of a fit; none = it has to be made."""
    path = folder / f"{key}.json"
    if not path.exists():
        return []
    documents = json.loads(path.read_text(encoding="utf-8"))
    with np.load(folder / f"{key}.npz") as arrays:
        return [
            Finished(
                row=row_from_document(document),
                samples={
                    name.removeprefix(f"{position}/{_SAMPLE}"): arrays[name]
                    for name in arrays.files
                    if name.startswith(f"{position}/{_SAMPLE}")
                },
                map_movies=arrays[f"{position}/{_MAP_MOVIES}"],
                map_vectors=arrays[f"{position}/{_MAP_VECTORS}"],
            )
            for position, document in enumerate(documents)
        ]


@cache
def _source_digest(of_a_peer: bool) -> str:
    """Of the trainer's own modules: a model that was changed is fitted again."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name.startswith(_NOT_IN_THE_KEY) or name.endswith(("_command.py", "__main__.py")):
            continue
        if not of_a_peer or name.startswith(_OF_A_PEER):
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()


def plain_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON holds them: NumPy's numbers and arrays become Python's."""
    found: dict[str, Any] = json.loads(json.dumps(value, default=_plain_value))
    return found


def _plain_value(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
