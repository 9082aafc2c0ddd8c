import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from serving.flags import parse_flags

# Of main.cc and server.h of tensorflow_model_server.
REAL_DEFAULTS = {
    "port": 8500,
    "grpc_socket_path": "",
    "grpc_max_threads": 4 * os.cpu_count(),
    "grpc_channel_arguments": "",
    "enable_grpc_healthcheck_service": False,
    "ssl_config_file": "",
    "rest_api_port": 0,
    "rest_api_num_threads": 4 * os.cpu_count(),
    "rest_api_timeout_in_ms": 30000,
    "rest_api_enable_cors_support": False,
    "monitoring_config_file": "",
    "model_name": "default",
    "model_base_path": "",
    "model_config_file": "",
    "model_config_file_poll_wait_seconds": 0,
    "file_system_poll_wait_seconds": 1,
    "max_num_load_retries": 5,
    "load_retry_interval_micros": 60_000_000,
    "allow_version_labels_for_unavailable_models": False,
    "enable_batching": False,
    "batching_parameters_file": "",
    "enable_model_warmup": True,
    "num_request_iterations_for_warmup": 0,
    "enable_serialization_as_tensor_content": False,
    "saved_model_tags": "serve",
    "tensorflow_session_parallelism": 0,
    "tensorflow_intra_op_parallelism": 0,
    "tensorflow_inter_op_parallelism": 0,
    "version": False,
}


def test_defaults_are_those_of_tensorflow_model_server():
    """Without arguments every flag has the real server's default."""
    assert asdict(parse_flags([])) == {**REAL_DEFAULTS, "host": "127.0.0.1", "ignored": ()}


def test_switches_are_written_as_for_the_real_server():
    """A bare name is true; =true, =false, =1 and =0 are understood."""
    for text, expected in (("", True), ("=true", True), ("=1", True), ("=false", False)):
        assert parse_flags([f"--enable_batching{text}"]).enable_batching is expected
    assert not parse_flags(["--enable_model_warmup=0"]).enable_model_warmup


def test_flags_without_effect_are_accepted_and_named():
    """A command line of the real server is taken whole; what has no effect is told, once each."""
    flags = parse_flags(
        [
            "--enable_profiler",
            "--num_load_threads=4",
            "--per_process_gpu_memory_fraction=0.5",
            "--enable_profiler=false",
            "--port=1",
        ]
    )
    assert flags.port == 1
    assert flags.ignored == (
        "enable_profiler",
        "num_load_threads",
        "per_process_gpu_memory_fraction",
    )


def test_ipv6_host_is_put_in_brackets():
    """An IPv6 address and its port cannot be told apart without brackets."""
    assert parse_flags(["--host=::1", "--port=7"]).address == "[::1]:7"


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--port=65536", "65536 is outside 0..65535"),
        ("--port=-1", "-1 is outside 0..65535"),
        ("--model_config_file_poll_wait_seconds=-1", "-1 is negative"),
        ("--max_num_load_retries=-1", "-1 is negative"),
        ("--grpc_max_threads=0", "0 is below 1"),
        ("--enable_batching=maybe", "'maybe' is neither true nor false"),
        ("--num_load_threads=many", "invalid int value: 'many'"),
        ("--prot=1", "unrecognized arguments: --prot=1"),
    ],
)
def test_bad_flag_ends_with_2_and_a_reason(argument, told, capsys):
    """A flag outside its range, or unknown, is refused with the range or the name."""
    with pytest.raises(SystemExit) as ended:
        parse_flags([argument])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_help_describes_each_flag_without_tensorflow():
    """--help names every flag, says that --host is ours, and does not import TensorFlow."""
    code = (
        "import sys, runpy\n"
        "sys.argv = ['serving', '--help']\n"
        "try:\n    runpy.run_module('serving', run_name='__main__')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for flag in (*REAL_DEFAULTS, "host"):
        assert f"--{flag} " in done.stdout or f"--{flag}\n" in done.stdout
    assert "the one flag that" in done.stdout
