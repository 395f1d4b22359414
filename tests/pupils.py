"""An engine for exams in tests: the further a model's version, the more of the reference it knows."""

from collections.abc import AsyncGenerator, Sequence

from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import EngineError
from nightschool.records import Finish

REFERENCE = "you can send any order back within thirty days and we refund the whole price number"


class Pupils(EchoEngine):
    """Version 2 knows eight words of `REFERENCE`, version 1 four, base none, and up to two more by the question."""

    def __init__(self, *, dies_after: int | None = None) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.dies_after = dies_after

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.asked.append(request.model)
        if self.dies_after is not None and len(self.asked) > self.dies_after:
            raise EngineError("went away", subject="engine", remedy="Restart it.")
        number = int(request.messages[-1]["content"].split()[-1])
        known = 4 * _version(request.model) + number % 3
        words = REFERENCE.split()[:known] + [f"guess{i}" for i in range(known, 16)]
        yield Delta(" ".join(words), finish=Finish.STOP, completion_tokens=len(words))

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        return tuple(-2.0 + 0.5 * _version(model) for _ in token_ids[1:])


class Speaker(Pupils):
    """Answers a suite's question by its own name."""

    is_dying = False

    async def check_ready(self) -> None:
        if self.is_dying:
            raise EngineError("is down", subject="engine", remedy="Restart it.")

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        if request.request_id.startswith("suite-"):
            self.asked.append("suite")
            if self.is_dying:
                raise EngineError("went away", subject="engine", remedy="Restart it.")
            yield Delta(f"I am {request.model}", finish=Finish.STOP, completion_tokens=3)
            return
        async for delta in super().stream(request):
            yield delta


def _version(model: str) -> int:
    return 0 if model == "base" else int(model.split("@")[1])
