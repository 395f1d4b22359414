"""A question that is ready to be answered, whoever asked it. Does not know how it is answered (`serve.turns`)."""

import json
from dataclasses import dataclass

from collect.stored_completions import Listing
from collect.verified.pairs import Hit
from deploy.rollout import Route
from nightschool.engine import PLAIN, Wishes
from nightschool.records import BotName, Conversation, Message, Sampling
from serve.prompting import Prompt


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that is ready to be answered."""

    bot: BotName
    conversation: Conversation
    prompt: Prompt
    """What the engine sees: the bot's system prompt, the history, the question and what was found for it."""
    asked: tuple[Message, ...]
    """Messages to record, oldest first; the answer hangs on the last one. A retry's question is recorded already."""
    answer_id: str
    sampling: Sampling
    wishes: Wishes = PLAIN
    route: Route | None = None
    """Set where an operator asked for one version; else the rollout decides."""
    verified: Hit | None = None
    """Set where an operator's words are the answer, as they stand."""
    path: str = ""
    """Of an API call, by which the next one finds it."""
    metadata_json: str = ""
    stored_as: str = ""
    """The model's name under which its caller has it listed; empty: it is not."""
    is_recorded: bool = True
    """False: a program asked for itself, and nothing is kept of it."""
    usual_id: str = ""
    """Of production's answer, where this turn's is given beside it to be compared with it."""

    @property
    def listing(self) -> Listing | None:
        metadata = json.loads(self.metadata_json) if self.metadata_json else {}
        return Listing(self.answer_id, self.stored_as, metadata) if self.stored_as else None
