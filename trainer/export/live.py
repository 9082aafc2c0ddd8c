"""Which releases stay live when one becomes stable or candidate: arithmetic on `Active`, no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from serving.contract import Active


@dataclass(frozen=True, slots=True)
class Retention:
    """What stays loaded and on disk beside the stable release and the candidate."""

    keep: int = 1
    """Releases kept beside the one that a gateway last confirmed."""
    confirmed: Collection[int] = ()
    """Releases from which gateways said they answer. The release that was stable before is taken
    for confirmed in any case."""


def with_stable(before: Active | None, version: int, retention: Retention) -> Active:
    """`version` answers everybody; what was stable is retained first, for it is the way back."""
    if before is None:
        return Active(stable=version)
    candidate = before.candidate if before.candidate != version else None
    after = Active(version, candidate, before.share if candidate else 0.0)
    former = (before.stable, *before.retained) if before.stable != version else before.retained
    return _retaining(after, former, retention)


def with_candidate(before: Active, version: int, share: float, retention: Retention) -> Active:
    """`version` answers a share of the users; a former candidate is retained last."""
    after = Active(before.stable, version, share)
    return _retaining(after, (*before.retained, *_candidate(before)), retention)


def without_candidate(before: Active, retention: Retention) -> Active:
    """The stable release answers everybody again."""
    former = (*before.retained, *_candidate(before))
    return _retaining(Active(before.stable), former, retention)


def trimmed(before: Active, retention: Retention) -> Active:
    """The same stable release and candidate, with no more retained than `retention` says."""
    return _retaining(before, before.retained, retention)


def way_back(active: Active) -> int | None:
    """The release to roll back to: the last stable one that is older; None when there is none."""
    return next((version for version in active.retained if version < active.stable), None)


def _candidate(active: Active) -> tuple[int, ...]:
    return (active.candidate,) if active.candidate else ()


def _retaining(after: Active, former: Iterable[int], retention: Retention) -> Active:
    live = {after.stable, *_candidate(after)}
    # dict: each once, in order of the time that it was stable.
    ordered = [version for version in dict.fromkeys(former) if version not in live]
    newest = ordered[: 1 + retention.keep]
    confirmed = [v for v in ordered if v in retention.confirmed and v not in newest]
    return replace(after, retained=(*newest, *confirmed))
