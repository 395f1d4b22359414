"""Turn chats into token ids and labels by the model's own template: what is learnt is exactly what would be answered.

For each assistant message of weight 1 the labels are the tokens of its text and of what the template puts behind it, up
to and with the token at which the engine stops: a template that has none there is refused, since a model that learnt
from it would never end. All else is context. Control tokens in people's text are broken up as at serving
(`nightschool.prompt`). Text is tokenised in pieces that end where a prompt ends, since an answer's first token is drawn
after a finished prompt. A template that renders earlier turns differently once a chat goes on can mark one answer only:
its chats become a row for each answer. One that takes no system prompt gets it with the first question, as at serving.
A row that is too long loses passages, then its oldest turns, never its system prompt, and the report says so. Does
not know torch.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from jinja2 import TemplateError

from nightschool.errors import InvalidInput
from nightschool.knowledge import with_one_passage_less
from nightschool.prompt import Neutraliser, merge_system
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


class _WithoutSystem:
    """A tokenizer whose template takes no system prompt, given chats as serving gives them."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self._tokenizer = tokenizer

    def apply_chat_template(self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool) -> Any:
        return self._tokenizer.apply_chat_template(
            merge_system(conversation), tokenize=tokenize, add_generation_prompt=add_generation_prompt
        )

    def __call__(self, text: str, *, add_special_tokens: bool) -> Mapping[str, Any]:
        return self._tokenizer(text, add_special_tokens=add_special_tokens)


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
    """Rows that lost passages or their oldest turns."""
    lost_passages: int
    """Of the bot's documents: they go before any turn does, as when it is served."""
    lost_turns: int
    lost_answers: int
    """Answers of weight 1 in the lost turns."""
    too_long_rows: int
    """Rows left out: their last question and answer alone exceed the limit."""
    cut_chats: int
    """Chats that became a row for each answer, since the template can mark no more than one."""
    neutralised_rows: int
    """Chats in whose texts control tokens of the chat template were broken up."""


class EncodedRows(NamedTuple):
    rows: tuple[Encoded, ...]
    report: EncodeReport


class _RewritesPast(InvalidInput):
    """The template renders an earlier turn differently once the chat goes on."""


class _Piece(NamedTuple):
    ids: list[int]
    is_learnt: bool


def encode_rows(
    rows: Iterable[tuple[str, Sequence[ChatMessage]]],
    tokenizer: ChatTokenizer,
    *,
    ends: Collection[str],
    max_tokens: int,
    neutraliser: Neutraliser,
) -> EncodedRows:
    """Every (item id, chat) of `rows`; `ends` are the tokens at which the engine stops.

    Raises InvalidInput where the template cannot render a chat, or teaches no end of a turn.
    """
    tokenizer = as_served(tokenizer)
    encoded: list[Encoded] = []
    truncated = lost_passages = lost_turns = lost_answers = too_long = cut = neutralised = 0
    for item_id, chat in rows:
        neutral = neutraliser.chat(chat)
        neutralised += neutral != list(chat)
        parts = _markable(item_id, neutral, tokenizer, ends=ends)
        cut += len(parts) > 1
        for part in parts:
            fitted = _fit(item_id, part, tokenizer, ends=ends, max_tokens=max_tokens)
            if fitted.row is None:
                too_long += 1
                continue
            truncated += fitted.lost_passages + fitted.lost_turns > 0
            lost_passages += fitted.lost_passages
            lost_turns += fitted.lost_turns
            lost_answers += fitted.lost_answers
            encoded.append(fitted.row)
    report = EncodeReport(
        rows=len(encoded),
        tokens=sum(len(row.input_ids) for row in encoded),
        answer_tokens=sum(label != IGNORED for row in encoded for label in row.labels),
        truncated_rows=truncated,
        lost_passages=lost_passages,
        lost_turns=lost_turns,
        lost_answers=lost_answers,
        too_long_rows=too_long,
        cut_chats=cut,
        neutralised_rows=neutralised,
    )
    return EncodedRows(tuple(encoded), report)


def encode_chat(
    item_id: str, chat: Sequence[ChatMessage], tokenizer: ChatTokenizer, *, ends: Collection[str]
) -> Encoded:
    """The whole chat, however long. Raises InvalidInput."""
    pieces: list[_Piece] = []
    done = ""
    for position, message in enumerate(chat):
        if not _is_target(message):
            continue
        prompt = render_chat(item_id, chat[:position], tokenizer, is_prompt=True)
        answered = render_chat(item_id, chat[: position + 1], tokenizer)
        if not prompt.startswith(done) or not answered.startswith(prompt):
            raise _RewritesPast(
                "renders a chat differently once it goes on, so answers cannot be told from prompts",
                subject="the model's chat template",
                remedy="Choose a base model whose template keeps what it has rendered.",
            )
        learnt = _up_to_end(answered[len(prompt) :], message["content"], ends=ends)
        pieces += [
            _Piece(token_ids(prompt[len(done) :], tokenizer), is_learnt=False),
            *(_Piece(token_ids(text, tokenizer), is_learnt=True) for text in learnt),
        ]
        done = prompt + "".join(learnt)
    return _join(item_id, pieces)


