"""Bring a record to the newest schema: numbered changes, only ever added, each with its mark in one transaction.

Killed between two of them, it goes on with the next one at the next start.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import duckdb

from collect.migrations.m001_first import FIRST
from collect.migrations.m002_feedback_by_message import FEEDBACK_BY_MESSAGE
from collect.migrations.m003_sides import SIDES
from collect.migrations.m004_review_history import REVIEW_HISTORY
from collect.migrations.m005_holds import HOLDS
from collect.migrations.m006_schedules import SCHEDULES
from collect.migrations.m007_signals import SIGNALS
from collect.migrations.m008_ends import ENDS
from collect.migrations.m009_files import FILES
from collect.migrations.m010_passages import PASSAGES
from collect.migrations.m011_verified import VERIFIED
from collect.migrations.m012_jobs import JOBS
from collect.migrations.m013_held import HELD
from collect.migrations.m014_knowledge import KNOWLEDGE
from collect.migrations.m015_left_out import LEFT_OUT
from collect.migrations.m016_evals import EVALS
from collect.migrations.m017_erasures import ERASURES
from collect.migrations.m018_eval_messages import EVAL_MESSAGES
from collect.migrations.m019_audit_chain import AUDIT_CHAIN
from collect.migrations.m020_originals import ORIGINALS
from collect.migrations.m021_chat_settings import CHAT_SETTINGS
from collect.migrations.m022_calls import CALLS
from collect.migrations.m023_escalations import ESCALATIONS
from collect.migrations.m024_screens import SCREENS
from collect.migrations.m025_tools import TOOLS
from collect.migrations.m026_outcomes import OUTCOMES
from collect.migrations.m027_preferences import PREFERENCES
from collect.migrations.m028_stored_completions import STORED_COMPLETIONS
from collect.migrations.m029_lenient_keys import LENIENT_KEYS
from collect.migrations.m030_kept_out import KEPT_OUT
from collect.migrations.m031_side_by_side import SIDE_BY_SIDE
from collect.migrations.m032_plain_ids import PLAIN_IDS
from collect.migrations.m033_job_checkpoints import JOB_CHECKPOINTS
from collect.migrations.m034_former_opinions import FORMER_OPINIONS
from collect.migrations.m035_scores import SCORES
from collect.migrations.m036_opinion_ids import OPINION_IDS
from collect.migrations.m037_answers_as_passages import ANSWERS_AS_PASSAGES
from nightschool.errors import RecordError

Cursor = duckdb.DuckDBPyConnection


class Migration(NamedTuple):
    name: str
    sql: str


MIGRATIONS: Final = (
    Migration("m001_first", FIRST),
    Migration("m002_feedback_by_message", FEEDBACK_BY_MESSAGE),
    Migration("m003_sides", SIDES),
    Migration("m004_review_history", REVIEW_HISTORY),
    Migration("m005_holds", HOLDS),
    Migration("m006_schedules", SCHEDULES),
    Migration("m007_signals", SIGNALS),
    Migration("m008_ends", ENDS),
    Migration("m009_files", FILES),
    Migration("m010_passages", PASSAGES),
    Migration("m011_verified", VERIFIED),
    Migration("m012_jobs", JOBS),
    Migration("m013_held", HELD),
    Migration("m014_knowledge", KNOWLEDGE),
    Migration("m015_left_out", LEFT_OUT),
    Migration("m016_evals", EVALS),
    Migration("m017_erasures", ERASURES),
    Migration("m018_eval_messages", EVAL_MESSAGES),
    Migration("m019_audit_chain", AUDIT_CHAIN),
    Migration("m020_originals", ORIGINALS),
    Migration("m021_chat_settings", CHAT_SETTINGS),
    Migration("m022_calls", CALLS),
    Migration("m023_escalations", ESCALATIONS),
    Migration("m024_screens", SCREENS),
    Migration("m025_tools", TOOLS),
    Migration("m026_outcomes", OUTCOMES),
    Migration("m027_preferences", PREFERENCES),
    Migration("m028_stored_completions", STORED_COMPLETIONS),
    Migration("m029_lenient_keys", LENIENT_KEYS),
    Migration("m030_kept_out", KEPT_OUT),
    Migration("m031_side_by_side", SIDE_BY_SIDE),
    Migration("m032_plain_ids", PLAIN_IDS),
    Migration("m033_job_checkpoints", JOB_CHECKPOINTS),
    Migration("m034_former_opinions", FORMER_OPINIONS),
    Migration("m035_scores", SCORES),
    Migration("m036_opinion_ids", OPINION_IDS),
    Migration("m037_answers_as_passages", ANSWERS_AS_PASSAGES),
)
"""Oldest first. A released one is never edited."""

MARKS: Final = "create table if not exists migrations (name text primary key, applied_at timestamptz not null)"
MARK: Final = "insert into migrations (name, applied_at) values ($name, $at)"
KNOWN: Final = "select name from migrations order by name"


def is_behind(connection: Cursor) -> bool:
    """Whether `migrate` would change a record that holds something."""
    if not connection.execute("select 1 from duckdb_tables() where table_name = 'migrations'").fetchone():
        return False
    return len(connection.execute(KNOWN).fetchall()) < len(MIGRATIONS)


def check_known(connection: Cursor, *, migrations: Sequence[Migration] = MIGRATIONS) -> set[str]:
    """What the record has seen. Raises RecordError where a newer Nightschool wrote it."""
    applied = {name for (name,) in connection.execute(KNOWN).fetchall()}
    unknown = applied - {migration.name for migration in migrations}
    if unknown:
        raise RecordError(
            f"was written by a newer Nightschool ({', '.join(sorted(unknown))})",
            subject="record",
            remedy="Upgrade Nightschool.",
        )
    return applied


def migrate(
    connection: Cursor,
    *,
    migrations: Sequence[Migration] = MIGRATIONS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Apply what is missing. Raises RecordError where the file was written by a newer Nightschool."""
    connection.execute(MARKS)
    applied = check_known(connection, migrations=migrations)
    for name, sql in migrations:
        if name not in applied:
            connection.begin()
            try:
                connection.execute(sql)
                connection.execute(MARK, {"name": name, "at": now()})
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
