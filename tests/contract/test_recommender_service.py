"""The promises of RecommenderService, asked of the fake and of a real gateway."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

pytest.register_assert_rewrite(
    "tests.contract.recommender_service", "tests.contract.recommender_service_writes"
)

from client import RecommenderClient  # noqa: E402  (after the registration)
from client.demo.phases import Phases  # noqa: E402
from client.demo.stack import embedded_stack  # noqa: E402
from client.testing import FakeRecommender  # noqa: E402
from tests.conftest import Release  # noqa: E402
from tests.contract import recommender_service, recommender_service_writes  # noqa: E402

BEHAVIOURS = {check.__name__: check for check in recommender_service.BEHAVIOURS}

NOT_YET: frozenset[str] = frozenset()
"""What the gateway does not do yet; an entry goes when the run reports its promise as XPASS."""


@pytest.fixture
def fake() -> Iterator[recommender_service.Subject]:
    with FakeRecommender() as service, service.client(timeout=20) as client:
        alike = frozenset({"8", "9"})
        yield recommender_service.Subject(client, "42", "7", "Star Wars", alike, "Documentary")


@pytest.fixture(scope="module")
def gateway(release: Release) -> Iterator[recommender_service.Subject]:
    """MovieLens-100k's user 42, Star Wars, and the rest of its trilogy.

    The promises write movies and ratings: they have a gateway and a store of their own.
    """
    alike = frozenset({"172", "181"})
    with (
        embedded_stack(release.models_dir, Phases(Console(file=io.StringIO()))) as target,
        RecommenderClient(target, timeout=20) as client,
    ):
        yield recommender_service.Subject(client, "42", "50", "Star Wars", alike, "Documentary")


def test_promises_have_different_names() -> None:
    """No promise hides another one, and both files are registered."""
    assert len(BEHAVIOURS) == len(recommender_service.BEHAVIOURS)
    assert "batch_equals_single_calls" in BEHAVIOURS
    assert recommender_service_writes.behaviour is recommender_service.behaviour
    assert set(BEHAVIOURS) >= NOT_YET


@pytest.mark.parametrize("promise", BEHAVIOURS)
def test_fake(promise: str, fake: recommender_service.Subject) -> None:
    """The fake that users test with keeps the promise."""
    BEHAVIOURS[promise](fake)


def _asked_of_the_gateway(promise: str) -> object:
    not_yet = pytest.mark.xfail(promise in NOT_YET, reason="the gateway does not do it yet")
    return pytest.param(promise, marks=not_yet)


@pytest.mark.parametrize("promise", [_asked_of_the_gateway(name) for name in BEHAVIOURS])
def test_gateway(promise: str, gateway: recommender_service.Subject) -> None:
    """A gateway with a trained release keeps the promise."""
    BEHAVIOURS[promise](gateway)
