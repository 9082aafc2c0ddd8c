"""How served histories are signed: a dislike pushes away what is like it.

Trained on interactions alone, MovieLens says that a movie rated 1 predicts its like as well as one
rated 5: who rates a film watched it. A user means it otherwise. Signs cost nothing measurable in
trials on validation (docs/quality.md), so they are the default.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.models.towers import ALIKE, Liking


@dataclass(frozen=True, slots=True)
class LikingConfig:
    """Where dislike ends and liking begins, as shares of the rating range."""

    signed: bool = True
    """False = every movie of a history counts 1."""
    low: float = 0.125
    """1.5 stars of 1..5"""
    high: float = 0.5
    """3 stars of 1..5"""
    disliked: float = -0.1
    """Weight of ratings up to `low`."""

    def on(self, rating_range: tuple[float, float]) -> Liking:
        """The same for ratings of this range."""
        if not self.signed:
            return ALIKE
        lowest, highest = rating_range
        span = highest - lowest
        return Liking(lowest + self.low * span, lowest + self.high * span, self.disliked)
