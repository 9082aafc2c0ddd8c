"""The tables at 80 and 120 columns, with and without colour, in a dumb terminal."""

import io
import re

import pytest
from rich.console import Console

from client import (
    Answer,
    Movie,
    Profile,
    RatedMovie,
    Recommendation,
    Recommendations,
    SimilarMovie,
    SimilarMovies,
    Source,
    User,
    UserState,
)
from client.demo.check import CheckResult
from client.demo.story import Comparison, Story
from client.demo.tables import show_check, show_story, stars

LONG = Movie(
    "7",
    "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb",
    1963,
    ("Action", "Adventure", "Animation", "Sci-Fi", "Thriller", "War"),
)
AMELIE = Movie("8", "Fabuleux destin d'Amélie [Poulain], Le", 2001, ("Comedy", "Romance"))
BARE = Movie("9")


def story(
    *,
    held_out: bool = True,
    degraded: bool = False,
    state: UserState = UserState.HOT,
    profile: Profile = Profile(),  # noqa: B008 - frozen
) -> Story:
    answer = Answer(3, degraded, ("model server away",) if degraded else ())
    user = User("42", (RatedMovie("7", 5.0),), profile, state, answer)
    items = (
        Recommendation(LONG, 4.6, 1.5, Source.RETRIEVAL),
        Recommendation(AMELIE, 3.9, 1.0, Source.CONTENT),
        Recommendation(BARE, 1.0, 0.5, Source.POPULAR),
    )
    return Story(
        user=user,
        loved=((LONG, 5.0),),
        recommendations=Recommendations(items, state, answer=answer),
        comparisons=(Comparison(LONG, 4.0, 4.5), Comparison(AMELIE, 2.0, 3.5)),
        held_out=held_out,
        similar_to=LONG,
        similar=SimilarMovies((SimilarMovie(AMELIE, 0.87),), answer),
        guest=Recommendations(items[1:], UserState.COLD, answer=answer),
        answers=(answer, answer),
    )


def render(width: int, told: Story, encoding: str = "utf-8", **options: object) -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, errors="replace") as stream:
        console = Console(file=stream, width=width, _environ={}, **options)  # type: ignore[arg-type]
        show_story(console, told)
        stream.flush()
        return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("colour", [True, False])
def test_everything_is_there_and_fits(width: int, colour: bool) -> None:
    """No line is too wide, no word of a title or genre is lost, whatever the width."""
    text = render(
        width, story(), force_terminal=colour, color_system="truecolor" if colour else None
    )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert (plain != text) is colour
    assert max(map(len, plain.splitlines())) <= width
    assert "…" not in plain
    words = set(re.findall(r"[\w'.:\[\]-]+", plain))
    for movie in (LONG, AMELIE, BARE):
        for part in (movie.title, *movie.genres, str(movie.year or "")):
            assert set(re.findall(r"[\w'.:\[\]-]+", part)) <= words
    for fact in ("★★★★½ 4.6", "★     1.0", "retrieval", "content", "popular", "0.87", "+1.5"):
        assert fact in plain
    assert "Answered by release 3." in plain
    assert "egraded" not in plain


def test_no_colour_means_no_escape() -> None:
    """A pipe gets plain text."""
    assert "\x1b" not in render(80, story())


def test_no_color_keeps_the_words() -> None:
    """NO_COLOR in a terminal leaves out the colours, 30..37 and 90..97, and nothing else."""
    raw = render(80, story(), force_terminal=True, color_system="standard", no_color=True)
    codes = {
        int(c) for found in re.findall(r"\x1b\[([0-9;]*)m", raw) for c in found.split(";") if c
    }
    assert codes <= {0, 1, 2}
    assert "★★★★½ 4.6" in re.sub(r"\x1b\[[0-9;]*m", "", raw)


def test_an_ascii_terminal_gets_ascii() -> None:
    """Stars, lines and letters outside ASCII are replaced, nothing fails."""
    text = render(80, story(), encoding="ascii")
    assert "****+ 4.6" in text
    assert "Am?lie" in text
    assert "?" not in text.replace("Am?lie", "")


def test_the_error_of_predictions_is_shown() -> None:
    """4.5 for a 4.0 and 3.5 for a 2.0: errors +0.5 and +1.5, mean absolute error 1.00."""
    text = render(140, story())
    assert "Predicted beside actual: held-out ratings of user 42" in text
    assert re.search(r"Bomb \(1963\).*4\.5.*4\.0 +\+0\.5", text)
    assert re.search(r"Le \(2001\).*3\.5.*2\.0 +\+1\.5", text)
    assert "Mean absolute error 1.00 of 2 ratings that no model has seen." in text


def test_known_ratings_are_called_known() -> None:
    """Without held-out ratings the reader is told that the models may have learnt them."""
    text = render(100, story(held_out=False))
    assert "known ratings of user 42" in text
    assert "may have learnt" in text


def test_degraded_answers_say_why() -> None:
    """The reasons of a second-best answer are printed, each once."""
    text = render(80, story(degraded=True))
    assert text.count("Degraded, second best: model server away.") == 1


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        (Profile(), "User 42 has rated 1 movie."),
        (Profile(30, "M", "writer"), "User 42 (30, M, writer) has rated 1 movie."),
        (Profile(gender="F"), "User 42 (F) has rated 1 movie."),
    ],
)
def test_a_known_user_is_introduced(profile: Profile, sentence: str) -> None:
    """What the service knows of a person comes first; what it does not know is left out."""
    assert sentence in render(80, story(profile=profile))


def test_order_and_stars_are_told_apart() -> None:
    """A list that is not sorted by its stars says what the order means."""
    assert "The order is what to watch next; the stars" in render(80, story())


def test_a_stranger_is_called_a_cold_start() -> None:
    """A user without ratings is introduced as what he or she is."""
    assert "User 42 has no ratings here, so this is a cold start." in render(
        80, story(state=UserState.COLD)
    )


@pytest.mark.parametrize(
    ("rating", "drawn"),
    [
        (4.6, "★★★★½ 4.6"),
        (4.75, "★★★★★ 4.8"),
        (5.0, "★★★★★ 5.0"),
        (0.5, "½     0.5"),
        (0.0, "      0.0"),
        (8.4, "8.4"),
        (-1.0, "-1.0"),
    ],
)
def test_stars_show_the_nearest_half(rating: float, drawn: str) -> None:
    """Stars are rounded to halves and padded to five; other scales have the number alone."""
    assert stars(rating) == drawn


def test_the_checks_numbers_are_shown() -> None:
    """Recall, popularity and what two users share, in one sentence each."""
    stream = io.StringIO()
    result = CheckResult(200, 0.2345, 0.1, ("1", "2"), 0.1, 0)
    show_check(Console(file=stream, width=120), result)
    assert stream.getvalue().split("\n")[0] == (
        "Recall@10 over 200 users: 0.234, popularity 0.100. Users 1 and 2 share 10% of their lists."
    )
