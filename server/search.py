"""SearchMovies: movies by title."""

from __future__ import annotations

from server.domain import Answer, FoundMovies, SearchQuery
from server.releases import ActiveRelease


def search_movies(release: ActiveRelease, query: SearchQuery) -> FoundMovies:
    """Movies whose title resembles the query, best match first."""
    found = release.catalogue.titles.search(query.text, query.page_size)
    return FoundMovies(
        movies=tuple(release.catalogue.movies[match.movie_index] for match in found),
        matches=tuple(match.match for match in found),
        answer=Answer(release.version),
    )