def _markable(
    item_id: str, chat: list[ChatMessage], tokenizer: ChatTokenizer, *, ends: Collection[str]
) -> list[list[ChatMessage]]:
    """The chat where the template can mark all its answers, else one chat for each answer, which is its last."""
    try:
        encode_chat(item_id, chat, tokenizer, ends=ends)
    except _RewritesPast:
        targets = [position for position, message in enumerate(chat) if _is_target(message)]
        return [_with_last_answer_only(chat[: position + 1]) for position in targets]
    return [chat]


def _with_last_answer_only(chat: Sequence[ChatMessage]) -> list[ChatMessage]:
    context = [ChatMessage(role=m["role"], content=m["content"], weight=0) for m in chat[:-1]]
    return [*context, chat[-1]]


class _Fitted(NamedTuple):
    row: Encoded | None
    """None where even the last question and answer are too long."""
    lost_passages: int
    lost_turns: int
    lost_answers: int


def _fit(
    item_id: str, chat: Sequence[ChatMessage], tokenizer: ChatTokenizer, *, ends: Collection[str], max_tokens: int
) -> _Fitted:
    """The chat as a row of at most `max_tokens`, less as many passages and oldest turns as that takes."""
    kept, passages, turns, answers = list(chat), 0, 0, 0
    row = encode_chat(item_id, kept, tokenizer, ends=ends)
    while len(row.input_ids) > max_tokens and (shorter := shortened(kept)):
        if is_turn_less := len(shorter) < len(kept):
            answers += _is_target(kept[_body(kept) + 1])
        turns, passages = turns + is_turn_less, passages + (not is_turn_less)
        kept = shorter
        row = encode_chat(item_id, kept, tokenizer, ends=ends)
    return _Fitted(row if len(row.input_ids) <= max_tokens else None, passages, turns, answers)


def _up_to_end(rendered: str, content: str, *, ends: Collection[str]) -> tuple[str, str]:
    """A rendered answer, and what stands behind it up to and with the first end token. Raises InvalidInput.

    Some templates trim an answer or put a space before it: that belongs to what the model must say.
    """
    found = (rendered.find(text) + len(text) for text in (content, content.strip()) if text in rendered)
    start = next(found, 0)
    stops = [at + len(end) for end in ends if (at := rendered.find(end, start)) >= 0]
    if not stops:
        raise InvalidInput(
            f"puts {rendered[start:]!r} behind an answer, where the engine stops at {' or '.join(sorted(ends))} only: "
            "a model trained with it would never end",
            subject="the model's chat template",
            remedy="Choose another base model, or name its end of turn as eos_token_id in generation_config.json.",
        )
    return rendered[:start], rendered[start : min(stops)]


def _join(item_id: str, pieces: Sequence[_Piece]) -> Encoded:
    ids = [token for piece in pieces for token in piece.ids]
    labels = [token if piece.is_learnt else IGNORED for piece in pieces for token in piece.ids]
    length = max((n for n, label in enumerate(labels, start=1) if label != IGNORED), default=0)
    if length == 0:
        raise InvalidInput("has no answer to learn", subject=f"row {item_id}", remedy="Build the dataset again.")
    return Encoded(item_id, tuple(ids[:length]), tuple(labels[:length]))


def render_chat(item_id: str, chat: Sequence[ChatMessage], tokenizer: ChatTokenizer, *, is_prompt: bool = False) -> str:
    """The text that the template makes of a chat. Raises InvalidInput where it cannot."""
    plain = [{"role": message["role"], "content": message["content"]} for message in chat]
    try:
        return str(tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=is_prompt))
    except (TemplateError, ValueError) as error:
        raise InvalidInput(
            f"cannot be rendered by the model's chat template ({error})",
            subject=f"row {item_id}",
            remedy="Choose another base model, or mend its chat template.",
        ) from error


def token_ids(text: str, tokenizer: ChatTokenizer) -> list[int]:
    """Of rendered text, whose markers stand in it."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def _is_target(message: ChatMessage) -> bool:
    return message["role"] == "assistant" and message.get("weight", 1) != 0


def _body(chat: Sequence[ChatMessage]) -> int:
    """Position of the first message behind the system prompt."""
    return 1 if chat[0]["role"] == "system" else 0


def shortened(chat: Sequence[ChatMessage]) -> list[ChatMessage] | None:
    """The chat, which ends with a question and its answer, less what is missed least: the worst passage that stands
    above the question, else the first turn. None where only question and answer are left."""
    *before, question, answer = chat
    if (fewer := with_one_passage_less(question["content"])) is not None:
        return [*before, ChatMessage(**{**question, "content": fewer}), answer]
    body = _body(chat)
    return [*chat[:body], *chat[body + 2 :]] if len(chat) - body > 2 else None


def takes_system(tokenizer: ChatTokenizer) -> bool:
    """Whether the template renders a system prompt: some refuse one, some leave it out without a word."""
    question = ChatMessage(role="user", content="May I return it?")
    system = ChatMessage(role="system", content="You answer for a shop.")
    try:
        return system["content"] in render_chat("with a system prompt", [system, question], tokenizer, is_prompt=True)
    except InvalidInput:
        return False


def as_served(tokenizer: ChatTokenizer) -> ChatTokenizer:
    """The tokenizer, which renders chats as serving has them rendered."""
    return tokenizer if takes_system(tokenizer) else _WithoutSystem(tokenizer)
