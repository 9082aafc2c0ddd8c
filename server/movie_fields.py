"""Movies as protobuf writes them, each once: a page of ten shows up to forty of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import Movie, MovieId

MOVIES_KEPT: Final = 16_384
"""Movies of a catalogue that are not written anew; about 150 bytes each."""

_TAG: Final = bytes((pb.RecommendUserResponse.Recommendation.MOVIE_FIELD_NUMBER << 3 | 2,))


class MovieFields:
    """The field `movie`, which has one number in a Recommendation and in a BecauseOfMovie.

    Args:
      movies: of a catalogue, by movie_index.
    """

    __slots__ = ("_movies", "_rows", "kept")

    def __init__(self, movies: Sequence[Movie]) -> None:
        self._movies = movies
        self._rows: deque[int] = deque()
        """Of those that are kept, in the order in which they were written."""
        self.kept: list[bytes | None] = [None] * len(movies)
        """By movie_index; None = not written, or long ago."""

    def of(self, row: int) -> bytes:
        """Of a movie of the catalogue."""
        field = self.kept[row]
        if field is None:
            field = self.kept[row] = _written(self._movies[row])
            self._rows.append(row)
            if len(self._rows) > MOVIES_KEPT:
                self.kept[self._rows.popleft()] = None
        return field

    def bare(self, movie_id: bytes) -> bytes:
        """Of a movie that the catalogue lacks; its id is in UTF-8."""
        return _written(Movie(MovieId(movie_id.decode()), "", 0, (), 0, 0.0))


def movie_message(movie: Movie) -> pb.Movie:
    """A movie as the public API shows it."""
    return pb.Movie(
        movie_id=movie.movie_id,
        title=movie.title,
        year=movie.year,
        genres=movie.genres,
        rating_count=movie.rating_count,
        mean_rating=movie.mean_rating,
    )


def field_of(tag: bytes, content: bytes) -> bytes:
    """A field of bytes, of text or of a message: its tag and its length before its content."""
    return tag + varint(len(content)) + content


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    if number < 1 << 7:
        return bytes((number,))
    # Lengths of rows and of cited movies: without a call of its own for the second byte.
    if number < 1 << 14:
        return bytes((number & 0x7F | 0x80, number >> 7))
    return bytes((number & 0x7F | 0x80,)) + varint(number >> 7)


def _written(movie: Movie) -> bytes:
    return field_of(_TAG, movie_message(movie).SerializeToString())
