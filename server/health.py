"""grpc.health.v1: SERVING while a release is active, latched to NOT_SERVING at shutdown."""

from __future__ import annotations

from typing import Final

import grpc
from grpc_health.v1 import (  # type: ignore[import-untyped] # no stubs
    health,
    health_pb2,
    health_pb2_grpc,
)

from protos.recommender.v1 import recommender_pb2 as pb

SERVICE_NAME: Final = pb.DESCRIPTOR.services_by_name["RecommenderService"].full_name
SERVICES: Final = ("", SERVICE_NAME)


class Health:
    """The health of the process and of its one service."""

    def __init__(self) -> None:
        self._servicer = health.HealthServicer()
        # The stock servicer is born SERVING.
        self._set(health_pb2.HealthCheckResponse.NOT_SERVING)

    def add_to(self, server: grpc.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def serving(self) -> None:
        """A release is active; without effect once `shut_down` was called."""
        self._set(health_pb2.HealthCheckResponse.SERVING)

    def shut_down(self) -> None:
        """NOT_SERVING from now on, whatever happens."""
        self._servicer.enter_graceful_shutdown()

    def _set(self, status: int) -> None:
        for service in SERVICES:
            self._servicer.set(service, status)
