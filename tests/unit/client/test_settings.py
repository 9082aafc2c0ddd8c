"""from_env, Tls and metadata: what is accepted, and what a mistake is told."""

import re
from pathlib import Path
from typing import Any

import pytest

from client import RecommenderClient, Tls
from client.settings import Settings

FILES = {
    "RECSERVE_TLS_ROOT_CERTIFICATES": b"roots",
    "RECSERVE_TLS_CERTIFICATE": b"chain",
    "RECSERVE_TLS_PRIVATE_KEY": b"key",
}


def test_nothing_set_is_the_default() -> None:
    """Unset and empty variables leave the defaults of the constructor."""
    empty = dict.fromkeys(["RECSERVE_TARGET", "RECSERVE_TIMEOUT_S", "RECSERVE_TLS", *FILES], "")
    assert Settings.from_environment({}) == Settings.from_environment(empty) == Settings()
    assert Settings() == Settings("127.0.0.1:50051", 5.0, 5, None, {})


def test_everything_can_be_set(tmp_path: Path) -> None:
    """Each variable arrives where it belongs."""
    environment = {
        "RECSERVE_TARGET": "dns:///gateway:443",
        "RECSERVE_TIMEOUT_S": "0.5",
        "RECSERVE_MAX_ATTEMPTS": "1",
        "RECSERVE_METADATA": "Authorization=Bearer a=b, x-team = films,",
    }
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
        environment[name] = str(tmp_path / name)
    assert Settings.from_environment(environment) == Settings(
        "dns:///gateway:443",
        0.5,
        1,
        Tls(b"roots", b"chain", b"key"),
        {"authorization": "Bearer a=b", "x-team": "films"},
    )


