"""The four servables of contract 2 as plain `tf.Module`s: no Keras object enters a graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from serving.contract import (
    DEFAULT_SIGNATURE,
    K_MAX,
    MODE_COLLABORATIVE,
    MODE_CONTENT,
    REASONS_MAX,
    TensorDef,
    signatures_of,
)
from trainer.export.fetches import fetch_by_name
from trainer.export.ingredients import Ingredients, Towers
from trainer.export.layers import (
    NOT_ALLOWED,
    CatalogueFilter,
    IdTable,
    best_columns,
    pad_columns,
    ranked,
    strongest,
    top_movies,
    with_zero_row,
    z_scores,
)
from trainer.export.rating_net_layer import RatingNetLayer
from trainer.export.tower_layers import RatingTower, RatingUser, RetrievalTower, RetrievalUser
from trainer.features.profiles import ProfileFeatures, ProfileVocabulary
from trainer.models.rating_net import RatingNet

CANDIDATES = 300
"""Movies that retrieval hands to the final order."""

_TF_DTYPES = {"string": tf.string, "float32": tf.float32, "int64": tf.int64}


def tensor_spec(name: str, definition: TensorDef) -> tf.TensorSpec:
    """The contract's definition as TensorFlow's, letters as unknown sizes."""
    shape = [dim if isinstance(dim, int) else None for dim in definition.dims]
    return tf.TensorSpec(shape, _TF_DTYPES[definition.dtype], name)


class Servable(tf.Module):
    """A SavedModel of the contract: `call_<signature>` methods take and return dicts of tensors."""

    servable: str
    save_options: tf.saved_model.SaveOptions | None = None

    def __init__(self) -> None:
        super().__init__()
        self.functions: dict[str, tf.types.experimental.ConcreteFunction] = {}
        for signature, definition in signatures_of(self.servable).items():
            specs = {name: tensor_spec(name, spec) for name, spec in definition.inputs.items()}
            method: Callable[..., dict[str, tf.Tensor]] = getattr(self, f"call_{signature}")
            self.functions[signature] = tf.function(method).get_concrete_function(**specs)

    def save(self, path: str) -> None:
        """Writes the SavedModel with every signature of the contract."""
        tf.saved_model.save(self, path, signatures=self.functions, options=self.save_options)
        fetch_by_name(Path(path))


def rating_layer(parts: Towers) -> RatingTower | RatingNetLayer:
    """What rates movies in a graph: both kinds answer the same calls."""
    if isinstance(parts.rating, RatingNet):
        return RatingNetLayer(parts.rating, parts.user_ids, parts.rating_range)
    return RatingTower(parts.rating, parts.user_ids, parts.rating_range)


class User(NamedTuple):
    """Users as the towers see them."""

    retrieval: RetrievalUser
    rating: RatingUser


class Wish(NamedTuple):
    """What a request asks for: [B, W] genre masks, [B, 2] years, [B, 1] order."""

    genres_any: tf.Tensor
    genres_all: tf.Tensor
    genres_none: tf.Tensor
    years: tf.Tensor
    order: tf.Tensor


class Candidates(NamedTuple):
    """What the final order chooses from; all [B, C]."""

    movies: tf.Tensor
    valid: tf.Tensor
    """False where there is no movie."""
    scores: tf.Tensor
    """Retrieval scores."""
    ratings: tf.Tensor
    """Not clipped."""


class Recommend(Servable):
    """Retrieval, exclusion, filters, ratings and the final order in one graph."""

    servable = "recommend"

    def __init__(self, parts: Towers) -> None:
        self._movies = IdTable(parts.movie_ids)
        self._retrieval = RetrievalTower(parts.retrieval)
        self._rating = rating_layer(parts)
        self._profiles = ProfileFeatures(ProfileVocabulary(parts.profile_tokens))
        self._filter = CatalogueFilter(parts.genre_words, parts.years)
        self._rating_weight = parts.rating_weight
        self._n_candidates = min(CANDIDATES, self._movies.n_ids)
        super().__init__()

    def call_serving_default(  # noqa: PLR0913 - the contract's inputs
        self,
        *,
        user_id: tf.Tensor,
        history_ids: tf.Tensor,
        history_ratings: tf.Tensor,
        profile: tf.Tensor,
        exclude_ids: tf.Tensor,
        genres_any: tf.Tensor,
        genres_all: tf.Tensor,
        genres_none: tf.Tensor,
        years: tf.Tensor,
        order: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        user = self._user(user_id, self._movies.indexes(history_ids), history_ratings, profile)
        wish = Wish(genres_any, genres_all, genres_none, years, order)
        listed, numbers = self._listed(user, self._movies.indexes(exclude_ids), wish)
        # The last id is padding: to choose among numbers costs less than among strings.
        ids = tf.pad(history_ids, [[0, 0], [0, 1]], constant_values="")
        nobody = tf.cast(tf.shape(history_ids)[1], tf.int64)
        places = listed.pop("reason_places")
        cited = tf.gather(ids, tf.where(places > 0, places - 1, nobody), batch_dims=1)
        return {
            **listed,
            "movie_ids": self._movies.ids(tf.where(numbers > 0, numbers - 1, self._movies.n_ids)),
            "reason_ids": cited,
        }

    def call_by_number(  # noqa: PLR0913 - the contract's inputs
        self,
        *,
        user_id: tf.Tensor,
        history_numbers: tf.Tensor,
        history_ratings: tf.Tensor,
        profile: tf.Tensor,
        exclude_numbers: tf.Tensor,
        genres_any: tf.Tensor,
        genres_all: tf.Tensor,
        genres_none: tf.Tensor,
        years: tf.Tensor,
        order: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        history = self._movies.of_numbers(history_numbers)
        user = self._user(user_id, history, history_ratings, profile)
        wish = Wish(genres_any, genres_all, genres_none, years, order)
        listed, numbers = self._listed(user, self._movies.of_numbers(exclude_numbers), wish)
        return {**listed, "movie_numbers": numbers}

    def _user(
        self, user_id: tf.Tensor, history: tf.Tensor, ratings: tf.Tensor, profile: tf.Tensor
    ) -> User:
        return User(
            self._retrieval.user(history, ratings),
            self._rating.user(user_id, history, ratings, lambda: self._profiles.said(profile)),
        )

    def _listed(
        self, user: User, excluded: tf.Tensor, wish: Wish
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The outputs that both signatures have, with reason_places, and [B, K] movie numbers."""
        movies, valid, scores, candidate_ratings = self._candidates(user, excluded, wish)
        z_retrieval, retrieval_stats = z_scores(scores, valid)
        z_rating, rating_stats = z_scores(candidate_ratings, valid)
        blended = z_retrieval + self._rating_weight * z_rating
        final = tf.where(wish.order == 1, candidate_ratings, blended)

        position, in_list = best_columns(final, valid, min(K_MAX, self._n_candidates))
        movies = tf.gather(movies, position, batch_dims=1)
        drops, places = self._reasons(user.retrieval, movies, in_list)
        outputs = {
            "scores": _listed(tf.gather(final, position, batch_dims=1), in_list),
            "ratings": _listed(
                self._rating.clip(tf.gather(candidate_ratings, position, batch_dims=1)), in_list
            ),
            "reason_places": pad_columns(places),
            "reason_drops": pad_columns(drops),
            "user_vector": user.retrieval.vector,
            "rating_vector": user.rating.vector,
            "rating_bias": user.rating.bias,
            "score_stats": tf.concat([retrieval_stats, rating_stats], axis=1),
        }
        return outputs, _listed(movies + 1, in_list)

    def _candidates(self, user: User, excluded: tf.Tensor, wish: Wish) -> Candidates:
        """What may be listed: the best of the allowed movies, without the [B, E] excluded."""
        scores = self._retrieval.scores(user.retrieval.vector)
        by_rating = wish.order == 1
        key = tf.cond(
            tf.reduce_any(by_rating),
            lambda: tf.where(by_rating, self._rating.all_movies(user.rating), scores),
            lambda: scores,
        )
        key = self._filter(key, wish.genres_any, wish.genres_all, wish.genres_none, wish.years)
        movies, valid, best = top_movies(key, self._n_candidates, excluded)
        # Where all rows go by score, their scores need not be looked up again.
        found = tf.cond(
            tf.reduce_any(by_rating),
            lambda: tf.gather(scores, movies, batch_dims=1),
            lambda: tf.where(valid, best, 0.0),
        )
        return Candidates(movies, valid, found, self._rating.some_movies(user.rating, movies))

    def _reasons(
        self, user: RetrievalUser, movies: tf.Tensor, in_list: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """[B, K, 3] drops of the history movies that pull each movie up most, and their places.

        A place is 1 + a column of the history; 0 = none is cited.
        """
        drops, column = strongest(self._retrieval.drops(user, movies), REASONS_MAX)
        positive = (drops > 0) & in_list[:, :, None]
        return tf.where(positive, drops, 0.0), tf.where(positive, column + 1, 0)


class Ranking(Servable):
    """Predicted ratings: of pairs, or of many movies for one user."""

    servable = "ranking"

    def __init__(self, parts: Towers) -> None:
        self._movies = IdTable(parts.movie_ids)
        self._rating = rating_layer(parts)
        self._profiles = ProfileFeatures(ProfileVocabulary(parts.profile_tokens))
        super().__init__()

    def call_serving_default(
        self, *, user_id: tf.Tensor, movie_id: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        user = self._rating.stored_user(user_id)
        return {"rating": self._rate(user, movie_id[:, None])[:, 0]}

    def call_rank(
        self,
        *,
        user_id: tf.Tensor,
        history_ids: tf.Tensor,
        history_ratings: tf.Tensor,
        profile: tf.Tensor,
        movie_ids: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        history = self._movies.indexes(history_ids)
        user = self._rating.user(
            user_id, history, history_ratings, lambda: self._profiles.said(profile)
        )
        return {"ratings": self._rate(user, movie_ids)}

    def _rate(self, user: RatingUser, movie_ids: tf.Tensor) -> tf.Tensor:
        movies = self._movies.indexes(movie_ids)
        return self._rating.clip(self._rating.some_movies(user, movies))


class Retrieval(Servable):
    """The whole catalogue by retrieval score, and movies like a movie."""

    servable = "retrieval"

    def __init__(self, parts: Towers) -> None:
        self._movies = IdTable(parts.movie_ids)
        self._retrieval = RetrievalTower(parts.retrieval)
        self._filter = CatalogueFilter(parts.genre_words, parts.years)
        collaborative, content = parts.similarity.item_vectors, parts.content_vectors
        self._confidence = tf.constant(parts.similarity.confidence)
        self._confidence_rows = tf.constant(with_zero_row(parts.similarity.confidence))
        trust = parts.similarity.confidence[:, None]
        # A movie with few ratings leans on where the content model places it.
        hybrid = trust * collaborative + (1 - trust) * content
        self._spaces = {
            "hybrid": _CosineSpace(hybrid),
            "collaborative": _CosineSpace(collaborative),
            "content": _CosineSpace(content),
        }
        super().__init__()

    def call_serving_default(
        self,
        *,
        user_id: tf.Tensor,  # noqa: ARG002 - the tower reads the history alone
        history_ids: tf.Tensor,
        history_ratings: tf.Tensor,
        profile: tf.Tensor,  # noqa: ARG002 - retrieval reads no profile; the manifest says so
    ) -> dict[str, tf.Tensor]:
        user = self._retrieval.user(self._movies.indexes(history_ids), history_ratings)
        return self._ranked_for(user.vector)

    def _ranked_for(self, user_vector: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = self._retrieval.scores(user_vector)
        return ranked(self._movies, scores)

    def call_similar(
        self,
        *,
        movie_id: tf.Tensor,
        mode: tf.Tensor,
        genres_any: tf.Tensor,
        genres_all: tf.Tensor,
        genres_none: tf.Tensor,
        years: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        movie = self._movies.indexes(movie_id)
        # The cosine of a movie that three people rated is noise: trust scales it.
        collaborative = self._spaces["collaborative"].cosines(movie) * self._confidence
        content = self._spaces["content"].cosines(movie)
        # Beside a movie that many rated, what stands near by content alone counts for less.
        target = tf.gather(self._confidence_rows, movie)[:, None]
        hybrid = self._spaces["hybrid"].cosines(movie) * (1 - target * (1 - self._confidence))
        key = tf.where(mode == MODE_COLLABORATIVE, collaborative, hybrid)
        key = tf.where(mode == MODE_CONTENT, content, key)
        key = tf.where((movie < self._movies.n_ids)[:, None], key, NOT_ALLOWED)
        key = self._filter(key, genres_any, genres_all, genres_none, years)
        return ranked(self._movies, key, movie[:, None])


class Content(Servable):
    """Movies and users that training never saw, by what is said about them."""

    servable = "content"

    def __init__(self, parts: Ingredients) -> None:
        self._movies = IdTable(parts.movie_ids)
        self._features = parts.movie_features
        self._profiles = parts.profile_features
        self._to_retrieval = tf.constant(parts.content.retrieval)
        self._to_rating = tf.constant(parts.content.rating)
        self._to_similarity = tf.constant(parts.content.similarity)
        self._to_user = tf.constant(parts.content.profile)
        self._space = _CosineSpace(parts.content_vectors)
        self._filter = CatalogueFilter(parts.genre_words, parts.years)
        super().__init__()

    def call_embed_movie(
        self, *, title: tf.Tensor, genres: tf.Tensor, year: tf.Tensor, tags: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        rows = self._features(title, genres, year, tags)
        rating = tf.matmul(rows, self._to_rating)
        return {
            "item_vector": tf.matmul(rows, self._to_retrieval),
            "rating_vector": rating[:, :-1],
            "rating_bias": rating[:, -1:],
        }

    def call_embed_user(self, *, profile: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"user_vector": tf.matmul(self._profiles(profile), self._to_user)}

    def call_similar(  # noqa: PLR0913 - the contract's inputs
        self,
        *,
        title: tf.Tensor,
        genres: tf.Tensor,
        year: tf.Tensor,
        tags: tf.Tensor,
        genres_any: tf.Tensor,
        genres_all: tf.Tensor,
        genres_none: tf.Tensor,
        years: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        vectors = tf.matmul(self._features(title, genres, year, tags), self._to_similarity)
        key = self._space.cosines_of(vectors)
        return ranked(self._movies, self._filter(key, genres_any, genres_all, genres_none, years))


class _CosineSpace(tf.Module):
    """Cosines between movies of one set of vectors."""

    def __init__(self, vectors: tf.Tensor) -> None:
        super().__init__()
        unit = tf.math.l2_normalize(vectors, axis=1).numpy()
        self._unit = tf.Variable(unit, trainable=False)
        self._unit_rows = tf.Variable(tf.pad(unit, [[0, 1], [0, 0]]), trainable=False)

    def cosines(self, movies: tf.Tensor) -> tf.Tensor:
        """[B, N] of [B] movie indexes; 0 for N."""
        return self.cosines_of(tf.gather(self._unit_rows, movies))

    def cosines_of(self, vectors: tf.Tensor) -> tf.Tensor:
        """[B, N] of [B, S] vectors."""
        return tf.matmul(tf.math.l2_normalize(vectors, axis=1), self._unit, transpose_b=True)


def _listed(values: tf.Tensor, in_list: tf.Tensor) -> tf.Tensor:
    return pad_columns(tf.where(in_list, values, tf.zeros_like(values)))


SERVABLES: dict[str, type[Servable]] = {
    cls.servable: cls for cls in (Recommend, Ranking, Retrieval, Content)
}

__all__ = ["CANDIDATES", "DEFAULT_SIGNATURE", "SERVABLES", "Servable", "tensor_spec"]
