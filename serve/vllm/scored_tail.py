"""vLLM on CPU: of a text that is scored, compute what is asked for, not the log-probability of every token of it.

vLLM 0.32 takes logits over the whole vocabulary at every position of a prompt whose log-probabilities are wanted. Of an
answer behind its prompt most of that is thrown away: here a request may say how many tokens come before those that it
is about, and their places hold zeros. A server without this patch ignores the word and tells all. Imported only by
`serve.vllm.lora_cpu.register`, in a process of a CPU engine; without LoRA it serves as well.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

AFTER: Final = "nightschool_after"
"""Of a request's `vllm_xargs`: so many tokens come first of which nothing is asked."""
Score = Callable[[Any, Any, Mapping[str, int]], Any]
"""A runner, a step's hidden states, and how many tokens of each request the step held -> log-probabilities by request;
vLLM's `GPUModelRunner._get_prompt_logprobs_dict`."""


def install() -> None:
    """Patch this process. A second call changes nothing."""
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner  # noqa: PLC0415

    stock = GPUModelRunner._get_prompt_logprobs_dict
    if not hasattr(stock, AFTER):
        GPUModelRunner._get_prompt_logprobs_dict = leave_out(stock)


def leave_out(stock: Score) -> Score:
    """`stock`, which is told that a request's step begins where the tokens begin that somebody asked for."""

    def score(runner: Any, hidden_states: Any, scheduled: Mapping[str, int]) -> Any:
        told = dict(scheduled)
        with ExitStack() as stack:
            for request_id in runner.num_prompt_logprobs:
                request = runner.requests[request_id]
                left_out = min(_wanted_from(request) - request.num_computed_tokens, told.get(request_id, 0))
                if left_out > 0:
                    _fill_with_zeros(request, columns=runner.num_prompt_logprobs[request_id] + 1)
                    told[request_id] -= left_out
                    row = runner.input_batch.req_id_to_index[request_id]
                    stack.enter_context(_later(request, runner.query_start_loc.np, row, by=left_out))
            return stock(runner, hidden_states, told)

    setattr(score, AFTER, True)
    return score


def _wanted_from(request: Any) -> int:
    """The first place whose logits are asked for: they tell the token behind it. 0 where nothing is left out."""
    asked = (request.sampling_params and request.sampling_params.extra_args) or {}
    return min(int(asked.get(AFTER, 1)), len(request.prompt_token_ids or ()) - 1) - 1


def _fill_with_zeros(request: Any, *, columns: int) -> None:
    """What is left out must hold token ids all the same; vLLM fills in the rest."""
    if request.in_progress_prompt_logprobs_cpu is None:
        from vllm.v1.outputs import LogprobsTensors  # noqa: PLC0415

        made = LogprobsTensors.empty_cpu(len(request.prompt_token_ids) - 1, columns)
        for tensor in (made.logprob_token_ids, made.logprobs, made.selected_token_ranks):
            tensor.zero_()
        request.in_progress_prompt_logprobs_cpu = made


@contextmanager
def _later(request: Any, starts: Any, row: int, *, by: int) -> Iterator[None]:
    """The request's part of the step begins `by` tokens later."""
    request.num_computed_tokens += by
    starts[row] += by
    try:
        yield
    finally:
        request.num_computed_tokens -= by
        starts[row] -= by
