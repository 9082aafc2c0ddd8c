"""A recommender service for your tests: in this process, with a small catalogue, without models.

::

    from client import UnavailableError
    from client.testing import FakeRecommender

    with FakeRecommender() as fake, fake.client() as client:
        assert len(client.recommend_user("42", page_size=5)) == 5

        fake.fail("RecommendUser", UnavailableError("going down"))
        client.recommend_user("42")                       # answered by the second attempt
        assert [call.rpc for call in fake.received] == ["RecommendUser"] * 3

It speaks gRPC on a free port (`fake.target`), so that any client can ask it, in another process
too. It keeps the rules of the API: tests/contract asks it the same questions as the real service.
Its recommendations come from its own simple arithmetic (taste.py), not from a trained release.
"""

from client.testing.fake import FakeRecommender, Received
from client.testing.sample import SAMPLE_MOVIES, SAMPLE_PROFILES, SAMPLE_RATINGS

__all__ = [
    "SAMPLE_MOVIES",
    "SAMPLE_PROFILES",
    "SAMPLE_RATINGS",
    "FakeRecommender",
    "Received",
]
