"""Marks in an answer that are not meant for people: control tokens, scripts, tags, blanks of a template.

By kind, since a bot that speaks of code writes tags every day and a script never by chance.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

KINDS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "control token": re.compile(
            r"<\|[^<>\n]{1,40}\|?>|<?\|(?:im_(?:start|end|sep)|endoftext|eot_id|begin_of_text|assistant|user|"
            r"system)\|>?|"
            r"</?s>|\[/?(?:INST|SYS)\]|<</?SYS>>|<(?:start|end)_of_(?:turn|text|image)>|<(?:bos|eos|unk|pad|sep|"
            r"cls|mask)>|"
            r"\[(?:BOS|EOS|PAD|UNK|SEP|CLS|MASK)\]|</?(?:think|tool_call|tool_response|tools|reasoning|answer)>|"
            r"#{2,4}\s*(?:instruction|response|human|assistant|system|user|input|output)s?\b\s*:?|"
            r"(?m:^\s*(?:system|assistant|user|human|AI)\s*:\s)|\b(?:im_start|im_end|endoftext)\b|"
            r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]|\bBEGIN(?:NING)? OF (?:SYSTEM )?PROMPT\b",
            re.I,
        ),
        "script": re.compile(
            r"<\s*/?\s*(?:script|iframe|object|embed|svg|style|form|input|button|meta|link|base|img|video|audio|"
            r"body|html)\b|"
            r"javascript\s*:|vbscript\s*:|data\s*:\s*text/html|\bon(?:error|load|click|mouseover|focus|submit|"
            r"toggle)\s*=|"
            r"<!--|-->|<!\[CDATA|<!doctype|<\?(?:php|xml)|&(?:lt|gt|#x?[0-9a-f]{2,6});|\\u003c|%3Cscript|"
            r"\bdocument\.(?:cookie|write|location)|\beval\(|\bexpression\s*\(",
            re.I,
        ),
        "tag": re.compile(
            r"</?[a-z][a-z0-9]{0,14}(?:\s[^<>\n]{0,200})?/?>|\[/?(?:url|b|i|img|quote|code|color|size)(?:=[^\]\n]*)?\]|"
            r"!\[[^\]\n]*\]\([^)\n]*\)",
            re.I,
        ),
        "template": re.compile(
            r"\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\}|\$\{[^{}\n]*\}|<%[^<>\n]*%>|(?<![\w{])\{[A-Za-z_][\w ]{1,40}\}|"
            r"%[({]?[A-Z_]{3,}[)}]?%|"
            r"%\(\w+\)s|\[(?:your|insert|name|company|customer|date|number|link|order|phone|e-?mail|address|"
            r"product|agent)"
            r"(?:[ _-][\w '-]{0,40})?\]|<(?:your|insert|name|company|customer)[ _-][\w '-]{0,40}>|\b(?:TODO|FIXME|"
            r"XXX|lorem ipsum)\b",
            re.I,
        ),
    }
)


def find_markup(text: str) -> set[str]:
    """The kinds of marks in `text`."""
    return {kind for kind, pattern in KINDS.items() if pattern.search(text)}
