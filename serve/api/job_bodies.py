"""What a fine-tuning job may order, in OpenAI's words, and how a job is told. Pure."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from collect.files import StoredFile
from collect.jobs import Job, JobOrder, Method
from deploy.job_checkpoints import Checkpoint
from deploy.job_recipe import AUTO, Auto, Wanted, resolve
from serve.api.faults import BadParameter
from serve.files import PURPOSE
from tune.training_lines import Format

FORMATS: Final[Mapping[Method, frozenset[Format]]] = {
    "supervised": frozenset({Format.CHAT, Format.COMPLETION}),
    "dpo": frozenset({Format.PREFERENCE}),
    "kto": frozenset({Format.LABELLED}),
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class _Hyperparameters(_Part):
    n_epochs: Annotated[int, Field(ge=1, le=50)] | Auto = AUTO
    batch_size: Annotated[int, Field(ge=1, le=256)] | Auto = AUTO
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=100)] | Auto = AUTO

    def wanted(self) -> Wanted:
        return Wanted(**self.model_dump())


class _WithBeta(_Hyperparameters):
    beta: Annotated[float, Field(gt=0, le=10)] | Auto = AUTO


class _Supervised(_Part):
    hyperparameters: _Hyperparameters = _Hyperparameters()


class _Preferring(_Part):
    hyperparameters: _WithBeta = _WithBeta()


class _Method(_Part):
    type: Method
    supervised: _Supervised | None = None
    dpo: _Preferring | None = None
    kto: _Preferring | None = None

    @model_validator(mode="after")
    def _of_its_type(self) -> Self:
        for name in ("supervised", "dpo", "kto"):
            if name != self.type and getattr(self, name) is not None:
                raise ValueError(f"has type {self.type} and holds {name}")
        return self

    def wanted(self) -> Wanted:
        own: _Supervised | _Preferring | None = getattr(self, self.type)
        return own.hyperparameters.wanted() if own else Wanted()


class JobBody(_Part):
    """The body of POST /v1/fine_tuning/jobs."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    """`base`, a bot, an alias of the settings, or a fine-tuned model of the caller's."""
    training_file: str
    validation_file: str | None = None
    method: _Method | None = None
    hyperparameters: _Hyperparameters | None = None
    """Older than `method`, for supervised training."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    suffix: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    integrations: Annotated[list[Any], Field(max_length=0)] | None = None

    @model_validator(mode="after")
    def _says_it_once(self) -> Self:
        if self.method and self.hyperparameters:
            raise ValueError("hyperparameters stand in method, or by themselves; not both")
        for name, value in (self.metadata or {}).items():
            if len(name) > 64 or len(value) > 512 or not (name + value).isprintable():
                raise ValueError("metadata has keys of at most 64 and values of at most 512 characters that are seen")
        return self


def order_of(body: JobBody, *, training: StoredFile, validation: StoredFile | None, start: str) -> JobOrder:
    """The order in full. Raises BadParameter where a file does not suit the method."""
    method: Method = body.method.type if body.method else "supervised"
    wanted = body.method.wanted() if body.method else (body.hyperparameters or _Hyperparameters()).wanted()
    for param, file in (("training_file", training), ("validation_file", validation)):
        if file is not None:
            _check_file(file, method=method, param=param)
    return JobOrder(
        model=body.model,
        start=start,
        training_file=training.file_id,
        validation_file=validation.file_id if validation else None,
        method=method,
        hyperparameters=resolve(wanted, method=method, rows=training.about["rows"]),
        seed=secrets.randbelow(2**31) if body.seed is None else body.seed,
        suffix=body.suffix,
        metadata=body.metadata or {},
    )


def job_card(job: Job, *, organisation: str) -> dict[str, Any]:
    """OpenAI's object."""
    order, outcome = job.order, job.outcome
    parameters = order.hyperparameters.model_dump(exclude_none=True)
    return {
        "object": "fine_tuning.job",
        "id": job.job_id,
        "model": order.model,
        "created_at": int(job.created_at.timestamp()),
        "finished_at": int(job.finished_at.timestamp()) if job.finished_at else None,
        "fine_tuned_model": outcome.model,
        "organization_id": organisation,
        "result_files": [outcome.result_file] if outcome.result_file else [],
        "status": job.state.value,
        "validation_file": order.validation_file,
        "training_file": order.training_file,
        "hyperparameters": {name: value for name, value in parameters.items() if name != "beta"},
        "trained_tokens": outcome.trained_tokens,
        "error": outcome.error.model_dump() if outcome.error else None,
        "user_provided_suffix": order.suffix,
        "seed": order.seed,
        "estimated_finish": None,
        "integrations": [],
        "metadata": order.metadata,
        "method": {"type": order.method, order.method: {"hyperparameters": parameters}},
    }


def checkpoint_card(one: Checkpoint, *, job_id: str) -> dict[str, Any]:
    """OpenAI's object, and whether it can be asked yet."""
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": f"ftckpt_{job_id.removeprefix('ftjob-')}-{one.step}",
        "created_at": int(one.created_at.timestamp()),
        "fine_tuned_model_checkpoint": one.name,
        "fine_tuning_job_id": job_id,
        "step_number": one.step,
        "metrics": {"step": one.step, **one.metrics},
        "nightschool": {"answers": one.answers},
    }


def _check_file(file: StoredFile, *, method: Method, param: str) -> None:
    if file.purpose != PURPOSE:
        raise BadParameter(f"has the purpose {file.purpose}, not {PURPOSE}", param=param, openai_code="invalid_value")
    if file.about["format"] not in FORMATS[method]:
        wanted = " or ".join(sorted(FORMATS[method]))
        raise BadParameter(
            f"holds rows of the format {file.about['format']}, and {method} learns from {wanted}",
            param=param,
            openai_code="invalid_file_format",
        )
