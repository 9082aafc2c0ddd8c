"""From a data set and a split to what a fit may see, and to the question it is asked afterwards.

The two are kept apart by construction: the tables that reach a model hold no test row and nothing
of a cold user, so there is nothing that it could leak.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from trainer.datasets import Dataset
from trainer.evaluate.question import Question, ask
from trainer.split import SPLITS, Split, make_split, per_user_temporal

_TWIN = "-validation"


@dataclass(frozen=True, eq=False)
class Prepared:
    """One split, ready to be fitted on and asked."""

    dataset: Dataset
    """Its ratings are those of `split` alone: no test row, no rating of a cold user."""
    split: Split
    """Train and validation; `test` is empty and `cold` is None. `final_train` is that of the
    split proper."""
    exported: Split
    """The split proper without its test rows: what `train` exports is trained on it, and makes
    its own choices where it has no validation part."""
    question: Question
    name: str
    """Of the split proper, without parameters."""
    sentences: tuple[str, ...]
    """The protocol in words."""


def prepare(dataset: Dataset, split: Split) -> Prepared:
    """Takes the test part away and finds what choices are made on.

    A split without a validation part has a twin of the name "...-validation", which holds out
    again inside its training rows. What the twin shows of its new users is learnt from here, so
    that choices are made on later ratings of known users. Without a twin each user's newest
    tenth of the training part decides, as in `train`.
    """
    question = ask(dataset, split)
    exported = replace(split, test=split.test[:0], cold=None)
    known, chosen_on = exported, "its own validation part"
    twin_name = split.name + _TWIN
    if split.validation.empty and twin_name in SPLITS:
        twin = make_split(twin_name, dataset)
        validation = twin.test
        known = replace(
            known, train=split.train.drop(validation.index), validation=validation, refit=True
        )
        chosen_on = f"the test part of its twin {twin_name}"
    elif split.validation.empty:
        inner = per_user_temporal(split.train, test=0.0, validation=0.1)
        known = replace(known, train=inner.train, validation=inner.validation, refit=True)
        chosen_on = "each user's newest tenth of the training part, for it has no validation part"
    ratings = pd.concat([known.train, known.validation]).sort_index()
    return Prepared(
        dataset=replace(dataset, ratings=ratings),
        split=known,
        exported=exported,
        question=question,
        name=split.name,
        sentences=_sentences(split, question, chosen_on),
    )


def _sentences(split: Split, question: Question, chosen_on: str) -> tuple[str, ...]:
    low, high = question.rating_range
    test, train = len(question.test), len(question.train)
    n_candidates, n_users = int(question.candidates.sum()), len(question.users)
    found = [
        f"Choices are made on {chosen_on}.",
        f"The tested model is fitted on {train:,} ratings and tested on {test:,}.",
        "RMSE and MAE count all of them, those of movies and users without a training rating too.",
        f"Predictions are clipped to {low:g}..{high:g}.",
        f"{n_candidates:,} movies are ranked for {n_users:,} users, less the user's own history.",
        "No candidate is sampled away, every test rating is relevant, and means are over users.",
        "The ideal list of NDCG@k holds min(relevant, k) hits.",
        "The MRR of a SavedModel is taken from its 200 columns, 0 beyond.",
    ]
    if question.ladder:
        found.append(
            "New users are asked for after "
            f"{', '.join(map(str, question.ladder))} ratings, by their history and without their "
            "id; the movies of all the ratings that may be shown are no candidates at any rung."
        )
    if "temporal" in split.name:
        found.append(
            "Caution: consecutive MovieLens ratings often share a minute, and part of what a model "
            "of the order learns is the order in which MovieLens showed its lists."
        )
    return tuple(found)
