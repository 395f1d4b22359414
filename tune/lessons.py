"""A dataset's training rows as token ids: what the methods learn from, how heavily, and what was lost on the way.

In: the dataset's folder and the base model's tokenizer. Out: the rows of all three kinds, and `encoding.json` in the
run folder. Weights are made to have the mean 1 over a kind, so that they say how rows compare and change no learning
rate. Does not know torch, nor which rows are used.
"""

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from nightschool.files import write_atomic
from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage
from tune.encode import IGNORED, ChatTokenizer, Encoded, EncodeReport, as_served, encode_rows
from tune.prompted import Prompted, PromptedReport, encode_answers, encode_prompt
from tune.rows import (
    HELD_OUT,
    TRAIN,
    PairRow,
    QuestionRow,
    SftRow,
    VoteRow,
    read_pairs,
    read_questions,
    read_sft_rows,
    read_votes,
)
from tune.split import Side

log = logging.getLogger(__name__)

ENCODING: Final = "encoding.json"


@dataclass(frozen=True, slots=True)
class Imitated:
    """A chat whose answers are to be imitated."""

    row: Encoded
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Compared:
    """Two answers to one prompt."""

    chosen: Encoded
    rejected: Encoded
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Voted:
    """An answer that people liked or did not."""

    row: Encoded
    is_good: bool
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that nobody answered well, and its prompt as an answer is drawn after it."""

    row: QuestionRow
    prompt_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows that measure a training and are never trained on."""

    imitated: tuple[Imitated, ...] = ()
    compared: tuple[Compared, ...] = ()
    voted: tuple[Voted, ...] = ()

    def count(self, phase: str) -> int:
        """Of those that measure a method."""
        return len({"sft": self.imitated, "dpo": self.compared, "kto": self.voted}.get(phase, ()))


@dataclass(frozen=True, slots=True)
class Lessons:
    given: int
    """Rows to imitate that the dataset holds; of what is too long nothing is left below."""
    imitated: tuple[Imitated, ...]
    compared: tuple[Compared, ...]
    voted: tuple[Voted, ...]
    held_out: tuple[Compared, ...]
    """Pairs that measure and are never trained on; only where they are asked for."""
    imitated_report: EncodeReport
    compared_report: PromptedReport
    voted_report: PromptedReport
    made: int = 0
    """Of those to imitate, rows whose answer a machine made."""
    replayed: int = 0
    """Of those to imitate, general rows that are none of the bot's."""
    asked: tuple[Asked, ...] = ()
    """Questions that nobody answered well."""
    skipped: int = 0
    """Rows to imitate that are left out, since they are known already."""
    validation: HeldOut = HeldOut()
    """Rows of all kinds that measure the training; only where they are asked for."""

    def rows_of(self, phase: str) -> list[Encoded]:
        """Those that a method learns from."""
        if phase == "sft":
            return [given.row for given in self.imitated]
        if phase == "dpo":
            return [row for pair in self.compared for row in (pair.chosen, pair.rejected)]
        return [vote.row for vote in self.voted]

    @property
    def longest_row(self) -> int:
        """In tokens, of all kinds."""
        rows = [*self.rows_of("sft"), *self.rows_of("dpo"), *self.rows_of("kto")]
        return max((len(row.input_ids) for row in rows), default=0)

    def texts(self) -> list[Encoded]:
        """Rows to tell an adapter from its base by: those to imitate, or of the first kind that there is."""
        return self.rows_of("sft") or [pair.chosen for pair in self.compared] or self.rows_of("kto")

    def without(self, item_ids: Collection[str]) -> Self:
        """Less some rows to imitate."""
        left = [given for given in self.imitated if given.row.item_id not in item_ids]
        mean = sum(given.weight for given in left) / max(len(left), 1)
        imitated = tuple(Imitated(given.row, given.weight / mean) for given in left)
        return replace(self, imitated=imitated, skipped=self.skipped + len(self.imitated) - len(left))

    def with_made(self, rows: Sequence[Encoded], *, weight: float) -> Self:
        """And rows to imitate whose answer no person wrote; `weight` is beside the mean of what people wrote."""
        if not rows:
            return self
        both = [*self.imitated, *(Imitated(row, weight) for row in rows)]
        mean = sum(given.weight for given in both) / max(len(both), 1)
        imitated = tuple(Imitated(given.row, given.weight / mean) for given in both)
        return replace(self, imitated=imitated, made=self.made + len(rows))

    def with_replay(self, rows: Sequence[Encoded], *, weight: float) -> Self:
        """And general rows to imitate; the mean weight of the others is 1."""
        general = (Imitated(row, weight) for row in rows)
        return replace(self, imitated=(*self.imitated, *general), replayed=len(rows))


