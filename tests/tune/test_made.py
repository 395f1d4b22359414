"""What a machine answered is not learnt where it says what people wrote for the exam."""

from nightschool.records import ChatMessage
from tune.decontaminate import Turn
from tune.made import Made, MadeRow, without_exam

REFERENCE = "You can send the planter back within thirty days, and we pay for the parcel if it came broken."


def row(number: int, answer: str) -> MadeRow:
    prompt = (ChatMessage(role="user", content=f"What about number {number}?"),)
    return MadeRow(item_id=f"q{number}", conversation_id=f"c{number}", prompt=prompt, answer=answer, source="big-one")


def test_a_row_that_holds_what_the_exam_asks_is_left_out_and_counted() -> None:
    leak, clean = row(1, f"Dear Ann, {REFERENCE} Bye."), row(2, "It is made of clay and stands the frost all winter.")
    made = Made(asked=3, answers=2, refused={"cut off": 1}, rows=(leak, clean))
    exam = [Turn("May I return a planter that I bought last week?", REFERENCE)]
    found = without_exam(made, exam)
    assert found.rows == (clean,)
    assert found.refused == {"cut off": 1, "holds what the exam asks": 1}
    assert found.describe() == (
        "1 of 3 questions have an answer to learn, from 2 answers (refused: 1 cut off, 1 holds what the exam asks)"
    )
    assert without_exam(made, [Turn("Which soil?", "Any soil will do for a lemon tree, dear.")]) == made
    assert without_exam(made.model_copy(update={"rows": ()}), exam).rows == ()
