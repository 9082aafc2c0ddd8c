"""A comparison goes on where it was killed, learns nothing from test rows and hides no failure."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.fault.waiting import eventually
from tests.worlds import checkerboard
from trainer.__main__ import main
from trainer.datasets import Col, DataError, Dataset
from trainer.evaluate.apart import Job, run_apart
from trainer.evaluate.contestants import Contestant, own_contestants, peer_contestants
from trainer.evaluate.finished import Finished, load, question_digest, row_key, save
from trainer.evaluate.fits import fit
from trainer.evaluate.measure import measure
from trainer.evaluate.peers import fitting
from trainer.evaluate.peers.settings import PEERS, PeerModel
from trainer.evaluate.prepare import Prepared, prepare
from trainer.evaluate.question import ask
from trainer.evaluate.results import Row
from trainer.split import Split, make_split, per_user_temporal

PEER = {peer.name: peer for peer in PEERS}


# --- the command ----------------------------------------------------------------------------------


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        *("compare", "--data-dir", str(folder / "grouplens")),
        *("--models", "none", "--json", str(folder / "found.json"), *more),
    ]


def test_a_killed_comparison_goes_on(tmp_path, small, capsys):
    """Its fit ends with it; the finished row is kept and the others are made."""
    small.write_grouplens(tmp_path / "grouplens")
    peers = ("surprise-baseline-default", "surprise-knn-default", "implicit-als-default")
    command = arguments(tmp_path, "--peers", ",".join(peers))
    rows = tmp_path / "found.json.rows"

    # Killed while the second is being fitted: its log is there and the first row is too.
    started = [sys.executable, "-m", "trainer", *command]
    with subprocess.Popen(started, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: any(rows.glob("surprise-knn-*.log")), 150)
        fits = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _, alive = psutil.wait_procs(fits, timeout=30)
    (first,) = rows.glob("surprise-baseline-*.json")
    written = first.stat().st_mtime_ns

    assert main(command) == 0
    out, err = capsys.readouterr()
    assert not alive
    assert first.stat().st_mtime_ns == written
    told = " ".join(err.split())
    assert told.count("(kept)") in (1, 2), "the second may have been through when the kill came"
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row["model"] for row in found["rows"]] == list(peers)
    assert {row["kind"] for row in found["rows"]} == {"peer"}
    for figure, least in (("peak_mb", 10), ("train_s", 0), ("train_cpu_s", 0)):
        assert all(row[figure] >= least for row in found["rows"])
    assert found["rows"][0]["intervals"]["rmse"]["low"] <= found["rows"][0]["rmse"]
    assert "surprise-knn-default" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--peers", "none"], "nobody to compare"),
        (["--peers", "lightfm"], "peer 'lightfm' is unknown; known: surprise, implicit, myfm"),
        (["--peers", "surprise", "--split", "u9"], "split 'u9' is unknown"),
        (["--peers", "surprise", "--html", "/no/such/folder/x.html"], "is no folder"),
    ],
)
def test_what_the_user_can_mend(tmp_path, small, capsys, options, message):
    """One sentence and exit status 2, before anything is fitted."""
    small.write_grouplens(tmp_path / "grouplens")

    assert main(arguments(tmp_path, *options)) == 2

    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "found.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models=nobody"], "model 'nobody' is unknown; known: "),
        (["--peers=lightfm"], "peer 'lightfm' is unknown; known: "),
        (["--peers=none"], "nobody to compare"),
        (["--split=u9"], "split 'u9' is unknown; known: "),
    ],
)
def test_names_are_looked_at_before_the_data(tmp_path, capsys, options, message):
    """Of a large data set minutes would pass before the mistake is told: here there is none."""
    assert main(arguments(tmp_path, *options)) == 2

    assert message in " ".join(capsys.readouterr().err.split())


# --- who is compared ------------------------------------------------------------------------------


def test_a_missing_peer_is_a_sentence(monkeypatch):
    """The others are compared all the same."""
    real = fitting.version

    def version(distribution: str) -> str:
        if distribution == "myfm":
            raise PackageNotFoundError(distribution)
        return real(distribution)

    monkeypatch.setattr(fitting, "version", version)

    found, missing = peer_contestants(["surprise", "myfm"], [0])

    assert {contestant.peer.library for contestant in found if contestant.peer} == {"surprise"}
    (sentence,) = missing
    assert sentence.startswith("peer myfm is left out: myfm is not installed")


def test_seeds_go_to_what_has_a_seed():
    """Biases are fitted once, a factorisation once for each seed; a library and its member once."""
    found, _ = peer_contestants(["surprise-svd-default", "surprise-baseline-default"], [3, 4])
    twice, _ = peer_contestants(["surprise", "surprise-svd-default"], [0])

    assert [(c.model, c.seed) for c in found] == [
        ("surprise-svd-default", 3),
        ("surprise-svd-default", 4),
        ("surprise-baseline-default", 3),
    ]
    assert len({c.model for c in twice}) == len(twice)


def test_our_own_come_with_their_kind():
    """Baselines first; "all" holds every model and the default export."""
    found = own_contestants(["svdpp2", "mean", "best"], [0, 1])

    assert [(c.model, c.kind, c.seed) for c in found] == [
        ("mean", "baseline", 0),
        ("svdpp2", "ours", 0),
        ("svdpp2", "ours", 1),
        ("best", "ours", 0),
        ("best", "ours", 1),
    ]
    assert {"mean", "svdpp2", "best"} < {c.model for c in own_contestants(["all"], [0])}
    with pytest.raises(DataError, match="model 'nonsense' is unknown"):
        own_contestants(["nonsense"], [0])


# --- finished rows --------------------------------------------------------------------------------


def test_a_row_is_found_again_by_all_that_it_depends_on():
    """Another seed, configuration, split or data set is another row."""
    dataset = checkerboard(n_users=12, n_movies=10, n_rated=5)
    other = replace(dataset, ratings=dataset.ratings.assign(rating=np.float32(3)))
    digests = [
        question_digest(ask(data, split), data.fingerprint())
        for data in (dataset, other)
        for split in (
            per_user_temporal(data.ratings),
            per_user_temporal(data.ratings, 0.3),
        )
    ]
    svd = Contestant("svd", "peer", 0, peer=PEER["surprise-svd-default"], asked="1.1")
    changed = replace(svd.peer, settings={"n_factors": 3})
    contestants = [
        svd,
        replace(svd, seed=1),
        replace(svd, asked="1.2"),
        replace(svd, peer=changed),
    ]

    keys = {row_key(contestant, digest) for contestant in contestants for digest in digests}

    assert len(keys) == len(contestants) * len(digests)
    assert row_key(svd, digests[0]) == row_key(replace(svd), digests[0])


def test_finished_rows_are_kept_whole(tmp_path):
    """What was saved is loaded; arrays without their JSON are no row."""
    row = Row("m", "ours", 0, "in_process", {"rmse": 1.0}, 1.0, 1.0)
    finished = [
        Finished(row, {"rmse": np.array([1.0, 2.0])}, np.array([3]), np.ones((1, 2), np.float32)),
        Finished(replace(row, model="m:index"), {}, np.array([], int), np.zeros((0, 0))),
    ]

    save(tmp_path, "key", finished)
    first, second = load(tmp_path, "key")

    assert (first.row, second.row) == (row, replace(row, model="m:index"))
    assert first.samples["rmse"].tolist() == [1, 2]
    assert (first.map_movies.tolist(), first.map_vectors.tolist()) == ([3], [[1, 1]])
    (tmp_path / "key.json").unlink()
    assert load(tmp_path, "key") == []


def test_a_crash_is_its_own(tmp_path):
    """The sentence names the model, the last line of its log and where that is."""
    dataset = checkerboard(n_users=12, n_movies=10, n_rated=5)
    broken = PeerModel("broken", "surprise", "SVD", {"n_factors": "many"})
    prepared = prepare(dataset, per_user_temporal(dataset.ratings))
    job = Job(Contestant("broken", "peer", 0, peer=broken), prepared, tmp_path, "key")

    sentence = run_apart(job)

    assert sentence is not None
    assert sentence.startswith("broken, seed 0: its process ended with 1: TypeError")
    assert str(job.log) in sentence
    assert load(tmp_path, "key") == []


# --- nothing leaks --------------------------------------------------------------------------------


def with_shuffled_test(dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
    """The same pairs, with the test ratings dealt out anew."""
    ratings = dataset.ratings.copy()
    dealt = np.random.default_rng(1).permutation(split.test[Col.RATING].to_numpy())
    ratings.loc[split.test.index, Col.RATING] = dealt
    shuffled = replace(dataset, ratings=ratings)
    return shuffled, replace(split, test=ratings.loc[split.test.index])


@pytest.mark.parametrize(
    "name",
    [
        *("user_movie_bias", "linear_static", "surprise-svd-default", "implicit-als-default"),
        "myfm-plain",
    ],
)
def test_test_ratings_change_nothing_but_the_error(tmp_path, name):
    """Predictions and lists stay; RMSE is taken against other ratings, so it moves."""
    dataset = checkerboard(n_users=24, n_movies=20, n_rated=8)
    split = per_user_temporal(dataset.ratings, 0.2)
    contestant = (
        Contestant(name, "peer", 0, peer=PEER[name])
        if name in PEER
        else own_contestants([name], [0])[0]
    )

    def figures(prepared: Prepared, folder: Path):
        folder.mkdir()
        fitted = fit(contestant, prepared, folder)
        return fitted, measure(prepared.question, fitted.rating, fitted.topn).rungs[None]

    before, measured = figures(prepare(dataset, split), tmp_path / "a")
    shuffled = prepare(*with_shuffled_test(dataset, split))
    after, measured_after = figures(shuffled, tmp_path / "b")

    assert before.settings == after.settings
    assert before.curves == after.curves
    if before.topn is not None:
        assert measured.metrics == measured_after.metrics
    else:
        question = shuffled.question
        asked = (question.shown(None), question.test_position, question.test.movies)
        assert before.rating.rate(*asked).tolist() == after.rating.rate(*asked).tolist()
        assert measured.metrics["rmse"] != measured_after.metrics["rmse"]


@pytest.mark.parametrize("name", ["u1", "cold-100k", "cold-movies"])
def test_no_held_out_row_reaches_a_model(ml_100k, name):
    """The tables of a fit hold the split's training rows and nothing else."""
    split = make_split(name, ml_100k)

    prepared = prepare(ml_100k, split)

    trained = prepared.split.final_train
    assert prepared.split.test.empty
    assert prepared.split.cold is None
    assert trained.index.equals(split.final_train.index)
    assert prepared.dataset.ratings.index.equals(trained.index)
    assert not prepared.split.validation.empty
    assert not set(prepared.split.validation.index) & set(prepared.split.train.index)
    assert len(prepared.question.test) == len(split.test)
