"""What Prometheus may read of the gateway, per bot and version; vLLM itself has no figures per adapter.

One registry for each server, so that tests and two servers in one process do not share counters. Labels are bots,
versions and closed sets of words, never people.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nightschool.records import AdapterName, BotName, Feedback, Message
from tune.progress import TrainingProgress

LATENCY_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
BYTES_PER_MB: Final = 1_000_000


class TrainingFigure(NamedTuple):
    """One gauge of a training under way."""

    name: str
    meaning: str
    read: Callable[[TrainingProgress], float | None]


TRAINING: Final = (
    TrainingFigure("step", "Optimizer step of the phase", lambda at: at.step),
    TrainingFigure("steps", "Optimizer steps that the phase takes", lambda at: at.steps),
    TrainingFigure("loss", "Loss of the latest step", lambda at: at.loss),
    TrainingFigure("learning_rate", "Learning rate of the latest step", lambda at: at.learning_rate),
    TrainingFigure("tokens_per_second", "Tokens a second, mean of the latest steps", lambda at: at.tokens_per_s),
    TrainingFigure("left_seconds", "Time until the training ends", lambda at: at.eta_s),
    TrainingFigure(
        "memory_bytes",
        "Most that the trainer has held",
        lambda at: None if at.memory_mb is None else at.memory_mb * BYTES_PER_MB,
    ),
    TrainingFigure("rewards_margin", "Reward of better answers over worse ones", lambda at: at.rewards_margin),
    TrainingFigure("rewards_accuracy_ratio", "Pairs whose better answer wins", lambda at: at.rewards_accuracy),
    TrainingFigure("reward_ratio", "Mean reward of the latest step's own answers", lambda at: at.reward),
)


class Metrics:
    """Counters of answers, votes, tokens and times."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        by_version = ["bot", "version"]
        self._answers = Counter(
            "nightschool_answers", "Answers recorded", [*by_version, "finish"], registry=self._registry
        )
        self._tokens = Counter(
            "nightschool_tokens", "Tokens read and written", [*by_version, "kind"], registry=self._registry
        )
        self._first_token = Histogram(
            "nightschool_first_token_seconds",
            "Time to the first token",
            by_version,
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self._duration = Histogram(
            "nightschool_answer_seconds",
            "Time to the whole answer",
            by_version,
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self._votes = Counter("nightschool_votes", "Votes recorded", ["bot", "vote"], registry=self._registry)
        self._engine = Gauge("nightschool_engine_ready", "1 while the engine answers", registry=self._registry)
        self._whole_models = Gauge(
            "nightschool_whole_model_ready",
            "1 while the engine of a whole model answers",
            by_version,
            registry=self._registry,
        )
        self._training = {
            figure: Gauge(
                f"nightschool_training_{figure.name}", figure.meaning, ["bot", "phase"], registry=self._registry
            )
            for figure in TRAINING
        }

    def answered(self, name: AdapterName, answer: Message) -> None:
        version = str(name).partition("@")[2]
        self._answers.labels(name.bot, version, answer.finish).inc()
        self._tokens.labels(name.bot, version, "prompt").inc(answer.prompt_tokens)
        self._tokens.labels(name.bot, version, "completion").inc(answer.completion_tokens)
        if answer.first_token_s is not None:
            self._first_token.labels(name.bot, version).observe(answer.first_token_s)
        if answer.duration_s is not None:
            self._duration.labels(name.bot, version).observe(answer.duration_s)

    def quoted(self, answer: Message) -> None:
        """A verified answer, which no version gave."""
        self._answers.labels(answer.bot, "verified", answer.finish).inc()

    def voted(self, feedback: Feedback) -> None:
        self._votes.labels(feedback.bot, feedback.vote).inc()

    def set_engine_ready(self, is_ready: bool) -> None:
        self._engine.set(is_ready)

    def set_whole_models_ready(self, ready: Mapping[str, bool]) -> None:
        """Of each that is loaded, by the version's name; of others nothing is said."""
        self._whole_models.clear()
        for name, is_ready in ready.items():
            bot, _, version = name.partition("@")
            self._whole_models.labels(bot, version).set(is_ready)

    def set_training(self, shown: Mapping[BotName, TrainingProgress]) -> None:
        """What is being trained now; of what is not, nothing is said."""
        for figure, gauge in self._training.items():
            gauge.clear()
            for bot, progress in shown.items():
                value = figure.read(progress)
                if value is not None:
                    gauge.labels(bot, progress.phase).set(value)

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)
