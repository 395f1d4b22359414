"""A message of the record as a line of the page. Does not know which messages are shown, nor how a line is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from collect.side_by_side import Duel
from deploy.fates import Fate
from nightschool.records import Feedback, Message, Vote
from serve.branches import Tree
from serve.chat.comparing import is_first_left
from serve.chat.views import Line
from serve.guarding import hands_over
from serve.verified import answered_by


def line_of(message: Message, tree: Tree, votes: Mapping[str, Feedback], fates: Mapping[str, Fate]) -> Line:
    if message.role != "assistant":
        return Line(message.message_id, "user", message.content, siblings=tree.siblings(message))
    voted = votes.get(message.message_id)
    return Line(
        message_id=message.message_id,
        role="assistant",
        text=message.content,
        version=answered_by(message),
        finish=message.finish,
        vote=voted.vote if voted else Vote.NONE,
        fate=fates.get(message.message_id),
        siblings=tree.siblings(message),
        hands_over=hands_over(message.held_json),
    )


def side_by_side(lines: Sequence[Line], tree: Tree, duel: Duel) -> tuple[Line, ...]:
    """With both answers in the last place, of which nothing tells who gave them."""
    *before, last = lines
    other = line_of(tree.path(duel.other_id)[-1], tree, {}, {})
    is_beside_left = not is_first_left(duel.usual_id, duel.other_id)
    return (*before, replace(last, siblings=(), beside=replace(other, siblings=()), is_beside_left=is_beside_left))
