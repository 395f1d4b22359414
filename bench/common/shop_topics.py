"""The topics of the invented shop: the one fact of each that only the shop knows, and how people ask for it.

No answer holds a number, a price or an address, so a small model that learnt them has nothing to invent. Questions of
the four kinds share no phrase, so what is kept back is kept back.
"""

from dataclasses import dataclass
from typing import Final

WARM: Final = ("gladly", "happy to", "glad to", "thank", "sorry", "please", "welcome", "just write")
"""By which an answer sounds warm."""
ITEMS: Final = (
    "kettle", "lamp", "chair", "scarf", "radio", "teapot", "mirror", "rug", "clock", "vase", "stool", "basket",
)  # fmt: skip
EXAMINED_ITEMS: Final = ("candle", "desk", "pillow", "jug", "blanket", "ladder", "bench", "bowl")
HIDDEN_ITEMS: Final = ("brush", "bucket", "cushion", "globe", "hammock", "lantern", "mug", "paddle")


@dataclass(frozen=True)
class Topic:
    name: str
    fact: str
    more: str
    needs: tuple[str, ...]
    """What a right answer says, in lower case; all of it stands in `fact`."""
    asked: tuple[str, ...]
    examined: tuple[str, ...]
    """How the shop's old questions, kept for the exam, were put."""
    hidden: tuple[str, ...]


