"""Protobuf's text format, as far as `config.pbtxt` files use it: fields, lists, nested messages, comments.

Own code rather than the protobuf package, and why: what matters here is which fields a file has that are *not*
simulated, and on which line. That package either stops at a field that its schema lacks or skips it in silence, so that
the whole of Triton's schema would have to be kept up to date beside it; most packages that users of Triton have
installed (its client, TensorFlow, ONNX) pin its version, each in its own way; and the grammar is a page.

Not read: extensions and `Any` messages in brackets, which `model_config.proto` does not use.

Source: protobuf.dev, Text Format Language Specification.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Message", "parse", "quoted"]

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<word>-?[A-Za-z_][\w.+-]*|-?[\d.][\w.+-]*)
    |(?P<sign>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_TRUTH = {"true": True, "True": True, "t": True, "1": True, "false": False, "False": False, "f": False, "0": False}


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


class _Field(NamedTuple):
    name: str
    value: _Token | Message
    line: int


@dataclass
class Message:
    """A message: its fields in the order of the text. What is asked for and is not there has protobuf's default.

    Args:
        source: What the text is called in messages.
        line: Where it begins.
        fields: Every value of a list is a field of its own.
    """

    source: str
    line: int = 1
    fields: list[_Field] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether a field is there."""
        return any(one.name == name for one in self.fields)

    def allow(self, known: Sequence[str]) -> None:
        """Raise SpecError if there is a field of another name."""
        for one in self.fields:
            if one.name not in known:
                raise self._error(f"unknown field {one.name!r}; {suggest(one.name, known)}", one.line)

    def error(self, message: str, name: str) -> SpecError:
        """Return an error that says where the field `name` is."""
        return self._error(message, next((one.line for one in self.fields if one.name == name), self.line))

    def messages(self, name: str) -> list[Message]:
        """Return all messages of a field."""
        found = []
        for one in self._all(name):
            if not isinstance(one.value, Message):
                raise self._error(f"{name} must be a message in braces", one.line)
            found.append(one.value)
        return found

    def message(self, name: str) -> Message:
        """Return the only message of a field; an empty one where there is none."""
        self._one(name)
        return next(iter(self.messages(name)), Message(self.source, self.line))

    def wholes(self, name: str) -> tuple[int, ...]:
        """Return all values of a field of whole numbers, none negative."""
        return tuple([self._whole(one) for one in self._all(name)])

    def whole(self, name: str) -> int:
        """Return a whole number, not negative; 0 where it is not stated."""
        found = self._one(name)
        return 0 if found is None else self._whole(found)

    def varies(self, name: str) -> bool:
        """Whether a value of a field is -1, which stands for a variable size."""
        return any(not isinstance(one.value, Message) and one.value.text == "-1" for one in self._all(name))

    def flag(self, name: str) -> bool:
        """Return a truth value; false where it is not stated."""
        found = self._one(name)
        if found is None:
            return False
        if isinstance(found.value, Message) or found.value.text not in _TRUTH:
            raise self._error(f"{name} must be true or false, got {_shown(found)}", found.line)
        return _TRUTH[found.value.text]

    def choice(self, name: str, words: Sequence[str]) -> int:
        """Return the number of an enumerated value, which may be stated by name or number; 0 where it is not."""
        found = self._one(name)
        if found is None:
            return 0
        numbers = {word: number for number, word in enumerate(words)}
        numbers |= {str(number): number for number in numbers.values()}
        if isinstance(found.value, Message) or found.value.text not in numbers:
            raise self._error(f"{name} must be one of {', '.join(words)}, got {_shown(found)}", found.line)
        return numbers[found.value.text]

    def text(self, name: str) -> str:
        """Return a string; empty where it is not stated."""
        found = self._one(name)
        if found is None:
            return ""
        if isinstance(found.value, Message) or found.value.kind != "text":
            raise self._error(f"{name} must be a string in quotes, got {_shown(found)}", found.line)
        return found.value.text

    def lines(self, without: Sequence[str] = ()) -> Iterator[str]:
        """Yield the message as text, a field or a bracket a line, without comments.

        Args:
            without: Fields that are left out.
        """
        for one in self.fields:
            if one.name in without:
                continue
            if isinstance(one.value, Message):
                yield f"{one.name} {{"
                yield from (f"  {line}" for line in one.value.lines())
                yield "}"
            else:
                yield f"{one.name}: {_written(one.value)}"

    def _all(self, name: str) -> list[_Field]:
        return [one for one in self.fields if one.name == name]

    def _one(self, name: str) -> _Field | None:
        found = self._all(name)
        if len(found) > 1:
            raise self._error(f"{name} is stated twice", found[1].line)
        return found[0] if found else None

    def _whole(self, found: _Field) -> int:
        try:
            value = -1 if isinstance(found.value, Message) else int(found.value.text, 0)
        except ValueError:
            value = -1
        if value < 0 or isinstance(found.value, Message) or found.value.kind != "word":
            raise self._error(f"{found.name} must be a whole number, at least 0, got {_shown(found)}", found.line)
        return value

    def _error(self, message: str, line: int) -> SpecError:
        return SpecError(f"{self.source}, line {line}: {message}")


