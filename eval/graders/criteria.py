"""The graders that an eval may be made of, in OpenAI's words. Shapes only; `eval.graders.grade` grades by them."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from eval.graders.template import check_template

MAX_TEMPLATE_CHARS: Final = 50_000
MAX_CRITERIA: Final = 50

Name = Annotated[str, Field(min_length=1, max_length=200)]
Template = Annotated[str, Field(max_length=MAX_TEMPLATE_CHARS), AfterValidator(check_template)]
Metric = Literal[
    "cosine", "fuzzy_match", "bleu", "gleu", "meteor",
    "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l",
]  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def _measured(metric: Metric) -> Metric:
    if metric == "meteor":
        raise ValueError("is not measured here: meteor needs WordNet, which no package brings")
    return metric


class StringCheck(_Part):
    type: Literal["string_check"]
    name: Name
    input: Template
    reference: Template
    operation: Literal["eq", "ne", "like", "ilike"]
    """`like`: the input contains the reference; `ilike`: the same, whatever the case."""


class TextSimilarity(_Part):
    type: Literal["text_similarity"]
    name: Name
    input: Template
    reference: Template
    evaluation_metric: Annotated[Metric, AfterValidator(_measured)]
    pass_threshold: Annotated[float, Field(ge=-1, le=1)]


Criterion = Annotated[StringCheck | TextSimilarity, Field(discriminator="type")]
CRITERIA: Final[TypeAdapter[tuple[Criterion, ...]]] = TypeAdapter(tuple[Criterion, ...])


def templates_of(criterion: Criterion) -> list[str]:
    """Whatever of it is filled in from a row."""
    return [criterion.input, criterion.reference]
