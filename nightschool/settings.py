"""The installation's settings: one frozen tree from `nightschool.toml` and the environment.

The environment wins over the file, the file over the defaults. `NIGHTSCHOOL_HOME` and `NIGHTSCHOOL_PORT` are short for
`home` and `server.port`; every other key is reached as `NIGHTSCHOOL_<SECTION>__<KEY>`. Only the roof (`serve`) reads
settings: rooms below are given what they need. What belongs to one bot stands in its file (`nightschool.bots`).
"""

import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)

from nightschool.backup_part import BackupSettings
from nightschool.errors import InvalidSettings
from nightschool.evals_part import EvalsSettings
from nightschool.faults import describe_faults, dotted_keys
from nightschool.fine_tuning_part import FineTuningSettings
from nightschool.home import Home
from nightschool.root_path import RootPath
from nightschool.section import Folder, Section, read_toml
from nightschool.urls import read_root

PREFIX: Final = "NIGHTSCHOOL_"
CONFIG: Final = "NIGHTSCHOOL_CONFIG"
SHORT_PORT: Final = "NIGHTSCHOOL_PORT"
NOT_SETTINGS: Final = frozenset(
    {CONFIG, "NIGHTSCHOOL_OPERATOR", "NIGHTSCHOOL_FLAVOR", "NIGHTSCHOOL_LORA_CPU", "NIGHTSCHOOL_LORA_CPU_MERGED_GIB"}
)
"""Read by set-up and by the vLLM plugin, not by this tree."""
DAY_S: Final = 24 * 3600
ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")


def _engine_url(text: str) -> str:
    example = "http://gpu-1:8000"
    url = read_root(text, example=example, key_goes="put the engine's key into engine.api_key")
    if url.query or url.fragment or (url.path or "").rstrip("/").endswith("/v1"):
        raise ValueError(f"must be the server's root, such as {example}, without /v1, ? or #")
    return text


def _header_word(secret: SecretStr) -> SecretStr:
    if not all("!" <= character <= "~" for character in secret.get_secret_value()):
        raise ValueError("must be of printable ASCII characters without blanks")
    return secret


def _addresses(text: str) -> str:
    for address in text.replace(",", " ").split():
        if address != "*":
            ip_network(address, strict=False)
    return text


def _origins(text: str) -> str:
    origins = text.lower().replace(",", " ").split()
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin} is no origin such as https://www.shop.example, without a path and without *")
    return " ".join(origins)


def _cards(text: str) -> str:
    cards = text.replace(" ", "").split(",") if text.strip() else []
    if len(set(cards)) < len(cards) or not all(card.isascii() and card.isdecimal() for card in cards):
        raise ValueError("must be numbers of GPUs, each once, such as 1,2")
    return ",".join(cards)


def _number(given: object) -> object:
    """A choice among numbers, which stand as text in the environment."""
    return int(given) if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) < 9 else given


class ServerSettings(Section):
    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on. 0.0.0.0 makes it reachable from other machines: put TLS in front."""
    port: int = Field(default=7860, ge=1, le=65535)
    """Port of chat, console and API."""
    drain_s: float = Field(default=4, ge=0, le=60)
    """How long a stop waits for answers in flight before they are recorded as partial."""
    max_body_bytes: int = Field(default=1_000_000, ge=1_000, le=2**40)
    """Largest request body of the API; an import may be fifty times as large."""
    requests_per_minute: int = Field(default=120, ge=1, le=1_000_000)
    """Answers one key or one browser may ask for in a minute; one address may open and ask as much as five browsers."""
    hosts: str = ""
    """Names by which the pages may be asked for, for example `chat.shop.example`; empty takes any."""
    trusted_proxies: Annotated[str, AfterValidator(_addresses)] = "127.0.0.1,::1"
    """Addresses whose word on a visitor's own address and on TLS is taken: your proxy's. Empty trusts nobody."""
    root_path: RootPath = ""
    """Path of a site below which a proxy shows the server, such as `/support`; empty: a whole host (docs/proxy.md)."""
    widget_origins: Annotated[str, AfterValidator(_origins)] = ""
    """Sites that may show the chat in a bubble, such as `https://www.shop.example`; empty: none (docs/widget.md)."""
    lenient: bool = False
    """Parameters of a completion that are not served are passed over and named in a header, not refused."""
    strict_openai: bool = False
    """Replies of the API hold OpenAI's fields alone, and not `nightschool` with an answer's sources."""


class EngineSettings(Section):
    kind: Literal["vllm", "echo"] = "vllm"
    """`echo` answers without a model, for tests of the server; it says so on the page."""
    url: Annotated[str, AfterValidator(_engine_url)] | None = None
    """A running vLLM server to use instead of starting one, for example http://gpu-1:8000."""
    api_key: Annotated[SecretStr, AfterValidator(_header_word)] | None = None
    """Bearer key of that server."""
    model: str | None = Field(default=None, min_length=1)
    """Hugging Face id or folder of the base model; none takes SmolLM2-135M-Instruct."""
    max_model_len: int = Field(default=2048, ge=256, le=2**24)
    """Longest prompt and answer together, in tokens."""
    max_adapters: int = Field(default=8, ge=2, le=64)
    """Adapters held ready at once, over all bots: production and previous of each, and two for an examination."""
    max_lora_rank: Annotated[Literal[1, 8, 16, 32, 64, 128, 256, 320, 512], BeforeValidator(_number)] = 16
    """Largest LoRA rank that can be served."""
    whole_models: int = Field(default=2, ge=0, le=16)
    """Whole models held ready beside the base model, each by an engine of its own (docs/trainer.md#whole-models)."""
    kv_cache_gib: float = Field(default=1, gt=0, le=65_536)
    """Memory for the key-value cache on CPU."""
    gpu_memory_share: float = Field(default=0.6, gt=0, lt=1)
    """Share of a GPU's memory that the engine takes; the trainer needs the rest, where it trains on the same card."""
    start_timeout_s: float = Field(default=600, ge=10, le=DAY_S)
    """How long the engine may take to start."""
    request_timeout_s: float = Field(default=300, ge=1, le=DAY_S)
    """How long one answer may take."""
    tool_parser: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,60}$")
    """vLLM's `--tool-call-parser` for the base model, such as hermes: then callers may offer tools. A server behind
    `engine.url` must have been started with it."""
    merged_slots: bool = True
    """On CPU, serve adapters from merged weights (right and fast). Off only to measure what it does."""


