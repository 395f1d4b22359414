"""Which turns of the chat page are answered twice at once, and which two answers wait for their person's word.

A turn is drawn by a hash of its conversation and its place in it, so that the same talk is asked at the same turns.
Nobody is asked who keeps the chat out of training, nor twice in a row. Knows no component, and not how an answer comes.
"""

import hashlib
from dataclasses import replace
from functools import partial
from typing import Final

from collect.chat_settings import chat_settings
from collect.side_by_side import Duel, standing_of
from collect.store import Store
from nightschool.bots import Bot
from nightschool.errors import TooManyRequests
from nightschool.records import new_id
from serve.branches import Tree
from serve.chat.comparing import may_be_compared
from serve.guarding import hands_over
from serve.opponents import Opponents
from serve.pace import Pace
from serve.turn import Turn

OUT_OF: Final = 2**64


class TwoAnswers:
    def __init__(self, store: Store, opponents: Opponents, *, pace: Pace) -> None:
        self._store = store
        self._opponents = opponents
        self._pace = pace

    async def plan(self, bot: Bot, turn: Turn, *, owner: str, is_private: bool) -> Turn | None:
        """The turn that is answered beside `turn`, which has its route; None where one answer is given.

        It counts as one more answer of the owner's; who has spent all gets one.
        """
        wanted, name = bot.feedback, turn.conversation.conversation_id
        if not (wanted.comparisons and wanted.side_by_side_share) or turn.route is None or is_private:
            return None
        stands = await self._store.read(partial(standing_of, conversation_id=name))
        if stands.was_last or stands.is_private:
            return None
        if not is_drawn(name, stands.questions, share=wanted.side_by_side_share):
            return None
        route = await self._opponents.find(bot)
        if route is None or route.adapter_hash == turn.route.adapter_hash:
            return None
        try:
            self._pace.spend(owner)
        except TooManyRequests:
            return None
        return replace(turn, answer_id=new_id(), route=route, usual_id=turn.answer_id)

    async def find_undecided(self, bot: Bot, tree: Tree, leaf: str | None) -> Duel | None:
        """The two answers with which the talk ends, where they can be compared and nobody has."""
        duel = tree.undecided(leaf)
        if duel is None or not bot.feedback.comparisons:
            return None
        usual, other = tree.find(duel.usual_id), tree.find(duel.other_id)
        if not (usual and other and may_be_compared(usual, other)):
            return None
        if hands_over(usual.held_json) or hands_over(other.held_json):
            return None
        settings = await self._store.read(partial(chat_settings, conversation_id=usual.conversation_id))
        return None if settings.is_private else duel


def is_drawn(conversation_id: str, questions: int, *, share: float) -> bool:
    """Whether the question behind so many others is one of the share."""
    drawn = hashlib.sha256(f"side-by-side {conversation_id} {questions}".encode()).digest()
    return int.from_bytes(drawn[:8]) < share * OUT_OF
