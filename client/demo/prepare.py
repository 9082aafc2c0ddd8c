"""Data and a release, unless they are there already: the trainer's commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from client.demo.child import Child
from client.demo.failures import FAILED, USER_ERROR, DemoError
from client.demo.index import has_index
from client.demo.phases import Phases
from client.demo.release import active_release

DATASET: Final = "ml-100k"


def prepare(models_dir: Path, data_dir: Path | None, index: str, phases: Phases) -> None:
    """Fetches the data; trains and publishes when `models_dir` has no live release.

    Args:
      index: "scann" gives a release that lacks the ScaNN index one; see INDEXES.

    Raises:
      DemoError: a step failed; it has told why on the terminal.
    """
    data = ("--dataset", DATASET, *(("--data-dir", str(data_dir)) if data_dir else ()))
    models = ("--models-dir", str(models_dir))
    with phases.phase("fetch"):
        run_trainer("fetch", data)
    version = active_release(models_dir)
    if version is not None:
        phases.reused("train", f"release {version} in {models_dir}")
        if index == "scann" and not has_index(models_dir, version):
            with phases.phase("tune-index"):
                run_trainer("tune-index", ("--force", *models))
        return
    with phases.phase("train"):
        output = run_trainer("train", (*data, *models, "--index", index))
    if not output:
        raise DemoError("python -m trainer train printed no release id")
    with phases.phase("publish"):
        run_trainer("publish", (output[-1].strip(), *models))


def run_trainer(
    command: str, options: Sequence[str], program: Sequence[str] = ("-m", "trainer")
) -> list[str]:
    """Lines of stdout of one trainer command; its progress goes to the terminal.

    Raises:
      DemoError: it failed, with the trainer's exit status where that is a user's error.
    """
    arguments = (*program, command, *options)
    with Child("trainer", arguments, show_stderr=True) as trainer:
        status, output = trainer.result()
    if status:
        raise DemoError(
            f"python -m trainer {command} failed with exit status {status}, see above",
            exit_code=USER_ERROR if status == USER_ERROR else FAILED,
        )
    return [line for line in output if line.strip()]
