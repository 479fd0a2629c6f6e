"""Finds classes by name (entry points), or in a user's file, and makes objects of them with inline parameters.

- `fifo`: a registered class
- `edf(max_batch=4)`: the same with parameters
- `strait(belief=rls(forgetting=0.98))`: a parameter may itself be such a name; it reaches the class as text
- `triton(repository=deploy/models)`: a value with a slash is a path, and needs no quotes
- `my_policy.py:MyPolicy`: a class in a file

Policies, predictors and device models each have one `Registry`. Nothing is evaluated: parameters are literals or words.

Data is never code: a file is imported only if `allow_code` was given a text that names it. The command line gives it
what the user typed, or wrote in a file of settings; what a profile, a result folder, a sweep's store or a file of
samples names is not among these. Docs: SECURITY.md.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from stratsim.errors import CodeRefusedError, SpecError, StratsimError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = ["Description", "PluginCall", "Registry", "function_in_file", "keywords_of", "points"]
__all__ += ["allow_code", "allowed_code", "call_allowing", "check_allowed", "code_files", "code_in", "code_sha256"]

Plugin = TypeVar("Plugin")

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
"""Where the entry points of a source tree stand."""

_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_PATH = re.compile(r"""('[^']*'|"[^"]*")|(?<==)\s*([^\s,()\[\]{}='"]*/[^,()\[\]{}='"]*?)(?=\s*[,)])""")
"""A string in quotes, or a value with a slash."""
_IN_FILE = ".py:"
"""What a class in a file has in its name, and no registered one."""

_ALLOWED: ContextVar[frozenset[str]] = ContextVar("stratsim_allowed_code", default=frozenset())
"""Names of classes in files, as typed, that may be imported in this context and those copied from it."""

_IMPORTED: dict[Path, str] = {}
"""SHA-256 of the files that were imported, as they were then."""


def allow_code(*values: object) -> None:
    """Let the files that these values name be imported, in this context: to be called with what a user typed only.

    Args:
        values: Texts as `Registry.parse` reads them, with names within parameters too; dicts and lists of texts (a file
            of settings). Anything else names nothing.
    """
    _ALLOWED.set(_ALLOWED.get() | set(code_in(values)))


def code_in(value: object) -> Iterator[str]:
    """Yield the names FILE.py:CLASS in a text, and in all texts within dicts and lists."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield from code_files(each)
        elif isinstance(each, Mapping):
            left += each.values()
        elif isinstance(each, list | tuple):
            left += each


def allowed_code() -> tuple[str, ...]:
    """Return what `allow_code` was given, for the `allow_code` of a worker process: a context does not reach there."""
    return tuple(sorted(_ALLOWED.get()))


def check_allowed(kind: str, name: str) -> None:
    """Refuse a class or function in a file unless `allow_code` was given its name: the gate for all that is imported.

    Args:
        kind: What it would be, for the message: `policy`, `model`.
        name: FILE.py:NAME.

    Raises:
        CodeRefusedError: says how to allow it.
    """
    path, _, attribute = name.rpartition(":")
    for allowed in _ALLOWED.get():
        file, _, known = allowed.rpartition(":")
        if known == attribute and (file == path or Path(file).resolve() == Path(path).resolve()):
            return
    raise CodeRefusedError(kind, name)


