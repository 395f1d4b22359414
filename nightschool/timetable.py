"""When a bot goes to school and by when it is to be done: `[schedule]` of its file."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator

from nightschool.cron import Slot, read_cron
from nightschool.section import Section


class SchedulePart(Section):
    enabled: bool = True
    """Off: the bot goes to school only when told to."""
    cron: str = "0 3 * * *"
    """Minute, hour, day, month, weekday (names such as sun, not numbers); one time a day."""
    time_zone: str = "UTC"
    """IANA name, for example Europe/Berlin."""
    done_by: str = ""
    """Local time by which a night is to be done, for example 06:00: training takes the steps that fit. Empty: none."""

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("is not a time zone; use a name such as Europe/Berlin") from error
        return name

    @field_validator("cron")
    @classmethod
    def _understood(cls, line: str) -> str:
        read_cron(line)
        return line

    @field_validator("done_by")
    @classmethod
    def _time_of_day(cls, text: str) -> str:
        if text and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
            raise ValueError("must be a time of day such as 06:00")
        return text

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def newest_slot(self, *, after: datetime, until: datetime) -> Slot | None:
        """The last night that was due after the one moment and until the other, whether `enabled` or not."""
        return read_cron(self.cron).newest_slot(self.zone, after=after, until=until)

    def next_slot(self, *, after: datetime) -> Slot:
        return read_cron(self.cron).next_slot(self.zone, after=after)

    def due_at(self, *, after: datetime) -> datetime | None:
        """When a night that began `after` is to be done; None where it may take its time."""
        if not self.done_by:
            return None
        hour, minute = self.done_by.split(":")
        return read_cron(f"{minute} {hour} * * *").next_slot(self.zone, after=after).at
