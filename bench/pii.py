"""How much personal data is found, and how much of what is found is some: ours beside Presidio as it comes.

On support sentences of our own (`bench/pii.txt`, each also without capitals, as people type) and on the public
sentences of presidio-research. A marked name, mailbox or number counts as found where anything found overlaps it, of
whatever kind; something found is right where it overlaps anything that is marked. Presidio runs with all recognisers
that need no network (so without that for mail), its spaCy model the same as ours, at a confidence of .4, without those
kinds that are no personal data by themselves (dates, organisations, places, links). Addresses and secrets are told
beside, and are not in the recall.
Run: python bench/pii.py [--data FILE] [--quick]   The last line is one JSON object.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nightschool.pii.finder import Finder
from nightschool.pii.names import MODEL, NO_NETWORK, NameFinder

OWN: Final = Path(__file__).with_suffix(".txt")
PUBLIC: Final = Path(__file__).parents[2] / "shared" / "data" / "pii" / "generated_large.jsonl"
MARKED: Final = re.compile(r"\{([A-Z]+):([^}]+)\}")
CONTACTS: Final = {
    "NAME": "name", "PERSON": "name", "EMAIL": "e-mail", "EMAIL_ADDRESS": "e-mail", "PHONE": "phone",
    "PHONE_NUMBER": "phone", "CARD": "card", "CREDIT_CARD": "card", "IBAN": "IBAN", "IBAN_CODE": "IBAN", "IP": "IP",
    "IP_ADDRESS": "IP", "ID": "national number", "US_SSN": "national number",
}  # fmt: skip
"""What the recall is of: names and contact data."""
ASIDE: Final = {"ADDRESS": "address", "STREET_ADDRESS": "address", "SECRET": "secret"}
NO_DATA: Final = frozenset(
    {"DATE_TIME", "ORGANIZATION", "LOCATION", "NRP", "URL", "US_BANK_NUMBER", "US_DRIVER_LICENSE"}
)
QUICK_ROWS: Final = 300

Place = tuple[int, int]


@dataclass(frozen=True)
class Sentence:
    text: str
    marked: tuple[tuple[str, int, int], ...]
    """Kind, start and end."""


@dataclass(frozen=True)
class Score:
    recall: float
    precision: float
    by_kind: dict[str, tuple[int, int]]
    """Found and marked."""
    texts_per_s: float


def read_own(file: Path = OWN) -> list[Sentence]:
    """Each line as it stands and in lower case."""
    sentences = [_unmark(line) for line in file.read_text().splitlines()]
    return sentences + [Sentence(one.text.lower(), one.marked) for one in sentences]


def read_public(file: Path) -> list[Sentence]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [Sentence(row["text"], tuple((s["type"], s["start"], s["end"]) for s in row["spans"])) for row in rows]


def measure(sentences: Sequence[Sentence], find: Callable[[Sequence[str]], Iterator[list[Place]]]) -> Score:
    began = time.perf_counter()
    found = list(find([sentence.text for sentence in sentences]))
    seconds = time.perf_counter() - began
    hits: Counter[str] = Counter()
    marked: Counter[str] = Counter()
    right = 0
    for sentence, places in zip(sentences, found, strict=True):
        for kind, start, end in sentence.marked:
            name = CONTACTS.get(kind) or ASIDE.get(kind) or ""
            marked[name] += 1
            hits[name] += any(a < end and start < b for a, b in places)
        right += sum(any(a < end and start < b for _, start, end in sentence.marked) for a, b in places)
    wanted = set(CONTACTS.values())
    return Score(
        recall=sum(hits[name] for name in wanted) / sum(marked[name] for name in wanted),
        precision=right / max(1, sum(map(len, found))),
        by_kind={name: (hits[name], count) for name, count in marked.items() if name},
        texts_per_s=len(sentences) / seconds,
    )


def ours(finder: Finder) -> Callable[[Sequence[str]], Iterator[list[Place]]]:
    return lambda texts: ([(span.start, span.end) for span in spans] for spans in finder.find(texts))


def presidio() -> Callable[[Sequence[str]], Iterator[list[Place]]]:
    from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine, RecognizerRegistry  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import NlpEngineProvider  # noqa: PLC0415

    models = [{"lang_code": "en", "model_name": MODEL}]
    engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    for name in NO_NETWORK:
        registry.remove_recognizer(name)
    batch = BatchAnalyzerEngine(AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"]))

    def find(texts: Sequence[str]) -> Iterator[list[Place]]:
        found: Any = batch.analyze_iterator(list(texts), language="en", score_threshold=0.4, batch_size=64)
        for results in found:
            yield [(one.start, one.end) for one in results if one.entity_type not in NO_DATA]

    return find


def report(name: str, arms: dict[str, Score]) -> None:
    print(f"\n{name}\n")
    print("| | recall | precision | texts/s |\n|---|---|---|---|")
    for arm, score in arms.items():
        print(f"| {arm} | {score.recall:.3f} | {score.precision:.3f} | {score.texts_per_s:.0f} |")
    kinds = list(arms["ours"].by_kind)
    print("\n| found of marked | " + " | ".join(kinds) + " |\n|---|" + "---|" * len(kinds))
    for arm, score in arms.items():
        print(f"| {arm} | " + " | ".join(f"{hits}/{count}" for hits, count in map(score.by_kind.get, kinds)) + " |")  # type: ignore[misc]  # every kind is there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PUBLIC, help="JSONL: `text`, `spans` (type, start, end)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} of the public sentences")
    given = parser.parse_args()
    arms = {"ours": ours(Finder(NameFinder())), "patterns alone": ours(Finder()), "Presidio": presidio()}
    figures: dict[str, float] = {}
    sets = {"": read_own()}
    if given.data.exists():
        sets["public_"] = read_public(given.data)[: QUICK_ROWS if given.quick else None]
    for prefix, sentences in sets.items():
        scores = {arm: measure(sentences, find) for arm, find in arms.items()}
        report(f"{len(sentences)} sentences {'of presidio-research' if prefix else 'of our own'}", scores)
        own, plain = scores["ours"], scores["Presidio"]
        figures |= {
            f"{prefix}recall": own.recall, f"{prefix}precision": own.precision,
            f"{prefix}recall_presidio": plain.recall, f"{prefix}precision_presidio": plain.precision,
            f"{prefix}texts_per_s": own.texts_per_s, f"{prefix}texts_per_s_presidio": plain.texts_per_s,
        }  # fmt: skip
    # The keys without a prefix are the public set's where it is there: the harder one.
    told = {name: figures.get(f"public_{name}", figure) for name, figure in figures.items() if "public" not in name}
    own_set = {f"own_{name}": figure for name, figure in figures.items() if "public" not in name}
    print(json.dumps({name: round(figure, 4) for name, figure in (told | own_set).items()}))


def _unmark(line: str) -> Sentence:
    text, marked, at = "", [], 0
    for match in MARKED.finditer(line):
        text += line[at : match.start()]
        marked.append((match[1], len(text), len(text) + len(match[2])))
        text += match[2]
        at = match.end()
    return Sentence(text + line[at:], tuple(marked))


if __name__ == "__main__":
    main()