def parse(text: str, source: str) -> Message:
    """Read a message in text format.

    Args:
        text: The fields of the outermost message.
        source: What messages call it.

    Raises:
        SpecError: names the source and the line.
    """
    reader = _Reader(_tokens(text, source), source)
    message = Message(source)
    reader.fields(message, None)
    return message


class _Reader:
    """Reads messages from tokens, one ahead."""

    def __init__(self, tokens: Iterator[_Token], source: str) -> None:
        self._tokens = tokens
        self._source = source
        self._next = next(tokens)

    def fields(self, message: Message, closing: str | None) -> None:
        """Read fields into `message` up to and including what closes it, or to the end of the text."""
        while not (closing is None and self._next.kind == "end"):
            if closing is not None and self._skip(closing):
                return
            self._field(message)
            if not self._skip(","):
                self._skip(";")

    def _field(self, message: Message) -> None:
        name = self._take()
        if name.kind != "word" or not (name.text[0].isalpha() or name.text[0] == "_"):
            raise self._error(name, "the name of a field")
        colon = self._skip(":")
        if not self._skip("["):
            message.fields.append(_Field(name.text, self._value(colon=colon), name.line))
            return
        while not self._skip("]"):
            message.fields.append(_Field(name.text, self._value(colon=colon), name.line))
            if self._next.text != "]" and not self._skip(","):
                raise self._error(self._next, "',' or ']'")

    def _value(self, *, colon: bool) -> _Token | Message:
        """Read a message in brackets or, behind a colon, a scalar."""
        token = self._take()
        if token.kind == "sign" and token.text in _CLOSING:
            message = Message(self._source, token.line)
            self.fields(message, _CLOSING[token.text])
            return message
        if not colon or token.kind in ("sign", "end"):
            raise self._error(token, "a value" if colon else "':' or '{'")
        while token.kind == "text" and self._next.kind == "text":  # strings beside each other are one
            token = token._replace(text=token.text + self._take().text)
        return token

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _skip(self, sign: str) -> bool:
        """Take the next token if it is this sign."""
        found = self._next.kind == "sign" and self._next.text == sign
        if found:
            self._take()
        return found

    def _error(self, token: _Token, expected: str) -> SpecError:
        found = "the end of the file" if token.kind == "end" else repr(token.text)
        return SpecError(f"{self._source}, line {token.line}: expected {expected}, found {found}")


def _tokens(text: str, source: str) -> Iterator[_Token]:
    """Yield the tokens of a text, then one of kind `end`; strings without their quotes, with escapes as they are."""
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise SpecError(f"{source}, line {line}: cannot read {text[at : at + 12]!r}")
        kind, found = str(match.lastgroup), match.group()
        if kind != "space":
            yield _Token(kind, found[1:-1] if kind == "text" else found, line)
        line += found.count("\n")
        at = match.end()
    yield _Token("end", "", line)


def quoted(text: str) -> str:
    """Return a string in double quotes, as it is read back; escapes that it has stay."""
    return '"' + re.sub(r'\\.|"', lambda found: '\\"' if found[0] == '"' else found[0], text) + '"'


def _written(token: _Token) -> str:
    return quoted(token.text) if token.kind == "text" else token.text


def _shown(found: _Field) -> str:
    return "a message" if isinstance(found.value, Message) else repr(found.value.text)
