"""An index for votes on one answer: DuckDB does not use the compound primary key to look a row up, it scans the table.

Measured with 400,000 rows: 15 ms a look-up without it, 0.5 ms with it.
"""

from typing import Final

FEEDBACK_BY_MESSAGE: Final = "create index feedback_by_message on feedback (message_id);"
