"""A real server with the echo engine, and a real Chromium that looks at it."""

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from collect import conversations, cycles, feedback, registry
from collect.escalations import Escalation, escalation_of
from collect.grounds import Grounds
from collect.holds import find_hold, rolled_back_hashes
from collect.outcomes import Said, outcome_of
from collect.quarantine import Stopped, keep_stopped
from collect.signals.found import catch_up
from collect.signals.phrases import read_phrases
from collect.snapshot import write_snapshot
from collect.store import Cursor
from deploy.plan import NightFolder
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import EngineError
from nightschool.files import publish
from nightschool.knowledge import Passage
from nightschool.prompt import Template
from nightschool.records import (
    Adapter,
    BotName,
    Cycle,
    CycleState,
    Event,
    Feedback,
    Finish,
    Message,
    Stage,
    new_id,
    utc_now,
)
from nightschool.scores import ScoreValue
from nightschool.settings import Settings
from serve.app import build_app, open_parts
from serve.parts import Parts
from serve.secrets import open_secrets
from serve.votes import Opinion
from tune.progress import StepLine, append_step
from tune.screens import Screen

from ..compared import PreferenceCounts, count_preferences
from ..tables import write_table

T = TypeVar("T")
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BOTS: Final = Path(__file__).parents[2] / "bots"
BOT: Final = BotName("support")


@dataclass(frozen=True, slots=True)
class Site:
    """The running server as a test sees it."""

    address: str
    password: str
    parts: Parts
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=20)

    def read(self, question: Callable[[Cursor], T]) -> T:
        return self.run(self.parts.store.read(question))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two trained versions of the bot `support` stand ready, neither live."""
    settings = Settings.model_validate(
        {
            "home": tmp_path_factory.mktemp("home"),
            "bots": _bots(tmp_path_factory.mktemp("shop")),
            "engine": {"kind": "echo"},
            "server": {
                "port": free_port(),
                "requests_per_minute": 1_000,
                "widget_origins": f"http://localhost:{free_port()}",
            },
        }
    )
    with serving(settings) as site:
        yield site


@contextmanager
def serving(settings: Settings, *, looks_like_a_model: bool = False) -> Iterator[Site]:
    """The server for the length of the block, with two trained versions of the bot `support` that stand ready."""
    started: list[Site] = []
    is_up, may_end = threading.Event(), threading.Event()
    serve = partial(_serve, settings, started, is_up, may_end, looks_like_a_model=looks_like_a_model)
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert is_up.wait(60), "the server did not start"
        yield started[0]
    finally:
        may_end.set()
        thread.join(20)


def _bots(folder: Path) -> Path:
    """The shipped bots as copies, since operators write documents; the reviewer has a folder for them. The support bot
    has none, nor its team's answers: the echo engine repeats what it reads, and tests go by its words."""
    copies = Path(shutil.copytree(BOTS, folder / "bots"))
    (copies / "notes").mkdir()
    support = copies / "support.toml"
    order = support.read_text().replace('folder = "lumafern/knowledge"', 'folder = ""').replace("\nanswers = 2\n", "\n")
    support.write_text(f'{order}\n[escalation]\nmail_folder = "{folder / "outbox"}"\n')
    reviewer = copies / "reviewer.toml"
    begin = reviewer.read_text().partition("[knowledge]")[0]
    reviewer.write_text(f'{begin}\n[knowledge]\nfolder = "notes"\n')
    return copies


async def _serve(
    settings: Settings,
    started: list[Site],
    is_up: threading.Event,
    may_end: threading.Event,
    *,
    looks_like_a_model: bool,
) -> None:
    settings.paths.create()
    opened = open_secrets(settings.paths)
    async with open_parts(settings, base_model="echo", template=Template(), secrets=opened.secrets) as parts:
        for version in (1, 2):
            await _register(parts, version)
        engine = settings.engine.model_copy(update={"kind": "vllm"} if looks_like_a_model else {})
        app = build_app(replace(parts, settings=settings.model_copy(update={"engine": engine})))
        config = uvicorn.Config(app, host="127.0.0.1", port=settings.server.port, log_level="error")
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]  # not on the main thread
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.05)
        address = f"http://127.0.0.1:{settings.server.port}"
        started.append(Site(address, opened.new_password or "", parts, asyncio.get_running_loop()))
        is_up.set()
        await asyncio.to_thread(may_end.wait)
        server.should_exit = server.force_exit = True
        await serving


