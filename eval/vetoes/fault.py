"""The names of what an answer can be refused for, in the order in which a verdict tells them."""

from enum import StrEnum


class Fault(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    ACCOUNT = "account"
    LINK = "link"
    ADDRESS = "address"
    MARKUP = "markup"
    LEAK = "leak"
    LANGUAGE = "language"
    INSULT = "insult"
    FLATTERY = "flattery"
    PLEASANTRY = "pleasantry"
    FIGURE = "figure"
    CONTRADICTION = "contradiction"
    ORDER = "order"
    REPETITION = "repetition"
    LENGTH = "length"
    LITTLE = "little"
    STRAY = "stray"
    CUT = "cut"
