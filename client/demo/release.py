"""The live release of a models folder, as far as the demonstration needs it."""

from __future__ import annotations

import json
from pathlib import Path

from client.demo.failures import USER_ERROR, DemoError


def active_release(models_dir: Path) -> int | None:
    """Version of the stable release; None when nothing was published there.

    Raises:
      DemoError: releases/active.json is damaged.
    """
    path = models_dir / "releases" / "active.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["stable"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DemoError(f"{path} is damaged: {error}", exit_code=USER_ERROR) from error
    if not isinstance(version, int) or version < 1:
        raise DemoError(f"{path} is damaged: stable is {version!r}", exit_code=USER_ERROR)
    return version


def holdout_path(models_dir: Path, version: int) -> Path:
    """The sample of held-out ratings that a release brings along."""
    return models_dir / "features" / str(version) / "holdout.json"
