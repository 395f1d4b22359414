"""The section `[escalation]` of a bot's file: to whom a conversation goes whose person asks for a human.

Does not send anything.
"""

from nightschool.sinks_part import SinksPart


class EscalationPart(SinksPart):
    """Without a webhook and a mail folder nobody is offered to talk to a human: there would be nobody to tell."""
