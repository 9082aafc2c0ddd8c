"""A small MovieLens in both layouts, and the real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trainer.datasets import Dataset, load_dataset

FLAGS = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)

# (id, title in u.item, title in .item, release_year in .item, genres)
MOVIES = (
    ("1", "Toy Story (1995)", "Toy Story", "1995", "Animation Children's Comedy"),
    ("2", "Seven (Se7en) (1995)", "Seven (Se7en)", "1995", "Crime Thriller"),
    ("3", "Misérables, Les (1995)", "Misérables, Les", "1995", "Drama Musical"),
    ("4", "Two Friends (1986) ", "Two Friends", "1986", "Drama"),
    ("5", "Land Before Time (1995) (V)", "Land Before Time (1995)", "V", "Animation"),
    ("6", "unknown", "unkonwn", "unkonwn", "unknown"),
    ("7", "Toy Story (1995)", "Toy Story", "1995", "Comedy"),
    ("8", "2001: A Space Odyssey (1968)", "2001: A Space Odyssey", "1968", "Drama Sci-Fi"),
    ("9", "Fire Down Below (1997)", "Fire Down Below", "1997", "Thriller Action Drama"),
    ("10", "Good Morning (1971)", "Good Morning", "1971", "unknown"),
)


@dataclass
class SmallMovieLens:
    """12 users times 10 movies, all rated once: 120 ratings, so that one bad row is below 1 %."""

    ratings: list[str] = field(
        default_factory=lambda: [
            f"u{user}\t{movie}\t{1 + (user + movie) % 5}\t{880000000 + 100 * user + movie}"
            for movie in range(1, 11)
            for user in range(1, 13)
        ]
    )
    movies: list[tuple[str, str, str, str, str]] = field(default_factory=lambda: list(MOVIES))
    users: list[str] = field(
        default_factory=lambda: [
            f"u{user}\t{20 + user}\t{'MF'[user % 2]}\tstudent\tV{user}N4P" for user in range(1, 13)
        ]
    )

    def write_grouplens(self, folder: Path, newline: str = "\n", item: str = "latin-1") -> Path:
        """u.data, u.item and u.user in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        items = [
            f"{movie}|{title}|01-Jan-1995||http://example.org/{movie}|"
            + "|".join(str(int(flag in genres.split())) for flag in FLAGS)
            for movie, title, _, _, genres in self.movies
        ]
        users = [user.replace("\t", "|") for user in self.users]
        for name, lines, encoding in (
            ("u.data", self.ratings, "latin-1"),
            ("u.item", items, item),
            ("u.user", users, "latin-1"),
        ):
            text = "".join(line + newline for line in lines)
            (folder / name).write_bytes(text.encode(encoding))
        return folder

    def write_recbole(self, folder: Path, stem: str = "ml-100k", newline: str = "\n") -> Path:
        """The three atomic files in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        items = ["\t".join((movie, title, year, genres)) for movie, _, title, year, genres in
                 self.movies]  # fmt: skip
        headers = (
            "user_id:token\titem_id:token\trating:float\ttimestamp:float",
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
            "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token",
        )
        for header, lines, suffix in zip(
            headers, (self.ratings, items, self.users), ("inter", "item", "user"), strict=True
        ):
            text = "".join(line + newline for line in (header, *lines))
            (folder / f"{stem}.{suffix}").write_bytes(text.encode())
        return folder


@pytest.fixture
def small() -> SmallMovieLens:
    return SmallMovieLens()


@pytest.fixture
def load_grouplens(tmp_path: Path) -> Callable[[SmallMovieLens], Dataset]:
    """Writes the u.* layout and reads it."""
    return lambda files: load_dataset("ml-100k", files.write_grouplens(tmp_path / "grouplens"))


@pytest.fixture
def load_recbole(tmp_path: Path) -> Callable[[SmallMovieLens], Dataset]:
    """Writes the atomic files and reads them."""
    return lambda files: load_dataset("ml-100k", files.write_recbole(tmp_path / "recbole"))


@pytest.fixture(scope="session")
def ml_100k() -> Dataset:
    """The real MovieLens 100K, from the user's cache or fetched into it."""
    return load_dataset("ml-100k")
