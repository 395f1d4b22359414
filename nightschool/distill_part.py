"""The section `[distill]` of a bot's file: which larger model answers what nobody answered well, and where it is.

Asked only where `recipe.methods` names "distill": then what people wrote leaves the machine. Holds no key, only the
name of the environment variable that does. Does not know what is asked.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, AnyHttpUrl, Field, TypeAdapter, ValidationError

from nightschool.section import Section

_HTTP_URL: Final = TypeAdapter(AnyHttpUrl)


def _api_root(text: str) -> str:
    if not text:
        return text
    try:
        url = _HTTP_URL.validate_python(text)
    except ValidationError as error:
        raise ValueError(f"must be a URL such as http://gpu-1:8000/v1 ({error.errors()[0]['msg']})") from None
    if url.username or url.password:
        raise ValueError("must hold no user name and no password; name the key's variable in distill.key_variable")
    if url.query or url.fragment:
        raise ValueError("must be the API's root, such as http://gpu-1:8000/v1, without ? or #")
    return text


class DistillPart(Section):
    """A model behind an OpenAI-compatible endpoint."""

    url: Annotated[str, AfterValidator(_api_root)] = ""
    """Root of its API, with /v1 where it has that, for example http://gpu-1:8000/v1. Empty: nothing is sent."""
    model: str = ""
    """Its name there."""
    key_variable: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """Environment variable of the server that holds its key; empty: it wants none."""
    timeout_s: float = Field(default=60, ge=1, le=3600)
    """How long one answer may take."""
    answers: int = Field(default=100, ge=1, le=100_000)
    """Most questions that a night sends."""
