"""The Adapters tab: who answers, moving that with a question first, and the audit.

What was asked is what is done: version, bot and reason stand in the question and stay as they stood there, whatever the
fields say by the time of "Yes". Does not know how an adapter is moved (`serve.console.handlers`).
"""

import gradio as gr
from gradio.blocks import Block
from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidInput, NotFound
from nightschool.records import AdapterName, BotName
from serve.console.draw import draw_adapters, draw_events, draw_hold, text
from serve.console.handlers import ConsoleHandlers, Intent
from serve.console.layout import AdaptersTab
from serve.console.told import QUIET, Given, Updates, told


class AskedMove(BaseModel):
    """The move that a question was about; kept by the page until it is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intent: Intent
    bot: BotName
    version: int | None
    """Which one to promote; None where one is taken down."""
    live: str
    """Who answered when it was asked."""
    reason: str
    pause: str
    """What it takes where nobody is answered meanwhile; allowed with the move."""


class AdaptersWires:
    """Adapters between the tab's events and the handlers."""

    def __init__(self, handlers: ConsoleHandlers, tab: AdaptersTab) -> None:
        self._handlers = handlers
        self._at = tab

    def connect(self) -> None:
        at = self._at
        listed = [at.table, at.version, at.events, at.hold, at.release, at.confirm, at.asked, at.reason]
        # The last choice is shown, also where it was made before the one before had come.
        triggers = [at.tab.select, at.bot.input]
        gr.on(triggers, self._list, {at.bot}, listed, trigger_mode="always_last", **QUIET)
        given: set[Block] = {at.bot, at.version, at.reason}
        question = [at.confirm, at.question, at.asked]
        at.promote.click(self._ask_promote, given, question, **QUIET)
        at.rollback.click(self._ask_rollback, given, question, **QUIET)
        at.no.click(self._cancel, None, [at.confirm, at.asked], **QUIET)
        at.release.click(self._release, {at.bot, at.reason}, listed, **QUIET)
        at.yes.click(self._move, {at.bot, at.asked}, listed, **QUIET)

    async def _list(self, given: Given, request: gr.Request) -> Updates:
        at = self._at
        with told(request):
            rows = await self._handlers.adapters()
            events = await self._handlers.events()
            bot = given[at.bot] or self._handlers.bots()[0]
            hold = await self._handlers.hold(bot)
        versions = [
            (f"{row.adapter.name} ({row.adapter.stage})", row.adapter.version) for row in rows if row.adapter.bot == bot
        ]
        return {
            at.table: draw_adapters(rows),
            at.version: gr.update(choices=versions, value=versions[0][1] if versions else None),
            at.events: draw_events(events),
            at.hold: draw_hold(hold),
            at.release: gr.update(visible=hold is not None),
            at.confirm: gr.update(visible=False),
            at.asked: "",
            at.reason: "",
        }

    async def _ask_promote(self, given: Given, request: gr.Request) -> Updates:
        with told(request):
            if given[self._at.version] is None:
                raise NotFound("has no adapter", subject=given[self._at.bot], remedy="Run a night first.")
            return await self._ask(intent="promote", version=given[self._at.version], given=given)

    async def _ask_rollback(self, given: Given, request: gr.Request) -> Updates:
        with told(request):
            return await self._ask(intent="rollback", version=None, given=given)

    async def _ask(self, *, intent: Intent, version: int | None, given: Given) -> Updates:
        at = self._at
        bot = BotName(given[at.bot])
        self._handlers.check_reason(given[at.reason])
        live, reason = self._handlers.live(bot), given[at.reason].strip()
        pause = await self._handlers.pause_of(intent, bot, version=version)
        asked = AskedMove(intent=intent, bot=bot, version=version, live=live, reason=reason, pause=pause)
        return {
            at.confirm: gr.update(visible=True),
            at.question: draw_question(asked),
            at.asked: asked.model_dump_json(),
        }

    async def _release(self, given: Given, request: gr.Request) -> Updates:
        with told(request) as actor:
            await self._handlers.release(given[self._at.bot], reason=given[self._at.reason], actor=actor)
        gr.Info(f"Nights of {given[self._at.bot]} may promote again.", title="Released")
        return await self._list(given, request)

    async def _cancel(self) -> Updates:
        return {self._at.confirm: gr.update(visible=False), self._at.asked: ""}

    async def _move(self, given: Given, request: gr.Request) -> Updates:
        with told(request) as actor:
            asked = _read_asked(given[self._at.asked])
            move = self._handlers.promote if asked.intent == "promote" else self._handlers.rollback
            name = await move(
                asked.bot,
                version=asked.version,
                reason=asked.reason,
                while_live=asked.live,
                actor=actor,
                may_pause=bool(asked.pause),
            )
        gr.Info(f"{name} answers from now on.", title="Done")
        return await self._list(given, request)


def draw_question(asked: AskedMove) -> str:
    if asked.version is None:
        sentence = f"<strong>{text(asked.live)}</strong> will be retired, and the version before it answers again."
    else:
        sentence = (
            f"<strong>{text(AdapterName(asked.bot, asked.version))}</strong> will answer everybody who talks to "
            f"{text(asked.bot)}, in place of {text(asked.live)}."
        )
    pause = f"<p><strong>With a pause:</strong> {text(asked.pause)}.</p>" if asked.pause else ""
    return f"<p>{sentence}</p>{pause}<p>Reason: {text(asked.reason)}</p>"


def _read_asked(text: str) -> AskedMove:
    """Raises InvalidInput where nothing was asked, or something else."""
    try:
        return AskedMove.model_validate_json(text)
    except ValidationError:
        raise InvalidInput("was asked", subject="nothing", remedy="Choose Promote or Roll back first.") from None
