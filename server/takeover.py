"""Takeover: what the model server does not answer, the engine of the same release does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from server.degraded import MODEL_FAILURES, Degradation, ModelFailure
from server.engine.models import EngineModels
from server.releases import ActiveRelease
from server.servables import Models

_Answer = TypeVar("_Answer")

_ENGINE = EngineModels()


def answered(
    models: Models,
    release: ActiveRelease,
    call: str,
    degradation: Degradation,
    ask: Callable[[Models], _Answer],
) -> _Answer:
    """What the models say, or the engine in their place.

    Args:
      models: asked first.
      release: that they are asked about.
      call: what is asked, for the log.
      degradation: told of the failure where the engine answers.
      ask: may be called twice.

    Raises:
      UpstreamUnavailable, DeadlineExceeded, ContractViolation: they fail, and the release has no
        engine.
    """
    try:
        return ask(models)
    except MODEL_FAILURES as error:
        return taken_over(error, release, call, degradation, ask)


def taken_over(
    error: ModelFailure,
    release: ActiveRelease,
    call: str,
    degradation: Degradation,
    ask: Callable[[Models], _Answer],
) -> _Answer:
    """What the engine says in place of models that failed; the arguments are those of `answered`.

    Raises:
      UpstreamUnavailable, DeadlineExceeded, ContractViolation: `error`, as the release has no
        engine.
    """
    if release.engine is None:
        raise error
    degradation.record(call, error)
    return ask(_ENGINE)
