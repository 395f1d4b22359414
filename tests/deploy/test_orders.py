"""What a bot's file orders: sampling as served, an exam that is large enough, and who is compared."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from deploy.orders import (
    anchor_of,
    bounds_of,
    contestants,
    guard_of,
    hash_in_production,
    privacy_of,
    questions_of,
    recipe_of,
    sampling_of,
    shortfall,
)
from deploy.rollout import Route
from nightschool.bots import Bot
from nightschool.distill_part import DistillPart
from nightschool.knowledge import find_nothing
from nightschool.knowledge_part import KnowledgePart
from nightschool.methods import Method
from nightschool.recipe_part import RecipePart
from nightschool.records import Adapter, AdapterName, BotName, Event, Sampling, Stage
from tune.bounds import Bounds
from tune.dataset import DatasetSummary
from tune.recipe import Recipe

from ..tables import write_table

SUPPORT = BotName("support")
BOT = Bot(name="support", title="Fern", system_prompt="Help.")
NOW = datetime(2026, 3, 10, tzinfo=UTC)


def adapter(version: int, *, stage: Stage = Stage.RETIRED) -> Adapter:
    return Adapter(SUPPORT, version, f"hash-{version}", "a", stage, f"cycle-{version}", "d", NOW)


def moves(*steps: tuple[int, str, str]) -> list[Event]:
    """Version, action and actor, the oldest first; given back newest first, as the record does."""
    events = [
        Event(f"e{i}", NOW + timedelta(hours=i), SUPPORT, actor, action, f"support@{version}", "because")
        for i, (version, action, actor) in enumerate(steps)
    ]
    return events[::-1]


def test_contestants_answer_as_people_are_answered() -> None:
    assert sampling_of(BOT, takes_seeds=True) == Sampling(
        temperature=0.3, top_p=0.95, max_tokens=256, repetition_penalty=1.05, seed=17
    )


@pytest.mark.parametrize(("folder", "guard", "holds"), [("", "hold", False), ("k", "hold", True), ("k", "mark", False)])
def test_the_exam_holds_back_what_a_chat_would(folder: str, guard: str, holds: bool) -> None:
    part = KnowledgePart.model_validate({"folder": folder, "guard": guard, "hand_over": "Ask us.", "glossary": ["Sun"]})
    order = guard_of(BOT.model_copy(update={"knowledge": part}), search=find_nothing)
    assert (order.identity if order else None) == (["Ask us.", ["Sun"], 0.5, 1] if holds else None)


def test_an_engine_without_seeds_takes_the_likeliest_word_under_the_same_penalty() -> None:
    assert sampling_of(BOT, takes_seeds=False) == Sampling(
        temperature=0.0, top_p=1.0, max_tokens=256, repetition_penalty=1.05, seed=None
    )


def data(folder: Path, *, conversations: int, origin: str = "import") -> DatasetSummary:
    rows = []
    for number in range(conversations):
        messages = [{"role": "user", "content": f"q{number}"}]
        for turn in range(7):
            messages += [{"role": "assistant", "content": f"a{turn}", "origin": origin}]
            messages += [{"role": "user", "content": f"and {turn}?"}]
        rows.append({"conversation_id": f"c{number}", "messages": messages})
    write_table(folder / "sft_held_out.parquet", rows)
    return DatasetSummary(
        content_hash="h",
        train_rows=500,
        held_out_rows=conversations,
        held_out_conversations=conversations,
        pairs=0,
        votes=0,
        new_rows=500,
    )


def test_thirty_long_conversations_are_enough(tmp_path: Path) -> None:
    assert shortfall(BOT, data(tmp_path, conversations=30), dataset=tmp_path) is None


@pytest.mark.parametrize(("conversations", "origin", "asked"), [(19, "import", 19), (60, "like", 0)])
def test_what_the_exam_would_ask_is_counted_before_training(
    tmp_path: Path, conversations: int, origin: str, asked: int
) -> None:
    why = shortfall(BOT, data(tmp_path, conversations=conversations, origin=origin), dataset=tmp_path)
    assert why is not None
    assert why.startswith(f"{asked} held-out conversations")


@pytest.mark.parametrize(("primary", "is_enough"), [("token_f1", False), ("auto", True), ("vote_margin", True)])
def test_votes_stand_for_references_that_are_few_where_the_gate_may_go_by_them(
    tmp_path: Path, primary: str, *, is_enough: bool
) -> None:
    bot = BOT.model_copy(update={"gate": BOT.gate.model_copy(update={"primary": primary})})
    few = data(tmp_path, conversations=6)
    assert shortfall(bot, few, dataset=tmp_path) is not None
    said = [{"role": "user", "content": "Hi?"}]
    votes = [
        {"conversation_id": f"v{n}", "prompt": said, "answer": f"a{n}", "is_good": n % 3 > 0, "person": f"p{n}"}
        for n in range(30)
    ]
    write_table(tmp_path / "votes_held_out.parquet", votes)
    assert (shortfall(bot, few, dataset=tmp_path) is None) == is_enough


def test_where_nothing_is_new_a_changed_order_or_a_person_is_reason_enough(tmp_path: Path) -> None:
    nothing_new = data(tmp_path, conversations=30).model_copy(update={"new_rows": 0})
    ask = partial(shortfall, BOT, dataset=tmp_path)
    assert (ask(nothing_new) or "").startswith("0 rows")
    assert ask(nothing_new, reason_to_train="the system prompt changed since support@1") is None
    assert ask(nothing_new, force=True) is None
    assert ask(nothing_new.model_copy(update={"train_rows": 3}), reason_to_train="x", force=True) is not None


def test_the_records_production_is_known_by_its_hash() -> None:
    assert hash_in_production([adapter(1), adapter(2)]) == ""
    assert hash_in_production([adapter(1), adapter(2, stage=Stage.PRODUCTION)]) == "hash-2"


def test_the_anchor_is_the_last_version_that_a_person_promoted() -> None:
    history = moves(
        (1, "candidate->production", "ada"),
        (2, "candidate->production", "ada"),
        (3, "candidate->production", "gate"),
        (4, "candidate->production", "gate"),
    )
    anchor = anchor_of([adapter(v) for v in (4, 3, 2, 1)], history)
    assert anchor is not None
    assert anchor.version == 2
    given = contestants(adapter(5), production=Route(AdapterName(SUPPORT, 4), "support@4", "hash-4"), anchor=anchor)
    assert given["anchor"].model == "support@2"
    assert all(label == contestant.label for label, contestant in given.items())


def test_what_a_person_took_down_again_is_no_anchor() -> None:
    history = moves(
        (1, "candidate->production", "ada"),
        (2, "candidate->production", "ada"),
        (2, "production->retired", "bob"),
        (1, "previous->production", "bob"),
    )
    anchor = anchor_of([adapter(1), adapter(2)], history)
    assert anchor is not None
    assert anchor.version == 1
    assert anchor_of([adapter(1, stage=Stage.TAINTED), adapter(2)], history) is None
    assert anchor_of([adapter(3)], moves((3, "candidate->production", "gate"))) is None


def test_a_bots_file_says_how_much_one_person_can_move() -> None:
    recipe = RecipePart(
        person_train_share=0.2, person_exam_share=0.3, votes_a_day=4, address_votes_a_day=6, burst_votes=7,
        weighs_persons=False, agreeing_persons=5, address_train_share=0.4,
    )  # fmt: skip
    bot = Bot(name="support", title="Fern", system_prompt="Be kind.", recipe=recipe)
    assert bounds_of(bot) == Bounds(
        train_share=0.2, exam_share=0.3, votes_a_day=4, address_votes_a_day=6, burst_votes=7, weighs_persons=False,
        agreeing_persons=5, address_train_share=0.4,
    )  # fmt: skip


def test_a_file_that_says_nothing_has_the_defaults() -> None:
    assert bounds_of(BOT) == Bounds()


def test_a_bots_file_says_by_which_methods_a_night_learns_and_where_it_begins() -> None:
    recipe = RecipePart(methods=("sft", "kto"), start="production", kto_beta=0.3, min_votes_each=7, dpo_epochs=3)
    bot = Bot(name="support", title="Fern", system_prompt="Be kind.", recipe=recipe)
    ordered = recipe_of(bot, base_model="base", dataset=Path("data"), production=Path("adapters/live"))
    assert (ordered.methods, ordered.start) == (("sft", "kto"), "adapters/live")
    assert (ordered.kto_beta, ordered.min_votes_each, ordered.dpo_epochs) == (0.3, 7, 3)
    assert recipe_of(bot, base_model="base", dataset=Path("data")).start == ""
    assert recipe_of(BOT, base_model="base", dataset=Path("data"), production=Path("adapters/live")).start == ""


def test_questions_are_kept_for_methods_that_answer_them_and_production_does() -> None:
    recipe = RecipePart(methods=("sft", "reward", "rejection"), questions=7)
    bot = Bot(name="support", title="Fern", system_prompt="Be kind.", recipe=recipe)
    assert (questions_of(bot), questions_of(BOT)) == (7, 0)
    live = Path("adapters/live")
    assert recipe_of(bot, base_model="base", dataset=Path("data"), production=live).speaker == "adapters/live"
    assert recipe_of(bot, base_model="base", dataset=Path("data")).speaker == ""
    assert recipe_of(BOT, base_model="base", dataset=Path("data"), production=live).speaker == ""
    skips = BOT.model_copy(update={"recipe": RecipePart(skip_loss=0.2)})
    assert recipe_of(skips, base_model="base", dataset=Path("data"), production=live).speaker == "adapters/live"


def test_a_larger_model_is_named_in_an_order_only_where_it_is_to_be_asked() -> None:
    distill = DistillPart(url="http://gpu-1:8000/v1", model="big-one", key_variable="TEACHERS_KEY", answers=7)
    cases: list[tuple[tuple[Method, ...], str]] = [(("sft", "distill"), distill.url), (("sft",), "")]
    for methods, url in cases:
        bot = Bot(name="support", title="F", system_prompt="Help.", recipe=RecipePart(methods=methods), distill=distill)
        ordered = recipe_of(bot, base_model="base", dataset=Path("data"))
        assert ordered.distill_url == url
        assert (ordered.distill_answers, ordered.distill_model) == ((7, "big-one") if url else (100, ""))
        assert questions_of(bot) == (200 if url else 0)


SHARES = {"dpo_label_smoothing": 0.25, "layers_share": 0.25, "reward_min_agreement": 0.75}
"""Twice the default would be more than there is."""


def test_every_key_of_a_recipe_that_both_know_is_ordered() -> None:
    changes = {
        name: field.default * 2
        for name, field in RecipePart.model_fields.items()
        if isinstance(field.default, int | float) and name in Recipe.model_fields and name not in SHARES
    } | SHARES
    bot = Bot(name="support", title="Fern", system_prompt="Be kind.", recipe=RecipePart.model_validate(changes))
    ordered = recipe_of(bot, base_model="base", dataset=Path("data")).model_dump()
    assert {name: ordered[name] for name in changes} == changes
    assert len(changes) > 12


def test_paths_of_a_bots_file_count_from_where_the_server_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = RecipePart(replay="rows", replay_rows="general.jsonl", replay_share=0.2, suites=("suites", "/far/a.jsonl"))
    bot = Bot(name="support", title="Fern", system_prompt="Be kind.", recipe=recipe)
    ordered = recipe_of(bot, base_model="base", dataset=Path("data"), replay=Path("/far/replay"))
    assert (ordered.replay, ordered.replay_share) == ("rows", 0.2)
    assert ordered.replay_rows == str(tmp_path / "general.jsonl")
    assert ordered.suites == (str(tmp_path / "suites"), "/far/a.jsonl")
    assert ordered.replay_folder == "/far/replay"
    assert recipe_of(BOT, base_model="base", dataset=Path("data")).replay == "none"


@pytest.mark.parametrize(("mask", "names"), [("off", None), ("patterns", False), ("names", True)])
def test_what_a_bot_says_of_privacy_is_ordered(tmp_path: Path, mask: str, names: bool | None) -> None:
    bot = Bot.model_validate({"name": "support", "title": "F", "system_prompt": "Hi.", "privacy": {"mask": mask}})
    ordered = privacy_of(bot, kept=tmp_path)
    assert (ordered.names if ordered else None) is names
