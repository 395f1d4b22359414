"""Where another model's API is, as a bot's file names it: http or https, without a secret in it."""

from typing import Annotated, Final

from pydantic import AfterValidator, AnyHttpUrl, TypeAdapter, ValidationError

_HTTP_URL: Final = TypeAdapter(AnyHttpUrl)


def _api_root(text: str) -> str:
    if not text:
        return text
    try:
        url = _HTTP_URL.validate_python(text)
    except ValidationError as error:
        raise ValueError(f"must be a URL such as http://gpu-1:8000/v1 ({error.errors()[0]['msg']})") from None
    if url.username or url.password:
        raise ValueError("must hold no user name and no password; name the key's variable in key_variable")
    if url.query or url.fragment:
        raise ValueError("must be the API's root, such as http://gpu-1:8000/v1, without ? or #")
    return text


ApiRoot = Annotated[str, AfterValidator(_api_root)]
"""Empty where there is none."""