@pytest.mark.parametrize(("switch", "tls"), [("1", Tls()), ("TRUE", Tls()), ("0", None)])
def test_tls_can_be_switched(switch: str, tls: Tls | None) -> None:
    """RECSERVE_TLS alone means TLS with gRPC's own roots."""
    assert Settings.from_environment({"RECSERVE_TLS": switch}).tls == tls


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RECSERVE_TIMEOUT_S": "soon"}, "RECSERVE_TIMEOUT_S is 'soon', allowed are positive"),
        ({"RECSERVE_TIMEOUT_S": "-1"}, "RECSERVE_TIMEOUT_S is '-1'"),
        ({"RECSERVE_MAX_ATTEMPTS": "0"}, r"RECSERVE_MAX_ATTEMPTS is '0', allowed 1\.\.100"),
        ({"RECSERVE_MAX_ATTEMPTS": "1.5"}, "RECSERVE_MAX_ATTEMPTS is '1.5'"),
        ({"RECSERVE_TLS": "maybe"}, "RECSERVE_TLS is 'maybe', allowed are 1, true, 0 and false"),
        ({"RECSERVE_TLS_CERTIFICATE": "x"}, "RECSERVE_TLS_CERTIFICATE and .*_KEY are set together"),
        (
            {"RECSERVE_TLS": "0", "RECSERVE_TLS_ROOT_CERTIFICATES": "x"},
            "RECSERVE_TLS switches TLS off, yet files",
        ),
        ({"RECSERVE_TARGET": "localhost"}, "RECSERVE_TARGET is 'localhost', allowed are host:port"),
        ({"RECSERVE_METADATA": "token"}, "RECSERVE_METADATA has an entry without '='"),
        ({"RECSERVE_METADATA": "a key=1"}, "RECSERVE_METADATA has the key 'a key'"),
    ],
)
def test_a_mistake_names_the_variable(environment: dict[str, str], message: str) -> None:
    """ValueError with the variable and what is allowed."""
    with pytest.raises(ValueError, match=message):
        RecommenderClient.from_env(environment)


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:1",
        "gateway.films.example:65535",
        "my_gateway:50051",
        "[::1]:50051",
        "[fe80::1%eth0]:50051",
        "unix:gateway.sock",
        "unix:///run/gateway.sock",
        "dns:///gateway:443",
        "dns://1.1.1.1/gateway",
        "ipv4:127.0.0.1:50051,127.0.0.1:50052",
        "DNS:///gateway:443",
        "google-c2p:///gateway",
    ],
)
def test_targets_that_grpc_understands_are_taken(connect: Any, target: str) -> None:
    """host:port, [ipv6]:port, unix:path and the other schemes of gRPC, unchanged."""
    with connect(target) as client:
        assert client.target == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "localhost",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:99999",
        "127.0.0.1:-1",
        "localhost:http",
        ":50051",
        "::1:50051",
        "[::1]",
        "[gateway]:50051",
        "unix:",
        "dns:///",
        "dns:///gateway:65536",
        "ipv4:127.0.0.1:0",
        "http://gateway:50051",
        "https://gateway:50051",
        "grpc://gateway:50051",
        "gateway:50051/",
        " gateway:50051",
        "gateway:50051\n",
        "gateway:\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_a_target_that_grpc_would_misread_is_refused(connect: Any, target: str) -> None:
    """ValueError says what it got and what is allowed, before anything is connected to."""
    allowed = r"allowed are host:port with a port of 1\.\.65535, \[ipv6\]:port, unix:path"
    with pytest.raises(ValueError, match=f"^target is {re.escape(repr(target))}, {allowed}"):
        connect(target)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The path of a missing certificate is in the error."""
    with pytest.raises(FileNotFoundError, match=r"roots\.pem"):
        Settings.from_environment({"RECSERVE_TLS_ROOT_CERTIFICATES": str(tmp_path / "roots.pem")})


def test_the_processes_environment_is_read_when_asked(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """from_env() reads RECSERVE_TARGET; the constructor does not."""
    monkeypatch.setenv("RECSERVE_TARGET", "gateway:1")
    assert Settings.from_environment().target == "gateway:1"
    with RecommenderClient.from_env() as configured, connect() as plain:
        assert configured.target == "gateway:1"
        assert plain.target == "127.0.0.1:50051"


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ({"Team": "films"}, ValueError, "the key 'Team', which gRPC does not allow"),
        ({"grpc-timeout": "1"}, ValueError, "grpc-timeout"),
        ({"a-bin": "1"}, ValueError, "a-bin"),
        ({"": "1"}, ValueError, "the key ''"),
        ({"team": "filmé"}, ValueError, r"metadata\['team'\] must be printable ASCII"),
        ({"team": 5}, TypeError, r"metadata\['team'\] must be a string"),
        ([("team", "films")], TypeError, "metadata must be a mapping"),
    ],
)
def test_metadata_is_checked(metadata: Any, error: type[Exception], message: str) -> None:
    """What gRPC would refuse at the first call is refused when the client is made."""
    with pytest.raises(error, match=message):
        RecommenderClient(metadata=metadata)


def test_secrets_are_not_shown() -> None:
    """Neither metadata nor the private key is in a repr or in an error's text."""
    tls = Tls(None, b"chain", b"SECRET")
    settings = Settings(tls=tls, metadata={"authorization": "SECRET"})
    with pytest.raises(ValueError, match="authorization") as raised:
        Settings(metadata={"authorization": "SECRET\n"})
    for shown in (repr(settings), repr(tls), str(raised.value)):
        assert "SECRET" not in shown


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"certificate": b"chain"}, ValueError),
        ({"private_key": b"key"}, ValueError),
        ({"root_certificates": "roots.pem"}, TypeError),
    ],
)
def test_half_a_key_pair_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    """A certificate needs its key; a path is not PEM."""
    with pytest.raises(error):
        Tls(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_attempts": 0}, r"max_attempts is 0, allowed 1\.\.100"),
        ({"max_attempts": 101}, "max_attempts is 101"),
    ],
)
def test_attempts_have_a_range(connect: Any, options: dict[str, Any], message: str) -> None:
    """One attempt at least, a hundred at most."""
    with pytest.raises(ValueError, match=message):
        connect(**options)
