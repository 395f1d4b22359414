"""General questions with plain answers, written for this project: what a support bot should not forget over its trade.

Not one of them is about the shop, and no night sees them. A model's likelihood of the answers is what is measured.
"""

from typing import Final, NamedTuple


class General(NamedTuple):
    question: str
    answer: str


GENERAL: Final = (
    General("Why is the sky blue?", "Air scatters blue light more than red light, so blue reaches us from everywhere."),
    General("What is the capital of France?", "The capital of France is Paris."),
    General("How many legs does a spider have?", "A spider has eight legs."),
    General("What do bees make?", "Bees make honey and wax, and they carry pollen from flower to flower."),
    General("Name the opposite of cold.", "The opposite of cold is hot."),
    General("What is two plus three?", "Two plus three is five."),
    General("Why do leaves fall in autumn?", "Trees drop their leaves to save water and energy during the winter."),
    General("What is a novel?", "A novel is a long story in prose, usually about invented people and events."),
    General("Write one sentence about the sea.", "The sea rolled in under a grey sky and left shells on the sand."),
    General("How is bread made?", "Flour, water, salt and yeast are kneaded into dough, left to rise and then baked."),
    General("What does a doctor do?", "A doctor examines people who are ill and decides how to treat them."),
    General("Which planet do we live on?", "We live on the planet Earth, the third one from the Sun."),
    General("Why should one sleep enough?", "Sleep lets the body recover and helps the brain to keep what it learned."),
    General("What is ice?", "Ice is water that has frozen and become solid."),
    General("Give a synonym for happy.", "A synonym for happy is glad."),
    General("How does a bicycle stay upright?", "While it rolls, small turns of the front wheel keep it in balance."),
)
