"""Finds policies by name (entry points), or in a user's file, and makes them with inline parameters.

- `fifo`: a registered policy
- `edf(max_batch=4)`: the same with parameters
- `my_policy.py:MyPolicy`: a class in a file
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stratsim.errors import SpecError, suggest
from stratsim.policy.base import Policy

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Description", "PolicyCall", "describe", "make_policy", "parse_policies", "policy_class", "registered"]

GROUP = "stratsim.policies"
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


@dataclass(frozen=True, slots=True)
class PolicyCall:
    """A policy as it was asked for: `text` is the whole, `name` is what stands before the parameters."""

    text: str
    name: str
    parameters: dict[str, Any]


def registered() -> dict[str, str]:
    """Return where each registered policy is, as `module:Class`, by name."""
    return {point.name: point.value for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def parse_policies(text: str) -> list[PolicyCall]:
    """Split a comma-separated list of policies and read their inline parameters.

    Parameters are Python literals or bare words: `edf(max_batch=4, drop=never)`. Nothing is evaluated.

    Raises:
        SpecError: names the part that cannot be read.
    """
    calls = [_parse(part.strip()) for part in _split(text)]
    texts = [call.text for call in calls]
    for call in calls:
        if texts.count(call.text) > 1:
            raise SpecError(f"policy {call.text!r} is listed twice")
    return calls


def make_policy(call: PolicyCall) -> Policy:
    """Return a new policy.

    Raises:
        SpecError: no such policy or parameter (with the nearest name), or a value that the policy refuses.
    """
    cls = policy_class(call.name)
    known = _parameters(cls)
    for name in call.parameters:
        if name not in known:
            raise SpecError(f"policy {call.name!r} has no parameter {name!r}; {suggest(name, known)}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in call.parameters:
            raise SpecError(f"policy {call.name!r} needs parameter {name!r}")
    try:
        return cls(**call.parameters)
    except SpecError as error:
        raise SpecError(f"policy {call.text!r}: {error}") from None
    except Exception as error:
        raise SpecError(f"policy {call.text!r} cannot be made: {type(error).__name__}: {error}") from error


def _parameters(cls: type[Policy]) -> dict[str, inspect.Parameter]:
    """Return the constructor's named parameters; a class without a constructor of its own has none."""
    return {
        name: parameter
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def policy_class(name: str) -> type[Policy]:
    """Return a policy's class, by registered name or as `path/to/file.py:ClassName`."""
    if ".py:" in name:
        return _from_file(name)
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise SpecError(f"unknown policy {name!r}; {suggest(name, points)}")
    loaded = points[name].load()
    return _checked(loaded, name)


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += _BRACKETS.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    if depth or not all(part.strip() for part in parts):
        raise SpecError(f"cannot read the policy list {text!r}: expected NAME[(parameter=value, ...)], ...")
    return parts


def _parse(text: str) -> PolicyCall:
    name, bracket, rest = text.partition("(")
    if not bracket:
        return PolicyCall(text, text, {})
    try:
        tree = ast.parse(f"f({rest}", mode="eval").body
        if not isinstance(tree, ast.Call) or tree.args or any(keyword.arg is None for keyword in tree.keywords):
            raise ValueError("only NAME=VALUE")
        parameters = {str(keyword.arg): _literal(keyword.value) for keyword in tree.keywords}
    except (SyntaxError, ValueError):
        raise SpecError(f"cannot read policy {text!r}: parameters are NAME=VALUE, separated by commas") from None
    return PolicyCall(text, name.strip(), parameters)


def _literal(node: ast.expr) -> Any:
    """Return a literal; a bare word is a string, true and false are what TOML calls so."""
    if isinstance(node, ast.Name):
        return {"true": True, "false": False}.get(node.id, node.id)
    return ast.literal_eval(node)


def _from_file(name: str) -> type[Policy]:
    file, _, class_name = name.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise SpecError(f"policy {name!r}: there is no file {file!r}")
    try:
        module = _import_file(path)
    except (Exception, SystemExit) as error:  # a script without a main guard may end the process
        raise SpecError(f"policy {name!r}: importing {file} failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, class_name):
        own = [
            (key, value) for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
        ]
        classes = [key for key, value in own if inspect.isclass(value)]
        raise SpecError(f"{file} has no class {class_name!r}; {suggest(class_name, classes)}")
    return _checked(getattr(module, class_name), name)


def _import_file(path: Path) -> ModuleType:
    """Import a file, once for the same content at the same place; it may import its neighbours."""
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + path.read_bytes()).hexdigest()
    module_name = f"stratsim_user_policy_{path.stem}_{digest[:12]}"
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


def _checked(loaded: object, name: str) -> type[Policy]:
    needed = ("prepare", "on_arrival", "decide", "wakes")
    missing = [attribute for attribute in needed if not hasattr(loaded, attribute)]
    if not inspect.isclass(loaded) or missing:
        lacks = f"lacks {', '.join(missing)}" if inspect.isclass(loaded) else "is not a class"
        raise SpecError(f"policy {name!r} is not a policy: it {lacks} (see stratsim.policy.base.Policy)")
    return cast("type[Policy]", loaded)


@dataclass(frozen=True, slots=True)
class Description:
    """What a policy's class says of itself.

    Args:
        summary: First line of its docstring.
        text: The whole docstring, followed by that of the family it belongs to.
        source: What follows `Source:` in the docstring, its first sentence or clause.
        parameters: Name and default of each parameter.
        wakes: The moments at which it is asked for decisions.
    """

    summary: str
    text: str
    source: str
    parameters: tuple[tuple[str, str], ...]
    wakes: tuple[str, ...]


def describe(name: str) -> Description:
    """Return what the policy `name` says of itself.

    Raises:
        SpecError: there is no such policy.
    """
    cls = policy_class(name)
    own = inspect.cleandoc(cls.__doc__ or "")
    family = [base for base in cls.__mro__[1:] if base is not Policy and "decide" in vars(base)]
    text = "\n\n".join([own, *(f"{base.__name__}: {inspect.cleandoc(base.__doc__ or '')}" for base in family)])
    _, _, source = own.partition("Source:")
    parameters = tuple(
        (key, "required" if parameter.default is parameter.empty else repr(parameter.default))
        for key, parameter in _parameters(cls).items()
    )
    return Description(
        summary=own.split("\n", 1)[0],
        text=text,
        source=" ".join(source.split()).split(";")[0].removesuffix("."),
        parameters=parameters,
        wakes=tuple(sorted(wake.value for wake in cls.wakes)),
    )
