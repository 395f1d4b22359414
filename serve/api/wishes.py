"""What a completion may ask for beyond plain words: JSON, log-probabilities, penalties, biases; in OpenAI's words.

Checks each as far as that needs no model. Does not know which engine answers.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nightschool.engine import Wishes
from nightschool.json_schema import check_schema
from serve.api.faults import BadParameter

MAX_SCHEMA_CHARS: Final = 20_000
MAX_BIASES: Final = 300
TOKEN_ID: Final = r"^[0-9]{1,7}$"


class Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def _checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    check_schema(schema, max_chars=MAX_SCHEMA_CHARS)
    return schema


class TextFormat(Part):
    type: Literal["text"]


class JsonObject(Part):
    type: Literal["json_object"]


class NamedSchema(Part):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: Annotated[str, Field(max_length=2_000)] | None = None
    schema_: Annotated[dict[str, Any], AfterValidator(_checked_schema), Field(alias="schema")]
    strict: bool | None = None
    """Accepted; an answer always fits its schema."""


class JsonSchema(Part):
    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[TextFormat | JsonObject | JsonSchema, Field(discriminator="type")]


class WishedBody(BaseModel):
    """The part of a body that wishes."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True
    )

    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    """Above 0 makes a token the less likely the more often it was said."""
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    """Above 0 makes a token less likely once it was said."""
    logit_bias: (
        Annotated[
            dict[Annotated[str, Field(pattern=TOKEN_ID)], Annotated[float, Field(ge=-100, le=100)]],
            Field(max_length=MAX_BIASES),
        ]
        | None
    ) = None
    """By token id of the base model: added to its score."""
    logprobs: bool | None = None
    """Each token's log-probability."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    """And that of so many of the likeliest in its place."""
    response_format: ResponseFormat | None = None
    """`json_object` or `json_schema`: the answer is JSON, and fits."""

    def to_wishes(self) -> Wishes:
        """Raises BadParameter where log-probabilities of others are asked for without those of what was said."""
        if self.top_logprobs is not None and self.top_logprobs > 0 and not self.logprobs:
            raise BadParameter("needs logprobs to be true", param="top_logprobs", openai_code="invalid_value")
        asked = self.response_format
        wants_json = asked is not None and asked.type != "text"
        return Wishes(
            frequency_penalty=self.frequency_penalty or 0.0,
            presence_penalty=self.presence_penalty or 0.0,
            logit_bias=self.logit_bias or {},
            top_logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            response_format=asked.model_dump(by_alias=True, exclude_none=True) if asked and wants_json else None,
        )
