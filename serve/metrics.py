"""What Prometheus may read of the gateway, per bot and version; vLLM itself has no figures per adapter.

One registry for each server, so that tests and two servers in one process do not share counters. Labels are bots,
versions and closed sets of words, never people.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nightschool.records import AdapterName, Feedback, Message

LATENCY_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


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

    def answered(self, name: AdapterName, answer: Message) -> None:
        version = str(name).partition("@")[2]
        self._answers.labels(name.bot, version, answer.finish).inc()
        self._tokens.labels(name.bot, version, "prompt").inc(answer.prompt_tokens)
        self._tokens.labels(name.bot, version, "completion").inc(answer.completion_tokens)
        if answer.first_token_s is not None:
            self._first_token.labels(name.bot, version).observe(answer.first_token_s)
        if answer.duration_s is not None:
            self._duration.labels(name.bot, version).observe(answer.duration_s)

    def voted(self, feedback: Feedback) -> None:
        self._votes.labels(feedback.bot, feedback.vote).inc()

    def set_engine_ready(self, is_ready: bool) -> None:
        self._engine.set(is_ready)

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)
