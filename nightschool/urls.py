"""Addresses of other servers, as settings and bots' files name them: http or https, and without a secret in them."""

from typing import Annotated, Final

from pydantic import AfterValidator, AnyHttpUrl, TypeAdapter, ValidationError

_HTTP_URL: Final = TypeAdapter(AnyHttpUrl)


def read_url(text: str, *, example: str) -> AnyHttpUrl:
    """Raises ValueError, which shows the `example`."""
    try:
        return _HTTP_URL.validate_python(text)
    except ValidationError as error:
        raise ValueError(f"must be a URL such as {example} ({error.errors()[0]['msg']})") from None


def read_root(text: str, *, example: str, key_goes: str) -> AnyHttpUrl:
    """An address below which others are made, to which a key belongs that goes elsewhere. Raises ValueError."""
    url = read_url(text, example=example)
    if url.username or url.password:
        raise ValueError(f"must hold no user name and no password; {key_goes}")
    return url


def _api_root(text: str) -> str:
    if text:
        example = "http://gpu-1:8000/v1"
        url = read_root(text, example=example, key_goes="name the key's variable in key_variable")
        if url.query or url.fragment:
            raise ValueError(f"must be the API's root, such as {example}, without ? or #")
    return text


ApiRoot = Annotated[str, AfterValidator(_api_root)]
"""Empty where there is none."""
