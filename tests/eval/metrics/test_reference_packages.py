"""Our figures are those of the packages that everybody compares with, on the same texts, to a millionth."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from eval.metrics.corpus import bleu, chrf
from eval.metrics.task import macro_f1
from eval.metrics.text import exact_match, rouge, token_f1
from nightschool.embedding import load_embedder
from nightschool.errors import EvaluationFailed

ROOT = Path(__file__).parents[3]
LABELS = ["refund", "shipping", "plans", "app"]


def texts() -> Iterator[tuple[str, str]]:
    """Each shipped held-out answer beside the next one's, its own cut short, and itself."""
    lines = (ROOT / "bots" / "lumafern" / "heldout.jsonl").read_text().splitlines()
    answers = [json.loads(line)["messages"][-1]["content"] for line in lines]
    for answer, other in zip(answers, answers[1:] + answers[:1], strict=True):
        yield other, answer
        yield " ".join(answer.split()[::2]), answer
    yield answers[0], answers[0]
    yield "", answers[0]


ANSWERS = [answer for answer, _ in texts()]
REFERENCES = [reference for _, reference in texts()]


def test_bleu_and_chrf_are_sacrebleus() -> None:
    import sacrebleu

    assert bleu(ANSWERS, REFERENCES) == pytest.approx(sacrebleu.corpus_bleu(ANSWERS, [REFERENCES]).score, abs=1e-6)
    assert chrf(ANSWERS, REFERENCES) == pytest.approx(sacrebleu.corpus_chrf(ANSWERS, [REFERENCES]).score, abs=1e-6)


def test_bleu_as_its_paper_works_it_out() -> None:
    # Clipped precisions 5/6, 3/5, 1/4 (or 2/4), brevity 1: the cat example of Papineni et al. with sacrebleu's words.
    assert bleu(["the cat sat on the mat"], ["the cat sat on the mat"]) == pytest.approx(100)
    assert bleu(["nothing alike here"], ["the cat sat on the mat"]) < 5
    # By characters a Chinese answer with one of ten letters wrong is no total loss, as it is by blanks.
    assert bleu(["退款需要五个工作日到账"], ["退款需要三个工作日到账"]) > 40


def test_no_answers_and_unequal_numbers_are_errors_not_figures() -> None:
    for metric in (bleu, chrf):
        for answers in ([], ["a"]):
            with pytest.raises(EvaluationFailed):
                metric(answers, [])


def test_rouge_is_rouge_scores_own() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    plain = [(a, r) for a, r in zip(ANSWERS, REFERENCES, strict=True) if (a + r).isascii()]
    assert len(plain) > 100
    for answer, reference in plain:
        theirs = scorer.score(reference, answer)
        expected = [theirs[kind].fmeasure for kind in ("rouge1", "rouge2", "rougeL")]
        assert list(rouge(answer, reference=reference)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.train
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_token_f1_exact_match_and_macro_f1_are_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.classification import multiclass_f1_score
    from torchmetrics.functional.text import squad

    said = [{"prediction_text": answer, "id": str(n)} for n, answer in enumerate(ANSWERS)]
    wanted: Any = [{"answers": {"answer_start": [0], "text": [r]}, "id": str(n)} for n, r in enumerate(REFERENCES)]
    theirs = squad(said, wanted)
    ours = [token_f1(a, reference=r) for a, r in zip(ANSWERS, REFERENCES, strict=True)]
    # Its sums are of 32 bits.
    assert 100 * fmean(ours) == pytest.approx(float(theirs["f1"]), abs=1e-4)
    exact = [exact_match(a, reference=r) for a, r in zip(ANSWERS, REFERENCES, strict=True)]
    assert 100 * fmean(exact) == pytest.approx(float(theirs["exact_match"]), abs=1e-4)
    for answer, reference, mine in zip(ANSWERS, REFERENCES, ours, strict=True):
        one = squad(
            {"prediction_text": answer, "id": "0"}, {"answers": {"answer_start": [0], "text": [reference]}, "id": "0"}
        )
        assert 100 * mine == pytest.approx(float(one["f1"]), abs=1e-4)
    rng = np.random.default_rng(17)
    given, right = rng.integers(4, size=200), rng.integers(4, size=200)
    expected = multiclass_f1_score(torch.tensor(given), torch.tensor(right), num_classes=4, average="macro")
    assert macro_f1([LABELS[i] for i in given], [LABELS[i] for i in right]) == pytest.approx(float(expected), abs=1e-6)


def test_similarity_is_wordllamas_own_and_nothing_is_downloaded() -> None:
    """In a process of its own: the package sets up logging when it is imported."""
    script = """
import sys
import numpy as np
from nightschool.embedding import load_embedder
ours = load_embedder()
assert "wordllama" not in sys.modules and "torch" not in sys.modules
texts = ["How do I return a planter?", "Rückgabe, bitte! 退款", "a"]
mine = ours.embed(texts)
from wordllama import WordLlamaInference
theirs = WordLlamaInference(ours.vectors, ours.tokenizer).embed(texts, norm=True)
assert np.abs(mine - theirs).max() < 1e-6, np.abs(mine - theirs).max()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_what_means_alike_is_nearer_than_what_does_not() -> None:
    near, far, empty, same = load_embedder().similarity(
        ["Your money is returned within a week.", "The soil probe needs a new battery.", "", "We refund you."],
        ["The refund arrives in five days.", "The refund arrives in five days.", "The refund.", "We refund you."],
    )
    assert near > far + 0.2
    assert (empty, same) == (0, pytest.approx(1))


def test_the_room_measures_without_torch() -> None:
    script = "import sys, eval.suite.run, eval.examine; print(*{'torch', 'sacrebleu', 'nltk'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""
