"""A whole server without vLLM, for every test of the roof: real parts in a folder of the test's own.

`parts` is what `serve.app.open_parts` would make, with the fake engine. To use another bot or setting, override the
small fixture it comes from. Other engines come by `@pytest.mark.parametrize("engine", ["breaks"], indirect=True)`:
`dead` fails before its first word, `breaks` after two, `faulty` has a fault of ours after two, `hangs` after two until
it is closed, and `none` ends well.

    client      a user's key          `await client.post("/v1/chat/completions", json=...)`
    operator    an operator's key
    anonymous   no key
    app         the routers of the API over `parts` (no pages); `app_of(parts)` for changed parts
    register    puts an adapter into the record and its folder on disk: `await register("support", version=3)`
    url         the same app behind a real uvicorn, for clients that want a port
"""

import asyncio
import shutil
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from collect import keys, registry
from collect.knowledge.shelf import KnowledgeShelf
from collect.store import open_store
from collect.verified.shelf import VerifiedShelf
from deploy.cycle import NightLimits, NightRunner
from deploy.erasing import Eraser
from deploy.escalating import Escalations
from deploy.proof import take_on_trust
from deploy.rollout import Rollout
from deploy.schedule import run_nights
from deploy.seat import Seat
from eval.facts import standing_in
from nightschool.bots import BotShelf
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta, Engine
from nightschool.errors import EngineError, EngineStarting
from nightschool.files import publish
from nightschool.home import Home
from nightschool.pii.reader import open_reader
from nightschool.records import Adapter, BotName, Event, Finish, Stage, new_id, utc_now
from nightschool.settings import EngineSettings, NightSettings, ServerSettings, Settings, StoreSettings
from serve.adding import Adding
from serve.api.endpoints import api_app
from serve.backups import Backups
from serve.documents import OperatorsDocuments
from serve.files import CallersFiles
from serve.golden import GoldenCases
from serve.masking import Masking
from serve.metrics import Metrics
from serve.opponents import open_opponents
from serve.pace import Pace
from serve.parts import Parts
from serve.secrets import OpenedSecrets, open_secrets
from serve.tuned import TunedModels
from serve.turns import Turns
from serve.vllm.supervisor import EngineState, EngineStatus
from serve.votes import Votes
from serve.workshop import open_evals, open_jobs

BOT = """
name = "{name}"
title = "{title}"
system_prompt = "You are {title}."
starters = ["Where is my parcel?"]
[sampling]
max_tokens = 40
[privacy]
mask = "off"
[schedule]
enabled = false
"""


READER = (sys.executable, str(Path(__file__).parents[1] / "fake_reader.py"))
TRAINER = (sys.executable, str(Path(__file__).parents[1] / "fake_trainer.py"))


class TroubledEngine(EchoEngine):
    """Says "one two" at most, then does what `trouble` says. `said` is set once it has; `is_closed` at its end."""

    def __init__(self, trouble: str) -> None:
        super().__init__()
        self.said = asyncio.Event()
        self.is_closed = False
        self.trouble = trouble
        self.seen: list[ChatRequest] = []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.seen.append(request)
        try:
            if self.trouble == "starts":
                raise EngineStarting("is starting", subject="engine", remedy="Ask again.", retry_after_s=47)
            if self.trouble != "dead":
                yield Delta("one")
                yield Delta(" two")
            self.said.set()
            if self.trouble == "none":
                yield Delta("", Finish.STOP, prompt_tokens=5, completion_tokens=2)
                return
            if self.trouble == "hangs":
                await asyncio.Event().wait()
            if self.trouble == "faulty":
                raise RuntimeError("a detail that nobody outside may read")
            raise EngineError("ran out of memory", subject="engine", remedy="Ask again.")
        finally:
            self.is_closed = True


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    trouble: str | None = getattr(request, "param", None)
    return TroubledEngine(trouble) if trouble else EchoEngine()


@pytest.fixture
def seat() -> Seat | None:
    """Whose engine it is; of the fake one nobody's."""
    return None


@pytest.fixture
def bots_folder(tmp_path: Path) -> Path:
    """Two bots: `support`, called Fern, and `reviewer`, called Rex."""
    folder = tmp_path / "bots"
    folder.mkdir()
    for name, title in (("support", "Fern"), ("reviewer", "Rex")):
        (folder / f"{name}.toml").write_text(BOT.format(name=name, title=title))
    return folder


@pytest.fixture
def server_settings() -> ServerSettings:
    return ServerSettings(requests_per_minute=100_000)


@pytest.fixture
def settings(tmp_path: Path, bots_folder: Path, server_settings: ServerSettings) -> Settings:
    return Settings(
        home=tmp_path / "data",
        bots=bots_folder,
        server=server_settings,
        engine=EngineSettings(kind="echo"),
        store=StoreSettings(memory_gib=0.5, threads=1),
        night=NightSettings(min_free_gib=0),
    )


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> OpenedSecrets:
    """`secrets.new_password` opens the console. Made once, since its hash is slow on purpose."""
    return open_secrets(Home(tmp_path_factory.mktemp("secrets")))


@pytest.fixture
async def parts(
    settings: Settings, engine: Engine, seat: Seat | None, secrets: OpenedSecrets, blank_record: Path
) -> AsyncIterator[Parts]:
    settings.paths.create()
    shutil.copyfile(blank_record, settings.paths.store)
    async with _held(_open_parts(settings, engine, seat, secrets)) as parts:
        yield parts


@pytest.fixture
def app_of() -> Callable[[Parts], FastAPI]:
    return api_app


@pytest.fixture
def app(parts: Parts) -> FastAPI:
    return api_app(parts)


@pytest.fixture
async def user_key(parts: Parts) -> str:
    return await parts.store.write(partial(keys.create_key, name="reader", scope="user", at=utc_now()))


