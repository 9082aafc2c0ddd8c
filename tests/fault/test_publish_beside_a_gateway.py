"""A publish retains the release that a running gateway answers from."""

from __future__ import annotations

from server.app import gateway
from serving.contract import Active, ModelsDir, read_active
from tests.releases import write_release
from trainer.export.labels import confirmed_releases
from trainer.export.live import Retention
from trainer.export.release import rollback


def test_a_gateway_that_stays_behind_keeps_its_release(settings, models_dir, model_server):
    """Releases 2 and 3 never become AVAILABLE, so the gateway stays on 1, which stays loaded."""
    models = ModelsDir(models_dir)
    for version in (2, 3):
        write_release(models_dir, version)
    with gateway(settings) as running:
        address = f"127.0.0.1:{running.port}"
        for version in (2, 3):
            confirmed = confirmed_releases([address])
            assert confirmed == (1,)
            rollback(models, version, Retention(keep=0, confirmed=confirmed))

    assert read_active(models) == Active(stable=3, retained=(2, 1))
    assert "specific { versions: 1 versions: 2 versions: 3 }" in models.model_config.read_text()
