"""The data folder: the only place in the code that knows a path in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nightschool.records import BotName

NEWCOMER: Final = ".new"


@dataclass(frozen=True, slots=True)
class Home:
    """Every path below `root` (NIGHTSCHOOL_HOME, default `./data`)."""

    root: Path

    @property
    def store(self) -> Path:
        return self.root / "record.duckdb"

    @property
    def temp(self) -> Path:
        return self.root / "temp"

    @property
    def base_model(self) -> Path:
        """The default base model as safetensors, converted once."""
        return self.root / "models" / "default"

    @property
    def probe(self) -> Path:
        """What was found out about the base model before it was served."""
        return self.root / "models" / "probe.json"

    @property
    def replay(self) -> Path:
        """What base models answered to general prompts, a file for each."""
        return self.root / "models" / "replay"

    @property
    def operator_key(self) -> Path:
        """The key with which the CLI speaks to the server; readable by its owner alone."""
        return self.root / "operator.key"

    @property
    def secrets(self) -> Path:
        """Hash of the operator password and the key that signs cookies; readable by its owner alone."""
        return self.root / "secrets.json"

    @property
    def server_state(self) -> Path:
        """Where the running server listens: written at start, removed at a clean stop."""
        return self.root / "server.json"

    @property
    def lock(self) -> Path:
        """Held by the one server of this folder."""
        return self.root / "server.lock"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def engine_log(self) -> Path:
        return self.logs / "engine.log"

    def whole_model_log(self, name: str) -> Path:
        """Of the engine that serves a whole model, by the version's name."""
        return self.logs / f"engine-{name.replace('/', '-')}.log"

    @property
    def kept(self) -> Path:
        """What frozen layers make of training rows, by base model and row: may go at any time, and costs time then."""
        return self.root / "kept"

    @property
    def backups(self) -> Path:
        """Copies of the record, a folder each, where the settings name no other place."""
        return self.root / "backups"

    @property
    def replaced(self) -> Path:
        """Records in whose place a backup was put, a folder each: an operator deletes them."""
        return self.root / "replaced"

    @property
    def uploads(self) -> Path:
        """Files that callers sent, and what trainings left for them."""
        return self.root / "uploads"

    def upload(self, content_hash: str) -> Path:
        return self.uploads / content_hash

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    def job(self, job_id: str) -> Path:
        """One job's working folder; what is in it says `deploy.job_results.JobFolder`."""
        return self.jobs / job_id

    @property
    def evals(self) -> Path:
        """Rows of callers' runs that are not over, a file for each."""
        return self.root / "evals"

    def eval_rows(self, run_id: str) -> Path:
        return self.evals / f"{run_id}.jsonl"

    def cycle(self, bot: BotName, cycle_id: str) -> Path:
        """One night's working folder; what is in it says `deploy.plan.NightFolder`."""
        return self.root / "cycles" / bot / cycle_id

    def datasets(self, bot: BotName) -> Path:
        """Datasets by content hash."""
        return self.root / "datasets" / bot

    def dataset(self, bot: BotName, content_hash: str) -> Path:
        return self.datasets(bot) / content_hash[:16]

    def adapters(self, bot: BotName) -> Path:
        """Adapters by content hash."""
        return self.root / "adapters" / bot

    def adapter(self, bot: BotName, content_hash: str) -> Path:
        """Immutable, content-hashed home of a registered adapter."""
        return self.adapters(bot) / content_hash[:16]

    def newcomer(self, bot: BotName, content_hash: str) -> Path:
        """Lies beside an adapter while it is taken in and the record does not know it yet."""
        return self.adapter(bot, content_hash).with_suffix(NEWCOMER)

    def newcomers(self) -> Iterator[Path]:
        """Of all bots."""
        return self.root.glob(f"adapters/*/*{NEWCOMER}")

    def found(self, bot: BotName) -> Path:
        """Where personal data stands in texts, by their hashes: may go at any time, and costs time then."""
        return self.root / "found" / bot

    def golden(self, bot: BotName) -> Path:
        """Cases that operators wrote on the console or the command line; a bot's own file may hold more."""
        return self.root / "golden" / f"{bot}.yaml"

    def knowledge(self, bot: BotName) -> Path:
        """Indexes of a bot's documents, by content hash."""
        return self.root / "knowledge" / bot

    def exam(self, bot: BotName) -> Path:
        """What one bot's exams leave for the next."""
        return self.root / "exams" / bot

    def exam_core(self, bot: BotName) -> Path:
        """Which held-out rows never change."""
        return self.exam(bot) / "core.json"

    def proofs(self, bot: BotName) -> Path:
        """By what adapters are proved to be loaded, by content hash: people's words, in no folder that is shared."""
        return self.root / "proofs" / bot

    def proof(self, bot: BotName, content_hash: str) -> Path:
        return self.proofs(bot) / f"{content_hash[:16]}.json"

    def exam_answers(self, bot: BotName) -> Path:
        """What contestants answered, a folder for each engine set-up; may go at any time, and costs time then."""
        return self.exam(bot) / "answers"

    @property
    def erasures(self) -> Path:
        """Certificates of what was erased."""
        return self.root / "erasures"

    def reports(self, bot: BotName) -> Path:
        """Of versions that were compared by hand, a folder for each question."""
        return self.root / "reports" / bot

    def report(self, bot: BotName, name: str) -> Path:
        return self.reports(bot) / name

    def owns(self, name: str) -> bool:
        """Whether what is so called right below `root` is Nightschool's, as its log, state or draft may be too."""
        files = (self.store, self.operator_key, self.secrets, self.server_state, self.lock, self.temp, self.logs)
        kinds = (
            "models", "cycles", "datasets", "adapters", "proofs", "reports", "kept", "exams", "golden", "uploads",
            "found", "jobs", "knowledge", "evals", "erasures", "backups", "replaced",
        )  # fmt: skip
        own = (*(path.name for path in files), *kinds)
        return name in own or name.removeprefix(".").startswith(tuple(f"{known}." for known in own))

    def create(self) -> None:
        """Make the folder, a new one closed to other users. Raises OSError where that is not possible."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.temp, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
