"""kill -9: what was acknowledged is there afterwards, once."""

import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from collect import conversations, feedback
from collect.store import Cursor, open_store
from nightschool.records import Vote

ROOT = Path(__file__).parents[2]
VOTER = "browser:ada"
VOTES = "select message_id, vote from feedback union all select message_id, vote from feedback_history"
VOTE_UNTIL_KILLED = """
import asyncio, sys
from functools import partial
from pathlib import Path
from collect import conversations, feedback
from collect.store import open_store
from nightschool.records import BotName, Conversation, Message, Source, Vote, new_id, utc_now

def say(*words):
    print(*words, flush=True)

async def ask_and_vote(store):
    while True:
        talk = Conversation(new_id(), BotName("support"), "browser:ada", Source.CHAT, "", utc_now())
        asked = Message(new_id(), talk.conversation_id, talk.bot, None, "user", "Where?", Source.CHAT, utc_now())
        said = Message(new_id(), talk.conversation_id, talk.bot, asked.message_id, "assistant", "There.", Source.CHAT,
            utc_now())
        await store.write(partial(conversations.record_turn, conversation=talk, messages=[asked, said]))
        for vote in (Vote.UP, Vote.NONE, Vote.DOWN):
            say_it = partial(feedback.record_opinion, message_id=said.message_id, voter="browser:ada", at=utc_now())
            await store.write(partial(say_it, opinion=feedback.Opinion(vote, ("slow",))))
            say(said.message_id, vote)

async def main():
    folder = Path(sys.argv[1])
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
        async with asyncio.TaskGroup() as voters:
            for _ in range(8):
                voters.create_task(ask_and_vote(store))

asyncio.run(main())
"""


def votes_before_death(folder: Path, *, enough: int) -> Counter[tuple[str, Vote]]:
    """Every vote that a server acknowledged before it was killed, which happens while it takes more."""
    with subprocess.Popen(
        [sys.executable, "-c", VOTE_UNTIL_KILLED, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        assert server.stdout
        lines = [server.stdout.readline() for _ in range(enough)]
        server.kill()
        lines += server.stdout.readlines()
    assert server.returncode == -signal.SIGKILL
    whole = [line.split() for line in lines if line.endswith("\n")]
    return Counter((message_id, Vote(vote)) for message_id, vote in whole)


async def test_every_acknowledged_vote_survives_kill_9(tmp_path: Path) -> None:
    acknowledged = votes_before_death(tmp_path, enough=100)
    assert len(acknowledged) >= 100

    async with open_store(tmp_path / "record.duckdb", temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
        kept = Counter(
            (message_id, Vote(vote))
            for message_id, vote in await store.read(lambda cursor: cursor.execute(VOTES).fetchall())
        )
        assert acknowledged - kept == Counter()
        assert set(kept.values()) == {1}
        for message_id in {message_id for message_id, _ in acknowledged}:
            await store.read(partial(check_answer, message_id=message_id, kept=kept))


def check_answer(cursor: Cursor, *, message_id: str, kept: Counter[tuple[str, Vote]]) -> None:
    """The answer stands with its question, and its vote is the newest that was said."""
    stands = feedback.feedback_of(cursor, message_id=message_id, voter=VOTER)
    newest = [vote for vote in (Vote.UP, Vote.NONE, Vote.DOWN) if kept[message_id, vote]][-1]
    assert stands
    assert stands.vote is newest
    talk = conversations.message(cursor, message_id=message_id).conversation_id
    said = conversations.conversation_messages(cursor, conversation_id=talk)
    assert [m.content for m in said] == ["Where?", "There."]
