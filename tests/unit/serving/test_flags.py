import subprocess
import sys

import pytest

from serving.flags import parse_flags


def test_defaults_are_those_of_tensorflow_model_server():
    """Without arguments: port 8500, model "default", the config file read once."""
    flags = parse_flags([])
    assert (flags.port, flags.host, flags.model_name) == (8500, "127.0.0.1", "default")
    assert (flags.model_config_file, flags.model_config_file_poll_wait_seconds) == ("", 0)
    assert flags.model_base_path == ""


def test_ipv6_host_is_put_in_brackets():
    """An IPv6 address and its port cannot be told apart without brackets."""
    assert parse_flags(["--host=::1", "--port=7"]).address == "[::1]:7"


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--port=65536", "65536 is outside 0..65535"),
        ("--port=-1", "-1 is outside 0..65535"),
        ("--model_config_file_poll_wait_seconds=-1", "-1 is negative"),
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
    for flag in ("port", "host", "model_config_file", "model_config_file_poll_wait_seconds"):
        assert f"--{flag} " in done.stdout
    assert "the one flag that" in done.stdout
