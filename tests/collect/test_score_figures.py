from collections.abc import Callable
from dataclasses import replace

from collect.conversations import record_turn
from collect.score_figures import ScoreFigures, score_figures
from collect.scores import Scored, record_scores
from collect.store import Cursor
from nightschool.records import Conversation, Message, Source, new_id
from nightschool.scores import ScoreKind, ScoreValue

from .conftest import AT, BOT

Tell = Callable[..., list[Message]]


def give(cursor: Cursor, of: Message, voter: str, name: str, value: ScoreValue | None, *, whole: bool = False) -> None:
    about = None if whole else of.message_id
    assert record_scores(cursor, [Scored(of.conversation_id, about, voter, {name: value}, AT)]) == [True]


def test_what_stands_is_counted_by_who_answered(cursor: Cursor, tell: Tell) -> None:
    _, first = tell()
    _, second = tell(after=first)
    for voter, value in (("a", 0.5), ("a", 1.0), ("b", 0.0)):
        give(cursor, first, voter, "accuracy", value)
    for voter, tone in (("a", "warm"), ("b", "cool"), ("c", "warm"), ("d", "cool"), ("d", None)):
        give(cursor, second, voter, "tone", tone)
    give(cursor, second, "a", "resolved", True, whole=True)
    give(cursor, second, "b", "resolved", False, whole=True)
    _, elsewhere = tell(bot="reviewer")
    give(cursor, elsewhere, "a", "accuracy", 0.25)
    mine = [
        ScoreFigures(BOT, "accuracy", "answer", ScoreKind.NUMBER, 3, "", 2, 0.5, {}),
        ScoreFigures(BOT, "resolved", "conversation", ScoreKind.BOOLEAN, 3, "", 2, 0.5, {}),
        ScoreFigures(BOT, "tone", "answer", ScoreKind.CATEGORY, 3, "", 3, None, {"warm": 2, "cool": 1}),
    ]
    assert score_figures(cursor, bot=BOT) == mine
    assert next((one.bot, one.mean) for one in score_figures(cursor)) == ("reviewer", 0.25)
    assert score_figures(cursor)[1:] == mine


def test_a_conversation_counts_for_its_last_answer_and_others_words_for_no_version(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell()
    talk = Conversation(said.conversation_id, BOT, "browser:ada", Source.CHAT, "", AT)
    by_base = replace(said, message_id=new_id(), version=None)
    record_turn(cursor, conversation=talk, messages=[by_base])
    give(cursor, asked, "a", "resolved", True, whole=True)
    for source in (Source.VERIFIED, Source.IMPORT):
        _, other = tell(source=source)
        give(cursor, other, "a", "clear", True)
    assert [(one.name, one.version, one.other) for one in score_figures(cursor)] == [
        ("clear", None, "import"), ("clear", None, "verified"), ("resolved", None, ""),
    ]  # fmt: skip