class StoreSettings(Section):
    memory_gib: float = Field(default=2, ge=0.1, le=65_536)
    """Memory that DuckDB may use beside engine and trainer."""
    threads: int = Field(default=2, ge=1, le=1024)
    """Threads that DuckDB may use."""


class NightSettings(Section):
    min_free_gib: float = Field(default=2, ge=0)
    """A cycle does not start with less free disk than this, and no import, upload or export that would leave less; the
    log, `nightschool status` and /readyz tell of it."""
    training_timeout_s: float = Field(default=6 * 3600, ge=60, le=30 * DAY_S)
    """A training that takes longer, over all its starts, ends the night; the next one goes on with it."""
    training_memory_gib: float | None = Field(default=None, ge=1, le=65_536)
    """Most memory that a training may take; it then computes fewer rows at once. None: what the machine has."""
    training_gpus: Annotated[str, AfterValidator(_cards)] = ""
    """GPUs that a training takes, as CUDA numbers them, such as `1,2`: a process for each. Empty: the first one."""
    keep_nights: int = Field(default=14, ge=0, le=36_500)
    """Nights of each bot that are kept whole; of older ones verdict, report and metrics stay."""
    keep_days: int = Field(default=14, ge=0, le=36_500)
    """Nothing younger than this is tidied away, however many nights there were."""
    follow_ups: int = Field(default=0, ge=0, le=100_000)
    """So many of the newest next turns are weighed by the base model behind each night of a bot (docs/signals.md)."""

    @property
    def min_free_bytes(self) -> int:
        return int(self.min_free_gib * 2**30)

    @property
    def gpus(self) -> tuple[str, ...]:
        return tuple(filter(None, self.training_gpus.split(",")))


class Settings(Section):
    """The whole tree."""

    home: Folder = Path("data")
    """Data folder: record, models, datasets, adapters, reports, logs."""
    bots: Folder = Path("bots")
    """Folder of the bots' files."""
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    store: StoreSettings = StoreSettings()
    night: NightSettings = NightSettings()
    fine_tuning: FineTuningSettings = FineTuningSettings()
    evals: EvalsSettings = EvalsSettings()
    backup: BackupSettings = BackupSettings()

    @property
    def paths(self) -> Home:
        return Home(self.home.absolute())


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
    path = file or _default_file()
    tree = read_toml(path, remedy=f"Mend or move it, or name another with {CONFIG}.") if path else {}
    origins = {key: str(path) for key in _flatten(tree)}
    given = list(_from_environment())
    if home is not None:
        given.append(("home", str(home), "option --home"))
    for key, value, origin in given:
        _put(tree, key, value)
        origins[key] = origin
    try:
        return Loaded(Settings.model_validate(tree), origins)
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


def _default_file() -> Path | None:
    """The file that the environment names, else ./nightschool.toml where there is anything of that name."""
    named = os.environ.get(CONFIG)
    if named is None:
        usual = Path("nightschool.toml")
        return usual if usual.exists() else None
    if not named.strip():
        raise InvalidSettings("is empty", subject=CONFIG, remedy="Name a settings file, or unset it.")
    return Path(named)


def _from_environment() -> Iterator[tuple[str, str, str]]:
    """Key, value and origin of each of our variables; one that is no setting comes under the key it would have."""
    keys = {PREFIX + key.upper().replace(".", "__"): key for key in dotted_keys(Settings)}
    for name, value in sorted(os.environ.items()):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS | {SHORT_PORT}:
            key = keys.get(name) or name.removeprefix(PREFIX).lower().replace("__", ".")
            yield key, value, f"environment {name}"
    if SHORT_PORT in os.environ:
        yield "server.port", os.environ[SHORT_PORT], f"environment {SHORT_PORT}"


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _put(tree: dict[str, Any], key: str, value: str) -> None:
    """Set what is a setting; else leave the unknown key to be told, and what is no section as it is, for the same."""
    if key not in dotted_keys(Settings):
        tree[key] = value
        return
    section, _, last = key.rpartition(".")
    table = tree.setdefault(section, {}) if section else tree
    if isinstance(table, dict):
        table[last] = value
