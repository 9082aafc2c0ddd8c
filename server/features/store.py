"""What the gateway asks of a feature store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.domain import AddedMovie, RatingEvent, StoredUser, UserId, Version


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """How much a store holds of one release."""

    users: int
    ratings: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a write, kept under its request id."""

    digest: str
    """Of the whole request: another request under the same id shows."""
    answer: str


class StoreError(Exception):
    """The store cannot be opened or used; the message says which and why."""


class FeatureStore(Protocol):
    """Users of several releases side by side, keyed by version; safe to share by threads.

    What callers record belongs to no release: it is merged into every read, whatever is active.

    Every method but `state` may raise StoreError.
    """

    def read(self, version: Version, user_id: UserId) -> StoredUser | None:
        """History and profile in one read, recorded ratings included.

        None for a user whom the release does not know and of whom nothing was recorded.
        """
        ...

    def record(self, events: Sequence[RatingEvent], request_id: str, receipt: Receipt) -> Receipt:
        """Appends ratings, all or none, on the disk when it returns.

        Args:
          events: in their order; of one movie the last one counts.
          request_id: "" = none; one that is known already appends nothing.
          receipt: kept under the request id.

        Returns:
          `receipt`, or the one that is known already.
        """
        ...

    def add_movies(
        self, movies: Sequence[AddedMovie], request_id: str, receipt: Receipt
    ) -> Receipt:
        """Adds movies, all or none, on the disk when it returns; the rest as in `record`.

        A movie that is there already, just so, stays as it is.

        Raises:
          MovieExists: an id is there with other content.
        """
        ...

    def added_movies(self) -> Sequence[AddedMovie]:
        """Every added movie in the order of adding."""
        ...

    def n_added_movies(self) -> int:
        """How many there are."""
        ...

    def secret(self, name: str) -> bytes:
        """32 random bytes, made once and the same ever after."""
        ...

    def is_loaded(self, version: Version, fingerprint: str) -> bool:
        """Whether the release with exactly this content is complete."""
        ...

    def load(
        self, version: Version, fingerprint: str, users: Iterable[tuple[UserId, StoredUser]]
    ) -> None:
        """Fills one release; to repeat it is harmless, to resume it continues where it ended.

        Args:
          version: the release.
          fingerprint: names the content; what was loaded under another one is replaced.
          users: each once, in the same order every time.
        """
        ...

    def keep_only(self, versions: Collection[Version]) -> None:
        """Drops every other release."""
        ...

    def counts(self, version: Version) -> StoreCounts:
        """Users and ratings of a loaded release; zeros for any other."""
        ...

    def state(self) -> str:
        """The engine and how it is: "sqlite: ready", or what is wrong."""
        ...