@pytest.fixture
async def operator_key(parts: Parts) -> str:
    return await parts.store.write(partial(keys.create_key, name="boss", scope="operator", at=utc_now()))


@pytest.fixture
async def client(app: FastAPI, user_key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(app, user_key) as client:
        yield client


@pytest.fixture
async def operator(app: FastAPI, operator_key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(app, operator_key) as client:
        yield client


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(app, None) as client:
        yield client


@pytest.fixture
async def url(app: FastAPI) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


Register = Callable[..., Awaitable[Adapter]]


@pytest.fixture
def register(parts: Parts) -> Register:
    async def register(
        bot: str, *, version: int, stage: Stage = Stage.CANDIDATE, dataset_hash: str = "0" * 64
    ) -> Adapter:
        draft = parts.home.root / "drafts" / f"{bot}-{version}"
        draft.mkdir(parents=True)
        (draft / "adapter_model.safetensors").write_bytes(f"{bot}@{version}".encode())
        manifest = publish(draft, kind="adapter")
        folder = parts.home.adapter(BotName(bot), manifest.content_hash)
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft.rename(folder)
        adapter = Adapter(
            bot=BotName(bot),
            version=version,
            content_hash=manifest.content_hash,
            folder=str(folder.relative_to(parts.home.root)),
            stage=stage,
            cycle_id=new_id(),
            dataset_hash=dataset_hash,
            created_at=utc_now(),
        )
        event = Event(new_id(), utc_now(), adapter.bot, "test", "registered", str(adapter.name), "")
        await parts.store.write(partial(registry.register_adapter, adapter=adapter, event=event))
        return adapter

    return register


def _client(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    # Not raised here: what the caller of a faulty server sees is what tests are about.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(transport=transport, base_url="http://nightschool", headers=headers)


@asynccontextmanager
async def _open_parts(
    settings: Settings, engine: Engine, seat: Seat | None, secrets: OpenedSecrets
) -> AsyncIterator[Parts]:
    home, metrics, shelf = settings.paths, Metrics(), BotShelf(settings.bots)
    store_settings = settings.store
    opening = open_store(
        home.store, temp=home.temp, memory_gib=store_settings.memory_gib, threads=store_settings.threads
    )
    async with open_reader() as reader, opening as store:
        places = settings.engine
        rollout = Rollout(
            store,
            engine,
            home=home,
            max_adapters=places.max_adapters,
            max_whole=places.whole_models,
            prove=take_on_trust,
            seat=seat,
        )
        limits = NightLimits(training_timeout_s=60, min_free_gib=settings.night.min_free_gib, max_lora_rank=16)
        runner = NightRunner(store, engine, rollout, shelf=shelf, home=home, base_model="echo", limits=limits)
        knowledge = KnowledgeShelf(store, shelf, home, bots_folder=settings.bots, standing_in=standing_in)
        verified = VerifiedShelf(store, shelf)
        search, verify = knowledge.search, verified.find_standing
        masking = Masking(reader.find, store, shelf)
        turns = Turns(store, engine, rollout, metrics=metrics, search=search, verify=verify, mask=masking.turn)
        files = CallersFiles(store, home, settings.fine_tuning, base_model="echo", context_tokens=2048)
        tuned, backups = TunedModels(store, rollout, home), Backups(store, home, settings.backup)
        async with (
            open_opponents(store, rollout) as opponents,
            run_nights(runner, store, shelf) as nights,
            open_jobs(settings, store, rollout, nights, files, base_model="echo", command=TRAINER) as jobs,
            open_evals(
                settings,
                store,
                engine,
                rollout,
                shelf=shelf,
                tuned=tuned,
                search=search,
                are_people_waiting=turns.has_askers,
            ) as eval_runs,  # fmt: skip
        ):
            yield Parts(
                settings=settings,
                home=home,
                shelf=shelf,
                store=store,
                engine=engine,
                rollout=rollout,
                opponents=opponents,
                turns=turns,
                masking=masking,
                votes=Votes(
                    store,
                    shelf,
                    metrics=metrics,
                    pace=Pace(settings.server.requests_per_minute),
                    secret="s",
                    mask=masking.opinion,
                ),
                verified=verified,
                nights=nights,
                eraser=Eraser(
                    store,
                    rollout,
                    home,
                    shelf=shelf,
                    copies=backups.find_copies,
                    at_rest=nights.at_rest,
                    on_erased=masking.forget,
                    now=utc_now,
                ),
                escalations=Escalations(store, shelf),
                golden=GoldenCases(store, shelf, home),
                knowledge=knowledge,
                documents=OperatorsDocuments(store, shelf, knowledge),
                files=files,
                jobs=jobs,
                tuned=tuned,
                eval_runs=eval_runs,
                backups=backups,
                adding=Adding(store, rollout, home, settings.engine, base_model="echo", command=READER),
                metrics=metrics,
                secrets=secrets.secrets,
                engine_status=lambda: EngineStatus(EngineState.READY, starts=1),
            )
        await turns.stop(grace_s=0)


@asynccontextmanager
async def _held(opening: AbstractAsyncContextManager[Parts]) -> AsyncIterator[Parts]:
    """`opening`, entered and left in one task: pytest sets a fixture up and tears it down in two."""
    opened: asyncio.Future[Parts] = asyncio.get_running_loop().create_future()
    may_close = asyncio.Event()

    async def hold() -> None:
        async with opening as parts:
            opened.set_result(parts)
            await may_close.wait()

    holding = asyncio.create_task(hold())
    either: set[asyncio.Future[Any]] = {holding, opened}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    try:
        if opened.done():
            yield opened.result()
    finally:
        may_close.set()
        await holding
