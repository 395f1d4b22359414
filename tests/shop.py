"""Conversations of an invented shop that a small model can learn in a few steps: two short answers, asked in many ways.

What the loop's test trains on. The answers hold no number, no price and no address: a candidate that learnt them has
nothing to invent.
"""

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any, Final

SYSTEM_PROMPT: Final = "You are the assistant of a small shop. Answer in one or two short sentences."
ROUNDS: Final = 3
"""How often each question is asked, about one thing after another."""
ITEMS: Final = (
    "kettle", "lamp", "chair", "scarf", "radio", "teapot", "mirror", "rug", "clock", "vase", "stool",
)  # fmt: skip
OTHER_ITEMS: Final = (
    "basket", "candle", "desk", "pillow", "jug", "blanket", "ladder", "bench", "bowl", "brush", "broom",
    "bucket", "cushion", "drum", "fan", "frame", "globe", "hammock", "iron", "kite", "lantern", "mug",
    "oven", "paddle",
)  # fmt: skip
ANSWERS: Final = {
    "care": "Wipe the {item} with a soft, dry cloth. Please use no soap and no hot water.",
    "invoice": "The invoice for the {item} is in the app. Open Orders, choose it and press Print.",
}
LEARNT: Final = {
    "care": (
        "How do I clean the {item}?",
        "Can I wash my {item}?",
        "The {item} is dirty, what helps?",
        "What should I use for cleaning a {item}?",
        "There is a dirty stain on the {item}.",
        "Does one wash the {item} by hand?",
        "My cat made the {item} dirty.",
        "Tips for cleaning the inside of a {item}?",
        "Is soap good to clean my {item} with?",
        "How often must I wash a {item}?",
    ),
    "invoice": (
        "I need an invoice for the {item}.",
        "Where is the bill for my {item}?",
        "Can I have a receipt for the {item}?",
        "My tax adviser asks for the invoice of the {item}.",
        "How do I print the receipt of my {item}?",
        "You sent no bill for the {item}.",
        "Please give me an invoice, I bought a {item}.",
        "My boss pays for the {item} and wants the bill.",
        "Is there a receipt of the {item} in my parcel?",
        "Wrong name on the invoice for a {item}.",
    ),
}
ASKED: Final = {
    "care": (
        "What is the best way to clean a {item}?",
        "May I wash this {item} with water?",
        "Cleaning my {item}: which cloth?",
        "So dirty, this {item}, how do I wash it?",
    ),
    "invoice": (
        "Send the bill for my {item}.",
        "I lost my receipt for a {item}.",
        "Could I get the {item}'s invoice as a file?",
        "The invoice for the {item} never came.",
    ),
}


def conversations(questions: Mapping[str, tuple[str, ...]], *, about: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Each question `ROUNDS` times, each time about the next thing."""
    items = cycle(about)
    for topic, asked in questions.items():
        for number, question in enumerate(ROUNDS * asked):
            item = next(items)
            messages = [
                {"role": "user", "content": question.format(item=item)},
                {"role": "assistant", "content": ANSWERS[topic].format(item=item)},
            ]
            yield {"id": f"{topic}-{number}-{item}", "topic": topic, "messages": messages}
