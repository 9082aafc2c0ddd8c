"""`--monitoring_config_file`: whether and where Prometheus reads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from protos.tfserving.v1 import config_pb2
from serving.text_files import read_text_proto

DEFAULT_PATH: Final = "/monitoring/prometheus/metrics"


def read_metrics_path(file: Path) -> str | None:
    """The URL path of the metrics; None where they are not enabled.

    Raises:
      ServingError: the file is missing or malformed.
    """
    config = read_text_proto(file, config_pb2.MonitoringConfig()).prometheus_config
    return (config.path or DEFAULT_PATH) if config.enable else None
