"""Everything that can go wrong in words a person can act on.

Each error has a subject (the thing concerned), a problem (what was wrong) and a remedy (what to do next), and knows its
HTTP status and OpenAI error code. Raised where the fact is known; turned into HTTP in `serve.api.errors` and into an
exit code in `serve.cli.main`, nowhere else.

    NightschoolError              500  exit 1
    |- InvalidInput               400  exit 2
    |  |- InvalidSettings
    |  |- InvalidFile
    |  |- IllegalMove             409
    |  '- ContextTooLong
    |- NotAuthenticated           401  exit 4
    |- NotAllowed                 403  exit 4
    |- NotFound                   404  exit 3
    |  '- UnknownModel
    |- Busy                       409  exit 5
    |  '- NeedsPause                          (nobody is answered meanwhile, which somebody must allow)
    |- TooManyRequests            429  exit 5
    |- Unavailable                503  exit 6   (engine down, server not running, too little memory)
    |  |- EngineError             502
    |  |  '- EngineStarting       503
    |  '- TooLittleMemory
    |- RecordError                500  exit 1
    |- BuildFailed                500  exit 1
    |- TrainingFailed             500  exit 1
    |  '- NotEnoughRows                        (ends a night as insufficient-data)
    '- EvaluationFailed           500  exit 1
"""

import errno
from typing import ClassVar, Final

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class NightschoolError(Exception):
    """Root. `subject` names the thing concerned; `remedy` is what the reader can do next."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, *, subject: str, remedy: str, param: str | None = None) -> None:
        super().__init__(f"{subject}: {problem}. {remedy}")
        self.subject, self.problem, self.remedy, self.param = subject, problem, remedy, param


class InvalidInput(NightschoolError):
    status, code, exit_code = 400, "invalid_value", 2


class InvalidSettings(InvalidInput):
    code = "invalid_settings"


class InvalidFile(InvalidInput):
    """A training file that cannot be trained on as it stands."""

    code = "invalid_file_format"


class IllegalMove(InvalidInput):
    """A change of stage that the table of moves does not allow."""

    status, code = 409, "illegal_move"


class ContextTooLong(InvalidInput):
    """More tokens than the base model can look back on."""

    code = "context_length_exceeded"


class NotAuthenticated(NightschoolError):
    status, code, exit_code = 401, "invalid_api_key", 4


class NotAllowed(NightschoolError):
    status, code, exit_code = 403, "not_allowed", 4


class NotFound(NightschoolError):
    status, code, exit_code = 404, "not_found", 3


class UnknownModel(NotFound):
    code = "model_not_found"


class Busy(NightschoolError):
    status, code, exit_code = 409, "busy", 5


class NeedsPause(Busy):
    """A move during which nobody is answered; asked for once more with leave, it is made."""

    code = "needs_pause"


class TooManyRequests(NightschoolError):
    """`retry_after_s`: when the next one is welcome."""

    status, code, exit_code = 429, "rate_limit_exceeded", 5

    def __init__(self, problem: str, *, subject: str, remedy: str, retry_after_s: int = 60) -> None:
        super().__init__(problem, subject=subject, remedy=remedy)
        self.retry_after_s = retry_after_s


class Unavailable(NightschoolError):
    status, code, exit_code = 503, "unavailable", 6


class EngineError(Unavailable):
    """The engine answered with a failure or not at all."""

    status, code = 502, "engine_error"


class EngineStarting(EngineError):
    """`retry_after_s`: when it is likely to answer."""

    status, code = 503, "engine_starting"

    def __init__(self, problem: str, *, subject: str, remedy: str, retry_after_s: int = 60) -> None:
        super().__init__(problem, subject=subject, remedy=remedy)
        self.retry_after_s = retry_after_s


class TooLittleMemory(Unavailable):
    """What is to be started would not fit beside what runs."""


class RecordError(NightschoolError):
    code = "record_error"


class BuildFailed(NightschoolError):
    code = "build_failed"


class TrainingFailed(NightschoolError):
    code = "training_failed"


class NotEnoughRows(TrainingFailed):
    """Too little of a dataset is left to train on: no fault, and production stays."""


class EvaluationFailed(NightschoolError):
    code = "evaluation_failed"


def full_disk(error: BaseException) -> Unavailable | None:
    """What failed for want of room, in words; None for any other failure."""
    if not isinstance(error, OSError) or error.errno not in FULL:
        return None
    remedy = "Free some, then try again; `nightschool doctor` says how much the data folder has."
    return Unavailable(f"has no room left ({error.strerror})", subject="disk", remedy=remedy)
