"""Who is compared: our models by name, what `train` exports by default, and peers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, Final, cast

from trainer.datasets import DataError
from trainer.evaluate.peers.fitting import PeerMissingError, library_version
from trainer.evaluate.peers.settings import LIBRARIES, PEERS, Library, PeerModel
from trainer.evaluate.results import Kind

BEST: Final = "best"
ALL: Final = "all"


@dataclass(frozen=True)
class Contestant:
    """One fit: a model and a seed."""

    model: str
    kind: Kind
    seed: int
    peer: PeerModel | None = None
    asked: Any = None
    """What makes the fit another one: the configuration before validation, or a peer's version."""


def own_contestants(names: Sequence[str], seeds: Sequence[int]) -> list[Contestant]:
    """Our models, baselines first.

    Args:
      names: of models; "all" = every model and the default export, "best" = the default export.
      seeds: a model that has none is fitted once, with the first.

    Raises:
      DataError: a name is unknown.
    """
    if not names:
        return []
    # Not before somebody asks: the registry's models import TensorFlow.
    from trainer.models.registry import NAMES, model  # noqa: PLC0415

    wanted = list(dict.fromkeys([*NAMES, BEST] if ALL in names else names))
    found = []
    for name in wanted:
        if name == BEST:
            found += [Contestant(BEST, "ours", seed) for seed in seeds]
            continue
        chosen = model(name)
        config = chosen.config()
        seeded = is_dataclass(config) and "seed" in {f.name for f in fields(config)}
        kind: Kind = "baseline" if chosen.kind == "baseline" else "ours"
        found += [
            Contestant(name, kind, seed, asked=_plain(chosen.config(seed=seed)))
            for seed in (seeds if seeded else seeds[:1])
        ]
    return sorted(found, key=lambda contestant: contestant.kind != "baseline")


def peer_contestants(
    names: Iterable[str], seeds: Sequence[int]
) -> tuple[list[Contestant], list[str]]:
    """Every peer of the named libraries, and a sentence for each library that is not installed.

    Args:
      names: libraries, or single peers of them.

    Raises:
      DataError: a name is unknown.
    """
    found: list[Contestant] = []
    missing: list[str] = []
    for name in dict.fromkeys(names):
        peers = [peer for peer in PEERS if name in (peer.library, peer.name)]
        if not peers:
            known = ", ".join([*LIBRARIES, *(peer.name for peer in PEERS)])
            raise DataError(f"peer {name!r} is unknown; known: {known}")
        try:
            version = library_version(cast("Library", peers[0].library))
        except PeerMissingError as error:
            missing.append(str(error))
            continue
        found += [
            Contestant(peer.name, "peer", seed, peer=peer, asked=version)
            for peer in peers
            for seed in (seeds if peer.seeded else seeds[:1])
        ]
    once = {(contestant.model, contestant.seed): contestant for contestant in found}
    return list(once.values()), missing


def _plain(config: Any) -> Any:
    return asdict(config) if is_dataclass(config) and not isinstance(config, type) else repr(config)
