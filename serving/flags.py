"""The command line of the embedded model server: tensorflow_model_server's names and defaults."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.stock_flags import IGNORED

_MAX_PORT = 65535
_THREADS = 4 * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Flags:
    """What the process was asked to do; field names are flag names."""

    port: int
    host: str
    grpc_socket_path: str
    grpc_max_threads: int
    grpc_channel_arguments: str
    enable_grpc_healthcheck_service: bool
    ssl_config_file: str
    rest_api_port: int
    rest_api_num_threads: int
    rest_api_timeout_in_ms: int
    rest_api_enable_cors_support: bool
    monitoring_config_file: str
    model_name: str
    model_base_path: str
    model_config_file: str
    model_config_file_poll_wait_seconds: int
    file_system_poll_wait_seconds: int
    max_num_load_retries: int
    load_retry_interval_micros: int
    allow_version_labels_for_unavailable_models: bool
    enable_batching: bool
    batching_parameters_file: str
    enable_model_warmup: bool
    num_request_iterations_for_warmup: int
    enable_serialization_as_tensor_content: bool
    saved_model_tags: str
    tensorflow_session_parallelism: int
    tensorflow_intra_op_parallelism: int
    tensorflow_inter_op_parallelism: int
    version: bool
    ignored: tuple[str, ...] = ()
    """Names of the flags that were given and have no effect here."""

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


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def _boolean(text: str) -> bool:
    match text.lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


class _Ignored(argparse.Action):
    """Notes the name of a flag that has no effect."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: object,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        if self.metavar not in namespace.ignored:
            namespace.ignored = (*namespace.ignored, self.metavar)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving",
        description="Serves SavedModels over the gRPC and REST APIs of TensorFlow Serving. "
        "Flags have the names and defaults of tensorflow_model_server.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_listeners(parser)
    _add_models(parser)
    _add_runtime(parser)
    parser.set_defaults(ignored=())
    for name, kind in IGNORED.items():
        takes = {"nargs": "?"} if kind is bool else {}
        parse = _boolean if kind is bool else kind
        parser.add_argument(
            f"--{name}",
            action=_Ignored,
            type=parse,
            metavar=name,
            dest="ignored",
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
            **takes,  # type: ignore[arg-type]
        )
    return parser


def _text(parser: argparse._ArgumentGroup, name: str, help_text: str, default: str = "") -> None:
    parser.add_argument(f"--{name}", default=default, help=help_text)


def _number(
    parser: argparse._ArgumentGroup,
    name: str,
    default: int,
    help_text: str,
    kind: Callable[[str], int] = int,
) -> None:
    parser.add_argument(f"--{name}", type=kind, default=default, help=help_text)


def _switch(
    parser: argparse._ArgumentGroup, name: str, help_text: str, *, default: bool = False
) -> None:
    parser.add_argument(
        f"--{name}", type=_boolean, nargs="?", const=True, default=default, help=help_text
    )


def _add_listeners(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("listening")
    _number(
        group,
        "port",
        8500,
        "TCP port of the gRPC API; 0 takes a free one, or none where --grpc_socket_path is given "
        "(tensorflow_model_server never takes a free one)",
        _port,
    )
    _text(
        group,
        "host",
        "address to listen on; the one flag that tensorflow_model_server, which listens "
        "everywhere, does not have",
        "127.0.0.1",
    )
    _text(group, "grpc_socket_path", "a UNIX socket to listen on as well")
    _number(
        group,
        "grpc_max_threads",
        _THREADS,
        "gRPC calls that are computed at a time; a call that waits for a batch does not count",
        _positive,
    )
    _text(
        group,
        "grpc_channel_arguments",
        "comma-separated arguments of the gRPC server, such as grpc.max_connection_age_ms=2000",
    )
    _switch(
        group,
        "enable_grpc_healthcheck_service",
        "answer grpc.health.v1.Health; SERVING from the start, whatever the models' state",
    )
    _text(group, "ssl_config_file", "an SSLConfig in text format: TLS on the gRPC port")
    _number(
        group, "rest_api_port", 0, "TCP port of the REST API and of the metrics; 0 is none", _port
    )
    _number(group, "rest_api_num_threads", _THREADS, "REST calls that run at a time", _positive)
    _number(group, "rest_api_timeout_in_ms", 30_000, "time limit of a REST call; 0 or less is none")
    _switch(group, "rest_api_enable_cors_support", "send CORS headers with REST answers")
    _text(
        group,
        "monitoring_config_file",
        "a MonitoringConfig in text format: whether and where Prometheus reads metrics",
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("models")
    _text(group, "model_name", "name of the model in --model_base_path", "default")
    _text(
        group,
        "model_base_path",
        "absolute path of a folder with one sub-folder for each version; the highest version is "
        "served",
    )
    _text(
        group,
        "model_config_file",
        "a ModelServerConfig in text format: models, base paths, version policies and labels; "
        "replaces --model_name and --model_base_path",
    )
    _number(
        group,
        "model_config_file_poll_wait_seconds",
        0,
        "seconds between two readings of --model_config_file; 0 reads it once",
        _count,
    )
    _number(
        group,
        "file_system_poll_wait_seconds",
        1,
        "seconds between two looks for new versions; 0 looks once after each configuration, a "
        "negative value never",
    )
    _number(
        group,
        "max_num_load_retries",
        5,
        "how often a failed load is tried again before the version ends",
        _count,
    )
    _number(
        group,
        "load_retry_interval_micros",
        60_000_000,
        "microseconds between two tries; a negative value does not wait",
    )
    _switch(
        group,
        "allow_version_labels_for_unavailable_models",
        "let a label that is not in use yet point at a version that is not AVAILABLE yet",
    )
    _text(group, "saved_model_tags", "comma-separated tags of the graph to load", "serve")
    _switch(
        group,
        "enable_model_warmup",
        "replay assets.extra/tf_serving_warmup_requests before a version is AVAILABLE",
        default=True,
    )
    _number(group, "num_request_iterations_for_warmup", 0, "replays of each record; 0 is one")


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running models")
    _switch(group, "enable_batching", "let calls wait for each other and run together")
    _text(
        group,
        "batching_parameters_file",
        "BatchingParameters in text format, for --enable_batching",
    )
    _switch(
        group,
        "enable_serialization_as_tensor_content",
        "send numeric outputs as tensor_content instead of typed values",
    )
    for name, what in (
        ("tensorflow_session_parallelism", "the two below, where neither is set"),
        ("tensorflow_intra_op_parallelism", "threads of one op"),
        ("tensorflow_inter_op_parallelism", "ops that run at a time"),
    ):
        _number(group, name, 0, f"{what}; 0 lets TensorFlow choose", _count)
    _switch(group, "version", "print the versions and end")


def parse_flags(argv: Sequence[str] | None = None) -> Flags:
    """The flags in `argv` (default: the process's own).

    Raises:
      SystemExit: a flag is unknown or its value is not allowed (2), or --help was asked for (0).
    """
    return Flags(**vars(_parser().parse_args(argv)))
