"""The graders that an eval may be made of, in OpenAI's words. Shapes only; `eval.graders.grade` grades by them."""

from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from eval.graders.formula import check_formula
from eval.graders.template import check_template

MAX_TEMPLATE_CHARS: Final = 50_000
MAX_CRITERIA: Final = 50
MAX_MESSAGES: Final = 512
MAX_PARTS: Final = 10
"""Of one `multi` grader."""

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


class _TextPart(_Part):
    type: Literal["input_text", "output_text", "text"]
    text: Template


class MessageTemplate(_Part):
    role: Literal["system", "developer", "user", "assistant"]
    content: Template | _TextPart | tuple[_TextPart, ...]
    type: Literal["message"] = "message"

    @property
    def text(self) -> str:
        """Parts are joined by line breaks."""
        if isinstance(self.content, str):
            return self.content
        parts = self.content if isinstance(self.content, tuple) else (self.content,)
        return "\n".join(part.text for part in parts)


Messages = Annotated[tuple[MessageTemplate, ...], Field(min_length=1, max_length=MAX_MESSAGES)]


class _Sampling(_Part):
    """A judge is asked for its likeliest words."""

    temperature: Annotated[float, Field(ge=0, le=0)] | None = None


class _Judged(_Part):
    name: Name
    model: Name
    input: Messages
    sampling_params: _Sampling | None = None


class ScoreModel(_Judged):
    type: Literal["score_model"]
    range: tuple[float, float] = (0.0, 1.0)
    pass_threshold: float | None = None
    """None: the middle of the range."""

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        low, high = self.range
        if not low < high or not low <= self.threshold <= high:
            raise ValueError("needs a range whose first number is the smaller, and a pass_threshold in it")
        return self

    @property
    def threshold(self) -> float:
        return sum(self.range) / 2 if self.pass_threshold is None else self.pass_threshold


class LabelModel(_Judged):
    type: Literal["label_model"]
    labels: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_CRITERIA)]
    passing_labels: Annotated[tuple[Name, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _passes_by_its_own(self) -> Self:
        if not set(self.passing_labels) <= set(self.labels):
            raise ValueError("has passing_labels that are none of its labels")
        return self


class PythonGrader(_Part):
    type: Literal["python"]
    name: Name
    source: Annotated[str, Field(max_length=MAX_TEMPLATE_CHARS)]
    """Holds `grade(sample, item)`."""
    image_tag: None = None
    pass_threshold: float | None = None
    """None: a half."""

    @property
    def threshold(self) -> float:
        return 0.5 if self.pass_threshold is None else self.pass_threshold


Single = Annotated[StringCheck | TextSimilarity | ScoreModel | LabelModel | PythonGrader, Field(discriminator="type")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Multi(_Part):
    """Several graders' scores, made one by a formula."""

    type: Literal["multi"]
    name: Name
    graders: Annotated[dict[Variable, Single], Field(min_length=1, max_length=MAX_PARTS)]
    """By the names that the formula has for their scores."""
    calculate_output: str
    pass_threshold: float | None = None
    """None: a half."""

    @field_validator("calculate_output")
    @classmethod
    def _is_a_formula(cls, formula: str, info: ValidationInfo) -> str:
        # What is wrong with a grader is told first.
        if "graders" in info.data:
            check_formula(formula, names=info.data["graders"])
        return formula

    @property
    def threshold(self) -> float:
        return 0.5 if self.pass_threshold is None else self.pass_threshold


Criterion = Annotated[
    StringCheck | TextSimilarity | ScoreModel | LabelModel | PythonGrader | Multi, Field(discriminator="type")
]
CRITERIA: Final[TypeAdapter[tuple[Criterion, ...]]] = TypeAdapter(tuple[Criterion, ...])
