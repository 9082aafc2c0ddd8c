"""The map of the movie vectors: a dot for each movie, coloured by genre, with a few names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from trainer.drawing import Frame, svg
from trainer.evaluate.results import MovieMap, MoviePoint

_FRAME: Final = Frame(width=400, height=300, left=8, right=8, top=8, bottom=8)
_COLOURS: Final = ("mark", "second", "third", "fourth", "fifth")
_NEIGHBOURS: Final = 10
_LARGE, _SMALL = 11.0, 5.2
"""Sizes of names: the few that a phone shows too, and those that only a wide screen shows."""
_YEAR: Final = re.compile(r"\s*\(\d{4}\)\s*$")
_ARTICLE: Final = re.compile(r"^(.*), (The|A|An|La|Le|Les|Il|Das|Der|Die)$")
Box = tuple[float, float, float, float]


def drawn(movie_map: MovieMap) -> str:
    """The map, its legend, and a choice of genre that needs no script; at least three movies."""
    points = sorted(movie_map.points, key=lambda point: point.n_ratings)
    places = _places(points)
    genres = [g for g, _ in Counter(g for p in points for g in p.genres).most_common()]
    coloured = _standing_together(points, places, genres)
    dots = "".join(
        _dot(point, place, genres, coloured) for point, place in zip(points, places, strict=True)
    )
    name = f"Map of {len(points):,} movies"
    told = (
        f"{movie_map.method}. Near each other are movies that {movie_map.model} finds alike. "
        f"The most rated: {', '.join(point.title for point in points[:-11:-1])}."
    )
    drawing = svg(name, [dots, _names(points, places)], _FRAME, told)
    return (
        f'<div class="map">{drawing}{_choice(genres, coloured)}'
        '<p class="told" aria-live="polite">Point at a movie to read its title.</p>'
        f"<style>{_rules(len(genres))}</style></div>"
    )


def _places(points: Sequence[MoviePoint]) -> npt.NDArray[np.float64]:
    """[N, 2] in the drawing; the outermost hundredth is pulled in, so that the rest has room."""
    plane = np.array([(point.x, point.y) for point in points])
    low, high = np.quantile(plane, [0.005, 0.995], axis=0)
    share = np.clip((plane - low) / np.where(high > low, high - low, 1), 0, 1)
    return np.stack(
        [
            _FRAME.left + _FRAME.inner_width * share[:, 0],
            _FRAME.y(0) - _FRAME.inner_height * share[:, 1],
        ],
        axis=1,
    )


def _standing_together(
    points: Sequence[MoviePoint], places: npt.NDArray[np.float64], genres: Sequence[str]
) -> dict[str, str]:
    """Colours of the genres whose movies have the most neighbours of their genre beyond chance."""
    k = min(_NEIGHBOURS, len(points) - 1)
    near = KDTree(places).query(places, k + 1)[1][:, 1:]
    surplus = {}
    for genre in genres:
        member = np.array([genre in point.genres for point in points])
        surplus[genre] = float((member[near].mean(axis=1)[member] - member.mean()).sum())
    chosen = sorted(genres, key=lambda genre: -surplus[genre])[: len(_COLOURS)]
    return dict(zip(chosen, _COLOURS, strict=False))


def _dot(
    point: MoviePoint,
    place: npt.NDArray[np.float64],
    genres: Sequence[str],
    coloured: dict[str, str],
) -> str:
    # Of several coloured genres the rarest says most about the movie.
    own = sorted((g for g in point.genres if g in coloured), key=genres.index)
    style = coloured[own[-1]] if own else "quiet"
    classes = " ".join(f"g{genres.index(genre)}" for genre in point.genres)
    radius = 1.0 + min(point.n_ratings, 400) ** 0.5 / 14
    told = f"{point.title} · {', '.join(point.genres) or 'no genre'} · {point.n_ratings:,} ratings"
    return (
        f'<circle class="{style} {classes}" cx="{place[0]:.1f}" cy="{place[1]:.1f}" '
        f'r="{radius:.1f}"><title>{escape(told)}</title></circle>'
    )


def _names(points: Sequence[MoviePoint], places: npt.NDArray[np.float64]) -> str:
    """Names of the most rated movies, as many as have room."""
    taken: dict[float, list[Box]] = {_LARGE: [], _SMALL: []}
    parts = []
    for i in range(len(points) - 1, -1, -1):
        title = _short(points[i].title)
        x, y = places[i]
        large = len(taken[_LARGE]) < 7 and _free(_box(x, y, title, _LARGE), taken[_LARGE])
        if not _free(_box(x, y, title, _SMALL), taken[_SMALL]):
            continue
        taken[_SMALL].append(_box(x, y, title, _SMALL))
        if large:
            taken[_LARGE].append(_box(x, y, title, _LARGE))
        style = "name large" if large else "name"
        parts.append(
            f'<text class="{style}" x="{x:.1f}" y="{y - 3:.1f}" text-anchor="middle">'
            f"{escape(title)}</text>"
        )
        if len(taken[_SMALL]) == 40:
            break
    return "".join(parts)


def _box(x: float, y: float, title: str, size: float) -> Box:
    half = 0.3 * size * len(title)
    return x - half, y - 3.5 - size, x + half, y + 1


def _free(box: Box, taken: Sequence[Box]) -> bool:
    left, top, right, bottom = box
    inside = left > 0 and right < _FRAME.width and top > 0
    return inside and all(right < a or left > c or bottom < b or top > d for a, b, c, d in taken)


def _short(title: str) -> str:
    """Without the year, the article in front, and cut: "The English Patient"."""
    title = _YEAR.sub("", title)
    title = _ARTICLE.sub(r"\2 \1", title)
    return title if len(title) <= 26 else f"{title[:25].rstrip()}…"


def _choice(genres: Sequence[str], coloured: dict[str, str]) -> str:
    """Radio buttons as pills, the coloured genres first: the legend and the choice in one."""
    order = sorted(range(len(genres)), key=lambda i: genres[i] not in coloured)
    pills = [
        f'<input type="radio" name="genre" id="g{i}"><label for="g{i}" '
        f'class="{coloured.get(genres[i], "")}">{escape(genres[i])}</label>'
        for i in order
    ]
    everything = '<input type="radio" name="genre" id="all" checked><label for="all">all</label>'
    return (
        '<fieldset class="pills"><legend class="soft">Genre; other than the coloured ones is '
        f"grey</legend>{everything}{''.join(pills)}</fieldset>"
    )


def _rules(n: int) -> str:
    return "".join(f".map:has(#g{i}:checked) circle:not(.g{i}){{opacity:.06}}" for i in range(n))
