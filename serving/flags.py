"""The command line of the embedded model server: tensorflow_model_server's names and defaults."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Flags:
    """What the process was asked to do."""

    port: int
    host: str
    model_config_file: str
    model_config_file_poll_wait_seconds: int
    model_name: str
    model_base_path: str

    @property
    def address(self) -> str:
        """host:port to listen on, an IPv6 host in brackets."""
        return f"{self.bracketed_host}:{self.port}"

    @property
    def bracketed_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{value} is outside 0..{_MAX_PORT}")
    return value


def _seconds(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving",
        description="Serves SavedModels over the gRPC API of TensorFlow Serving. "
        "Flags have the names and defaults of tensorflow_model_server.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--port", type=_port, default=8500, help="TCP port of the gRPC API; 0 takes a free one"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; the one flag that tensorflow_model_server, which listens "
        "everywhere, does not have",
    )
    parser.add_argument(
        "--model_config_file",
        default="",
        help="a ModelServerConfig in protobuf text format: models, base paths and version "
        "policies; replaces --model_name and --model_base_path",
    )
    parser.add_argument(
        "--model_config_file_poll_wait_seconds",
        type=_seconds,
        default=0,
        help="seconds between two readings of --model_config_file; 0 reads it once",
    )
    parser.add_argument(
        "--model_name", default="default", help="name of the model in --model_base_path"
    )
    parser.add_argument(
        "--model_base_path",
        default="",
        help="absolute path of a folder with one sub-folder for each version; the highest "
        "version is served, and the folder is read again every second",
    )
    return parser


def parse_flags(argv: Sequence[str] | None = None) -> Flags:
    """The flags in `argv` (default: the process's own).

    Raises:
      SystemExit: a flag is unknown or its value is not allowed (2), or --help was asked for (0).
    """
    return Flags(**vars(_parser().parse_args(argv)))
