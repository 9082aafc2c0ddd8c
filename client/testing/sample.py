"""The catalogue, ratings and profiles that a fake knows unless it is given others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from client.models import AddedMovie, Profile, RatingEvent

_MOVIES: Final = """
1|Toy Story|1995|Animation, Children's, Comedy|toys
2|Monsters, Inc.|2001|Animation, Children's, Comedy|monsters
3|Finding Nemo|2003|Animation, Children's, Adventure|fish
4|Lion King, The|1994|Animation, Children's, Musical|lions
5|Spirited Away|2001|Animation, Fantasy, Adventure|spirits
6|Princess Mononoke|1997|Animation, Fantasy, Adventure|spirits
7|Star Wars|1977|Action, Adventure, Sci-Fi|space
8|Empire Strikes Back, The|1980|Action, Adventure, Sci-Fi|space
9|Return of the Jedi|1983|Action, Adventure, Sci-Fi|space
10|Alien|1979|Horror, Sci-Fi, Thriller|space
11|Aliens|1986|Action, Sci-Fi, Thriller|space
12|Blade Runner|1982|Sci-Fi, Thriller|robots
13|Terminator, The|1984|Action, Sci-Fi, Thriller|robots
14|Matrix, The|1999|Action, Sci-Fi, Thriller|robots
15|Solaris|1972|Drama, Mystery, Sci-Fi|space
16|Moon|2009|Drama, Mystery, Sci-Fi|space
17|Godfather, The|1972|Crime, Drama|mafia
18|Godfather: Part II, The|1974|Crime, Drama|mafia
19|Goodfellas|1990|Crime, Drama|mafia
20|Pulp Fiction|1994|Crime, Drama, Thriller|gangsters
21|Fargo|1996|Crime, Drama, Thriller|gangsters
22|Silence of the Lambs, The|1991|Crime, Horror, Thriller|detectives
23|Psycho|1960|Horror, Thriller|detectives
24|Rear Window|1954|Mystery, Thriller|detectives
25|Vertigo|1958|Mystery, Romance, Thriller|detectives
26|Casablanca|1942|Drama, Romance, War|classics
27|Roman Holiday|1953|Comedy, Romance|classics
28|Some Like It Hot|1959|Comedy, Romance|classics
29|When Harry Met Sally...|1989|Comedy, Romance|friends
30|Notting Hill|1999|Comedy, Romance|friends
31|Amélie|2001|Comedy, Romance|paris
32|Singin' in the Rain|1952|Comedy, Musical, Romance|classics
33|Sound of Music, The|1965|Drama, Musical, Romance|classics
34|Seven Samurai|1954|Action, Adventure, Drama|samurai
35|Magnificent Seven, The|1960|Action, Adventure, Western|samurai
36|Once Upon a Time in the West|1968|Drama, Western|duels
37|Paths of Glory|1957|Drama, War|trenches
38|Apocalypse Now|1979|Drama, War|jungle
39|Nanook of the North|1922|Documentary|arctic
40|Man with a Movie Camera|1929|Documentary|cities
41|Night and Fog|1956|Documentary, War|camps
42|Thin Blue Line, The|1988|Documentary, Crime|detectives
43|Hoop Dreams|1994|Documentary|basketball
44|Koyaanisqatsi|1982|Documentary|cities
"""

_RATINGS: Final = {
    # Space and robots.
    "1": "7:5 8:5 9:4 10:4 11:4 12:5 14:5 30:2 33:1 17:4",
    "2": "7:5 8:4 9:4 13:5 14:5 11:5 29:2 4:3 20:4",
    "3": "7:4 10:5 12:5 15:5 16:4 14:4 32:2 24:4 5:4",
    "4": "8:5 7:5 14:4 34:4 13:3 1:4 31:3 38:4",
    # Crime and suspense.
    "5": "17:5 18:5 19:5 20:4 21:4 22:4 4:2 30:1 7:3 38:5",
    "6": "20:5 21:5 22:5 19:4 23:5 24:4 33:2 1:3 14:4",
    "7": "17:5 24:5 25:5 23:4 26:5 37:4 9:2 36:4",
    "8": "22:4 20:5 17:4 12:4 19:5 43:3 29:3 7:4",
    # Romance, comedy, music.
    "9": "27:5 28:5 29:5 30:4 31:5 32:4 10:1 22:2 26:5",
    "10": "29:4 30:5 31:4 33:5 32:5 4:4 11:1 26:4 1:4",
    "11": "28:4 27:4 26:5 25:4 33:3 37:3 13:2 17:4",
    # For children and those who stayed so.
    "12": "1:5 2:5 3:5 4:5 5:4 22:1 7:4 33:4",
    "13": "1:4 3:4 5:5 6:5 2:4 16:3 10:2 31:4 7:4",
    "14": "4:4 1:5 2:4 3:5 32:3 20:1 8:4",
    # Documentaries and classics.
    "15": "39:4 40:5 43:5 42:4 44:4 41:5 30:2 37:5 26:4",
    "16": "43:4 42:5 44:3 41:4 19:4 13:2 38:4 17:5",
    "17": "34:5 35:4 36:5 37:4 38:4 26:4 40:4 2:2 7:4",
    # Who the examples ask about: space above all, a dislike of romance.
    "42": "7:5 8:5 12:4 10:4 1:4 20:3 29:2 30:1",
}

_PROFILES: Final = {
    "5": Profile(51, "M", "retired"),
    "9": Profile(24, "F", "student", ("Comedy", "Romance")),
    "12": Profile(9, "F", "student", ("Animation",)),
    "42": Profile(30, "M", "programmer", ("Sci-Fi",)),
}

_FIRST_RATING: Final = datetime(2024, 1, 1, tzinfo=UTC)


def _movies() -> Iterator[AddedMovie]:
    for line in _MOVIES.strip().splitlines():
        movie_id, title, year, genres, tags = line.split("|")
        yield AddedMovie(movie_id, title, int(year), tuple(genres.split(", ")), (tags,))


def _ratings() -> Iterator[RatingEvent]:
    """Each user rates one movie a day, in the order written."""
    for user_id, ratings in _RATINGS.items():
        for day, rated in enumerate(ratings.split()):
            movie_id, rating = rated.split(":")
            when = _FIRST_RATING + timedelta(days=day)
            yield RatingEvent(user_id, movie_id, float(rating), when)


SAMPLE_MOVIES: Final = tuple(_movies())
SAMPLE_RATINGS: Final = tuple(_ratings())
SAMPLE_PROFILES: Final = dict(_PROFILES)
