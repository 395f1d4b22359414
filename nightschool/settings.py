"""The installation's settings: one frozen tree from `nightschool.toml` and the environment.

The environment wins over the file, the file over the defaults. `NIGHTSCHOOL_HOME` and `NIGHTSCHOOL_PORT` are short for
`home` and `server.port`; every other key is reached as `NIGHTSCHOOL_<SECTION>__<KEY>`. Only the roof (`serve`) reads
settings: rooms below are given what they need. What belongs to one bot stands in its file (`nightschool.bots`).
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from nightschool.errors import InvalidSettings
from nightschool.faults import describe_faults
from nightschool.home import Home

PREFIX: Final = "NIGHTSCHOOL_"
SHORT_PORT: Final = "NIGHTSCHOOL_PORT"
NOT_SETTINGS: Final = frozenset(
    {"NIGHTSCHOOL_CONFIG", "NIGHTSCHOOL_FLAVOR", "NIGHTSCHOOL_LORA_CPU", "NIGHTSCHOOL_LORA_CPU_MERGED_GIB"}
)
"""Read by set-up and by the vLLM plugin, not by this tree."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ServerSettings(Section):
    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 makes it reachable from other machines: put TLS in front."""
    port: int = Field(default=7860, ge=1, le=65535)
    """Port of chat, console and API."""
    drain_s: float = Field(default=4, ge=0, le=60)
    """How long a stop waits for answers in flight before they are recorded as partial."""
    max_body_bytes: int = Field(default=1_000_000, ge=1_000)
    """Largest request body of the API; an import may be fifty times as large."""
    requests_per_minute: int = Field(default=120, ge=1)
    """Answers one key or one browser may ask for in a minute; one address may open and ask as much as five browsers."""
    hosts: str = ""
    """Names by which the pages may be asked for, for example `chat.shop.example`; empty takes any."""
    trusted_proxies: str = "127.0.0.1,::1"
    """Addresses whose word on a visitor's own address and on TLS is taken: your proxy's. Empty trusts nobody."""


class EngineSettings(Section):
    kind: Literal["vllm", "echo"] = "vllm"
    """`echo` answers without a model, for tests of the server; it says so on the page."""
    url: str | None = None
    """A running vLLM server to use instead of starting one, for example http://gpu-1:8000."""
    api_key: SecretStr | None = None
    """Bearer key of that server."""
    model: str | None = None
    """Hugging Face id or folder of the base model; none takes SmolLM2-135M-Instruct."""
    max_model_len: int = Field(default=2048, ge=256)
    """Longest prompt and answer together, in tokens."""
    max_adapters: int = Field(default=4, ge=2, le=64)
    """Adapters held ready at once, over all bots: production and previous of each, and two for an examination."""
    max_lora_rank: Literal[1, 8, 16, 32, 64, 128, 256, 320, 512] = 16
    """Largest LoRA rank that can be served."""
    kv_cache_gib: float = Field(default=1, gt=0)
    """Memory for the key-value cache on CPU."""
    gpu_memory_share: float = Field(default=0.6, gt=0, lt=1)
    """Share of a GPU's memory that the engine takes; the trainer needs the rest, where it trains on the same card."""
    start_timeout_s: float = Field(default=600, ge=10)
    """How long the engine may take to start."""
    request_timeout_s: float = Field(default=300, ge=1)
    """How long one answer may take."""
    merged_slots: bool = True
    """On CPU, serve adapters from merged weights (right and fast). Off only to measure what it does."""


class StoreSettings(Section):
    memory_gib: float = Field(default=2, gt=0)
    """Memory that DuckDB may use beside engine and trainer."""
    threads: int = Field(default=2, ge=1)
    """Threads that DuckDB may use."""


