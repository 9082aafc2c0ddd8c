"""Everything that can be set: by REC_SERVER_* in the environment or by the same name as a flag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

_Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """The gateway: python -m server [flags]. A flag wins over its REC_SERVER_ variable."""

    model_config = SettingsConfigDict(
        env_prefix="REC_SERVER_",
        frozen=True,
        extra="forbid",
        cli_prog_name="python -m server",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(50051, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    models_dir: Path = Field(
        Path("serving/models"), description="Folder that `trainer publish` writes releases into."
    )
    engine: Literal["predict", "local"] = Field(
        "predict",
        description="Who answers for the models: the model server, where the engine in this process"
        " takes over while it is away; or that engine alone.",
    )
    model_server: str = Field(
        "127.0.0.1:8500", description="host:port of TensorFlow Serving or of `python -m serving`."
    )
    store_path: Path = Field(
        Path(".recserve/store.sqlite3"), description="SQLite file of the feature store."
    )
    redis_url: str = Field(
        "",
        description="Redis as the feature store in place of SQLite: redis://host:port/db,"
        " rediss:// or unix://.",
    )
    redis_cluster: bool = Field(
        False, description="Whether --redis-url names a node of a Redis Cluster."
    )
    store_timeout_s: _Seconds = Field(
        0.5, description="Longest time in seconds that one answer of Redis may take."
    )
    page_token_key: SecretStr = Field(
        SecretStr(""),
        description="Secret that signs page tokens, the same for every replica; without one the"
        " feature store keeps a key of its own.",
    )
    poll_interval_s: _Seconds = Field(
        1.0, description="Seconds between two looks at releases/active.json."
    )
    default_deadline_s: _Seconds = Field(
        10.0, description="Deadline in seconds of a call that sets none."
    )
    predict_timeout_s: _Seconds = Field(
        2.0, description="Longest time in seconds that one call of the model server may take."
    )
    model_server_retry_s: _Seconds = Field(
        1.0, description="Seconds between two tries of a model server that hangs."
    )
    fallback_reserve_s: float = Field(
        0.05,
        ge=0,
        le=60,
        description="Seconds of a call's deadline kept back for the answer without models.",
    )
    workers: int = Field(64, ge=1, le=1024, description="Threads that answer calls.")
    max_concurrent_rpcs: int = Field(
        256, ge=1, le=100_000, description="Calls at once; more get RESOURCE_EXHAUSTED."
    )
    max_message_mb: int = Field(
        64, ge=1, le=2047, description="Largest message of a caller or the model server, in MiB."
    )
    shutdown_grace_s: float = Field(
        5.0, ge=0, le=3600, description="Seconds that running calls get after SIGTERM."
    )
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        None, description="Port of Prometheus metrics over HTTP; 0 picks a free one."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe log event to write to stderr."
    )
