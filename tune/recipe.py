"""What one training run is to do: `recipe.toml` in its run folder, the only thing that `tune.train` reads first."""

import json
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nightschool.errors import InvalidInput
from nightschool.faults import describe_faults
from nightschool.files import write_atomic
from nightschool.learners import Learner, with_rates
from nightschool.methods import METHODS, Method, check_methods

RECIPE: Final = "recipe.toml"
WHOLE_CHECKPOINT_STEPS: Final = 25
"""A whole model's checkpoint holds twelve bytes a weight."""


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[1] = 1
    methods: tuple[Method, ...] = ("sft",)
    """Which methods the run may use, in their order; each runs where there is enough for it."""
    base_model: str = Field(min_length=1)
    """Hugging Face id or folder of the frozen base model."""
    dataset: str = Field(min_length=1)
    """Folder of a finished dataset."""
    start: str = ""
    """Folder of the adapter that training goes on from; empty: it starts as the base model."""
    adapter: Learner = "lora"
    """What learns; a whole model (`full`) is served as its nearest adapter."""
    speaker: str = ""
    """Folder of the adapter in production, which answers questions and says what is known; empty: the base model."""
    epochs: float = Field(default=2, gt=0)
    """Passes over the training rows; fractions are allowed."""
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    """The update is multiplied by alpha / rank."""
    layers_share: float = Field(default=1, gt=0, le=1)
    """Share of the layers, the topmost ones, that get an adapter; those below stay as they are."""
    kept: str = ""
    """Folder for what the frozen base makes of rows, for later runs; empty: in the run folder, until it is done."""
    kept_gib: float = Field(default=4, ge=0)
    """So much of it at most; 0: nothing is kept of layers without an adapter."""
    batch_size: int = Field(default=16, ge=1)
    """Rows per optimizer step."""
    micro_batch_size: int = Field(default=0, ge=0)
    """Most rows computed at once; 0: as many as memory allows."""
    max_tokens: int = Field(default=512, ge=8)
    """Longest row; longer ones lose passages, then their oldest turns."""
    seed: int = 17
    checkpoint_steps: int = Field(default=5, ge=1)
    """Optimizer steps between two checkpoints: so many are lost at most by a kill."""
    keeps_passes: int = Field(default=0, ge=0)
    """Adapters as they stand after so many passes before the last one are kept too, with proofs; no whole models."""
    validates: bool = False
    """After each pass of `sft`, `dpo` and `kto` the loss of held-out rows is measured; nothing is learnt from it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    min_examples: int = Field(default=0, ge=0)
    """With fewer rows to imitate left within `max_tokens` the run does not train."""
    skip_loss: float = Field(default=0, ge=0, le=10)
    """Rows to imitate whose mean loss a token is already below this are left out; 0: none."""
    replay: Literal["none", "own", "rows"] = "none"
    """General rows mixed in: the base model's own answers, or chats of `replay_rows`."""
    replay_share: float = Field(default=0.1, gt=0, lt=1)
    """Of all rows to imitate."""
    replay_rows: str = ""
    """File of chats, or folder of such files."""
    replay_folder: str = ""
    """Where the base model's answers are kept; empty: in the run folder."""
    suites: tuple[str, ...] = ()
    """Files and folders of chats of which no replay row may hold a passage."""
    min_pairs: int = Field(default=50, ge=1)
    """With fewer pairs there is no DPO."""
    min_votes: int = Field(default=100, ge=2)
    """With fewer votes there is no KTO."""
    min_votes_each: int = Field(default=20, ge=1)
    """Nor with fewer votes up, or fewer down."""
    dpo_epochs: float = Field(default=1, gt=0)
    dpo_learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    dpo_beta: float = Field(default=0.1, gt=0)
    """How strongly DPO is held to where it started."""
    dpo_sft_weight: float = Field(default=0.2, ge=0)
    """Share of the better answer's own likelihood in DPO's loss."""
    dpo_label_smoothing: float = Field(default=0.1, ge=0, lt=0.5)
    """So many pairs are thought to be the wrong way round."""
    kto_epochs: float = Field(default=1, gt=0)
    kto_learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    kto_beta: float = Field(default=0.1, gt=0)
    """How strongly KTO is held to where it started."""
    kto_loss: Literal["kto", "apo_zero_unpaired"] = "kto"
    reward_epochs: float = Field(default=1, gt=0)
    reward_learning_rate: float = Field(default=1e-4, gt=0, lt=1)
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
    """With fewer questions that nobody answered well there is no GRPO."""
    grpo_epochs: float = Field(default=1, gt=0)
    grpo_learning_rate: float = Field(default=1e-5, gt=0, lt=1)
    grpo_beta: float = Field(default=0.04, gt=0)
    """How strongly GRPO is held to where it started."""
    distill_url: str = ""
    """Root of the OpenAI-compatible API that is asked; empty: none is."""
    distill_model: str = ""
    distill_key_variable: str = ""
    """Name of the environment variable that holds its key."""
    distill_timeout_s: float = Field(default=60, gt=0)
    distill_answers: int = Field(default=100, ge=1)
    """Most questions that are sent to it."""

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, given: Any) -> Any:
        """A whole model has defaults of its own; and a night that was cut off by an upgrade goes on: until 0.1 a recipe
        had one method."""
        if isinstance(given, dict) and given.get("method") in METHODS:
            return {"methods": [given["method"]], **{key: value for key, value in given.items() if key != "method"}}
        given = with_rates(given)
        is_full = isinstance(given, dict) and given.get("adapter") == "full"
        return {"checkpoint_steps": WHOLE_CHECKPOINT_STEPS, **given} if is_full else given

    @field_validator("methods")
    @classmethod
    def _in_order(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        return check_methods(methods)


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write `recipe.toml` into the run folder, which is made where it is missing."""
    # JSON's strings and numbers are TOML's; only DEL is not allowed bare there.
    values = {
        key: json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        for key, value in recipe.model_dump().items()
    }
    write_atomic(folder / RECIPE, "".join(f"{key} = {value}\n" for key, value in values.items()))


def read_recipe(folder: Path) -> Recipe:
    """The recipe of a run folder. Raises InvalidInput with every fault at once."""
    file = folder / RECIPE
    remedy = "Mend the recipe or write it anew."
    try:
        return Recipe.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InvalidInput("is missing", subject=str(file), remedy="Give a run folder that holds one.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"is not TOML ({error})", subject=str(file), remedy=remedy) from error
    except ValidationError as error:
        origins = {".".join(map(str, fault["loc"])): RECIPE for fault in error.errors()}
        raise InvalidInput(describe_faults(error, origins, model=Recipe), subject=str(file), remedy=remedy) from error
