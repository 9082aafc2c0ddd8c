"""python -m server: the gateway as a process; python -m server export-events: what it recorded.

Exit codes: 0 stopped by a signal or done, 1 cannot start or read, 2 wrong settings.
"""

from __future__ import annotations

import logging
import sys

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, CliApp, EnvSettingsSource, SettingsError

from server.app import StartupError, run
from server.export_events import COMMAND, ExportSettings, export_events
from server.features.store import StoreError
from server.logs import configure, fields
from server.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Runs the command with these arguments (the process' own) and returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    exports = arguments[:1] == [COMMAND]
    settings_class = ExportSettings if exports else Settings
    try:
        if exports:
            return _export(CliApp.run(ExportSettings, cli_args=arguments[1:]))
        return _serve(CliApp.run(Settings, cli_args=arguments))
    except (ValidationError, SettingsError) as error:
        print(f"python -m server: {_explained(error, settings_class)}", file=sys.stderr)
        return 2


def _export(settings: ExportSettings) -> int:
    try:
        n_events = export_events(settings)
    except (StoreError, OSError) as error:
        print(f"python -m server {COMMAND}: {error}", file=sys.stderr)
        return 1
    print(f"{n_events} events", file=sys.stderr)
    return 0


def _serve(settings: Settings) -> int:
    configure(settings.log_level)
    logging.getLogger(__name__).info("starting", extra=fields(**settings.model_dump(mode="json")))
    try:
        run(settings)
    except (StartupError, StoreError) as error:
        print(f"python -m server: {error}", file=sys.stderr)
        return 1
    return 0


def _explained(error: ValidationError | SettingsError, settings_class: type[BaseSettings]) -> str:
    """One line: each wrong setting as its flag or its variable, and what it may be."""
    if isinstance(error, SettingsError):
        return str(error)
    in_environment = EnvSettingsSource(settings_class)()
    prefix = settings_class.model_config["env_prefix"]

    def named(fault: ErrorDetails) -> str:
        name = ".".join(map(str, fault["loc"]))
        # A flag wins over its variable: the value tells which of them it was.
        if in_environment.get(name) == fault["input"]:
            return f"{prefix}{name.upper()}"
        return f"--{name.replace('_', '-')}"

    return "; ".join(
        f"{named(fault)}: {fault['msg']}, got {fault['input']!r}" for fault in error.errors()
    )


if __name__ == "__main__":
    sys.exit(main())
