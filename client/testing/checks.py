"""What the API allows in a request, and what a refused caller is told."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs

from client.testing.state import RATING_RANGE
from protos.recommender.v1 import recommender_pb2 as pb

DEFAULT_PAGE_SIZE: Final = 10
MAX_PAGE_SIZE: Final = 100
MAX_ID_BYTES: Final = 256
MAX_TEXT_BYTES: Final = 1024
MAX_QUERY: Final = 200
MAX_EXCLUDED: Final = 10_000
MAX_EXCLUDED_IN_BATCH: Final = 20_000
MAX_ENTRIES: Final = 1_000
MAX_BATCH: Final = 100
MAX_YEAR: Final = 9999
MAX_AGE: Final = 120


class RefusedError(Exception):
    """The status with which a call ends."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        violations: Sequence[tuple[str, str]] = (),
        retry_after_s: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self._metadata = metadata or {}
        self._code = code
        self._reason = reason
        self._violations = violations
        self._retry_after_s = retry_after_s

    def status(self, request_id: str) -> Any:
        """The google.rpc.Status, with details as the real service sends them."""
        status = status_pb2.Status(code=self._code.value[0], message=str(self))
        info = error_details_pb2.ErrorInfo(reason=self._reason, domain="recommender.v1")
        info.metadata.update({**self._metadata, "request_id": request_id})
        details = [info]
        if self._violations:
            bad_request = error_details_pb2.BadRequest()
            for field, description in self._violations:
                bad_request.field_violations.add(field=field, description=description)
            details.append(bad_request)
        if self._retry_after_s is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(round(self._retry_after_s * 1e9))
            details.append(retry)
        for detail in details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        return status


def invalid(violations: Sequence[tuple[str, str]]) -> RefusedError:
    """INVALID_ARGUMENT for the (field, description) pairs given; no more than ten are listed."""
    listed = violations[:10]
    message = "; ".join(f"{field}: {said}" for field, said in listed)
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", message, listed)


class Checks:
    """Collects the violations of one request; `done` refuses it if there are any."""

    def __init__(self) -> None:
        self._violations: list[tuple[str, str]] = []

    def refuse(self, field: str, description: str) -> None:
        self._violations.append((field, description))

    def done(self) -> None:
        """Ends the checks.

        Raises:
          RefusedError: a field is outside what is allowed.
        """
        if self._violations:
            raise invalid(self._violations)

    def between(self, field: str, value: float, low: float, high: float) -> None:
        if math.isnan(value) or not low <= value <= high:
            self.refuse(field, f"is {value:g}, allowed {low:g}..{high:g}")

    def page_size(self, value: int) -> int:
        """The page size that 0 stands for, or the given one."""
        self.between("page_size", value, 0, MAX_PAGE_SIZE)
        return value or DEFAULT_PAGE_SIZE

    def count(self, field: str, n_entries: int, low: int, high: int) -> None:
        if not low <= n_entries <= high:
            self.refuse(field, f"has {n_entries} entries, allowed {low}..{high}")

    def text(self, field: str, value: str, low: int = 0, high: int = MAX_ID_BYTES) -> None:
        n_bytes = len(value.encode())
        if not low <= n_bytes <= high:
            self.refuse(field, f"is {n_bytes} bytes long, allowed {low}..{high} bytes")
        elif any(unicodedata.category(letter) == "Cc" for letter in value):
            self.refuse(field, "has control characters, allowed are none")

    def movie_ids(self, field: str, values: Sequence[str], low: int, high: int) -> None:
        self.count(field, len(values), low, high)
        for position, value in enumerate(values):
            self.text(f"{field}[{position}]", value, low=1)

    def genres(self, field: str, values: Iterable[str], allowed: Collection[str]) -> None:
        for position, value in enumerate(values):
            if value not in allowed:
                choices = ", ".join(sorted(allowed))
                self.refuse(f"{field}[{position}]", f"{value!r} is none of the allowed: {choices}")

    def filter(self, message: pb.MovieFilter, genres: Collection[str]) -> None:
        self.genres("filter.genres_any", message.genres_any, genres)
        self.genres("filter.genres_all", message.genres_all, genres)
        self.genres("filter.genres_none", message.genres_none, genres)
        self.between("filter.min_year", message.min_year, 0, MAX_YEAR)
        self.between("filter.max_year", message.max_year, 0, MAX_YEAR)
        if 0 < message.max_year < message.min_year:
            self.refuse("filter.min_year", f"is {message.min_year}, allowed 0..{message.max_year}")

    def history(self, entries: Sequence[pb.RatedMovie]) -> None:
        self.count("history", len(entries), 0, MAX_EXCLUDED)
        for position, entry in enumerate(entries):
            self.text(f"history[{position}].movie_id", entry.movie_id, low=1)
            self.between(f"history[{position}].rating", entry.rating, *RATING_RANGE)

    def profile(self, message: pb.Profile, genres: Collection[str]) -> None:
        self.between("profile.age", message.age, 0, MAX_AGE)
        self.text("profile.gender", message.gender)
        self.text("profile.occupation", message.occupation)
        self.genres("profile.favorite_genres", message.favorite_genres, genres)

    def enum(self, field: str, value: int, allowed: Collection[int]) -> None:
        if value not in allowed:
            self.refuse(field, f"is {value}, allowed {min(allowed)}..{max(allowed)}")


def passes(movie: pb.Movie, wanted: pb.MovieFilter) -> bool:
    """Whether a movie fulfils every condition; one without a year fails any bound of years."""
    genres = set(movie.genres)
    return (
        (not wanted.genres_any or not genres.isdisjoint(wanted.genres_any))
        and genres.issuperset(wanted.genres_all)
        and genres.isdisjoint(wanted.genres_none)
        and (not wanted.min_year or movie.year >= wanted.min_year)
        and (not wanted.max_year or 0 < movie.year <= wanted.max_year)
    )
