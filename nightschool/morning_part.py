"""The section `[morning]` of a bot's file: to whom the report of each night is sent on. Does not send anything."""

from nightschool.sinks_part import SinksPart


class MorningPart(SinksPart):
    """Nothing of it keeps a night from ending as it did."""