async def _register(parts: Parts, version: int, *, bot: BotName = BOT) -> None:
    folder = parts.home.adapter(bot, f"{version}" * 64)
    folder.mkdir(parents=True)
    adapter = Adapter(
        bot=bot,
        version=version,
        content_hash=f"{version}" * 64,
        folder=str(folder.relative_to(parts.home.root)),
        stage=Stage.CANDIDATE,
        cycle_id=f"cycle-{version}",
        dataset_hash="d" * 64,
        created_at=utc_now(),
        has_passing_verdict=True,
    )
    event = Event(f"{bot}-{version}", utc_now(), bot, "schedule", "registered", str(adapter.name), "trained tonight")
    await parts.store.write(partial(registry.register_adapter, adapter=adapter, event=event))


@pytest.fixture(scope="session")
def shop_address(site: Site) -> str:
    """The site that may show the chat in a bubble."""
    return site.parts.settings.server.widget_origins


@pytest.fixture
def password(site: Site) -> str:
    """Opens the console."""
    return site.password


@pytest.fixture
def messages(site: Site) -> Callable[[Page], list[Message]]:
    """What the record holds of the conversation that a page shows, oldest first."""

    def read(page: Page) -> list[Message]:
        shown = parse_qs(urlsplit(page.url).query)["c"][0]
        return site.read(partial(conversations.conversation_messages, conversation_id=shown))

    return read


@pytest.fixture
def outbox(site: Site) -> Path:
    """Where the bot `support` leaves e-mails on conversations that are handed over."""
    return site.parts.settings.bots.parent / "outbox"


@pytest.fixture
def escalated(site: Site) -> Callable[[Message], Escalation | None]:
    """What the record says of the handing over of a message's conversation."""
    return lambda message: site.read(partial(escalation_of, conversation_id=message.conversation_id))


@pytest.fixture
def outcome(site: Site) -> Callable[[Message], Said | None]:
    """What the person of a message's conversation said last of whether it is solved."""
    return lambda message: site.read(partial(outcome_of, conversation_id=message.conversation_id, bot=message.bot))


@pytest.fixture
def compared(site: Site) -> Callable[[], PreferenceCounts]:
    """What people found better with the bot `support`."""
    return lambda: site.read(partial(count_preferences, bot=BOT))


@pytest.fixture
def switch_off(site: Site) -> Iterator[Callable[..., None]]:
    """Have the bot `reviewer` take no such words, for the length of the test."""
    file = site.parts.settings.bots / "reviewer.toml"
    order = file.read_text()

    def switch(*names: str) -> None:
        file.write_text("\n".join([order, "[feedback]", *(f"{name} = false" for name in names), ""]))
        site.parts.shelf.look()

    yield switch
    file.write_text(order)
    site.parts.shelf.look()


@pytest.fixture
def beside(site: Site) -> Iterator[str]:
    """Who answers beside the production of the bot `support`, at every turn that may be, for the length of the test."""
    live, rollout = site.parts.rollout.route(BOT).name.version, site.parts.rollout
    refused = site.read(partial(rolled_back_hashes, bot=BOT))
    versions = [
        one.version for one in site.read(partial(registry.adapters, bot=BOT)) if one.content_hash not in refused
    ]
    other = None if live else versions[0]
    file = site.parts.settings.bots / "support.toml"
    order = file.read_text()
    wanted = other or '"base"'
    file.write_text(f"{order}\n[feedback]\nside_by_side_share = 1\nside_by_side_with = {wanted}\n")
    site.parts.shelf.look()
    # Nobody waits for a load: whoever asks before it is there gets one answer.
    yield str(site.run(rollout.route_to(BOT, other)).name)
    file.write_text(order)
    site.parts.shelf.look()