class Reader:
    """Encodes rows as the base model is served."""

    def __init__(
        self, tokenizer: ChatTokenizer, *, ends: Collection[str], max_tokens: int, neutraliser: Neutraliser
    ) -> None:
        self._tokenizer, self._ends = as_served(tokenizer), ends
        self._max_tokens, self.neutraliser = max_tokens, neutraliser

    def read(self, dataset: Path, *, with_held_out: bool = False, validates: bool = False) -> Lessons:
        """The dataset's training side, and on demand its held-out pairs, or what validates. Raises InvalidInput."""
        given = list(read_sft_rows(dataset / TRAIN))
        imitated, imitated_report = self._imitated(given)
        compared, compared_report = self._compared(list(read_pairs(dataset, Side.TRAIN)))
        voted, voted_report = self._voted(list(read_votes(dataset, Side.TRAIN)))
        held_out = self._compared(list(read_pairs(dataset, Side.HELD_OUT)))[0] if with_held_out else ()
        return Lessons(
            len(given), imitated, compared, voted, held_out, imitated_report, compared_report, voted_report,
            validation=self._validation(dataset) if validates else HeldOut(),
        )  # fmt: skip

    def _validation(self, dataset: Path) -> HeldOut:
        imitated, _ = self._imitated(list(read_sft_rows(dataset / HELD_OUT)))
        compared, _ = self._compared(list(read_pairs(dataset, Side.HELD_OUT)))
        voted, _ = self._voted(list(read_votes(dataset, Side.HELD_OUT)))
        return HeldOut(imitated, compared, voted)

    def questions(self, dataset: Path, *, max_tokens: int) -> list[Asked]:
        """Those whose prompt fits into `max_tokens`. Raises InvalidInput."""
        found = []
        for row in read_questions(dataset):
            neutral = self.neutraliser.chat(row.prompt)
            ids = encode_prompt(row.item_id, neutral, self._tokenizer, max_tokens=max_tokens)
            if ids is not None:
                found.append(Asked(row, ids))
        return found

    def answered(self, item_id: str, prompt: Sequence[ChatMessage], answer: str) -> Encoded | None:
        """A prompt with an answer, as rows to imitate and pairs are read; None where it is too long."""
        rows, _ = self._answers([(item_id, prompt, (answer,))])
        return _row(rows[0], 0) if rows else None

    def read_chats(self, chats: Iterable[tuple[str, Sequence[ChatMessage]]]) -> tuple[Encoded, ...]:
        """Chats by their ids, as rows to imitate are read; none of those that are too long."""
        return encode_rows(
            chats, self._tokenizer, ends=self._ends, max_tokens=self._max_tokens, neutraliser=self.neutraliser
        ).rows

    def _imitated(self, rows: Sequence[SftRow]) -> tuple[tuple[Imitated, ...], EncodeReport]:
        encoded, report = encode_rows(
            ((row.item_id, row.messages) for row in rows),
            self._tokenizer,
            ends=self._ends,
            max_tokens=self._max_tokens,
            neutraliser=self.neutraliser,
        )
        weight = _weigh(rows, kept=[row.item_id for row in encoded])
        return tuple(Imitated(row, weight[row.item_id]) for row in encoded), report

    def _compared(self, rows: Sequence[PairRow]) -> tuple[tuple[Compared, ...], PromptedReport]:
        encoded, report = self._answers((row.item_id, row.prompt, (row.chosen, row.rejected)) for row in rows)
        weight = _weigh(rows, kept=[row.item_id for row in encoded])
        return tuple(Compared(_row(row, 0), _row(row, 1), weight[row.item_id]) for row in encoded), report

    def _voted(self, rows: Sequence[VoteRow]) -> tuple[tuple[Voted, ...], PromptedReport]:
        encoded, report = self._answers((row.item_id, row.prompt, (row.answer,)) for row in rows)
        weight = _weigh(rows, kept=[row.item_id for row in encoded])
        good = {row.item_id: row.is_good for row in rows}
        return tuple(Voted(_row(row, 0), good[row.item_id], weight[row.item_id]) for row in encoded), report

    def _answers(
        self, rows: Iterable[tuple[str, Sequence[ChatMessage], Sequence[str]]]
    ) -> tuple[tuple[Prompted, ...], PromptedReport]:
        return encode_answers(
            rows, self._tokenizer, ends=self._ends, max_tokens=self._max_tokens, neutraliser=self.neutraliser
        )


def tell_encoding(run: Path, lessons: Lessons, *, max_tokens: int) -> None:
    """Write encoding.json, and into the log what had to be cut."""
    report = lessons.imitated_report
    others = {"pairs": lessons.compared_report, "votes": lessons.voted_report}
    told = asdict(report) | {kind: asdict(other) for kind, other in others.items()}
    write_atomic(run / ENCODING, json.dumps(told, indent=2) + "\n")
    if neutralised := report.neutralised_rows + sum(other.neutralised_rows for other in others.values()):
        log.warning("control tokens of the chat template were broken up in %d rows", neutralised)
    if report.truncated_rows or report.too_long_rows:
        log.warning(
            "max_tokens=%d: %d rows lost %d passages and %d of their oldest turns (%d answers), %d rows were left out",
            max_tokens, report.truncated_rows, report.lost_passages, report.lost_turns, report.lost_answers,
            report.too_long_rows,
        )  # fmt: skip
    for kind, other in others.items():
        if other.truncated_rows or other.too_long_rows or other.equal_rows:
            log.warning(
                "max_tokens=%d: %d %s lost passages or their oldest turns, %d were left out, %d had equal answers",
                max_tokens, other.truncated_rows, kind, other.too_long_rows, other.equal_rows,
            )  # fmt: skip


def _row(prompted: Prompted, answer: int) -> Encoded:
    prompt, ids = prompted.prompt_ids, prompted.answers[answer]
    return Encoded(prompted.item_id, (*prompt, *ids), (*[IGNORED] * len(prompt), *ids))


def _weigh(rows: Sequence[SftRow | PairRow | VoteRow], *, kept: Sequence[str]) -> Mapping[str, float]:
    """By item, with the mean 1 over the rows that were kept."""
    given = {row.item_id: row.weight for row in rows}
    mean = sum(given[item_id] for item_id in kept) / max(len(kept), 1)
    return {item_id: given[item_id] / mean for item_id in kept}
