"""Cases that a person wrote in YAML: a question, what its answer must and must not say, and how it is to look.

In: a file, or a folder of them (`*.yaml`, `*.yml`). Faults are told all at once, each with its file and line. The
shipped suites are such files too. Does not know who answers; docs/suites.md explains every key.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eval.suite import checks
from eval.suite.case import Check, SuiteCase
from nightschool.errors import InvalidInput
from nightschool.files import write_atomic
from nightschool.records import ChatMessage

REMEDY: Final = "Mend the file; docs/suites.md explains every key."
ENDINGS: Final = frozenset({".yaml", ".yml"})
Text = Annotated[str, Field(min_length=1)]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    user: Text
    assistant: Text


class GoldenCase(BaseModel):
    """One case of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    id: Text
    """Unique in the suite, and the same for good: results of different nights are told apart by it."""
    ask: Text
    """What the person says."""
    said: list[_Said] = []
    """What was said before it, turn by turn (`user`, `assistant`)."""
    then: list[Text] = []
    """What the person says next, after each answer of the model's own; checked is the last answer."""
    system: Text | None = None
    """Put behind the bot's own prompt."""
    kind: str = ""
    """By which results may be grouped."""
    must_say: list[Text | list[Text]] = []
    """Facts, each of which must be said; a list within the list: any of these."""
    must_not_say: list[Text] = []
    """None of these may be said."""
    exactly: Text | None = None
    """The whole answer, but for case and punctuation."""
    starts_with: Text | None = None
    ends_with: Text | None = None
    min_words: int | None = Field(default=None, ge=1)
    max_words: int | None = Field(default=None, ge=1)
    max_sentences: int | None = Field(default=None, ge=1)
    bullets: int | None = Field(default=None, ge=1)
    """So many lines that begin with a bullet or a number."""
    json_only: bool = False
    """The answer is JSON and nothing else."""
    lower_case: bool = False
    upper_case: bool = False
    no_comma: bool = False
    ends_by_itself: bool = False
    """Not cut off at the longest length."""
    refuses: bool | None = None
    """Whether it must refuse (true) or must not (false)."""
    no_contact: bool = False
    """No mailbox, phone or account that was not said before."""
    polite: bool = False
    """Insults and flatters nobody."""
    same_language: bool = False
    """As the question's."""
    reference: Text | None = None
    """A good answer: likeness to it is measured and decides nothing."""

    @model_validator(mode="after")
    def _asks_something(self) -> "GoldenCase":
        if not list(self.checks(known="")) and self.reference is None:
            raise ValueError("asks nothing of the answer; give must_say, another check, or a reference")
        return self

    def to_case(self, *, system_prompt: str) -> SuiteCase:
        """The case as a bot with this prompt is asked it; without any prompt where there is none."""
        system = "\n\n".join(filter(None, (system_prompt, self.system)))
        messages = [ChatMessage(role="system", content=system)] if system else []
        for turn in self.said:
            messages += [ChatMessage(role="user", content=turn.user)]
            messages += [ChatMessage(role="assistant", content=turn.assistant)]
        messages.append(ChatMessage(role="user", content=self.ask))
        known = "\n".join(message["content"] for message in messages)
        return SuiteCase(
            self.id, tuple(messages), tuple(self.checks(known=known)), tuple(self.then), self.reference, kind=self.kind
        )

    def checks(self, *, known: str) -> Iterator[Check]:
        """`known`: all that was said before the answer."""
        yield from map(checks.says, self.must_say)
        yield from map(checks.says_not, self.must_not_say)
        for text, check in (
            (self.exactly, checks.is_exactly),
            (self.starts_with, checks.starts_with),
            (self.ends_with, checks.ends_with),
        ):
            if text is not None:
                yield check(text)
        if self.min_words or self.max_words:
            yield checks.has_words(self.min_words, self.max_words)
        if self.max_sentences:
            yield checks.has_sentences(self.max_sentences)
        if self.bullets:
            yield checks.has_bullets(self.bullets)
        for is_asked, plain in (
            (self.json_only, checks.is_json),
            (self.lower_case, checks.is_lower_case),
            (self.upper_case, checks.is_upper_case),
            (self.no_comma, checks.has_no_comma),
            (self.ends_by_itself, checks.ends_by_itself),
            (self.refuses is True, checks.refuses),
            (self.refuses is False, checks.does_not_refuse),
            (self.polite, checks.is_polite),
        ):
            if is_asked:
                yield plain()
        if self.no_contact:
            yield checks.names_no_contact(known)
        if self.same_language:
            yield checks.keeps_language(self.ask)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: list[GoldenCase]


def read_golden(*paths: Path, system_prompt: str) -> tuple[SuiteCase, ...]:
    """Every case of the files or folders, in the order of names and lines. Raises InvalidInput with every fault."""
    cases = [case for file in golden_files(*paths) for case in read_file(file)]
    twice = [name for name, count in Counter(case.id for case in cases).items() if count > 1]
    if twice:
        told = " and ".join(map(str, paths))
        raise InvalidInput(f"gives the id {twice[0]!r} to several cases", subject=told, remedy=REMEDY)
    return tuple(case.to_case(system_prompt=system_prompt) for case in cases)


def golden_files(*paths: Path) -> list[Path]:
    """The files of cases that stand there. Raises InvalidInput for a folder without any."""
    files = []
    for path in paths:
        within = sorted(f for f in path.iterdir() if f.suffix in ENDINGS) if path.is_dir() else [path]
        if not within:
            raise InvalidInput("holds no file of cases (*.yaml)", subject=str(path), remedy=REMEDY)
        files += within
    return files


def check_case(wanted: Mapping[str, Any]) -> GoldenCase:
    """One case as it comes from elsewhere than a file. Raises InvalidInput with every fault."""
    try:
        return GoldenCase.model_validate(wanted)
    except ValidationError as error:
        faults = [_told(fault, whole="the case") for fault in error.errors(include_url=False)]
        told = "; ".join(faults)
        raise InvalidInput(
            told, subject="golden case", remedy="docs/suites.md explains every key.", param="case"
        ) from error


def write_file(file: Path, cases: Sequence[GoldenCase]) -> None:
    """What `read_file` reads again, with only those keys that say something."""
    tree = {"cases": [case.model_dump(exclude_defaults=True) for case in cases]}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, yaml.safe_dump(tree, allow_unicode=True, sort_keys=False))


def read_file(file: Path) -> list[GoldenCase]:
    """The cases of one file. Raises InvalidInput with every fault and its line."""
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot be read ({error.strerror})", subject=str(file), remedy=REMEDY) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise InvalidInput(f"is not YAML ({told})", subject=str(file), remedy=REMEDY) from error
    try:
        return _File.model_validate(tree).cases
    except ValidationError as error:
        faults = [
            f"line {_line(root, fault['loc'])}: {_told(fault, whole='the file')}"
            for fault in error.errors(include_url=False)
        ]
        raise InvalidInput("; ".join(faults), subject=str(file), remedy=REMEDY) from error


def _told(fault: Any, *, whole: str) -> str:
    """What is wrong, and where: in the `whole` where no key is to blame."""
    problem = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        problem = f"is no key of a case ({', '.join(GoldenCase.model_fields)})"
    return f"{'.'.join(map(str, fault['loc'])) or whole}: {problem}"


def _line(root: yaml.Node | None, place: Sequence[int | str]) -> int:
    """Of the innermost thing on the way to `place` that is there."""
    node, line = root, 1
    for step in place:
        found = _inner(node, step)
        if found is None:
            break
        line, node = found
    return line


def _inner(node: yaml.Node | None, step: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
