"""The section `[recipe]` of a bot's file: what a night learns from and how it trains.

Plain values with their bounds; what they order is filled in by `deploy.orders`. Does not know tune.
"""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nightschool.learners import Learner, with_rates
from nightschool.methods import USUAL, Method, check_methods
from nightschool.section import Section


class RecipePart(Section):
    """How a night trains."""

    methods: tuple[Method, ...] = USUAL
    """What a night may use, in this order: answers to imitate, pairs, votes; "reward" trains a judge of answers, by
    which "rejection" chooses among answers to open questions and "grpo" learns; "distill" has a larger model answer."""
    start: Literal["base", "production"] = "base"
    """Each night from the base model, or from the adapter in production; without one from the base model."""
    adapter: Learner = "lora"
    """What learns: an adapter, one over a base in 4 bits, or the whole model, served as the adapter nearest to it."""
    epochs: float = Field(default=2, gt=0, le=20)
    """Passes over the training rows."""
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    """A tenth of it, as of the two below, by default where the whole model learns."""
    rank: Literal[1, 2, 4, 8, 16, 32, 64, 128] = 16
    """LoRA rank; must not exceed the engine's `max_lora_rank`."""
    alpha: int = Field(default=32, ge=1, le=4096)
    """LoRA scale: the update is multiplied by alpha / rank."""
    layers_share: float = Field(default=1, gt=0, le=1)
    """Share of the layers, the topmost ones, that get an adapter; below them a row is computed once and kept."""
    kept_gib: float = Field(default=4, ge=0, le=4096)
    """So much disk at most for what layers without an adapter make of rows, of all bots together; 0: none."""
    batch_size: int = Field(default=16, ge=1, le=4096)
    """Rows per optimizer step."""
    micro_batch_size: int = Field(default=0, ge=0)
    """Rows computed at once, of which fewer take less memory and give the same; 0: as many as it allows."""
    max_tokens: int = Field(default=512, ge=32, le=2**20)
    """Longest row; longer ones lose their oldest turns."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it trains; auto takes a GPU where there is one."""
    seed: int = Field(default=17, ge=0, lt=2**32)
    """Of the adapter's first weights and the order of rows."""
    split_seed: int = Field(default=17, ge=0, lt=2**32)
    """Of the choice which conversations are kept for evaluation; another one moves only those that have no side yet."""
    min_examples: int = Field(default=50, ge=1)
    """With fewer training rows, or fewer that fit into `max_tokens`, the night says "insufficient-data"."""
    skip_loss: float = Field(default=0, ge=0, le=10)
    """Rows whose mean loss a token, under production or else the base model, is below this are left out; 0: none."""
    min_new_examples: int = Field(default=1, ge=0)
    """With fewer rows than this that the last trained adapter has not seen, the night does the same."""
    held_out_share: float = Field(default=0.15, gt=0, lt=1)
    """Share of conversations kept for evaluation, where an import did not say."""
    person_train_share: float = Field(default=0.1, gt=0, le=1)
    """Largest share of training rows, and of their weight, that one browser has; five rows are never too many."""
    address_train_share: float = Field(default=0.25, gt=0, le=1)
    """Largest share of the weight of training rows that comes from one address; five rows are never too many."""
    person_exam_share: float = Field(default=0.1, gt=0, le=1)
    """Largest share of held-out rows that comes from one browser; five rows are never too many."""
    votes_a_day: int = Field(default=50, ge=1)
    """So many votes of one browser and day count, the first ones."""
    address_votes_a_day: int = Field(default=200, ge=1)
    """So many votes from one address and day count, the first ones."""
    burst_votes: int = Field(default=15, ge=0)
    """So many votes of one browser or address within ten minutes, most of them against what others say, are stopped; 0:
    none."""
    weighs_persons: bool = True
    """Whether votes of those who contradict operators and others weigh less, down to nothing."""
    agreeing_persons: int = Field(default=0, ge=0)
    """So many independent persons who suggest the same let it into training (2 at least) unreviewed; 0: never."""
    half_life_days: float = Field(default=30, ge=0, le=3650)
    """A thumb counts half as much after so many days, and below 1/64 not at all; 0: it does not age, as an operator's
    word never does."""
    topic_ratio: float = Field(default=1, ge=1, le=100)
    """A row of a rare topic weighs at most so many times as much as one of a frequent topic; 1: all weigh alike."""
    passages_missing: float = Field(default=0.1, ge=0, le=0.5)
    """Share of rows from which the right passage is taken, so that the answer hands over; of bots with documents."""
    passages_none: float = Field(default=0.1, ge=0, le=0.5)
    """Share of rows that hold no passage; of bots with documents."""
    suites: tuple[str, ...] = ()
    """Files of chats (JSON Lines), or folders of them, of which no passage is trained on, as of the held-out rows."""
    replay: Literal["none", "own", "rows"] = "none"
    """Mixes general rows in, so that less is forgotten: the base model's answers ("own"), or `replay_rows` ("rows")."""
    replay_share: float = Field(default=0.1, gt=0, le=0.5)
    """Share of such rows among all that are imitated."""
    replay_rows: str = ""
    """File of general chats (JSON Lines), or a folder of such files, for `replay = "rows"`."""
    min_pairs: int = Field(default=50, ge=1)
    """With fewer training pairs a night leaves DPO out."""
    min_votes: int = Field(default=100, ge=2)
    """With fewer training votes a night leaves KTO out."""
    min_votes_each: int = Field(default=20, ge=1)
    """So does a night with fewer votes up, or fewer votes down."""
    dpo_epochs: float = Field(default=1, gt=0, le=20)
    """Passes over the pairs."""
    dpo_learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    dpo_beta: float = Field(default=0.1, gt=0, le=10)
    """How strongly DPO is held to the adapter that it began with; lower moves further."""
    dpo_sft_weight: float = Field(default=0.2, ge=0, le=10)
    """How much the better answer's own likelihood counts beside the comparison."""
    dpo_label_smoothing: float = Field(default=0.1, ge=0, lt=0.5)
    """Share of pairs that are thought to be the wrong way round."""
    kto_epochs: float = Field(default=1, gt=0, le=20)
    """Passes over the votes."""
    kto_learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    kto_beta: float = Field(default=0.1, gt=0, le=10)
    """How strongly KTO is held to the adapter that it began with; lower moves further."""
    kto_loss: Literal["kto", "apo_zero_unpaired"] = "kto"
    """The other one measures no drift: half the work, and steps with few votes count alike."""
    reward_epochs: float = Field(default=1, gt=0, le=20)
    """Passes over the pairs, for a reward model."""
    reward_learning_rate: float = Field(default=1e-4, gt=0, lt=1)
    questions: int = Field(default=200, ge=1, le=100_000)
    """So many questions that nobody answered well are answered by a machine, where a method does that."""
    reward_min_agreement: float = Field(default=0.55, ge=0.5, lt=1)
    """No method goes by a reward model whose held-out agreement with people may, with 95 % certainty, be lower."""
    made_answers: int = Field(default=4, ge=2, le=64)
    """So many are drawn to each question."""
    made_temperature: float = Field(default=0.8, gt=0, le=2)
    """Higher draws answers that differ more."""
    made_tokens: int = Field(default=256, ge=8, le=8192)
    """Longest answer that a machine makes."""
    made_weight: float = Field(default=0.3, gt=0, lt=1)
    """What such an answer weighs in SFT, where a person's weighs 1 on average."""
    min_questions: int = Field(default=20, ge=1)
    """With fewer questions that nobody answered well a night leaves GRPO out."""
    grpo_epochs: float = Field(default=1, gt=0, le=20)
    """Passes over those questions."""
    grpo_learning_rate: float = Field(default=1e-5, gt=0, lt=1)
    grpo_beta: float = Field(default=0.04, gt=0, le=10)
    """How strongly GRPO is held to the adapter that it began with; lower moves further."""

    @model_validator(mode="after")
    def _names_its_rows(self) -> Self:
        if self.replay == "rows" and not self.replay_rows:
            raise ValueError('recipe.replay is "rows" and recipe.replay_rows names none; name a file of chats')
        return self

    @field_validator("methods")
    @classmethod
    def _in_order(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        return check_methods(methods)

    @model_validator(mode="before")
    @classmethod
    def _whole_models_learn_slower(cls, given: Any) -> Any:
        return with_rates(given)