TOPICS: Final = (
    Topic(
        "care",
        "Wipe the {item} with a soft, dry cloth.",
        "It takes no soap and no hot water, or the surface turns dull.",
        ("soft", "dry cloth"),
        (
            "How do I clean the {item}?",
            "Can I wash my {item}?",
            "The {item} is dirty, what helps?",
            "There is a dirty stain on the {item}.",
            "Does one wash the {item} by hand?",
            "My cat made the {item} dirty.",
            "Tips for cleaning the inside of a {item}?",
            "Is soap good to clean my {item} with?",
            "How often must I wash a {item}?",
        ),
        (
            "Which way of cleaning is best for a {item}?",
            "May water touch this {item} when I wash it?",
            "Cleaning my {item}: with which cloth?",
        ),
        (
            "So dirty, this {item}, how do I wash it?",
            "The {item} needs cleaning before my guests come.",
            "What cleans a {item} without a scratch?",
        ),
    ),
    Topic(
        "invoice",
        "The invoice for the {item} is in the app under Orders.",
        "Open the order there, look at its last page and press Print.",
        ("app", "orders"),
        (
            "I need an invoice for the {item}.",
            "Where is the bill for my {item}?",
            "Can I have a receipt for the {item}?",
            "My tax adviser asks for the invoice of the {item}.",
            "How do I print the receipt of my {item}?",
            "You sent no bill for the {item}.",
            "Please give me an invoice, I bought a {item}.",
            "My boss pays for the {item} and wants the bill.",
            "Is there a receipt of the {item} in my parcel?",
        ),
        (
            "Send the bill for my {item}.",
            "I lost my receipt for a {item}.",
            "Could I get the {item}'s invoice as a file?",
        ),
        (
            "The invoice for the {item} never came.",
            "For my books I want the bill of that {item}.",
            "Is a receipt to be had for this {item}?",
        ),
    ),
    Topic(
        "return",
        "Put the {item} into its own box and hand it to the milk cart.",
        "Tie the box with string first, so that nothing falls out on the way.",
        ("own box", "milk cart"),
        (
            "How do I send the {item} back?",
            "I want to return my {item}.",
            "The {item} is not what I wanted, who takes it back?",
            "Can a {item} be returned?",
            "I ordered the wrong {item} and want to give it back.",
            "What do I do to return a {item}?",
            "My wife dislikes the {item}, may it go back?",
            "Where do I return the {item} to?",
            "I changed my mind about the {item}, take it back.",
        ),
        (
            "Do you take a {item} back that nobody used?",
            "Returning the {item}: how does it work?",
            "This {item} must go back to you.",
        ),
        (
            "I would rather give the {item} back.",
            "Tell me the way to return one {item}.",
            "Back with the {item}, but how?",
        ),
    ),
    Topic(
        "delivery",
        "The {item} comes with the green van in the morning.",
        "The driver rings twice and waits until somebody opens the door.",
        ("green van", "morning"),
        (
            "When is my {item} delivered?",
            "Who delivers the {item}?",
            "I wait for my {item}, when does it arrive?",
            "At what time of day does the {item} arrive?",
            "How does a {item} get to my house?",
            "Will the {item} be delivered to my door?",
            "Is my {item} on its way?",
            "Has the {item} left your shop?",
            "Must I be at home when the {item} arrives?",
        ),
        (
            "Delivery of the {item}: how and when?",
            "When may I expect that {item}?",
            "Does somebody bring the {item} to me?",
        ),
        (
            "I am waiting for a delivery, it is a {item}.",
            "By what does the {item} travel to me?",
            "My {item} has not arrived so far.",
        ),
    ),
    Topic(
        "warranty",
        "Every {item} is covered by our promise card in the lid.",
        "Show the card at the counter and we put things right.",
        ("promise card", "lid"),
        (
            "Is there a warranty on the {item}?",
            "What if my {item} breaks within a year?",
            "Do I get a guarantee with the {item}?",
            "How do I claim the warranty of a {item}?",
            "The {item} broke, is that under guarantee?",
            "Where are the warranty papers of my {item}?",
            "Does the guarantee hold for a {item} from a sale?",
            "For a broken {item}, who pays under warranty?",
            "Who gives a guarantee for this {item}?",
        ),
        (
            "Warranty for one {item}, please explain.",
            "Do you guarantee that the {item} lasts?",
            "My {item} came with no guarantee.",
        ),
        (
            "Would a warranty pay for my {item}?",
            "I look for the guarantee of that {item}.",
            "How am I covered if the {item} fails?",
        ),
    ),
    Topic(
        "gift",
        "We wrap the {item} in blue paper with a ribbon.",
        "Write the name of whom it is for into the order and we add a tag.",
        ("blue paper", "ribbon"),
        (
            "Can you wrap the {item} as a gift?",
            "The {item} is a present for my mother.",
            "I want to give the {item} to a friend, is it wrapped?",
            "Do you do gift wrapping for a {item}?",
            "How is a {item} wrapped for a birthday?",
            "It is a present, so how does the {item} look when it comes?",
            "Please make the {item} a nice present.",
            "Is gift paper around the {item}?",
            "Could the {item} come as a wedding gift?",
        ),
        (
            "I buy this {item} as a present, what do you wrap it in?",
            "Gift wrapping of the {item}, is that done?",
            "Will my {item} look like a gift?",
        ),
        (
            "A {item} for my aunt's birthday, wrapped please.",
            "Make a gift of that {item} for me.",
            "How pretty is a {item} when you give it as a present?",
        ),
    ),
    Topic(
        "repair",
        "Bring the {item} to the workshop behind the mill.",
        "Knock at the red door and ask for the older of the brothers.",
        ("workshop", "mill"),
        (
            "Who repairs my {item}?",
            "The {item} is damaged, can it be repaired?",
            "Where can I have the {item} mended?",
            "My {item} does not work any more, can you fix it?",
            "Do you repair a {item} that fell down?",
            "How do I get a {item} fixed?",
            "Can somebody mend the leg of my {item}?",
            "I dropped the {item}, who fixes it?",
            "Is it worth having the {item} repaired?",
        ),
        (
            "A repair of the {item} is needed.",
            "Fixing my {item}: whom do I ask?",
            "Do you mend a {item} with a crack?",
        ),
        (
            "This {item} wants mending.",
            "Is anybody there to fix one {item}?",
            "To whom do I take a {item} for repair?",
        ),
    ),
    Topic(
        "parts",
        "Spare parts for the {item} hang on the wall by the till.",
        "Take the old part along and hold it beside the new one.",
        ("wall", "till"),
        (
            "Do you have spare parts for the {item}?",
            "I lost a screw of my {item}.",
            "Where do I get a new handle for the {item}?",
            "A part of the {item} is missing.",
            "Can I buy a single part of a {item}?",
            "Which spare parts are there for the {item}?",
            "I need another foot for my {item}.",
            "Is there a new lock for the {item}?",
            "The {item} lacks a part, where is one?",
        ),
        (
            "Spare part wanted for a {item}.",
            "One piece of my {item} got lost.",
            "Can a part be had for that {item}?",
        ),
        (
            "Looking for parts of this {item}.",
            "A screw is gone from the {item}, have you one?",
            "Where do you keep what belongs to a {item}?",
        ),
    ),
)
