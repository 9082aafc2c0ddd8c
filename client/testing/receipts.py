"""Writes that a fake has answered, by their request ids."""

from __future__ import annotations

from client.testing.checks import invalid
from protos.recommender.v1 import recommender_pb2 as pb

Write = pb.RecordRatingsRequest | pb.AddMoviesRequest
Written = pb.RecordRatingsResponse | pb.AddMoviesResponse


class Receipts:
    """What was asked under each id, and the answer to give again."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Write, Written]] = {}

    def answer(self, request: Write) -> Written | None:
        """The answer to this request, where it was given before; a write without an id has none.

        Raises:
          RefusedError: its id was used for another request.
        """
        if request.request_id not in self._kept:
            return None
        asked, answered = self._kept[request.request_id]
        if asked != request:
            said = "was used for another request, allowed is a new one or the same request again"
            raise invalid([("request_id", said)])
        return answered

    def keep(self, request: Write, response: Written) -> None:
        """Remembers a write under its id, if it has one."""
        if request.request_id:
            self._kept[request.request_id] = (request, response)
