"""docker-compose.yml and the Dockerfiles say what the code expects; no Docker daemon is needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.app import gateway
from server.settings import Settings
from serving.contract import CONTAINER_MODELS_DIR, ModelsDir
from tests.releases import activate, write_release

ROOT = Path(__file__).parents[2]
PROFILES = ("cpu", "gpu")


def compose_command() -> list[str]:
    """docker-compose, or docker's plugin of that name; empty where there is neither."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    plugin = shutil.which("docker") and subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    )
    return ["docker", "compose"] if plugin and plugin.returncode == 0 else []


def composed(profile: str) -> dict[str, Any]:
    """The file as docker-compose understands it, or as written where that is not installed."""
    command = compose_command()
    if not command:
        return yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    arguments = [*command, "--profile", profile, "config"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


def model_server_of(profile: str) -> dict[str, Any]:
    services = composed(profile)["services"].values()
    found = [service for service in services if profile in service.get("profiles", ())]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("profile", [*PROFILES, "redis", "trainer"])
def test_every_profile_passes_the_check(profile):
    """docker-compose takes the file; every service has an image, every volume is declared."""
    content = composed(profile)

    assert set(content) <= {"services", "volumes", "version", "name", "networks", "x-model-server"}
    for name, service in content["services"].items():
        assert re.fullmatch(r"[\w/.-]+(:[\w.-]+)?", service["image"]), name
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert source.startswith(("/", "$", ".")) or source in content["volumes"], name
        # Ours bring a health check in their image.
        assert "healthcheck" in service or "build" in service, name


@pytest.mark.parametrize(
    ("profile", "image"),
    [("cpu", "tensorflow/serving:2.20.0"), ("gpu", "tensorflow/serving:2.20.0-gpu")],
)
def test_the_model_server_is_the_stock_one_pinned(profile, image):
    """It answers under one name in both profiles and reads what a publish writes."""
    service = model_server_of(profile)

    assert service["image"] == image
    assert service["networks"]["default"]["aliases"] == ["model-server"]
    models = ModelsDir(Path(CONTAINER_MODELS_DIR))
    flags = dict(flag.lstrip("-").split("=", 1) for flag in service["command"])
    assert flags["model_config_file"] == str(models.container_model_config)
    assert flags["batching_parameters_file"] == str(models.batching_config)
    assert flags["monitoring_config_file"] == str(models.monitoring_config)
    assert flags["enable_batching"] == "true"
    assert flags["model_config_file_poll_wait_seconds"] == "1"


def test_the_gpu_is_reserved_and_keeps_its_precision():
    """Only the gpu profile asks for a device, and TF32 is off there."""
    service = model_server_of("gpu")

    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert service["environment"]["NVIDIA_TF32_OVERRIDE"] == "0"
    assert "deploy" not in model_server_of("cpu")


def test_the_gateway_finds_the_model_server_and_the_models():
    """Its environment names settings that exist, and the folders are mounted where it looks."""
    service = composed("cpu")["services"]["gateway"]
    image = dict(re.findall(r"(REC_SERVER_\w+)=(\S+)", dockerfile("server")))
    names = {f"REC_SERVER_{name.upper()}" for name in Settings.model_fields}

    assert set(service["environment"]) | set(image) <= names
    assert service["environment"]["REC_SERVER_MODEL_SERVER"] == "model-server:8500"
    targets = [str(v["target"] if isinstance(v, dict) else v) for v in service["volumes"]]
    assert any(image["REC_SERVER_MODELS_DIR"] in target for target in targets)
    store = Path(image["REC_SERVER_STORE_PATH"]).parent
    assert any(str(store) in target for target in targets)
    assert "profiles" not in service


@contextmanager
def model_server_saying(state: str) -> Iterator[int]:
    """The port of a REST API with the stock server's status answer."""
    versions = [{"version": "1", "state": state, "status": {"error_code": "OK"}}]
    body = json.dumps({"model_version_status": versions}, indent=1).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/v1/models/recommend"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(body if found else b"{}")

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the base's name
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(("state", "healthy"), [("AVAILABLE", True), ("LOADING", False)])
def test_the_model_server_is_healthy_once_recommend_is_available(state, healthy):
    """The check needs bash alone, asks the REST API and understands its answer."""
    kind, *command = model_server_of("cpu")["healthcheck"]["test"]
    assert kind == "CMD"

    with model_server_saying(state) as port:
        command = [argument.replace("8501", str(port)) for argument in command]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)

    assert (done.returncode == 0) == healthy


def test_the_gateway_image_checks_its_health(tmp_path):
    """The command of the Dockerfile passes on a gateway with a release, fails on none."""
    command = json.loads(re.search(r"HEALTHCHECK .*? CMD (\[.*\])", dockerfile("server"))[1])
    assert command[0] == "python"
    folder = tmp_path / "models"
    settings = Settings(
        port=0,
        models_dir=folder,
        model_server="127.0.0.1:9",
        store_path=tmp_path / "store.sqlite3",
        shutdown_grace_s=0,
    )

    def healthy() -> bool:
        with gateway(settings) as running:
            check = [sys.executable, "-c", command[2].replace("50051", str(running.port))]
            return (
                subprocess.run(check, capture_output=True, timeout=30, check=False).returncode == 0
            )

    assert not healthy()
    write_release(folder, 1)
    activate(folder, 1)
    assert healthy()


@pytest.mark.parametrize(
    ("package", "modules"),
    [
        ("server", "server.app, server.__main__"),
        (
            "trainer",
            "trainer.release_commands, trainer.export.labels, trainer.export.server_configs",
        ),
    ],
)
def test_an_image_holds_everything_that_it_imports(package, modules, tmp_path):
    """What the Dockerfile copies is enough, and the gateway's image imports no TensorFlow."""
    for sources, target in re.findall(r"^COPY (?!--from)(.+) (\S+)$", dockerfile(package), re.M):
        for source in sources.split():
            into = tmp_path / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, into)
    program = (
        f"import {modules}\nimport sys, serving.contract\n"
        "from pathlib import Path\n"
        "inside = {name for name, m in sys.modules.items() if name.split('.')[0] in\n"
        "          ('server', 'serving', 'trainer', 'protos') and getattr(m, '__file__', None)}\n"
        "assert all(Path(sys.modules[n].__file__).is_relative_to(Path.cwd()) for n in inside)\n"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "False\n", done.stderr


def dockerfile(package: str) -> str:
    return (ROOT / package / "Dockerfile").read_text()
