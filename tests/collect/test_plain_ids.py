"""Columns by which single rows are looked up stay unpacked in the file, also where an erasure writes them anew."""

from collect.scrub import PLAIN, scrub
from collect.store import Cursor, Store

FILL = """
insert into messages (message_id, conversation_id, bot, parent_id, role, content, source, created_at, position,
    adapter_hash, prompt_tokens, completion_tokens, sampling_json)
select 'said-' || n, 'talk-' || n, 'support', 'asked-' || n, 'user', 'Where is it?', 'chat', now(), n, '', 0, 0, '{}'
from range(5000) as r(n);
insert into conversations (conversation_id, bot, owner, source, title, created_at)
select 'talk-' || n, 'support', 'browser:' || n, 'chat', 'Where?', now() from range(5000) as r(n);
insert into feedback (opinion_id, message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at)
select 'opinion-' || n, 'said-' || n, 'browser:' || n, 'support', 'up', [], '', '', now() from range(5000) as r(n);
"""
PACKED = """
select distinct column_name from pragma_storage_info('{table}')
where segment_type = 'VARCHAR' and compression <> 'Uncompressed'
"""


def packed(cursor: Cursor) -> dict[str, set[str]]:
    return {table: {name for (name,) in cursor.execute(PACKED.format(table=table)).fetchall()} for table in PLAIN}


async def test_what_is_looked_up_is_not_packed(store: Store) -> None:
    await store.write(lambda cursor: cursor.execute(FILL) and None)
    await store.fold()
    before = await store.read(packed)
    assert {"content", "parent_id"} <= before["messages"]  # the others are
    await scrub(store, tuple(PLAIN))
    for found in (before, await store.read(packed)):
        assert {table: set(columns) & found[table] for table, columns in PLAIN.items()} == {
            table: set() for table in PLAIN
        }
