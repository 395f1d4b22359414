"""The section `[backup]` of the settings: when the record is copied, where to, and how many copies stay."""

from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from nightschool.cron import read_cron
from nightschool.section import Folder, Section


class BackupSettings(Section):
    cron: str = "30 1 * * *"
    """When the record is backed up: minute, hour, day, month, weekday, in UTC. One that was missed is caught up."""
    keep: int = Field(default=7, ge=0, le=36_500)
    """So many scheduled backups stay, and as many of those made by hand. 0: none is scheduled."""
    erased_days: int = Field(default=30, ge=1, le=36_500)
    """What was erased stands in older backups for so many days at most: then those go, whatever they were made for."""
    folder: Folder | None = None
    """Where backups are put, at best on another disk. None: `backups` in the data folder."""

    @field_validator("cron")
    @classmethod
    def _understood(cls, line: str) -> str:
        read_cron(line)
        return line

    def is_due(self, *, since: datetime, now: datetime) -> bool:
        """Whether a scheduled backup was to be made after the one moment and until the other."""
        return bool(self.keep) and read_cron(self.cron).newest_slot(ZoneInfo("UTC"), after=since, until=now) is not None
