"""What a bot's team answered, as passages: the question is the heading, the answer the text. Read from the record.

Answers that an operator approved or corrected, to any question of a conversation, and imported ones that teach. None
that an exam asks for, of a chat from which its person wants nothing learnt, that rests on a tool's result, that was
refused or taken out of service, and none that is about one person. What is taken back or erased is gone with the next
reading. Does not know how they are searched.
"""

import hashlib
from typing import Any, Final

from collect.chat_settings import PRIVATE
from collect.knowledge.passages import count_tokens
from collect.snapshot import RESTS_ON_TOOL
from collect.store import Cursor
from collect.verified.pairs import ORDER
from nightschool.knowledge import TEAM, Passage
from nightschool.pii.mask import PLACEHOLDER
from nightschool.pii.names import CUE
from nightschool.pii.patterns import find_shaped
from nightschool.records import BotName
from nightschool.text import fold

MOST: Final = 5_000
"""The newest."""
MAX_TOKENS: Final = 240
"""Of a question and its answer: a longer one would leave no room for another passage."""
ANSWERS: Final = f"""
with latest as (
    select message_id, arg_max(is_on, position) as is_on, arg_max(switched_at, position) as switched_at
    from verified_switches where bot = $bot group by message_id
),
words as (
    select message_id, corrected_answer as answer, reviewed_at as said_at
    from reviews where bot = $bot and approved and corrected_answer <> ''
    union all
    select m.message_id, m.content, m.created_at
    from messages as m anti join reviews using (message_id)
    where m.bot = $bot and m.source = 'import' and m.role = 'assistant' and m.content <> ''
        and coalesce(m.weight, 1) <> 0
)
select w.message_id, a.conversation_id, q.content, w.answer
from words as w
join messages as a on a.message_id = w.message_id
join messages as q on q.message_id = a.parent_id
join conversations as c on c.conversation_id = a.conversation_id
left join sides as s on s.conversation_id = a.conversation_id
left join latest as l on l.message_id = w.message_id
where q.role = 'user' and not coalesce(c.is_held_out, false) and coalesce(s.side, '') <> 'held-out'
    and coalesce(l.is_on or l.switched_at < w.said_at, true)
    and a.conversation_id not in ({PRIVATE}) and w.message_id not in ({RESTS_ON_TOOL})
order by w.said_at desc, w.message_id limit $most
"""
MARK: Final = """
select (select count(*) from reviews where bot = $bot), (select max(reviewed_at) from reviews where bot = $bot),
    (select count(*) from review_history where bot = $bot), (select count(*) from verified_switches where bot = $bot),
    (select count(*) from messages where bot = $bot and source = 'import'),
    (select count(*) from conversations where bot = $bot and is_held_out),
    (select count(*) from sides where bot = $bot and side = 'held-out'), (select count(*) from erasures),
    (select max(changed_at) from chat_settings)
"""


def list_answers(cursor: Cursor, *, bot: BotName) -> list[Passage]:
    """Newest first, also those that are of no use to others (`is_for_others`)."""
    return [_passage(*row) for row in cursor.execute(ANSWERS, {"bot": bot, "most": MOST}).fetchall()]


def read_mark(cursor: Cursor, *, bot: BotName) -> tuple[Any, ...]:
    """Changes whenever what `list_answers` finds may have changed."""
    [row] = cursor.execute(MARK, {"bot": bot}).fetchall()
    return tuple(row)


def is_for_others(answer: Passage, *, own: str) -> bool:
    """Whether it is short, and neither question nor answer holds a placeholder, nor a mailbox, a phone, a card, an
    address or an order number that does not stand in the bot's `own` texts, folded. Names of people are seen behind
    words such as "my name is" and "Dear" alone."""
    if count_tokens(f"{answer.heading} {answer.text}") > MAX_TOKENS:
        return False
    return not any(_is_personal(text, own=own) for text in (answer.heading, answer.text))


def _is_personal(text: str, *, own: str) -> bool:
    if PLACEHOLDER.search(text):
        return True
    said = [text[span.start : span.end] for span in find_shaped(text)]
    said += ORDER.findall(text)
    said += [named["name"] for named in CUE.finditer(text) if named["name"][0].isupper()]
    return any(fold(one) not in own for one in said)


def _passage(message_id: str, conversation_id: str, question: str, answer: str) -> Passage:
    named = hashlib.sha256("\0".join((message_id, question, answer)).encode()).hexdigest()[:16]
    return Passage(named, TEAM, " ".join(question.split()), answer, conversation_id)
