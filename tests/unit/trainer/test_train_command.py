"""Options of `python -m trainer train`: models, their settings, and mistakes that are named."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.worlds import checkerboard
from trainer.__main__ import main
from trainer.datasets import DataError
from trainer.models.registry import model, models
from trainer.pipeline import Settings, settings_from, train
from trainer.split import per_user_temporal


def test_a_named_model_takes_the_place_of_the_best_of_its_task():
    """One of each task at most; the other stays what it is."""
    usual = Settings()

    settings = settings_from(["mlp"], [], seed=0)
    assert (settings.rating, settings.retrieval) == ("mlp", usual.retrieval)
    settings = settings_from(["prefix", "svdpp2"], [], seed=0)
    assert (settings.rating, settings.retrieval) == ("svdpp2", "prefix")


def test_settings_reach_the_config_of_their_model():
    """With the model's name, or without where one is named; a field of a field by a dot."""
    settings = settings_from(
        ["svdpp2"], ["dim=8", "precisions.p=2.5", "gated_linear.prefix.dim=3"], seed=0
    )

    config = settings.config("svdpp2")
    assert (config.dim, config.precisions.p) == (8, 2.5)
    assert config.precisions.q == model("svdpp2").config().precisions.q
    assert settings.config("gated_linear").prefix.dim == 3


def test_values_are_read_as_the_fields_type():
    """Numbers, choices, switches, and none where nothing is a value."""
    config = model("gated_linear").config(
        {"long": "linear_static", "liking.signed": "false", "held_out_share": "0.5"}
    )

    assert (config.long, config.liking.signed, config.held_out_share) == (
        "linear_static",
        False,
        0.5,
    )
    assert model("gated_linear").config({"long": "none"}).long is None


def test_the_seed_is_that_of_every_model_that_starts_at_random():
    """--seed 7 stands in each Config that has a seed; there are several."""
    seeded = [
        each for each in models() if "seed" in {field.name for field in fields(each.config())}
    ]

    assert {"svdpp2", "mlp", "dot_bias", "gated_linear", "two_tower_retrieval"} <= {
        each.name for each in seeded
    }
    assert all(each.config(seed=7).seed == 7 for each in seeded)
    settings = settings_from(["mlp"], [], seed=7)
    assert settings.config("mlp").seed == settings.config("gated_linear").seed == 7
    assert settings_from(["mlp"], ["seed=5"], seed=7).config("mlp").seed == 5


MISTAKES = [
    (["--model=nothing"], "model 'nothing' is unknown; known: "),
    (["--model=mlp", "--model=svdpp2"], "--model mlp: there can be one rating model"),
    (["--set=dim=8"], "--set dim=8: of which model? Write NAME.dim=VALUE"),
    (["--model=mlp", "--set=dim"], "--set dim: expected [NAME.]KEY=VALUE"),
    (["--model=mlp", "--set=svdpp2.dim=8"], "--set svdpp2.dim=8: svdpp2 is not being trained"),
    (["--model=mlp", "--set=deepness=8"], "mlp has no setting 'deepness'; it has batch_size, "),
    (["--model=mlp", "--set=dim.x=8"], "mlp has no setting 'dim.x'; it has batch_size, "),
    (["--model=svdpp2", "--set=precisions.z=8"], "svdpp2 has no setting 'precisions.z'; it has a"),
    (["--model=mlp", "--set=dim=many"], "setting dim=many: expected int"),
    (
        ["--model=prefix", "--set=liking.signed=maybe"],
        "setting liking.signed=maybe: expected true or false",
    ),
    (
        ["--model=gated_linear", "--set=long=prefix"],
        "setting long=prefix: expected linear_sequence or linear_static or none",
    ),
    (
        ["--model=two_tower_retrieval", "--set=epochs=1.5"],
        "setting epochs=1.5: expected int or none",
    ),
    (["--model=popularity"], "popularity is a baseline: no graph serves it"),
    (["--split=nothing"], "nothing"),
]


@pytest.mark.parametrize(("options", "sentence"), MISTAKES)
def test_a_mistake_in_the_options_is_one_sentence(small, tmp_path, capsys, options, sentence):
    """Exit code 2, before anything is trained or staged."""
    data = small.write_grouplens(tmp_path / "data")
    models_dir = tmp_path / "models"

    code = main(["train", f"--data-dir={data}", f"--models-dir={models_dir}", *options])

    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    last = captured.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert sentence in last
    assert "on validation" not in captured.err
    assert not models_dir.exists()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--split=nothing", "split 'nothing' is unknown; known: u1, "),
        ("--split=random:sed=7", "split random: 'sed=7' is no parameter of it; known: seed=..., "),
        ("--split=random:seed=many", "split random: 'seed=many': "),
        ("--split-file=no.csv", "--split-file: no.csv is no file"),
        ("--events=no.csv", "--events: no.csv is no file"),
        ("--model=nothing", "model 'nothing' is unknown; known: "),
        ("--set=blend.deepness=8", "blend has no setting 'deepness'; it has "),
    ],
)
def test_options_are_looked_at_before_the_data(tmp_path, capsys, option, sentence):
    """Of a large data set minutes would pass before the mistake is told: here there is none."""
    code = main(["train", f"--data-dir={tmp_path / 'no-data'}", option])

    assert code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "settings", [Settings(rating="prefix"), Settings(retrieval="svdpp2"), Settings(rating="mean")]
)
def test_a_model_of_the_other_task_is_refused(settings):
    """What can't rate is no rating model, and what no graph serves is not trained for one."""
    dataset = checkerboard(n_users=6)

    with pytest.raises(DataError, match=r"is no (rating|retrieval) model|no graph serves it"):
        train(dataset, per_user_temporal(dataset.ratings), settings, lambda _: None)
