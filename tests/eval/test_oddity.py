"""What base finds of answers: asked of base, kept by text, and nothing where nothing can be scored."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.oddity import find_oddities
from eval.suites import SuiteRow
from nightschool.echo import EchoEngine
from nightschool.errors import InvalidInput

ROW = SuiteRow("r0", "c0", ({"role": "user", "content": "question 0"},), "answer number 0")


class Listening(EchoEngine):
    """Echo that remembers who scored; its context ends at twelve tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.scored: list[str] = []

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        if len(token_ids) > 12:
            raise InvalidInput("is longer than the context", subject="the prompt", remedy="Shorten it.")
        self.scored.append(model)
        return await super().token_logprobs(model, token_ids)


async def test_base_says_how_odd_it_finds_an_answer_once(tmp_path: Path) -> None:
    engine = Listening()
    said = [(ROW, "It is in the van."), (ROW, ""), (ROW, "one word after the other " * 9)]
    found = await find_oddities(engine, said, cache=tmp_path, in_flight=2)
    prompt_ids, answer_ids = await engine.tokenize(ROW.messages, answer="It is in the van.")
    # The end of the turn is not part of what was said.
    expected = (await EchoEngine().token_logprobs("base", prompt_ids + answer_ids))[len(prompt_ids) - 1 : -1]
    assert found.nats[0] == pytest.approx(-sum(expected) / len(expected))
    # Neither an answer without a token nor one that fills the context can be scored.
    assert all(map(math.isnan, found.nats[1:]))
    assert (engine.scored, found.asked) == (["base"], 3)
    again = await find_oddities(engine, [*said, (ROW, "It is not.")], cache=tmp_path, in_flight=2)
    assert (again.nats[0], again.asked, len(engine.scored)) == (found.nats[0], 1, 2)
