"""Of an API key: whether what its callers ask beyond what is served is passed over, not refused."""

from typing import Final

LENIENT_KEYS: Final = """
-- Null on keys of before, for which the server's setting stands.
alter table api_keys add column is_lenient boolean;
"""
