"""The gateway's fixtures, for what breaks around it."""

from tests.unit.server.conftest import channel, model_server, models_dir, settings, stub

__all__ = ["channel", "model_server", "models_dir", "settings", "stub"]
