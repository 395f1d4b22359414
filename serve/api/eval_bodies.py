"""What evals and their runs may order, in OpenAI's words; what of it is not served here is refused by name. Pure."""

import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from eval.graders.criteria import MAX_CRITERIA, Criterion, Messages
from eval.graders.item_schema import check_of
from eval.graders.rows import EvalRow, row_of
from eval.graders.template import paths_of
from nightschool.bots import SamplingPart
from nightschool.records import Sampling

SEED_BOUND: Final = 2**63


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def _finite(value: Any) -> Any:
    """Raises ValueError where it could not be told as JSON again: a number beyond all bounds is read as infinite."""
    json.dumps(value, allow_nan=False)
    return value


def _seen_metadata(metadata: dict[str, str]) -> dict[str, str]:
    for name, value in metadata.items():
        if len(name) > 64 or len(value) > 512 or not (name + value).isprintable():
            raise ValueError("has keys of at most 64 and values of at most 512 characters that are seen")
    return metadata


def _nothing(metadata: dict[str, str] | None) -> None:
    if metadata:
        raise ValueError("is not kept with completions here; leave it out")


def _checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    check_of(_finite(schema))
    return schema


def _not_served(_: str) -> str:
    raise ValueError("is not served here")


Metadata = Annotated[dict[str, str], Field(max_length=16), AfterValidator(_seen_metadata)]
Title = Annotated[str, Field(max_length=500)]
Time = Annotated[int, Field(ge=0, lt=2**33)]
"""In seconds since 1970."""


class _Custom(_Part):
    type: Literal["custom"]
    item_schema: Annotated[dict[str, Any], AfterValidator(_checked_schema)]
    include_sample_schema: bool = False


class _Logs(_Part):
    type: Literal["logs", "stored_completions"]
    metadata: Annotated[dict[str, str] | None, AfterValidator(_nothing)] = None


class EvalBody(_Part):
    """The body of POST /v1/evals."""

    name: Title = ""
    data_source_config: Annotated[_Custom | _Logs, Field(discriminator="type")]
    testing_criteria: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=MAX_CRITERIA)]
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [criterion.name for criterion in self.testing_criteria]
        if len(set(names)) < len(names):
            raise ValueError("testing_criteria: two have the same name, and results are told by name")
        return self


class EvalChange(_Part):
    """The body of POST /v1/evals/ID."""

    name: Title | None = None
    metadata: Metadata | None = None


class FileContent(_Part):
    type: Literal["file_content"]
    content: Annotated[tuple[Any, ...], Field(min_length=1), AfterValidator(_finite)]

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        for place, value in enumerate(self.content):
            try:
                row_of(value)
            except ValueError as error:
                raise ValueError(f"content[{place}] {error}") from error
        return self

    @property
    def rows(self) -> list[EvalRow]:
        return [row_of(value) for value in self.content]


class FileId(_Part):
    type: Literal["file_id"]
    id: str


class StoredCompletions(_Part):
    type: Literal["stored_completions"]
    model: Annotated[str, Field(max_length=200)] | None = None
    created_after: Time | None = None
    created_before: Time | None = None
    limit: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    metadata: Annotated[dict[str, str] | None, AfterValidator(_nothing)] = None


class MessagesTemplate(_Part):
    type: Literal["template"]
    template: Messages


def _item_path(text: str) -> str:
    [path] = paths_of(f"{{{{{text}}}}}") or [""]
    if path.split(".")[0] != "item":
        raise ValueError("must be a path such as item.input")
    return path


class ItemReference(_Part):
    type: Literal["item_reference"]
    item_reference: Annotated[str, Field(max_length=200), AfterValidator(_item_path)]


class _Text(_Part):
    type: Literal["text"]


class SamplingParams(_Part):
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-SEED_BOUND, lt=SEED_BOUND)] | None = None
    response_format: _Text | None = None
    tools: Annotated[tuple[Any, ...], Field(max_length=0)] | None = None
    reasoning_effort: None = None

    def to_sampling(self, default: SamplingPart) -> Sampling:
        """What was asked for, and the bot's own where nothing was."""
        return Sampling(
            temperature=default.temperature if self.temperature is None else self.temperature,
            top_p=default.top_p if self.top_p is None else self.top_p,
            max_tokens=self.max_completion_tokens or default.max_tokens,
            repetition_penalty=default.repetition_penalty,
            seed=self.seed,
        )


class Jsonl(_Part):
    type: Literal["jsonl"]
    source: Annotated[FileContent | FileId, Field(discriminator="type")]


class Completions(_Part):
    type: Literal["completions"]
    source: Annotated[FileContent | FileId | StoredCompletions, Field(discriminator="type")]
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    input_messages: Annotated[MessagesTemplate | ItemReference, Field(discriminator="type")] | None = None
    sampling_params: SamplingParams = SamplingParams()

    @model_validator(mode="after")
    def _asks_whole(self) -> Self:
        if (self.model is None) != (self.input_messages is None):
            raise ValueError("needs both model and input_messages to have answers made, or neither")
        return self


class _Responses(_Part):
    model_config = ConfigDict(extra="ignore")

    type: Annotated[Literal["responses"], AfterValidator(_not_served)]


class RunBody(_Part):
    """The body of POST /v1/evals/ID/runs."""

    name: Title = ""
    metadata: Metadata | None = None
    data_source: Annotated[Jsonl | Completions | _Responses, Field(discriminator="type")]
