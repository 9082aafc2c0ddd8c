"""Flags of tensorflow_model_server that this server accepts and does not act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

IGNORED: Final[dict[str, Callable[[str], object]]] = {
    "enable_per_model_batching_parameters": bool,
    "enable_profiler": bool,
    "enable_signature_method_name_check": bool,
    "flush_filesystem_caches": bool,
    "mixed_precision": str,
    "num_load_threads": int,
    "num_tflite_interpreters_per_pool": int,
    "num_tflite_pools": int,
    "num_unload_threads": int,
    "per_process_gpu_memory_fraction": float,
    "platform_config_file": str,
    "prefer_tflite_model": bool,
    "remove_unused_fields_from_bundle_metagraph": bool,
    "skip_initialize_tpu": bool,
    "tensorflow_session_config_file": str,
    "thread_pool_factory_config_file": str,
    "use_alts_credentials": bool,
    "xla_cpu_compilation_enabled": bool,
    "xla_gpu_compilation_enabled": bool,
}
"""Name -> type of the value, so that a command line of the real server starts this one."""
