"""What the gateway asks of a feature store."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from server.domain import StoredUser, UserId, Version


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """How much a store holds of one release."""

    users: int
    ratings: int


class StoreError(Exception):
    """The store cannot be opened or used; the message says which and why."""


class FeatureStore(Protocol):
    """Users of several releases side by side, keyed by version; safe to share by threads.

    Every method but `state` may raise StoreError.
    """

    def read(self, version: Version, user_id: UserId) -> StoredUser | None:
        """History and profile in one read, or None for a user whom the release does not know."""
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
