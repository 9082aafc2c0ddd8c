"""Held-out ratings: what no model has seen, to compare its answers with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.demo.failures import USER_ERROR, DemoError


@dataclass(frozen=True, slots=True)
class Holdout:
    """A hold-out file; the artifact contract has its schema."""

    popularity: tuple[str, ...]
    """Movie ids, most rated first."""
    ratings: Mapping[str, Mapping[str, float]]
    """user_id -> {movie_id: rating}, in the order of the file."""


def read_holdout(path: Path) -> Holdout:
    """The hold-out file at `path`.

    Raises:
      DemoError: it is missing or not what the contract says.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Holdout(
            popularity=tuple(str(movie_id) for movie_id in content["popularity"]),
            ratings={
                str(user["user_id"]): {
                    str(rating["movie_id"]): float(rating["rating"]) for rating in user["ratings"]
                }
                for user in content["users"]
            },
        )
    except OSError as error:
        message = f"the hold-out file {path} is not readable: {error.strerror}"
        raise DemoError(message, exit_code=USER_ERROR) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path} is no hold-out file: {type(error).__name__} {error}"
        raise DemoError(message, exit_code=USER_ERROR) from error
