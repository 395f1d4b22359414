"""One engine in front of several: the base model's with its adapters, and one for each whole model beside it.

A folder that holds a whole model is loaded by starting an engine for it alone, and unloaded by ending that; whoever
asks for its name is answered there, everybody else by the base model's, or by the whole model's that has its place
(`serve.seat`). Chats are tokenised by that one, since a whole model is served with the same tokenizer (`tune.bring`).
Does not know how an engine is started, nor which versions are wanted.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from nightschool.engine import ChatRequest, Delta, Engine, TokenizedChat
from nightschool.errors import Busy, EngineError
from nightschool.records import ChatMessage, new_id
from nightschool.tasks import TasksByName
from nightschool.tools import Tool
from nightschool.weights import is_alone, is_whole
from serve.seat import EngineSeat, Keeper, OnReady
from serve.vllm.supervisor import EngineState, EngineStatus

log = logging.getLogger(__name__)

POLL_S: Final = 0.2


class Launched(NamedTuple):
    engine: Engine
    keeper: Keeper


Launch = Callable[[str, Path, OnReady], AbstractAsyncContextManager[Launched]]
"""An engine that serves the whole model in a folder by a name, once its keeper runs; it is ended with the block."""


class CheckMemory(Protocol):
    def __call__(self, folder: Path, /, *, running: int) -> None:
        """Raises TooLittleMemory where the whole model in `folder` does not fit beside base and `running` others."""
        ...


class _Whole:
    """A whole model, and the engine that is its own from its first start on."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.launched: Launched | None = None

    @property
    def engine(self) -> Engine:
        """Raises EngineError while it does not answer."""
        if self.launched is None or self.status.state is not EngineState.READY:
            raise EngineError(
                f"is {self.status.state}", subject=self.name, remedy="It is started again by itself; try in a moment."
            )
        return self.launched.engine

    @property
    def status(self) -> EngineStatus:
        return self.launched.keeper.status if self.launched else EngineStatus(EngineState.STARTING)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        async with aclosing(self.engine.stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def run(self, launch: Launch, on_ready: OnReady) -> None:
        async with launch(self.name, self.folder, on_ready) as self.launched:
            await self.launched.keeper.run()


class Fleet:
    """See `Engine`. Made by `open_fleet`."""

    def __init__(
        self, base: Engine, tasks: TasksByName, *, seat: EngineSeat, launch: Launch, check_memory: CheckMemory
    ) -> None:
        self._base = base
        self._seat = seat
        self._tasks = tasks
        self._launch = launch
        self._check_memory = check_memory
        self._whole: dict[str, _Whole] = {}
        self._on_change: OnReady | None = None

    def tell_changes(self, on_change: OnReady) -> None:
        """`on_change` is called where an engine of a whole model was started anew, or was given up."""
        self._on_change = on_change

    def whole_models(self) -> Mapping[str, EngineStatus]:
        """How each that is loaded stands."""
        return {name: whole.status for name, whole in self._whole.items()}

    @property
    def takes_seeds(self) -> bool:
        return self._base.takes_seeds

    async def version(self) -> str:
        return await self._base.version()

    def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        whole = self._whole.get(request.model)
        return whole.stream(request) if whole else self._ask_base(request)

    async def tokenize(self, messages: Sequence[ChatMessage], *, answer: str) -> TokenizedChat:
        return await self._base.tokenize(messages, answer=answer)

    async def count_tokens(self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> int:
        return await self._base.count_tokens(messages, tools)

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        return await self._engine_of(model).token_logprobs(model, token_ids)

    async def answer_logprobs(
        self, model: str, prompt_ids: Sequence[int], answer_ids: Sequence[int]
    ) -> tuple[float, ...]:
        return await self._engine_of(model).answer_logprobs(model, prompt_ids, answer_ids)

    async def load_adapter(self, name: str, folder: Path) -> None:
        """See `Engine`. Of a whole model returns once its engine answers. Raises TooLittleMemory before it starts one,
        EngineError where it does not start, Unavailable for what the engine's place would have to change."""
        if whole := self._whole.get(name):
            if whole.folder != folder:
                raise Busy(f"is loaded from {whole.folder}", subject=name, remedy="Unload it first.")
            whole.engine  # noqa: B018 - raises where it does not answer
        elif is_whole(folder) and not is_alone(folder):
            await self._start(_Whole(name, folder))
        elif not self._seat.holds(name, folder):
            await self._base.load_adapter(name, folder)

    async def unload_adapter(self, name: str) -> None:
        """See `Engine`. Returns once the memory of a whole model is free."""
        if self._whole.pop(name, None):
            await self._tasks.stop(name)
            log.info("model=%s its engine is ended", name)
        elif self._seat.sitter is None:  # who has the place to itself leaves it when it is changed
            await self._base.unload_adapter(name)

    async def loaded_adapters(self) -> Mapping[str, Path]:
        whole = {name: whole.folder for name, whole in self._whole.items()}
        if sitter := self._seat.sitter:
            return {str(sitter.name): sitter.folder, **whole}
        return {**await self._base.loaded_adapters(), **whole}

    async def check_ready(self) -> None:
        await self._base.check_ready()

    def _engine_of(self, model: str) -> Engine:
        if whole := self._whole.get(model):
            return whole.engine
        self._seat.check(model)
        return self._base

    async def _ask_base(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        with self._seat.answering(request.model):
            async with aclosing(self._base.stream(request)) as deltas:
                async for delta in deltas:
                    yield delta

    async def _start(self, whole: _Whole) -> None:
        await asyncio.to_thread(partial(self._check_memory, whole.folder, running=len(self._whole)))
        log.info("model=%s an engine of its own is started", whole.name)
        self._tasks.start(whole.name, self._keep(whole))
        try:
            while (status := whole.status).state is not EngineState.READY:
                if status.state is EngineState.DOWN or whole.name not in self._tasks.names:
                    raise EngineError(
                        f"its engine did not start ({status.detail or 'see the log'})",
                        subject=whole.name,
                        remedy="What answered before goes on.",
                    )
                await asyncio.sleep(POLL_S)
        except BaseException:
            await self._tasks.stop(whole.name)
            raise
        self._whole[whole.name] = whole

    async def _keep(self, whole: _Whole) -> None:
        """Until cancelled. Whatever its keeper meets, the other engines go on."""
        try:
            await whole.run(self._launch, partial(self._came_up, whole))
        except Exception:
            log.exception("model=%s its engine is given up", whole.name)
            if self._whole.pop(whole.name, None):
                self._tell()

    async def _came_up(self, whole: _Whole) -> None:
        if whole.name in self._whole:
            self._tell()

    def _tell(self) -> None:
        # In a task of its own: whoever is told may have this very engine ended.
        self._tasks.start(new_id(), self._call_on_change())

    async def _call_on_change(self) -> None:
        if self._on_change is None:
            return
        try:
            await self._on_change()
        except Exception:
            log.exception("what follows a start of a whole model's engine failed")


@asynccontextmanager
async def open_fleet(
    base: Engine, *, seat: EngineSeat, launch: Launch, check_memory: CheckMemory
) -> AsyncIterator[Fleet]:
    """`base`, who has its place, and the engines of whole models beside it for as long as the block lasts."""
    async with asyncio.TaskGroup() as group:
        tasks = TasksByName(group)
        try:
            yield Fleet(base, tasks, seat=seat, launch=launch, check_memory=check_memory)
        finally:
            await tasks.stop_all()
