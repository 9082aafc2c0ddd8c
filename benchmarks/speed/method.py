"""The call that is measured, and how its answers say that they are second best."""

from __future__ import annotations

from typing import Final

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import DegradedReason

RECOMMEND_USER: Final = "/recommender.v1.RecommenderService/RecommendUser"

DEGRADED: Final = tuple(
    pb.Answer(degraded_reasons=[reason.value]).SerializeToString() for reason in DegradedReason
)
"""Bytes at the end of a RecommendUserResponse, whose last field is its Answer."""
