"""`python -m serving`: the embedded model server, a stand-in for tensorflow_model_server."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from serving.errors import ServingError, invalid_argument
from serving.flags import Flags, parse_flags
from serving.model_config import ModelConfigs, read_model_config, single_model

HOW_TO_PUBLISH: Final = (
    "`python -m trainer train --publish` writes serving/models/models.config"
    " (or DIR/models.config, with --models-dir DIR)"
)

_log = logging.getLogger("serving")


def main() -> int:
    """Runs the process; 0 after SIGTERM or SIGINT, 1 when it cannot start."""
    flags = parse_flags()
    if flags.version:
        print(f"TensorFlow ModelServer: {version('recserve')} (recserve, python -m serving)")
        print(f"TensorFlow Library: {version('tensorflow')}")
        return 0
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for name in flags.ignored:
        _log.warning("--%s is a flag of tensorflow_model_server that has no effect here", name)
    # Unlike an Event, this queue may be filled by a signal that interrupts a wait for it.
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.put(number))
    try:
        _serve(flags, _initial_configs(flags), signals)
    except ServingError as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        # A name that no file can have is no reason for a hint.
        with suppress(OSError):
            if flags.model_config_file and not Path(flags.model_config_file).exists():
                print(HOW_TO_PUBLISH, file=sys.stderr)
        return 1
    return 0


def _initial_configs(flags: Flags) -> ModelConfigs | None:
    if flags.model_config_file:
        return read_model_config(Path(flags.model_config_file))
    if flags.model_base_path:
        return single_model(flags.model_name, flags.model_base_path)
    raise invalid_argument(
        "Both server_options.model_base_path and server_options.model_config_file are empty!"
    )


def _serve(flags: Flags, configs: ModelConfigs | None, signals: queue.SimpleQueue[int]) -> None:
    # TensorFlow reads this when it is imported, which takes seconds: not for --help or a bad flag.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from serving.model_server import ModelServer  # noqa: PLC0415

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if not signals.empty():
        return
    server = ModelServer(flags, configs, signals)
    try:
        for address in server.start():
            print(f"Running gRPC ModelServer at {address} ...", flush=True)
        server.follow_files()
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
