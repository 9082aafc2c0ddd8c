"""Tunes a model's settings on validation within a budget.

Optuna's tree-structured Parzen estimator proposes them (Bergstra et al., "Algorithms for
hyper-parameter optimization", NeurIPS 2011). The first trial is the model's own defaults, so a
search never ends below them on validation. What may be tried is declared beside each Config, see
`trainer.search_space`. Test rows are not known here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import optuna

from trainer.datasets import DataError
from trainer.features.index import Interactions
from trainer.models import measured
from trainer.models.interfaces import TrainingData
from trainer.models.registry import Model, Task
from trainer.search_space import Choice, IntRange, Range

_DECIDING: Final[Mapping[Task, tuple[str, Literal["minimize", "maximize"]]]] = {
    "rating": ("rmse", "minimize"),
    "retrieval": ("ndcg@10", "maximize"),
}


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may spend."""

    n_trials: int
    """Fits at most, at least 1."""
    seconds: float | None = None
    """No fit starts after so many, but the first one; None = no limit."""


def search(
    model: Model,
    data: TrainingData,
    validation: Interactions,
    budget: Budget,
    seed: int,
    report: Callable[[str], None],
    settings: Mapping[str, str] | None = None,
) -> Any:
    """Finds settings by RMSE on validation for a rating model, by NDCG@10 for a retrieval model.

    Args:
      data: training rows; every trial fits on them.
      validation: rows of the same users, which are not learnt from.
      seed: of the search and of every fit.
      report: called with a sentence after each trial.
      settings: what is decided already, as `Model.config` takes it; it is not searched.

    Returns:
      The model's Config, with what validation chose inside the best fit, such as its epochs.

    Raises:
      DataError: the model declares nothing to search, all of it is decided, the budget is empty,
        or every fit diverged.
    """
    decided = settings or {}
    space = {name: within for name, within in model.search_space.items() if name not in decided}
    if not space:
        raise DataError(f"model {model.name} has no settings to search")
    if budget.n_trials < 1:
        raise DataError(f"a search needs at least 1 trial, got {budget.n_trials}")
    start = model.config(decided, seed)
    figure, direction = _DECIDING[model.task]
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # `report` tells it
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({name: value_of(start, name) for name in space})
    fitted_configs: dict[int, Any] = {}
    deadline = time.monotonic() + (math.inf if budget.seconds is None else budget.seconds)
    for number in range(budget.n_trials):
        if number and time.monotonic() >= deadline:
            break
        trial = study.ask()
        tried = {name: _suggested(trial, name, within) for name, within in space.items()}
        told = f"trial {number + 1} of {budget.n_trials}, {_told(tried)}"
        try:
            fitted = model.fit(data, with_values(start, tried), validation)
            value = measured.figures(fitted, data, validation)[figure]
        except measured.NotFiniteError as error:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            report(f"{told}: diverged, {error}")
        else:
            study.tell(trial, value)
            fitted_configs[trial.number] = fitted.config
            report(f"{told}: {figure} {value:.4f}")
    if not fitted_configs:
        raise DataError(f"every fit of {model.name} diverged: nothing was found")
    best = study.best_trial
    report(
        f"best of {len(study.trials)} is trial {best.number + 1}, {_told(best.params)}: "
        f"{figure} {best.value:.4f}"
    )
    return fitted_configs[best.number]


def _suggested(trial: optuna.Trial, name: str, within: Range) -> Any:
    if isinstance(within, Choice):
        return trial.suggest_categorical(name, within.options)
    if isinstance(within, IntRange):
        return trial.suggest_int(name, within.low, within.high, log=within.log)
    return trial.suggest_float(name, within.low, within.high, log=within.log)


def _told(tried: Mapping[str, Any]) -> str:
    values = (f"{value:.4g}" if isinstance(value, float) else value for value in tried.values())
    return " ".join(f"{name}={value}" for name, value in zip(tried, values, strict=True))


def value_of(config: Any, name: str) -> Any:
    """The setting that is called so; "outer.inner" is a setting of a setting."""
    for part in name.split("."):
        config = getattr(config, part)
    return config


def with_values(config: Any, values: Mapping[str, Any]) -> Any:
    """A Config with other values, named as `value_of` names them."""
    for name, value in values.items():
        outer, _, inner = name.partition(".")
        new = with_values(getattr(config, outer), {inner: value}) if inner else value
        config = replace(config, **{outer: new})
    return config
