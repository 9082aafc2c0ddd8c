"""Candidates, the way back, and what is retained."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.contract import Active, ContractError, ModelsDir, read_active
from tests.staged import stable_content, stage
from trainer.export.live import Retention, trimmed, with_stable
from trainer.export.release import PublishError, promote, publish, rollback, withdraw_candidate


@pytest.fixture
def models(tmp_path: Path) -> ModelsDir:
    return ModelsDir(tmp_path / "models")


def publish_releases(models: ModelsDir, count: int, keep: int = 1) -> None:
    for number in range(1, count + 1):
        stage(models, f"r{number}", f"release {number}")
        publish(models, retention=Retention(keep))


def test_a_candidate_answers_a_share_and_leaves_stable_alone(models):
    """active.json names both; the share is the candidate's."""
    publish_releases(models, 1)
    stage(models, "new", "candidate")

    assert publish(models, candidate_share=0.1) == 2

    assert read_active(models) == Active(stable=1, candidate=2, share=0.1)
    assert "versions: 1 versions: 2" in models.model_config.read_text()


def test_a_promoted_candidate_is_stable_without_being_copied(models):
    """Its version stays; the former stable release is retained."""
    publish_releases(models, 1)
    stage(models, "new", "candidate")
    publish(models, candidate_share=0.1)

    assert promote(models) == 2

    assert read_active(models) == Active(stable=2, retained=(1,))
    assert stable_content(models) == "candidate of recommend"
    with pytest.raises(PublishError, match="no candidate"):
        promote(models)


def test_a_candidate_is_taken_back(models):
    """Stable answers everybody; the candidate stays retained, for a gateway may be answering."""
    publish_releases(models, 1)
    stage(models, "new")
    publish(models, candidate_share=0.5)

    assert withdraw_candidate(models) == 1

    assert read_active(models) == Active(stable=1, retained=(2,))
    with pytest.raises(PublishError, match="no candidate"):
        withdraw_candidate(models)


def test_a_second_candidate_retires_the_first(models):
    """One candidate at a time; the first stays retained, behind what was stable."""
    publish_releases(models, 2)
    for name, share in (("a", 0.1), ("b", 0.2)):
        stage(models, name, name)
        publish(models, candidate_share=share)

    assert read_active(models) == Active(stable=2, candidate=4, share=0.2, retained=(1, 3))


def test_a_release_made_stable_keeps_the_candidate(models):
    """An urgent publish beside an experiment does not end the experiment."""
    publish_releases(models, 1)
    stage(models, "experiment", "experiment")
    publish(models, candidate_share=0.1)
    stage(models, "urgent", "urgent")

    assert publish(models) == 3

    assert read_active(models) == Active(stable=3, candidate=2, share=0.1, retained=(1,))


@pytest.mark.parametrize("share", [-0.1, 0.0, 1.0, 1.5])
def test_a_share_outside_its_range_is_refused(models, share):
    """The sentence says the range; nothing is published."""
    publish_releases(models, 1)
    stage(models, "new")

    with pytest.raises(PublishError, match="allowed above 0 and below 1"):
        publish(models, candidate_share=share)

    assert read_active(models) == Active(stable=1)


def test_a_candidate_needs_a_stable_release(models):
    """The first release can't be a candidate: somebody must answer the others."""
    stage(models, "new")

    with pytest.raises(PublishError, match="needs a stable release"):
        publish(models, candidate_share=0.1)


def test_rollback_goes_to_what_was_stable_and_then_further_back(models):
    """Twice in a row means two releases back, never forth again."""
    publish_releases(models, 3)

    assert rollback(models) == 2
    assert read_active(models) == Active(stable=2, retained=(3, 1))
    assert rollback(models) == 1
    assert read_active(models) == Active(stable=1, retained=(2, 3))
    with pytest.raises(PublishError, match="no release before 1"):
        rollback(models)


def test_rollback_passes_over_a_candidate_that_was_never_stable(models):
    """A withdrawn candidate is retained, but it is no way back while there is a better one."""
    publish_releases(models, 1)
    stage(models, "bad", "bad")
    publish(models, candidate_share=0.1)
    withdraw_candidate(models)
    stage(models, "good", "good")
    assert publish(models) == 3

    assert rollback(models) == 1


def test_rollback_to_a_named_release(models):
    """Any release on disk will do, retained or not; another number is refused by name."""
    publish_releases(models, 4, keep=0)
    assert read_active(models) == Active(stable=4, retained=(3,))

    assert rollback(models, 1) == 1
    assert stable_content(models) == "release 1 of recommend"
    with pytest.raises(PublishError, match="release 9 is not on disk; there: 1, 2, 3, 4"):
        rollback(models, 9)


def test_a_damaged_release_is_no_way_back(models):
    """Its checksums are compared before anything changes."""
    publish_releases(models, 2)
    (models.part("content", 1) / "variables" / "data").write_text("bit rot")

    with pytest.raises(ContractError, match="content/1/variables/data"):
        rollback(models)

    assert read_active(models) == Active(stable=2, retained=(1,))


def test_retained_are_the_former_stable_release_and_n_more(models):
    """The newest first; what is live is not retained as well."""
    publish_releases(models, 5, keep=2)

    assert read_active(models) == Active(stable=5, retained=(4, 3, 2))


def test_the_release_that_a_gateway_confirmed_is_retained(models):
    """A gateway that refused two newer releases still finds its own loaded."""
    publish_releases(models, 3)
    stage(models, "r4")

    publish(models, retention=Retention(keep=0, confirmed=(1,)))

    assert read_active(models) == Active(stable=4, retained=(3, 1))


def test_trimming_never_drops_what_is_live():
    """Keep counts retained releases alone."""
    before = Active(stable=5, candidate=6, share=0.1, retained=(4, 3, 2))

    assert trimmed(before, Retention(keep=0)) == Active(5, 6, 0.1, (4,))


def test_a_release_made_stable_again_is_not_retained_twice():
    """`rollback STABLE` changes nothing."""
    before = Active(stable=2, retained=(1,))

    assert with_stable(before, 2, Retention()) == before
