from deploy.orders import bounds_of
from nightschool.bots import Bot, RecipePart
from tune.bounds import Bounds


def test_a_bots_file_says_how_much_one_person_can_move() -> None:
    recipe = RecipePart(person_train_share=0.2, person_exam_share=0.3, votes_a_day=4, agreeing_persons=5)
    bot = Bot(name="support", title="Fern", system_prompt="Be kind.", recipe=recipe)
    assert bounds_of(bot) == Bounds(train_share=0.2, exam_share=0.3, votes_a_day=4, agreeing_persons=5)


def test_a_file_that_says_nothing_has_the_defaults() -> None:
    assert bounds_of(Bot(name="support", title="Fern", system_prompt="Be kind.")) == Bounds()