class NightSettings(Section):
    min_free_gib: float = Field(default=2, ge=0)
    """A cycle does not start with less free disk than this."""
    training_timeout_s: float = Field(default=6 * 3600, ge=60)
    """A training that takes longer, over all its starts, ends the night; the next one goes on with it."""
    keep_nights: int = Field(default=14, ge=0)
    """Nights of each bot that are kept whole; of older ones verdict, report and metrics stay."""
    keep_days: int = Field(default=14, ge=0)
    """Nothing younger than this is tidied away, however many nights there were."""


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_prefix=PREFIX, env_nested_delimiter="__"
    )

    home: Path = Path("data")
    """Data folder: record, models, datasets, adapters, reports, logs."""
    bots: Path = Path("bots")
    """Folder of the bots' files."""
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    store: StoreSettings = StoreSettings()
    night: NightSettings = NightSettings()

    @property
    def paths(self) -> Home:
        return Home(self.home.absolute())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load_settings` reads the sources itself, since it must say where each value came from.
        return (init_settings,)


class Effective(NamedTuple):
    """One setting as it stands: its dotted key, value as text (secrets masked) and where it came from."""

    key: str
    value: str
    origin: str
    help: str


class Loaded(NamedTuple):
    settings: Settings
    origins: Mapping[str, str]


def load_settings(*, file: Path | None = None, home: Path | None = None) -> Loaded:
    """The settings from `file` (else NIGHTSCHOOL_CONFIG, else ./nightschool.toml where there is one) and environment.

    `home` is the command line's and goes before both.
    Raises InvalidSettings that lists every fault with its origin and how to mend it.
    """
    path = file or Path(os.environ.get("NIGHTSCHOOL_CONFIG", "nightschool.toml"))
    must_exist = file is not None or "NIGHTSCHOOL_CONFIG" in os.environ
    given = {key: (value, str(path)) for key, value in _from_file(path, must_exist=must_exist)}
    given |= {key: (value, f"environment {name}") for key, value, name in _from_environment()}
    if home is not None:
        given["home"] = (str(home), "option --home")
    tree: dict[str, Any] = {}
    for key, (value, _) in given.items():
        _put(tree, key, value)
    origins = {key: origin for key, (_, origin) in given.items()}
    try:
        return Loaded(Settings(**tree), origins)
    except ValidationError as error:
        raise InvalidSettings(
            describe_faults(error, origins, model=Settings),
            subject="settings",
            remedy="Mend these and start again; `nightschool settings` shows every key.",
        ) from error


def effective_settings(loaded: Loaded) -> list[Effective]:
    """Every setting in effect, in the tree's order."""
    return [
        Effective(key, str(value), loaded.origins.get(key, "default"), help)
        for key, value, help in _leaves(loaded.settings)
    ]


def _leaves(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, field.description or ""


def _from_file(path: Path, *, must_exist: bool) -> Iterator[tuple[str, Any]]:
    if not path.exists():
        if must_exist:
            raise InvalidSettings("does not exist", subject=str(path), remedy="Make it or unset NIGHTSCHOOL_CONFIG.")
        return
    try:
        tree = TomlConfigSettingsSource(Settings, toml_file=path)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"is not TOML ({error})", subject=str(path), remedy="Mend that line.") from error
    yield from _flatten(tree)


def _from_environment() -> Iterator[tuple[str, Any, str]]:
    for key, value in _flatten(EnvSettingsSource(Settings)()):
        yield key, value, PREFIX + key.upper().replace(".", "__")
    if SHORT_PORT in os.environ:
        yield "server.port", os.environ[SHORT_PORT], SHORT_PORT
    # The library passes over names that match no field: an ill-spelt variable must not be ignored.
    for name, value in sorted(os.environ.items()):
        section = name.removeprefix(PREFIX).lower().partition("__")[0]
        is_ours = name.startswith(PREFIX) and name not in NOT_SETTINGS | {SHORT_PORT}
        if is_ours and section not in Settings.model_fields:
            yield name.removeprefix(PREFIX).lower().replace("__", "."), value, name


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[last] = value
