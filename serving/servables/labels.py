"""Labels: names such as "stable" that callers use instead of a version's number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import grpc

from serving.errors import ServingError, failed_precondition, invalid_argument
from serving.model_config import ModelConfigs


class Labels:
    """Which version each label of each servable stands for; safe for use by many threads."""

    def __init__(self, *, may_wait: bool) -> None:
        """`may_wait`: a label that is not in use may point at a version that is not AVAILABLE."""
        self._may_wait = may_wait
        self._versions: Mapping[str, Mapping[str, int]] | None = None
        """None before the first configuration."""

    def replace(self, configs: ModelConfigs, is_available: Callable[[str, int], bool]) -> None:
        """Takes over the labels of a configuration, all of them or none.

        Raises:
          ServingError: FAILED_PRECONDITION, a label points at a version that is not AVAILABLE.
        """
        for config in configs:
            in_use = (self._versions or {}).get(config.name, {})
            for label, version in config.labels.items():
                waits = self._may_wait and in_use.get(label, version) == version
                if not waits and not is_available(config.name, version):
                    raise failed_precondition(
                        f"Request to assign label to version {version} of model {config.name}, "
                        "which is not currently available for inference"
                    )
        self._versions = {config.name: config.labels for config in configs}

    def version_of(self, name: str, label: str) -> int:
        """The version that a label stands for.

        Raises:
          ServingError: INVALID_ARGUMENT, the servable has no such label; UNAVAILABLE, there was
            no configuration yet.
        """
        if self._versions is None:
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE, f"Model labels does not init yet.{label}"
            )
        version = self._versions.get(name, {}).get(label)
        if version is None:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return version
