"""What an operator reads of answers that people saw side by side."""

import pytest

from collect.side_by_side import Tally
from nightschool.records import BotName
from serve.console.draw_status import draw_side_by_side
from serve.duels import SideBySideView, sum_up

BOT = BotName("support")


def tally(voter: str | None, won: int, lost: int, *, other: int | None = None, asked: int = 0) -> Tally:
    return Tally(3, other, voter, asked or won + lost, won, lost, 0, 0)


def test_wins_of_two_versions_are_a_share_with_an_interval() -> None:
    [found, earlier] = sum_up(
        [
            *(tally(f"browser:{name}", 1, 0) for name in "abcdefgh"),
            tally("browser:i", 0, 1),
            tally(None, 0, 0, asked=9),
            tally("browser:a", 0, 1, other=2),
        ],
        bot=BOT,
    )
    assert (found.production, found.other) == ("support@3", "support@base")
    assert (found.asked, found.persons, found.production_won, found.other_won) == (18, 9, 8, 1)
    # Wilson's of 8 of 9, by R's binom::binom.wilson(8, 9).
    assert (found.win_rate, found.low, found.high) == pytest.approx((8 / 9, 0.565, 0.980), abs=5e-4)
    assert (earlier.other, earlier.win_rate) == ("support@2", 0)


def test_who_says_much_makes_nothing_surer_than_who_speaks_once() -> None:
    [one] = sum_up([tally("browser:a", 30, 10)], bot=BOT)
    [few] = sum_up([tally("browser:a", 3, 1), tally("browser:b", 3, 1)], bot=BOT)
    [many] = sum_up([tally(f"browser:{number}", 3, 1) for number in range(10)], bot=BOT)
    assert one.win_rate == few.win_rate == many.win_rate == 0.75
    widths = [(view.high or 0) - (view.low or 0) for view in (one, few, many)]
    assert widths == sorted(widths, reverse=True)
    # As one word of one person.
    [alone] = sum_up([tally("browser:a", 1, 0)], bot=BOT)
    assert (alone.high or 0) - (alone.low or 0) == pytest.approx(0.79, abs=0.01)
    assert widths[0] > 0.7


def test_where_nobody_found_one_better_there_is_no_share() -> None:
    [found] = sum_up([Tally(3, None, "browser:a", 2, 0, 0, 1, 1), tally(None, 0, 0, asked=4)], bot=BOT)
    assert (found.win_rate, found.low, found.high) == (None, None, None)
    assert (found.asked, found.persons, found.same, found.both_bad) == (6, 1, 1, 1)


def test_the_console_says_who_won_how_often_and_why_nobody_is_asked() -> None:
    results = sum_up([tally("browser:a", 2, 1), tally("browser:b", 1, 0)], bot=BOT)
    drawn = draw_side_by_side(SideBySideView(share=0.1, against="base", problem="", results=results))
    assert drawn.startswith("10.0% of turns, against base<br>")
    assert "<code>support@3</code> against <code>support@base</code>: won 3 of 4, 75% (95 %: " in drawn
    assert "2 people, asked 4 times" in drawn
    silent = SideBySideView(share=1, against="7", problem="support@7: is <b>not</b> there", results=())
    assert "support@7: is &lt;b&gt;not&lt;/b&gt; there" in draw_side_by_side(silent)
    off = SideBySideView(share=0, against="base", problem="", results=results)
    assert draw_side_by_side(off).startswith("nobody is asked now<br>")
