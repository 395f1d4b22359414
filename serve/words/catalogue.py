"""Every text of ours that people who chat may read or hear, by where it stands: one `Words` for each language.

A language that lacks one does not pass the type check. `{name}` in a text is filled in where it is shown; none holds a
tag or a plain quotation mark, so that it may stand in HTML and in attributes as it is. What a bot's file says is not
here, nor what operators read. Does not know the languages (`serve.words.english`, `serve.words.german`), nor who reads.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageWords:
    """Around the talk, and the box in which people write."""

    assistant: str
    """Beside the bot's name: whoever reads talks to a machine."""
    hold_back: str
    test_mode: str
    all_fake: str
    conversations: str
    """Of the button that opens the column beside the talk."""
    talk: str
    starters: str
    greeting: str
    is_here: str
    """With `{title}`, the bot's."""
    loading: str
    scroll_down: str
    message: str
    write: str
    send: str
    stop: str
    editing: str
    cancel: str
    waking_up: str
    away: str
    masked: str


@dataclass(frozen=True, slots=True)
class SideWords:
    """The column beside the talk."""

    assistant: str
    new_chat: str
    search: str
    conversations: str
    found_nothing: str
    untitled: str
    do_not_learn: str
    this_chat: str
    name: str
    rename: str
    pin: str
    unpin: str
    delete_chat: str
    delete_chat_told: str
    delete: str
    keep: str
    chat_is_gone: str
    your_data: str
    what_is_kept: str
    download: str
    download_failed: str
    delete_all: str
    delete_all_told: str
    delete_everything: str
    all_are_gone: str


@dataclass(frozen=True, slots=True)
class LineWords:
    """In and below what was said."""

    you: str
    answer: str
    """Both are heard before what was said; those who see it know by place and colour."""
    one_of_two: str
    """With `{name}`: A or B."""
    which_is_better: str
    """Heard below two answers that were given at once."""
    no_answer: str
    stopped: str
    cut: str
    failed: str
    checked: str
    forgotten: str
    sources: str
    """With `{names}`."""
    of_team: str
    """In place of a page's title."""
    your_vote: str
    learnt: str
    """With `{version}`."""
    today: str
    """Of an answer that was learnt from: asks its question again."""
    held_out: str
    edit: str
    copy: str
    copied: str
    copy_code: str
    branch: str
    before: str
    next: str
    liked: str
    disliked: str
    """Of a thumb that was clicked."""


@dataclass(frozen=True, slots=True)
class ReasonWords:
    """The card after a dislike."""

    asked: str
    reasons: str
    kinds: tuple[str, str, str, str, str]
    """In the order of `serve.chat.handlers.REASONS`."""
    comment: str
    ideal_answer: str
    not_now: str
    save: str
    thanks: str


@dataclass(frozen=True, slots=True)
class CompareWords:
    """The card that asks which of two answers is better."""

    asked: str
    left: str
    right: str
    same: str
    both_bad: str
    not_now: str
    thanks: str


@dataclass(frozen=True, slots=True)
class HumanWords:
    """The way to a human."""

    ask: str
    told: str
    contact: str
    not_now: str
    hand_over: str
    on_its_way: str
    not_yet: str
    handed_over: str
    dealt_with: str
    """Both with `{moment}`, which is one of the next two."""
    at: str
    """With `{clock}`."""
    on: str
    """With `{date}` and `{clock}`."""
    answers_to: str
    """With `{contact}`."""


@dataclass(frozen=True, slots=True)
class SolvedWords:
    """The line that asks what came of the talk."""

    asked: str
    is_solved: str
    is_not_solved: str
    yes: str
    no: str


@dataclass(frozen=True, slots=True)
class TroubleWords:
    """What did not work, and what to do."""

    unknown: str
    too_many: str
    """With `{seconds}`."""
    busy: str
    too_long: str
    no_address: str
    refused: str
    not_offered: str
    not_here: str
    unsent: str
    """Of a question that is back in the box after a reload."""
    offline: str
    answer_failed: str
    away: str
    reload: str
    """Of a page whose server knows it no more."""
    own_address: str
    """Of one that is asked for by another name, or from another site."""
    lost: str
    error: str
    info: str
    close: str
    """The last three are of the small windows in which the page tells something, and all three are heard."""


@dataclass(frozen=True, slots=True)
class WidgetWords:
    """The bubble on another site."""

    label: str
    close: str


@dataclass(frozen=True, slots=True)
class Words:
    """All of one language. `code` is its tag (BCP 47), as in `<html lang>`."""

    code: str
    page: PageWords
    side: SideWords
    line: LineWords
    reason: ReasonWords
    compare: CompareWords
    human: HumanWords
    solved: SolvedWords
    trouble: TroubleWords
    widget: WidgetWords
