"""Which peers are compared, with the settings that validation chose for each.

The grids were searched on the validation part of u1 (ml-100k), ls-random and ls-temporal
(ml-latest-small); a data set that was not searched gets what won on ml-100k. "default" is what the
library does unasked, which is how most comparisons show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Library = Literal["surprise", "implicit", "myfm"]
LIBRARIES: Final[tuple[Library, ...]] = ("surprise", "implicit", "myfm")

DISTRIBUTIONS: Final[Mapping[Library, str]] = {
    "surprise": "scikit-surprise",
    "implicit": "implicit",
    "myfm": "myfm",
}


@dataclass(frozen=True)
class PeerModel:
    """One algorithm of a library, with its settings."""

    name: str
    library: Library
    algorithm: str
    """As the library calls it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the library's defaults."""
    for_split: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """{split: settings that its own validation chose instead}."""
    seeded: bool = False
    """Another seed gives another fit."""

    def settings_for(self, split: str) -> Mapping[str, Any]:
        """The settings on a split, by its name without parameters."""
        return self.for_split.get(split, self.settings)


PEERS: Final = (
    PeerModel("surprise-baseline-default", "surprise", "BaselineOnly"),
    PeerModel(
        "surprise-baseline-tuned",
        "surprise",
        "BaselineOnly",
        {"bsl_options": {"reg_u": 4, "reg_i": 3}},
        {"ls-random": {"bsl_options": {"reg_u": 2, "reg_i": 3}}},
    ),
    PeerModel("surprise-svd-default", "surprise", "SVD", seeded=True),
    PeerModel(
        "surprise-svd-tuned",
        "surprise",
        "SVD",
        {"n_factors": 200, "n_epochs": 60, "lr_all": 0.005, "reg_all": 0.08},
        seeded=True,
    ),
    PeerModel("surprise-svdpp-default", "surprise", "SVDpp", seeded=True),
    PeerModel("surprise-knn-default", "surprise", "KNNBaseline"),
    PeerModel(
        "surprise-knn-tuned",
        "surprise",
        "KNNBaseline",
        {
            "k": 40,
            "sim_options": {"name": "pearson_baseline", "user_based": False, "shrinkage": 200},
        },
    ),
    PeerModel("implicit-als-default", "implicit", "ALS", seeded=True),
    PeerModel(
        "implicit-als-tuned",
        "implicit",
        "ALS",
        {"factors": 64, "regularization": 30.0, "alpha": 5.0, "iterations": 15},
        seeded=True,
    ),
    PeerModel(
        "implicit-bpr-tuned",
        "implicit",
        "BPR",
        {"factors": 64, "regularization": 0.01, "iterations": 100, "learning_rate": 0.01},
        seeded=True,
    ),
    PeerModel("myfm-plain", "myfm", "plain", {"rank": 10, "n_iter": 250}, seeded=True),
    PeerModel("myfm-implicit", "myfm", "implicit", {"rank": 10, "n_iter": 250}, seeded=True),
    PeerModel(
        "myfm-implicit-side", "myfm", "implicit+side", {"rank": 10, "n_iter": 250}, seeded=True
    ),
)
