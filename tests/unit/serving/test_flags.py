import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from client.demo.stack import stack_commands
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


# The rest of main.cc: a value that the real server takes.
WITHOUT_EFFECT = {
    "enable_per_model_batching_parameters": "true",
    "enable_profiler": "false",
    "enable_signature_method_name_check": "true",
    "flush_filesystem_caches": "false",
    "mixed_precision": "bfloat16",
    "num_load_threads": "4",
    "num_tflite_interpreters_per_pool": "1",
    "num_tflite_pools": "2",
    "num_unload_threads": "4",
    "per_process_gpu_memory_fraction": "0.5",
    "platform_config_file": "/platform.config",
    "prefer_tflite_model": "true",
    "remove_unused_fields_from_bundle_metagraph": "false",
    "skip_initialize_tpu": "true",
    "tensorflow_session_config_file": "/session.config",
    "thread_pool_factory_config_file": "/threads.config",
    "use_alts_credentials": "false",
    "xla_cpu_compilation_enabled": "true",
    "xla_gpu_compilation_enabled": "true",
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


def test_every_other_flag_of_the_real_server_is_accepted_and_named():
    """The 19 flags that this server does not act on; 48 in all are those of main.cc."""
    given = parse_flags([f"--{name}={value}" for name, value in WITHOUT_EFFECT.items()])
    assert given.ignored == tuple(WITHOUT_EFFECT)
    assert len(WITHOUT_EFFECT) + len(REAL_DEFAULTS) == 48


def test_the_demo_stack_asks_for_tensor_content(tmp_path):
    """Its command line is one of this server, and every flag in it acts."""
    _, module, *arguments = stack_commands(tmp_path, tmp_path).model_server
    flags = parse_flags(arguments)
    assert module == "serving"
    assert flags.enable_serialization_as_tensor_content
    assert flags.allow_version_labels_for_unavailable_models
    assert flags.model_config_file == str(tmp_path / "models.config")
    assert flags.ignored == ()


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
