"""The models by name: what each is for, its settings, and how it is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from trainer.datasets import DataError
from trainer.features.index import Interactions
from trainer.models.interfaces import FittedRating, FittedRetrieval, TrainingData
from trainer.search_space import SearchSpace

Task = Literal["rating", "retrieval"]
Kind = Literal["winner", "source", "baseline"]

_MODELS: Final[Mapping[str, tuple[Task, Kind]]] = {
    "blend": ("rating", "winner"),
    "svdpp2": ("rating", "winner"),
    "bayes_fm": ("rating", "winner"),
    "dot_bias": ("rating", "source"),
    "ann_concat": ("rating", "source"),
    "ann_product": ("rating", "source"),
    "hybrid": ("rating", "source"),
    "mlp": ("rating", "source"),
    "two_tower_rating": ("rating", "source"),
    "two_tower_content": ("rating", "source"),
    "content_towers": ("rating", "source"),
    "gated_linear": ("retrieval", "winner"),
    "linear_sequence": ("retrieval", "winner"),
    "linear_static": ("retrieval", "winner"),
    "prefix": ("retrieval", "winner"),
    "two_tower_retrieval": ("retrieval", "source"),
    "random_rating": ("rating", "baseline"),
    "weighted_rating": ("rating", "baseline"),
    "majority": ("rating", "baseline"),
    "mean": ("rating", "baseline"),
    "user_movie_bias": ("rating", "baseline"),
    "popularity": ("retrieval", "baseline"),
    "highest_rated": ("retrieval", "baseline"),
    "bayesian_average": ("retrieval", "baseline"),
    "item_knn": ("retrieval", "baseline"),
    "ease": ("retrieval", "baseline"),
}
NAMES: Final = tuple(_MODELS)


@dataclass(frozen=True, slots=True)
class Model:
    """One named model."""

    name: str
    task: Task
    kind: Kind

    @property
    def summary(self) -> str:
        """First line of its docstring."""
        return (import_module(f"trainer.models.{self.name}").__doc__ or "").splitlines()[0]

    @property
    def search_space(self) -> SearchSpace:
        """What a search may try; empty where the model declares nothing."""
        module = import_module(f"trainer.models.{self.name}")
        space: SearchSpace = getattr(module, "SEARCH_SPACE", {})
        return space

    def config(self, settings: Mapping[str, str] | None = None, seed: int | None = None) -> Any:
        """The model's Config with other settings.

        Args:
          settings: {field: value as text}; a field of a field is "outer.inner".
          seed: of every random start, where the model has one.

        Raises:
          DataError: no such field, or a value of another type.
        """
        config = import_module(f"trainer.models.{self.name}").Config()
        if seed is not None and "seed" in {f.name for f in fields(config)}:
            config = replace(config, seed=seed)
        for key, text in (settings or {}).items():
            config = _with(config, self.name, key, key.split("."), text)
        return config

    def fit(
        self, data: TrainingData, config: Any, validation: Interactions | None = None
    ) -> FittedRating | FittedRetrieval:
        """Fits it; see the model's own `fit`.

        Args:
          validation: rows of the same users that decide what `config` leaves open, such as the
            number of epochs; they are not learnt from.
        """
        fitted: FittedRating | FittedRetrieval = import_module(f"trainer.models.{self.name}").fit(
            data, config, validation
        )
        return fitted


def model(name: str) -> Model:
    """The model that is called so.

    Raises:
      DataError: there is none; the message lists them.
    """
    if name not in _MODELS:
        raise DataError(f"model {name!r} is unknown; known: {', '.join(NAMES)}")
    return Model(name, *_MODELS[name])


def models() -> list[Model]:
    """All of them, in the order of the list that users see."""
    return [model(name) for name in NAMES]


def _with(config: Any, name: str, key: str, path: list[str], text: str) -> Any:
    known = {f.name for f in fields(config)}
    field, *rest = path
    if field not in known or (rest and not is_dataclass(getattr(config, field))):
        raise DataError(f"{name} has no setting {key!r}; it has {', '.join(sorted(known))}")
    if rest:
        return replace(config, **{field: _with(getattr(config, field), name, key, rest, text)})
    return replace(config, **{field: _parsed(get_type_hints(type(config))[field], key, text)})


def _parsed(kind: Any, key: str, text: str) -> Any:
    options = list(_options(kind))
    for option in options:
        if option == text:  # a Literal's choice
            return text
        if option is NoneType and text == "none":
            return None
        if option is bool and text in ("true", "false"):
            return text == "true"
        if option in (int, float, str):
            try:
                return option(text)
            except ValueError:
                continue
    said = {NoneType: "none", bool: "true or false"}
    expected = [said.get(option) or getattr(option, "__name__", str(option)) for option in options]
    raise DataError(f"setting {key}={text}: expected {' or '.join(expected)}")


def _options(kind: Any) -> Iterator[Any]:
    """The types of a union, and the choices of a Literal."""
    if get_origin(kind) in (Union, UnionType, Literal):
        for option in get_args(kind):
            yield from _options(option)
    else:
        yield kind
