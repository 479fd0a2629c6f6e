"""The plug-ins of one kind: reads their names, loads them, makes objects of them and describes them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from stratsim.errors import SpecError, StratsimError, suggest
from stratsim.plugins.calls import PluginCall, keywords_of, split
from stratsim.plugins.entry_points import points
from stratsim.plugins.files import module_in_file
from stratsim.plugins.gate import IN_FILE

__all__ = ["Description", "Registry"]

Plugin = TypeVar("Plugin")


@dataclass(frozen=True, slots=True)
class Description:
    """What a class says of itself.

    Args:
        summary: First line of its docstring.
        text: The whole docstring, followed by that of the family it belongs to.
        source: What follows `Source:` in the docstring, up to the first semicolon or the end of the paragraph.
        parameters: Name and default of each parameter.
    """

    summary: str
    text: str
    source: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Registry(Generic[Plugin]):
    """The plug-ins of one kind.

    Args:
        kind: What one of them is called in messages, such as `policy`.
        group: Entry point group, such as `stratsim.policies`.
        base: Full name of the class or Protocol that they follow, for messages.
        needed: Attributes without which a class is refused.
        family: Attribute that marks a base class whose docstring belongs to the description.
        supplied: Parameters that the program gives to every class, and users cannot.
    """

    kind: str
    group: str
    base: str
    needed: tuple[str, ...]
    family: str
    supplied: tuple[str, ...] = ()

    def registered(self) -> dict[str, str]:
        """Return where each registered class is, as `module:Class`, by name."""
        return {name: point.value for name, point in points(self.group).items()}

    def parse(self, text: str) -> list[PluginCall]:
        """Split a comma-separated list and read the inline parameters.

        Raises:
            SpecError: names the part that cannot be read, or that is listed twice.
        """
        parts = split(text)
        if parts is None:
            raise SpecError(f"cannot read the {self.kind} list {text!r}: expected NAME[(parameter=value, ...)], ...")
        calls = [self._parse(part.strip()) for part in parts]
        texts = [call.text for call in calls]
        for call in calls:
            if texts.count(call.text) > 1:
                raise SpecError(f"{self.kind} {call.text!r} is listed twice")
        return calls

    def parse_one(self, text: str) -> PluginCall:
        """Read one name with its inline parameters.

        Raises:
            SpecError: it cannot be read, or is a list.
        """
        calls = self.parse(text)
        if len(calls) > 1:
            raise SpecError(f"expected one {self.kind}, got {len(calls)}: {text!r}")
        return calls[0]

    def make(self, call: PluginCall, **supplied: Any) -> Plugin:
        """Return a new object.

        Args:
            call: From `parse`.
            supplied: What the program gives.

        Raises:
            SpecError: no such class or parameter (with the nearest name), or a value that the class refuses.
        """
        cls = self.load(call.name)
        known = self._options(cls)
        for name in call.parameters:
            if name not in known:
                raise SpecError(f"{self.kind} {call.name!r} has no parameter {name!r}; {suggest(name, known)}")
        for name, parameter in known.items():
            if parameter.default is parameter.empty and name not in call.parameters:
                raise SpecError(f"{self.kind} {call.name!r} needs parameter {name!r}")
        try:
            return cls(**supplied, **call.parameters)
        except SpecError as error:
            raise SpecError(f"{self.kind} {call.text!r}: {error}") from None
        except StratsimError:
            raise
        except Exception as error:
            message = f"{self.kind} {call.text!r} cannot be made: {type(error).__name__}: {error}"
            raise SpecError(message) from error

    def load(self, name: str) -> type[Plugin]:
        """Return a class, by registered name or as `path/to/file.py:ClassName`."""
        if IN_FILE in name:
            return self._from_file(name)
        known = points(self.group)
        if name not in known:
            raise SpecError(f"unknown {self.kind} {name!r}; {suggest(name, known)}")
        return self._checked(known[name].load(), name)

    def describe(self, name: str) -> Description:
        """Return what a class says of itself.

        Raises:
            SpecError: there is no such class.
        """
        cls = self.load(name)
        own = inspect.cleandoc(cls.__doc__ or "")
        root = self.base.rpartition(".")[2]
        family = [base for base in cls.__mro__[1:] if base.__name__ != root and self.family in vars(base)]
        text = "\n\n".join([own, *(f"{base.__name__}: {inspect.cleandoc(base.__doc__ or '')}" for base in family)])
        parameters = tuple(
            (key, "required" if parameter.default is parameter.empty else repr(parameter.default))
            for key, parameter in self._options(cls).items()
        )
        return Description(
            summary=own.split("\n", 1)[0],
            text=text,
            source=_source(own),
            parameters=parameters,
        )

    def _options(self, cls: type) -> dict[str, inspect.Parameter]:
        """Return the parameters that users can give."""
        return {name: parameter for name, parameter in _parameters(cls).items() if name not in self.supplied}

    def _parse(self, text: str) -> PluginCall:
        return PluginCall(text, *keywords_of(self.kind, text))

    def _from_file(self, name: str) -> type[Plugin]:
        file, _, class_name = name.rpartition(":")
        module = module_in_file(self.kind, name, file)
        if not hasattr(module, class_name):
            own = [(key, it) for key, it in vars(module).items() if getattr(it, "__module__", "") == module.__name__]
            classes = [key for key, value in own if inspect.isclass(value)]
            raise SpecError(f"{file} has no class {class_name!r}; {suggest(class_name, classes)}")
        return self._checked(getattr(module, class_name), name)

    def _checked(self, loaded: object, name: str) -> type[Plugin]:
        missing = [attribute for attribute in self.needed if not hasattr(loaded, attribute)]
        if not inspect.isclass(loaded) or missing:
            lacks = f"lacks {', '.join(missing)}" if inspect.isclass(loaded) else "is not a class"
            raise SpecError(f"{self.kind} {name!r} is not a {self.kind}: it {lacks} (see {self.base})")
        return cast("type[Plugin]", loaded)


def _source(docstring: str) -> str:
    """Return what follows `Source:`, without what comes after its paragraph."""
    paragraph = re.split(r"\n\s*\n|\n\s*Args:", docstring.partition("Source:")[2])[0]
    return " ".join(paragraph.split()).split(";")[0].removesuffix(".")


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return the constructor's named parameters; a class without a constructor of its own has none."""
    return {
        name: parameter
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