@pytest.fixture
def taught(site: Site, tmp_path: Path) -> Callable[[], set[str]]:
    """Ids of the messages that a night of the bot `support` would be given now."""

    def read() -> set[str]:
        site.read(partial(write_snapshot, bot=BOT, folder=tmp_path / "snapshot", at=utc_now()))
        rows = pq.read_table(tmp_path / "snapshot" / "messages.parquet")
        return set(rows["message_id"].to_pylist())

    return read


@pytest.fixture
def opinion(site: Site) -> Callable[[Message], Feedback | None]:
    """What its asker thinks of an answer, by the record."""

    def read(message: Message) -> Feedback | None:
        asked = site.read(partial(conversations.conversation, conversation_id=message.conversation_id))
        return site.read(partial(feedback.feedback_of, message_id=message.message_id, voter=asked.owner))

    return read


@pytest.fixture
def learn_from(site: Site) -> Callable[[str, Message], None]:
    """Have version 1 of a bot be trained on what the asker thinks of an answer."""

    def learn(bot: str, answer: Message) -> None:
        asked = site.read(partial(conversations.conversation, conversation_id=answer.conversation_id))
        site.run(_register(site.parts, 1, bot=BotName(bot)))
        dataset = site.parts.home.dataset(BotName(bot), "d" * 64)
        dataset.mkdir(parents=True)
        vote = {"message_id": answer.message_id, "voter": asked.owner}
        write_table(dataset / "items.parquet", [{"kind": "votes", "side": "train", "votes": [vote]}])
        publish(dataset, kind="dataset")

    return learn


@pytest.fixture
def stand_on(site: Site) -> Callable[[Message, Passage], None]:
    """Record one more turn behind an answer, whose own answer stood on a passage."""

    def stand(before: Message, passage: Passage) -> None:
        asked = site.read(partial(conversations.conversation, conversation_id=before.conversation_id))
        question = replace(before, message_id=new_id(), parent_id=before.message_id, role="user", content="And then?")
        answer = replace(before, message_id=new_id(), parent_id=question.message_id, passage_ids=(passage.passage_id,))
        keep = partial(
            conversations.record_turn,
            conversation=asked,
            messages=(question, answer),
            grounds=Grounds(passages=(passage,)),
        )
        site.run(site.parts.store.write(keep))

    return stand


@pytest.fixture
def live(site: Site) -> Callable[[], str]:
    """Which version answers now: `support@1`."""
    return lambda: str(site.parts.rollout.route(BOT).name)


@pytest.fixture
def hold(site: Site) -> Callable[[str], None]:
    """Have ada hold the bot `support` for a reason."""
    return lambda reason: site.run(site.parts.rollout.hold(BOT, actor="ada", reason=reason))


@pytest.fixture
def stop_votes(site: Site) -> Callable[[str], None]:
    """Have the newest dataset of the bot `support` be built without what was said of answers to a question."""

    def stop(question: str) -> None:
        rows = [row for row in site.read(partial(feedback.list_feedback, limit=1_000)) if row.question == question]
        stopped = [Stopped(row.feedback.message_id, row.feedback.voter, Screen.BURST.value) for row in rows]
        site.run(site.parts.store.write(partial(keep_stopped, bot=BOT, stopped=stopped, at=utc_now())))

    return stop


@pytest.fixture
def is_held(site: Site) -> Callable[[], bool]:
    """Whether the bot `support` is held, by the record."""
    return lambda: site.read(partial(find_hold, bot=BOT)) is not None


@pytest.fixture
def ruled(site: Site) -> Callable[[str], str | None]:
    """What an operator lets into training for a question: empty where nothing, None where nobody ruled."""

    def read(question: str) -> str | None:
        rows = site.read(partial(feedback.list_feedback, limit=1_000))
        return next(row.ruled_text for row in rows if row.question == question)

    return read


