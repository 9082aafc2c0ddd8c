"""The two clients beside the service and beside each other."""

import inspect
from dataclasses import is_dataclass
from typing import Any

import pytest

import client as package
from client import AsyncRecommenderClient, RecommenderClient, answers, models
from protos.recommender.v1 import recommender_pb2 as pb

RPCS = pb.DESCRIPTOR.services_by_name["RecommenderService"].methods
BESIDE_THE_CALLS = {"close", "wait_ready", "from_env", "target", "timeout"}


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [RecommenderClient, AsyncRecommenderClient])
def test_every_rpc_has_a_method(kind: type) -> None:
    """Both clients have one method for each RPC, one for the pages of each paged RPC, no more."""
    paged = {rpc.name for rpc in RPCS if "page_token" in rpc.input_type.fields_by_name}
    assert paged == {"RecommendUser"}
    wanted = {snake(rpc.name) for rpc in RPCS} | {f"{snake(name)}_pages" for name in paged}
    assert public(kind) == wanted | BESIDE_THE_CALLS


def test_both_clients_take_and_return_the_same() -> None:
    """Arguments, defaults and answers are equal; only an iterator is an asynchronous one."""
    for name in public(RecommenderClient):
        blocking = getattr(RecommenderClient, name)
        awaited = getattr(AsyncRecommenderClient, name)
        if not callable(blocking):
            continue
        one, other = inspect.signature(blocking), inspect.signature(awaited)
        assert one.parameters == other.parameters, name
        assert f"{one.return_annotation}" == f"{other.return_annotation}".removeprefix("Async")
        if not name.endswith("_pages") and name != "from_env":
            assert inspect.iscoroutinefunction(awaited), name
    assert inspect.signature(RecommenderClient) == inspect.signature(AsyncRecommenderClient)


def test_every_answer_is_frozen() -> None:
    """Whatever a method returns, or is sent, is a frozen dataclass or an enum."""
    values: list[Any] = [
        value
        for module in (answers, models)
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]
    dataclasses = [value for value in values if is_dataclass(value)]
    assert len(dataclasses) > 20
    assert all(value.__dataclass_params__.frozen for value in dataclasses)


def test_everything_exported_exists() -> None:
    """The names in __all__ are there, sorted out once."""
    assert len(set(package.__all__)) == len(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)


@pytest.mark.parametrize("kind", [RecommenderClient, AsyncRecommenderClient])
def test_every_method_is_documented(kind: type) -> None:
    """Each public method has a docstring; the blocking client's name every argument."""
    for name in public(kind):
        method = inspect.getattr_static(kind, name)
        method = getattr(method, "__func__", getattr(method, "fget", method))
        text = inspect.getdoc(method)
        assert text, name
        if kind is RecommenderClient and name.startswith(("recommend", "predict", "record")):
            arguments = set(inspect.signature(method).parameters) - {"self"}
            assert all(f"{argument}:" in text for argument in arguments), name
