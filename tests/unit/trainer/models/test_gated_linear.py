"""The gate: which tower serves a history of which length, and what decides it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.models.worlds import rows_of, unrated, watched
from trainer.features.index import Interactions
from trainer.models import gated_linear, linear_static, prefix
from trainer.models.gated_linear import Config, Gate, fit
from trainer.models.interfaces import TrainingData
from trainer.models.towers import side_by_side

N_MOVIES = 60
CONFIG = Config(prefix=prefix.Config(l2=20.0))


def ordered_world() -> tuple[TrainingData, Interactions]:
    """160 users walk round a circle of movies from where they like; the next six are held out."""
    starts = np.random.default_rng(0).integers(0, N_MOVIES, 160)
    walks = [(start + np.arange(30)) % N_MOVIES for start in starts]
    return watched([walk[:24] for walk in walks], N_MOVIES), rows_of([walk[24:] for walk in walks])


def unordered_world(shown: int = 24) -> tuple[TrainingData, Interactions]:
    """160 users of 4 tastes watch a third at random, in any order; the rest is held out."""
    rng = np.random.default_rng(1)
    walks = []
    for user in range(160):
        taste = rng.permutation(np.arange(user % 4, N_MOVIES, 4))[:13]
        others = rng.permutation(np.setdiff1d(np.arange(N_MOVIES), taste))[:17]
        walks.append(rng.permutation(np.concatenate([taste, others])))
    return (
        watched([walk[:shown] for walk in walks], N_MOVIES),
        rows_of([walk[shown:] for walk in walks]),
    )


@pytest.mark.parametrize(
    ("world", "long"), [(ordered_world, "linear_sequence"), (unordered_world, "linear_static")]
)
def test_validation_says_whether_order_means_something(world, long):
    """The tower for long histories is the one that ranks validation better."""
    data, validation = world()

    chosen = fit(data, CONFIG, validation).config

    assert chosen.long == chosen.gate.long == long


def test_what_training_did_not_see_has_a_tower_of_its_own():
    """Beside linear_sequence rated movies are zero in the third tower, and only it is placed in."""
    data, validation = ordered_world()

    fitted = fit(data, CONFIG, validation)

    third = fitted.towers.tower_of_column == 2
    assert third.sum() > 0
    assert not fitted.towers.item_vectors[:, third].any()
    assert not fitted.placing[:, ~third].any()
    assert fitted.placing[:, third].any(axis=1).all()


def test_without_validation_users_who_are_held_out_whole_decide():
    """In a world of order they are asked for what follows their first twenty."""
    data, _ = ordered_world()

    for nothing in (None, Interactions(*(np.zeros(0, np.int64) for _ in range(4)))):
        chosen = fit(data, CONFIG, nothing).config
        assert chosen.long == "linear_sequence"
        assert len(chosen.gate.shortest) > 1


def test_a_gate_that_was_chosen_is_kept_on_other_rows():
    """The final fit measures nothing: it joins the two towers as validation had it."""
    data, validation = unordered_world()
    chosen = fit(data, CONFIG, validation).config
    more, _ = unordered_world(shown=28)

    final = fit(more, chosen)

    assert final.config == chosen
    assert final.curves == {}
    expected = side_by_side(
        (
            prefix.towers_of(more, CONFIG.prefix),
            linear_static.towers_of(more, CONFIG.linear_static),
        ),
        np.array(chosen.gate.shortest),
        np.array(chosen.gate.weights, np.float32),
    )
    np.testing.assert_array_equal(final.scores(more.histories), expected.scores(more.histories))


def test_the_length_of_the_history_picks_the_mix():
    """With one movie the prefix tower alone ranks, with two the static one alone."""
    data, _ = unordered_world()
    gate = Gate("linear_static", (0, 2), ((1.0, 0.0), (0.0, 1.0)))
    towers = fit(data, Config(gate=gate)).towers
    short, long = unrated([3]), unrated([3, 7])
    of_prefix = prefix.towers_of(data, prefix.Config())
    of_static = linear_static.towers_of(data, linear_static.Config())

    np.testing.assert_allclose(towers.scores(short), of_prefix.scores(short), atol=1e-4)
    np.testing.assert_allclose(towers.scores(long), of_static.scores(long), atol=1e-4)


def test_the_curve_holds_the_best_figure_of_each_row():
    """NDCG@10 between 0 and 1; a world of taste is easier to rank with more known of it."""
    data, validation = unordered_world()
    fitted = fit(data, CONFIG, validation)
    curve = fitted.curves["gate ndcg@10"]

    assert len(curve) == len(fitted.config.gate.shortest)
    assert all(0 < figure < 1 for figure in curve)
    assert curve[-1] > curve[0]


def test_too_few_users_to_choose_on_get_the_usual_gate():
    """Five users measure nothing."""
    fitted = fit(watched([[0, 1, 2], [1, 2, 0], [2, 0], [3, 1], [0, 3]], 5), Config())

    assert fitted.config.gate == gated_linear.USUAL
    assert fitted.curves == {}


def test_where_short_histories_can_not_be_measured_they_are_the_prefix_towers():
    """80 users hold out 16, too few: validation speaks for those of 20 and more alone."""
    data, validation = unordered_world()
    data = data.with_rows(data.rows.where(data.rows.users < 80))
    validation = validation.where(validation.users < 80)

    gate = fit(data, CONFIG, validation).config.gate

    assert gate.shortest == (0, 20)
    assert gate.weights[0] == (1.0, 0.0)
    assert gate.weights[1][1] > 0


def test_a_seed_decides_who_is_held_out():
    """The same seed gives the same gate and scores."""
    data, validation = unordered_world()
    first, again = (fit(data, CONFIG, validation) for _ in range(2))

    assert first.config == again.config
    assert first.curves == again.curves
    np.testing.assert_array_equal(first.scores(data.histories), again.scores(data.histories))
