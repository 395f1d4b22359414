"""Turn chats into token ids and labels by the model's own template: what is learnt is exactly what would be answered.

For each assistant message of weight 1 the labels are the tokens of its text and of its end-of-turn marker; all else is
context. Control tokens in people's text are broken up as at serving (`nightschool.prompt`), so none of them is ever
learnt or read as a turn's border. Works for any template where the rendering of a chat's beginning is the beginning of
the whole chat's. Text is tokenised in pieces that end where a prompt ends, since an answer's first token is drawn after
a finished prompt. A row that is too long loses its oldest turns, never its system prompt, and the report says so. Does
not know torch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from jinja2 import TemplateError

from nightschool.errors import InvalidInput
from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage

IGNORED: Final = -100
"""The label of a token that is not learnt (torch's cross-entropy)."""


class ChatTokenizer(Protocol):
    """What is needed of a Hugging Face tokenizer."""

    def apply_chat_template(
        self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool
    ) -> Any:  # the rendered text
        ...

    def __call__(self, text: str, *, add_special_tokens: bool) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row: equally long token ids and labels."""

    item_id: str
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def first_label(self) -> int:
        """Position of the first token that is learnt."""
        return next(position for position, label in enumerate(self.labels) if label != IGNORED)


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What became of the rows; nothing is cut without being counted here."""

    rows: int
    """Rows that are trained on."""
    tokens: int
    answer_tokens: int
    """Tokens that are learnt."""
    truncated_rows: int
    """Rows that lost their oldest turns."""
    lost_turns: int
    lost_answers: int
    """Answers of weight 1 in the lost turns."""
    too_long_rows: int
    """Rows left out: their last question and answer alone exceed the limit."""
    neutralised_rows: int
    """Rows in whose texts control tokens of the chat template were broken up."""


class EncodedRows(NamedTuple):
    rows: tuple[Encoded, ...]
    report: EncodeReport


class _Answered(NamedTuple):
    answer: str
    marker: str
    """What the template puts behind an answer."""


class _Piece(NamedTuple):
    ids: list[int]
    is_learnt: bool


def encode_rows(
    rows: Iterable[tuple[str, Sequence[ChatMessage]]],
    tokenizer: ChatTokenizer,
    *,
    max_tokens: int,
    neutraliser: Neutraliser,
) -> EncodedRows:
    """Every (item id, chat) of `rows`. Raises InvalidInput where the template cannot render a chat."""
    encoded: list[Encoded] = []
    truncated = lost_turns = lost_answers = too_long = neutralised = 0
    for item_id, chat in rows:
        kept, lost = neutraliser.chat(chat), 0
        neutralised += kept != list(chat)
        row = encode_chat(item_id, kept, tokenizer)
        while len(row.input_ids) > max_tokens and (shorter := _without_oldest_turn(kept)):
            lost += 1
            lost_answers += _is_target(kept[_body(kept) + 1])
            kept = shorter
            row = encode_chat(item_id, kept, tokenizer)
        if len(row.input_ids) > max_tokens:
            too_long += 1
            continue
        truncated += lost > 0
        lost_turns += lost
        encoded.append(row)
    report = EncodeReport(
        rows=len(encoded),
        tokens=sum(len(row.input_ids) for row in encoded),
        answer_tokens=sum(label != IGNORED for row in encoded for label in row.labels),
        truncated_rows=truncated,
        lost_turns=lost_turns,
        lost_answers=lost_answers,
        too_long_rows=too_long,
        neutralised_rows=neutralised,
    )
    return EncodedRows(tuple(encoded), report)


def encode_chat(item_id: str, chat: Sequence[ChatMessage], tokenizer: ChatTokenizer) -> Encoded:
    """The whole chat, however long."""
    pieces: list[_Piece] = []
    done = ""
    for position, message in enumerate(chat):
        if not _is_target(message):
            continue
        prompt = _render(item_id, chat[:position], tokenizer, is_prompt=True)
        answered = _render(item_id, chat[: position + 1], tokenizer)
        if not prompt.startswith(done) or not answered.startswith(prompt):
            raise InvalidInput(
                "renders a chat differently once it goes on, so answers cannot be told from prompts",
                subject="the model's chat template",
                remedy="Choose a base model whose template keeps what it has rendered.",
            )
        answer, marker = _split_marker(answered[len(prompt) :], message["content"])
        pieces += [
            _Piece(_ids(prompt[len(done) :], tokenizer), is_learnt=False),
            *_learnt(answer, marker, tokenizer),
        ]
        done = answered
    return _join(item_id, pieces)


def _learnt(answer: str, marker: str, tokenizer: ChatTokenizer) -> list[_Piece]:
    """The answer and the first token of what the template puts behind it; the rest (a line break) is not learnt."""
    behind = _ids(marker, tokenizer)
    return [
        _Piece([*_ids(answer, tokenizer), *behind[:1]], is_learnt=True),
        _Piece(behind[1:], is_learnt=False),
    ]


def _split_marker(rendered: str, content: str) -> _Answered:
    """Some templates trim an answer or put a space before it: both belong to what the model must say."""
    for text in (content, content.strip()):
        if (start := rendered.find(text)) >= 0:
            return _Answered(rendered[: start + len(text)], rendered[start + len(text) :])
    return _Answered(rendered, "")


def _join(item_id: str, pieces: Sequence[_Piece]) -> Encoded:
    ids = [token for piece in pieces for token in piece.ids]
    labels = [token if piece.is_learnt else IGNORED for piece in pieces for token in piece.ids]
    length = max((n for n, label in enumerate(labels, start=1) if label != IGNORED), default=0)
    if length == 0:
        raise InvalidInput("has no answer to learn", subject=f"row {item_id}", remedy="Build the dataset again.")
    return Encoded(item_id, tuple(ids[:length]), tuple(labels[:length]))


def _render(item_id: str, chat: Sequence[ChatMessage], tokenizer: ChatTokenizer, *, is_prompt: bool = False) -> str:
    plain = [{"role": message["role"], "content": message["content"]} for message in chat]
    try:
        return str(tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=is_prompt))
    except (TemplateError, ValueError) as error:
        raise InvalidInput(
            f"cannot be rendered by the model's chat template ({error})",
            subject=f"row {item_id}",
            remedy="Choose a base model with a chat template that takes a system prompt.",
        ) from error


def _ids(text: str, tokenizer: ChatTokenizer) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def _is_target(message: ChatMessage) -> bool:
    return message["role"] == "assistant" and message.get("weight", 1) != 0


def _body(chat: Sequence[ChatMessage]) -> int:
    """Position of the first message behind the system prompt."""
    return 1 if chat[0]["role"] == "system" else 0


def _without_oldest_turn(chat: Sequence[ChatMessage]) -> list[ChatMessage] | None:
    """The chat less its first question and answer; None where only one is left."""
    body = _body(chat)
    return [*chat[:body], *chat[body + 2 :]] if len(chat) - body > 2 else None