def call_allowing(allowed: tuple[str, ...], function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker, where the code that its driver's user allowed may be imported.

    Args:
        allowed: From `allowed_code`, in the driver.
        function: Called with the arguments.
        arguments: Its own.
    """
    context = copy_context()
    context.run(allow_code, *allowed)
    return context.run(function, *arguments)


def code_sha256(*values: object) -> dict[str, str]:
    """Return the SHA-256 of each file of code that these texts name, by its name as typed: as imported, else as it is.

    Args:
        values: As for `allow_code`.
    """
    files = {name.rpartition(":")[0] for value in values for name in code_in(value)}
    found = {file: _IMPORTED.get(Path(file).resolve()) or _sha256(Path(file)) for file in sorted(files)}
    return {file: digest for file, digest in found.items() if digest}


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # gone meanwhile, and never imported
        return ""


def code_files(text: str) -> Iterator[str]:
    """Yield the names FILE.py:CLASS in a text, those in parameters too; none in what cannot be read."""
    for part in _split(text) or ():
        name, bracket, rest = part.strip().partition("(")
        if _IN_FILE in name:
            yield name.strip()
        if bracket:
            try:
                values = list(_keywords(f"f({rest}").values())
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue  # the reader of the text says what is wrong with it
            for value in values:
                if isinstance(value, str) and _IN_FILE in value:
                    yield from code_files(value)


def points(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, sorted.

    A source tree that runs without being installed (`PYTHONPATH=.:profiler python -m stratsim`) has none of its own:
    then those that its pyproject.toml declares are added.
    """
    found = dict(_installed(group, _search_path()))
    if not any(point.value.startswith("stratsim") for point in found.values()):
        found = _declared(group) | found
    return dict(sorted(found.items()))


def _search_path() -> tuple[tuple[str, int], ...]:
    """Return where Python looks for packages, with times that change when one is installed."""
    found = []
    for place in sys.path:
        with suppress(OSError):  # nothing there, or nothing that may be read
            found.append((place, Path(place).stat().st_mtime_ns))
    return tuple(found)


@lru_cache
def _installed(group: str, _places: tuple[tuple[str, int], ...]) -> dict[str, EntryPoint]:
    """Return the entry points of all installed packages: read once, as that opens a file per package."""
    return {point.name: point for point in entry_points(group=group)}


def _declared(group: str) -> dict[str, EntryPoint]:
    """Return the entry points that the source tree declares; none where there is no source tree."""
    try:
        project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return {}
    declared = project.get("entry-points", {}).get(group, {}) if project.get("name") == "stratsim" else {}
    return {name: EntryPoint(name, value, group) for name, value in declared.items()}


@dataclass(frozen=True, slots=True)
class PluginCall:
    """A plug-in as it was asked for: `text` is the whole, `name` is what stands before the parameters."""

    text: str
    name: str
    parameters: dict[str, Any]


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
        parts = _split(text)
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
        if _IN_FILE in name:
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
        module = _imported(self.kind, name, file)
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


def keywords_of(kind: str, text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the parameters of `NAME(parameter=value, ...)`; the brackets may be absent.

    Args:
        kind: What it names, for the message.
        text: What was asked for.

    Raises:
        SpecError: the parameters cannot be read.
    """
    name, bracket, rest = text.partition("(")
    if not bracket:
        return text.strip(), {}
    try:
        return name.strip(), _keywords(f"f({rest}")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deep
        raise SpecError(f"cannot read {kind} {text!r}: parameters are NAME=VALUE, separated by commas") from None


def function_in_file(kind: str, name: str) -> object:
    """Return what a user's file calls by a name, `path/to/file.py:function`.

    Raises:
        SpecError: there is no such file or name, or the file cannot be imported.
    """
    file, _, function = name.rpartition(":")
    module = _imported(kind, name, file)
    if not hasattr(module, function):
        own = [key for key, it in vars(module).items() if getattr(it, "__module__", "") == module.__name__]
        raise SpecError(f"{file} has no {function!r}; {suggest(function, own)}")
    return getattr(module, function)


def _imported(kind: str, name: str, file: str) -> ModuleType:
    path = Path(file)
    if not path.is_file():
        raise SpecError(f"{kind} {name!r}: there is no file {file!r}")
    check_allowed(kind, name)
    try:
        return _import_file(path)
    except (Exception, SystemExit) as error:  # a script without a main guard may end the process
        message = f"{kind} {name!r}: importing {file} failed: {type(error).__name__}: {error}"
        raise SpecError(message) from error


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


def _split(text: str) -> list[str] | None:
    """Split at the commas outside brackets; None where brackets do not match or a part is empty."""
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += _BRACKETS.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return None if depth or not all(part.strip() for part in parts) else parts


def _keywords(code: str) -> dict[str, Any]:
    """Read `f(NAME=VALUE, ...)`; anything else is a ValueError or a SyntaxError."""
    code = _PATH.sub(lambda found: found[1] or repr(found[2]), code)
    tree = ast.parse(code, mode="eval").body
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.args:
        raise ValueError("only NAME=VALUE")
    if any(keyword.arg is None for keyword in tree.keywords):
        raise ValueError("no **")
    return {str(keyword.arg): _value(keyword.value, code) for keyword in tree.keywords}


def _value(node: ast.expr, code: str) -> Any:
    """Return a literal; a word is a string, but `true`, `false` and `inf` are TOML's; NAME(...) stays text."""
    text = ast.get_source_segment(code, node) or ""
    name, bracket, rest = text.partition("(")
    if not _WORD.fullmatch(name.strip()) or text in ("True", "False", "None"):
        return ast.literal_eval(node)
    if not bracket:
        return {"true": True, "false": False, "inf": inf}.get(text, text)
    _keywords(f"f({rest}")  # raises what cannot be read
    return text


def _import_file(path: Path) -> ModuleType:
    """Import a file, once for the same content at the same place; it may import its neighbours."""
    content = path.read_bytes()
    _IMPORTED[path.resolve()] = hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + content).hexdigest()
    module_name = f"stratsim_user_{path.stem}_{digest[:12]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and pickle look their module up
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module
