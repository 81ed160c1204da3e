"""From live objects to documents: which names are public, which one an object goes by, what its docstring says.

Used inside the child process of `demo.harvest`; standard library only.
"""

from __future__ import annotations

import builtins
import inspect
import os.path
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partialmethod
from types import DynamicClassAttribute, GenericAlias, ModuleType
from typing import Any, NamedTuple

from demo.signatures import title_of

MINIMUM_CHARACTERS = 12
MINIMUM_WORDS = 2

GENERATED = re.compile(
    r"Alias for field number \d+"  # a field of a namedtuple
    r"|An enumeration\."  # an Enum without a docstring, until 3.11
    r"|[\w.]+\(((?! -> )[^\n])*\)",  # a dataclass, a namedtuple, a node of ast: its signature, nothing else
)


class Rank(NamedTuple):
    """How far a name is from the one a reader would look for; the smallest wins."""

    imported: bool  # False: a builtin, there without an import
    borrowed: bool  # another package's object under another name: timeit.default_timer
    undeclared: bool  # of a module without `__all__`
    depth: int
    alias: bool  # the object, or the class of the member, calls itself something else
    distance: int  # how many steps up the inheritance the member is defined
    abroad: bool  # defined in another module
    length: int
    name: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One name under which an object can be reached."""

    rank: Rank
    name: str
    kind: str
    target: Any
    drops_first: bool = False


class Collector:
    """Takes modules one by one, then keeps one name for each object and gives the documents."""

    def __init__(self) -> None:
        self._best: dict[int, Candidate] = {}
        self._alive: list[object] = []  # what was made on access stays alive, so that no two objects share an id

    def add_module(self, name: str, module: ModuleType) -> None:
        """Add the module and every public object that belongs to it."""
        prefix = public_module_name(name)
        self._offer(Candidate(Rank(False, False, False, 0, False, 0, False, 0, prefix), prefix, "module", module))
        for attribute in sorted({*vars(module), *getattr(module, "__all__", ())}):
            if attribute.startswith("_"):
                continue
            try:
                value = getattr(module, attribute)
            except Exception:  # noqa: BLE001, S112 - a lazy attribute may run any code; without a value, no document
                continue
            if is_documentable(value) and belongs(attribute, value, module):
                self._offer_member_of_module(prefix, attribute, value, declared=hasattr(module, "__all__"))

    def documents(self) -> Iterator[dict[str, Any]]:
        """One document an object, sorted by id (code points)."""
        for candidate in [one for one in self._best.values() if inspect.isclass(one.target)]:
            self._add_members(candidate)
        kept: dict[tuple[str, str, str], tuple[Candidate, str]] = {}
        for candidate in sorted(self._best.values(), key=lambda one: one.rank):
            text = own_docstring(candidate.target)
            if text is not None:
                first, _, _ = candidate.name.partition(".")
                last = candidate.name.rpartition(".")[2]
                # The same words about the same name in the same module: nobody could tell the two documents apart.
                kept.setdefault((first, last, text), (candidate, text))
        # What a package calls by its module's name hides the module: unittest.main.
        named = {candidate.name: (candidate, text) for candidate, text in kept.values() if candidate.kind == "module"}
        named |= {candidate.name: (candidate, text) for candidate, text in kept.values() if candidate.kind != "module"}
        for _, (candidate, text) in sorted(named.items()):
            title = title_of(candidate.name, candidate.kind, candidate.target, drops_first=candidate.drops_first)
            yield {"_id": candidate.name, "title": title, "text": text, "metadata": {"kind": candidate.kind}}

    def _offer(self, candidate: Candidate) -> None:
        known = self._best.get(id(candidate.target))
        if known is None or candidate.rank < known.rank:
            self._best[id(candidate.target)] = candidate
        self._alive.append(candidate.target)

    def _offer_member_of_module(self, prefix: str, attribute: str, value: object, *, declared: bool) -> None:
        name = attribute if prefix == "builtins" else f"{prefix}.{attribute}"
        target = unwrapped(value)
        home = home_of(value)
        alias = getattr(value, "__name__", attribute) != attribute
        rank = Rank(
            imported=prefix != "builtins",
            borrowed=alias and not home.startswith("_") and home.partition(".")[0] != prefix.partition(".")[0],
            undeclared=not declared,
            depth=name.count("."),
            alias=alias,
            distance=0,
            abroad=home != prefix,
            length=len(name),
            name=name,
        )
        kind = "function"
        if inspect.isclass(target):
            kind = "exception" if issubclass(target, BaseException) else "class"
        self._offer(Candidate(rank, name, kind, target, drops_first=target is not value))

    def _add_members(self, owner: Candidate) -> None:
        """Offer what the class defines, and what it takes over from base classes that no reader would look up."""
        seen: set[str] = set()
        for distance, base in enumerate(owner.target.__mro__):
            if distance and self._is_documented(base):
                continue
            for attribute, raw in sorted(vars(base).items()):
                if not attribute.startswith("_") and attribute not in seen:
                    seen.add(attribute)
                    self._offer_member_of_class(owner, attribute, raw, distance)

    def _offer_member_of_class(self, owner: Candidate, attribute: str, raw: object, distance: int) -> None:
        target = unwrapped(raw)
        if inspect.isclass(raw):
            nested = getattr(raw, "__qualname__", "").startswith(f"{owner.target.__qualname__}.")
            kind = "exception" if issubclass(raw, BaseException) else "class"
        else:
            nested = is_property(raw) or (inspect.isroutine(target) and not isinstance(raw, partialmethod))
            kind = "property" if is_property(raw) else "method"
        if not nested or self._repeats_a_base(owner.target, attribute, raw):
            return
        name = f"{owner.name}.{attribute}"
        rank = owner.rank._replace(depth=name.count("."), distance=distance, length=len(name), name=name)
        drops_first = kind == "method" and not isinstance(raw, staticmethod)
        candidate = Candidate(rank, name, kind, target, drops_first)
        self._offer(candidate)
        if inspect.isclass(raw):
            self._add_members(candidate)

    def _is_documented(self, base: type) -> bool:
        """Whether a reader would look a base class up: it has a public name, and not only as somebody's inner part."""
        return id(base) in self._best and not home_of(base).startswith("_")

    def _repeats_a_base(self, owner: type, attribute: str, raw: object) -> bool:
        """Whether an override only copies the docstring of what it overrides: a reader is served by the original."""
        text = own_docstring(unwrapped(raw))
        for base in owner.__mro__[1:]:
            overridden = vars(base).get(attribute)
            if overridden is not None and overridden is not raw and id(base) in self._best:
                return own_docstring(unwrapped(overridden)) == text
        return False


