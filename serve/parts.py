"""Everything a face may need, put together once by `serve.app` and handed down.

A face takes the whole and uses what it needs; no face makes a part or reads settings from elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

from collect.knowledge.shelf import KnowledgeShelf
from collect.store import Store
from collect.verified.shelf import VerifiedShelf
from deploy.erasing import Eraser
from deploy.escalating import Escalations
from deploy.jobs import Jobs
from deploy.rollout import Rollout
from deploy.schedule import Nights
from nightschool.bots import BotShelf
from nightschool.engine import Engine
from nightschool.home import Home
from nightschool.settings import Settings
from serve.adding import Adding
from serve.backups import Backups
from serve.documents import OperatorsDocuments
from serve.eval_runs import EvalRuns
from serve.files import CallersFiles
from serve.golden import GoldenCases
from serve.masking import Masking
from serve.metrics import Metrics
from serve.opponents import Opponents
from serve.secrets import Secrets
from serve.tuned import TunedModels
from serve.turns import Turns
from serve.vllm.supervisor import EngineStatus
from serve.votes import Votes


@dataclass(frozen=True, slots=True)
class Parts:
    settings: Settings
    home: Home
    shelf: BotShelf
    store: Store
    engine: Engine
    rollout: Rollout
    masking: Masking
    opponents: Opponents
    turns: Turns
    votes: Votes
    verified: VerifiedShelf
    nights: Nights
    eraser: Eraser
    escalations: Escalations
    golden: GoldenCases
    knowledge: KnowledgeShelf
    documents: OperatorsDocuments
    files: CallersFiles
    jobs: Jobs
    tuned: TunedModels
    eval_runs: EvalRuns
    backups: Backups
    adding: Adding
    metrics: Metrics
    secrets: Secrets
    engine_status: Callable[[], EngineStatus]
