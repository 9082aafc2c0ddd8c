"""What a ScaNN flavour must hold: what it finds, and that the rest is exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from serving.contract import DEFAULT_SIGNATURE, K_MAX, YEAR_UNSET, Manifest, golden_differences
from trainer.export.golden import ask

N_USERS: Final = 100
SLACK: Final = 0.03
"""How far below the recall of the tuning that of these users may be."""


def index_problems(
    loaded: Mapping[str, Any],
    manifest: Manifest,
    histories: Mapping[str, tuple[list[str], list[float]]],
) -> Iterator[str]:
    """How `retrieval_scann` and `recommend_scann` fall short of what they stand in for.

    Args:
      loaded: every servable of the release.
      histories: of the snapshot.
    """
    tuned = manifest.hyper_parameters.get("scann_index")
    if tuned is None:
        yield "the manifest says nothing about scann_index"
        return
    promised = tuned[f"recall@{K_MAX}"]
    recall = _recall(loaded, histories)
    if recall < promised - SLACK:
        yield f"retrieval_scann: recall@{K_MAX} is {recall:.3f}, tuned for {promised:.3f}"
    for golden in manifest.golden_requests:
        if golden.servable == "recommend" and not _is_plain(golden.inputs):
            answer = ask(loaded, "recommend_scann", golden.signature, golden.inputs)
            yield from golden_differences(replace(golden, servable="recommend_scann"), answer)


def _is_plain(inputs: Mapping[str, Any]) -> bool:
    masks = (inputs["genres_any"], inputs["genres_all"], inputs["genres_none"], inputs["order"])
    return not np.any(np.concatenate(masks, axis=1)) and inputs["years"] == [list(YEAR_UNSET)]


def _recall(
    loaded: Mapping[str, Any], histories: Mapping[str, tuple[list[str], list[float]]]
) -> float:
    """Mean share of `retrieval`'s ids that `retrieval_scann` has, too."""
    shares = []
    for user_id in list(histories)[:: max(1, len(histories) // N_USERS)]:
        ids, ratings = histories[user_id]
        inputs = {
            "user_id": [user_id],
            "history_ids": [["", *ids]],
            "history_ratings": [[0.0, *ratings]],
            "profile": [[""]],
        }
        exact, found = (
            set(ask(loaded, servable, DEFAULT_SIGNATURE, inputs)["movie_ids"][0]) - {""}
            for servable in ("retrieval", "retrieval_scann")
        )
        shares.append(len(exact & found) / len(exact))
    return float(np.mean(shares))