def public_module_name(name: str) -> str:
    """`posixpath` (or `ntpath`, on the system that lives on it) is documented as `os.path`."""
    return "os.path" if name == os.path.__name__ else name


def home_of(value: object) -> str:
    """The public name of the module that a class or function says it is defined in; empty when it says nothing."""
    home = getattr(value, "__module__", None)
    return public_module_name(home) if isinstance(home, str) else ""


def belongs(attribute: str, value: object, module: ModuleType) -> bool:
    """Whether the module publishes the name, rather than having imported the value for its own use."""
    listed = getattr(module, "__all__", None)
    home = home_of(value)
    if listed is not None:
        # A package may hand on what its parts list without listing it again: asyncio.TaskGroup, in 3.11.
        part = sys.modules.get(home) if home.startswith(f"{module.__name__}.") else None
        return attribute in listed or attribute in getattr(part, "__all__", ())
    if module is builtins or home == public_module_name(module.__name__) or home.startswith(f"{module.__name__}."):
        return True
    return home.startswith("_")  # written in C or in a private module, published here


def unwrapped(value: Any) -> Any:
    """The function inside a static, class or bound method; anything else as it is."""
    return value if inspect.isclass(value) else getattr(value, "__func__", value)


def is_documentable(value: object) -> bool:
    """Classes, functions, and what stands in for one: cached functions, the special forms of typing."""
    if isinstance(value, (ModuleType, GenericAlias)):  # an alias of types shows the docstring of its origin
        return False
    if inspect.isclass(value) or inspect.isroutine(value):
        return True
    return callable(value) and getattr(value, "__doc__", None) != type(value).__doc__


def is_property(raw: object) -> bool:
    return isinstance(raw, (property, cached_property, DynamicClassAttribute)) or (
        inspect.isgetsetdescriptor(raw) or inspect.ismemberdescriptor(raw)
    )


def own_docstring(target: Any) -> str | None:
    """The docstring, cleaned, when the object has one of its own that says something; None otherwise."""
    text = getattr(target, "__doc__", None)
    if not isinstance(text, str):
        return None
    family = target.__mro__[1:] if inspect.isclass(target) else (type(target),)
    if any(text == base.__doc__ for base in family):
        return None
    lines = [line.rstrip() for line in inspect.cleandoc(text).replace("\0", "").splitlines()]
    cleaned = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    if len(cleaned) < MINIMUM_CHARACTERS or len(cleaned.split()) < MINIMUM_WORDS or GENERATED.fullmatch(cleaned):
        return None
    return cleaned
