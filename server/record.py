"""RecordRatings: ratings that count from the next call on, without training."""

from __future__ import annotations

import json

from server.domain import MovieId, RecordedRatings, RecordQuery
from server.errors import FieldViolation, InvalidRequest
from server.features.store import FeatureStore, Receipt
from server.releases import Releases


def record_ratings(releases: Releases, query: RecordQuery, store: FeatureStore) -> RecordedRatings:
    """Stores the ratings of known movies, durably, and names the unknown ones.

    A request id that is known already gives the answer of its first time and stores nothing.

    Raises:
      InvalidRequest: the request id belongs to another request.
      StoreError: the store fails; a call again with the same request id is safe.
    """
    named = dict.fromkeys(event.movie_id for event in query.events)
    known = {i for i in named if i in releases.having(i).catalogue}
    events = tuple(event for event in query.events if event.movie_id in known)
    answer = RecordedRatings(len(events), tuple(i for i in named if i not in known))
    receipt = Receipt(query.digest, _to_text(answer))
    kept = store.record(events, query.request_id, receipt)
    check_same_request(kept, query.digest)
    return _from_text(kept.answer)


def check_same_request(kept: Receipt, digest: str) -> None:
    """Refuses a request id that was used for another request.

    Raises:
      InvalidRequest: it was.
    """
    if kept.digest != digest:
        fault = "was used for another request, allowed is a new one or the same request again"
        raise InvalidRequest([FieldViolation("request_id", fault)])


def _to_text(answer: RecordedRatings) -> str:
    return json.dumps([answer.n_recorded, answer.unknown_movie_ids], ensure_ascii=False)


def _from_text(text: str) -> RecordedRatings:
    n_recorded, unknown = json.loads(text)
    return RecordedRatings(n_recorded, tuple(map(MovieId, unknown)))
