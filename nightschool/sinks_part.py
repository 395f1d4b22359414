"""What a section of a bot's file says about whom something is sent to: a webhook, a folder of e-mails, both or neither.

Used by `[morning]` and `[escalation]`. Holds no key, only the name of the environment variable that does. Does not send
anything.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from nightschool.section import Section
from nightschool.urls import read_url

MAILBOX: Final = r"^[^\s<>,;:@\"()\[\]\\]+@[^\s<>,;:@\"()\[\]\\]+$"


def _hook(text: str) -> str:
    if text:
        read_url(text, example="http://chat-1/hooks/4")
    return text


class SinksPart(Section):
    webhook: Annotated[str, AfterValidator(_hook)] = ""
    """Where it is posted as JSON, for example http://chat-1/hooks/4. Empty: nowhere."""
    key_variable: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """Environment variable of the server that holds the key by which what is posted is signed; empty: it is not."""
    timeout_s: float = Field(default=10, ge=0.1, le=120)
    """How long one try at the webhook may take."""
    tries: int = Field(default=3, ge=1, le=10)
    """How often the webhook is tried at once where it does not answer or fails."""
    mail_folder: str = ""
    """Folder into which it is dropped as an e-mail (.eml), for a mailer to send. Empty: none."""
    mail_to: str = Field(default="operator@localhost", pattern=MAILBOX)
    """To whom that e-mail is addressed."""
    mail_from: str = Field(default="nightschool@localhost", pattern=MAILBOX)
    """From whom it comes."""

    @property
    def has_sink(self) -> bool:
        return bool(self.webhook or self.mail_folder)