@pytest.fixture
def score(site: Site) -> Callable[[str, Mapping[str, ScoreValue]], None]:
    """Have a judge's programme score the answer to a question about which somebody said something."""

    def give(question: str, scores: Mapping[str, ScoreValue]) -> None:
        rows = site.read(partial(feedback.list_feedback, limit=1_000))
        [answer_id] = [row.feedback.message_id for row in rows if row.question == question]
        site.run(site.parts.votes.cast(answer_id, Opinion(scores=scores), owner="key:judge", is_operator=True))

    return give


@pytest.fixture
def train(site: Site) -> Callable[[str], AbstractContextManager[Callable[[int, float], None]]]:
    """A night that trains for the length of the block; each call is a step with its loss, as the trainer writes it."""

    @contextmanager
    def train(cycle_id: str) -> Iterator[Callable[[int, float], None]]:
        night = Cycle(cycle_id, BOT, "operator", None, CycleState.RUNNING, "train", 0.25, utc_now())
        site.run(site.parts.store.write(partial(cycles.start_cycle, cycle=night)))
        run = NightFolder(site.parts.home.cycle(BOT, cycle_id)).run
        run.mkdir(parents=True)

        def take_step(number: int, loss: float) -> None:
            step = StepLine(
                phase="sft", step=number, steps=40, epoch=0.1, loss=loss, learning_rate=2e-4, tokens=900,
                tokens_per_s=450.0, seconds=2.0, left_s=130.0, memory_mb=2_100.0,
            )  # fmt: skip
            append_step(run, step)

        try:
            yield take_step
        finally:
            over = replace(night, state=CycleState.DONE, step="finished", finished_at=utc_now())
            site.run(site.parts.store.write(partial(cycles.update_cycle, cycle=over)))

    return train


@pytest.fixture
def look_through(site: Site) -> Callable[[], None]:
    """Find what the last turns gave away, now and not in five seconds."""
    return lambda: site.run(catch_up(site.parts.store, phrases=read_phrases()))


@pytest.fixture
def engine_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """How the engine does from now on: `dead` before its first word, `broken` after three, `stalled` after as many,
    `other` says something else, `empty` and `blank` nothing, `endless` a word that never ends, or `well`."""
    whole = {
        "other": "Another **answer** of ${1 + 1} `words`.",
        "empty": "",
        "blank": " \n\n\t ",
        "endless": "x" * 20_000,
    }

    def set_to(state: str) -> None:
        async def fail(request: ChatRequest) -> AsyncGenerator[Delta, None]:
            if state in whole:
                yield Delta(whole[state], finish=Finish.STOP)
                return
            if state in ("broken", "stalled"):
                # The page is drawn five times a second.
                await asyncio.sleep(0.3)
                yield Delta("It is in ")  # a last word might go on
            if state == "stalled":
                await asyncio.Event().wait()
            raise EngineError("boom /secret", subject="base", remedy="See logs/engine.log.")

        monkeypatch.undo()
        if state != "well":
            monkeypatch.setattr(site.parts.engine, "stream", fail)

    return set_to


# Not for the session: Playwright holds the main thread's event loop, which the tests of other rooms need.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    # A claim on how a page ends up, not on how fast: two cores may be busy with something else.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, site: Site) -> Iterator[BrowserContext]:
    """A fresh person's browser, light, 1280 wide. Fails the test where anything was fetched from elsewhere."""
    address = os.environ.get("NIGHTSCHOOL_SITE", site.address)
    context = chromium.new_context(base_url=address, viewport={"width": 1280, "height": 860}, color_scheme="light")
    context.set_default_timeout(30_000)
    elsewhere: list[str] = []
    allowed = (address, "data:", "blob:")
    context.on("request", lambda asked: None if asked.url.startswith(allowed) else elsewhere.append(asked.url))
    yield context
    context.close()
    assert elsewhere == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """The chat page, opened."""
    page = context.new_page()
    page.goto("/")
    page.wait_for_selector("#ns-title h1")
    return page


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
