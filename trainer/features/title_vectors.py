"""Pre-trained word vectors added up to one vector for each movie title.

Source 000 cuts a title at every character that is no ASCII letter, digit or space, lower-cases it
and adds the GloVe vectors of its words. Here accents are taken off first, so that "Misérables"
stays one word, and the sum may also be a mean, or weighted by how rare each word is in the
catalogue's titles. Words without a vector count as zero and are reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from gensim.models import KeyedVectors
from numpy.typing import NDArray

Weighting = Literal["sum", "mean", "idf"]
WEIGHTINGS: Final[tuple[Weighting, ...]] = ("sum", "mean", "idf")

_NEITHER_LETTER_NOR_DIGIT: Final = re.compile(r"[^a-z0-9\s]")
_EXAMPLES: Final = 10


@dataclass(frozen=True, eq=False)
class TitleVectors:
    """One vector for each title, and what could not be looked up."""

    vectors: NDArray[np.float32]
    """[N, D]; zeros for a title of which no word is known."""
    n_words: int
    """Words in all titles, repetitions included."""
    n_unknown_words: int
    """Of those, without a vector."""
    unknown: tuple[tuple[str, int], ...]
    """Each such word and how often it occurs, the most frequent first."""
    n_empty: int
    """Titles without a known word."""

    def report(self) -> str:
        """One sentence for the log."""
        share = self.n_unknown_words / self.n_words if self.n_words else 0.0
        named = ", ".join(word for word, _ in self.unknown[:_EXAMPLES])
        examples = f" ({named}{', ...' if len(self.unknown) > _EXAMPLES else ''})" if named else ""
        return (
            f"Title vectors: {self.n_unknown_words:,} of {self.n_words:,} words "
            f"({share:.1%}) have no vector, {len(self.unknown):,} different ones{examples}; "
            f"{self.n_empty:,} of {len(self.vectors):,} titles have no known word."
        )


def title_words(title: str) -> list[str]:
    """The words of a title as GloVe spells them: lower case, ASCII, no punctuation."""
    decomposed = unicodedata.normalize("NFKD", title)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).lower()
    return _NEITHER_LETTER_NOR_DIGIT.sub("", plain).split()


def title_vectors(
    titles: Sequence[str], words: KeyedVectors, weighting: Weighting = "sum"
) -> TitleVectors:
    """Looks up the words of each title and adds their vectors.

    Args:
      titles: [N] without the year.
      words: vectors of dimension D.
      weighting: "sum" as source 000; "mean" = the sum over the known words divided by their
        number; "idf" = each word times ln((1 + N) / (1 + n)) + 1, n = titles with the word, and
        the result divided by the sum of those weights.

    Raises:
      ValueError: the weighting is unknown.
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting {weighting!r} is none of {', '.join(WEIGHTINGS)}")
    split = [title_words(title) for title in titles]
    in_titles = Counter(word for found in split for word in set(found))
    vectors = np.zeros((len(split), words.vector_size), np.float32)
    unknown: Counter[str] = Counter()
    n_empty = 0
    for row, found in zip(vectors, split, strict=True):
        known = [word for word in found if word in words.key_to_index]
        unknown.update(word for word in found if word not in words.key_to_index)
        if not known:
            n_empty += 1
            continue
        if weighting == "idf":
            weights = np.array([np.log((1 + len(split)) / (1 + in_titles[w])) + 1 for w in known])
        else:
            weights = np.ones(len(known))
        total = weights @ np.stack([words[word] for word in known])
        row[:] = total if weighting == "sum" else total / weights.sum()
    return TitleVectors(
        vectors=vectors,
        n_words=sum(map(len, split)),
        n_unknown_words=unknown.total(),
        unknown=tuple(unknown.most_common()),
        n_empty=n_empty,
    )
