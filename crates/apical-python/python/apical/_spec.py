"""Settings with a kind, as the tables of a configuration file."""

from __future__ import annotations

import inspect
import json
from keyword import iskeyword
from typing import Any, Callable, Literal, Mapping, Optional, Sequence, Union

from . import _core

REGISTRY: dict = json.loads(_core.registry())


class Spec(dict):
    """Settings of one kind: a dictionary with `kind` and whatever differs from the defaults.

    Two of them are equal if their settings are; `spec | {"rate": 0.1}` makes a changed one.
    """

    group = ""

    @property
    def kind(self) -> str:
        """Name in configurations."""
        return self["kind"]

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self.items() if k != "kind")
        return f"{self.group}.{self['kind']}({settings})"

    def __or__(self, other: Mapping) -> "Spec":
        return type(self)({**self, **other})

    def __reduce__(self):
        return (type(self), (dict(self),))


class Rule(Spec):
    """How the recurrent layer learns; see `apical.rules`."""

    group = "rules"


class Neuron(Spec):
    """Kind of unit; see `apical.neurons`."""

    group = "neurons"


class Feedback(Spec):
    """How errors come back to the units; see `apical.feedback`."""

    group = "feedback"


class Loss(Spec):
    """What is minimised; see `apical.losses`."""

    group = "losses"


class Optimizer(Spec):
    """How gradients become weight changes; see `apical.optimizers`."""

    group = "optimizers"


class Init(Spec):
    """How weights start; see `apical.init`."""

    group = "init"


def as_spec(value: Union[str, Mapping, None], field: str) -> Optional[dict]:
    """A name alone stands for its defaults."""
    if value is None or isinstance(value, dict):
        return value
    if isinstance(value, str):
        return {"kind": value}
    if callable(value) and hasattr(value, "kind"):
        return value()
    raise TypeError(
        f"{field}: got a {type(value).__name__}, expected a name or settings. "
        f'Write for example {field}="{next(iter(REGISTRY[_GROUPS[field]]))}".'
    )


_GROUPS = {
    "rule": "rules",
    "neuron": "neurons",
    "feedback": "feedback",
    "loss": "losses",
    "optimizer": "optimizers",
    "recurrent": "init",
    "input": "init",
    "bias": "init",
    "readout": "init",
    "readout_bias": "init",
    "output_feedback": "init",
    "task": "tasks",
}

_ROWS = [
    ("source", "Source"),
    ("drops", "Drops"),
    ("locality", "Local in space"),
    ("memory", "Memory"),
    ("time", "Time a step"),
    ("equation", "Equation"),
    ("sizes", "Sizes"),
]


_TYPES = {"number": float, "whole": int, "truth": bool, "text": str, "table": Mapping[str, Any]}


def annotation(setting: Mapping) -> Any:
    """The type of a setting; one that may be left out without having a default is optional."""

    def of(kind: Any) -> Any:
        if isinstance(kind, dict):
            return Sequence[of(kind["list"]["of"])]
        if kind == "words":
            return Literal[tuple(choice["name"] for choice in setting["choices"])]
        return _TYPES.get(kind, Any)

    kind = of(setting["type"])
    left_out = setting["default"] is None and not setting["required"]
    return Optional[kind] if left_out else kind


def _words(setting: Mapping) -> str:
    """Type, range, unit and default of a setting in words."""

    def of(kind: Any) -> str:
        if isinstance(kind, dict):
            length = kind["list"]["length"]
            return f"list of {length or ''} {of(kind['list']['of'])}".replace("  ", " ")
        if kind == "words":
            return "{" + ", ".join(repr(choice["name"]) for choice in setting["choices"]) + "}"
        return {"number": "float", "whole": "int", "truth": "bool", "text": "str", "table": "dict"}.get(kind, "any")

    parts = [of(setting["type"])]
    if setting["range"]:
        parts.append(("in " if setting["range"][0] in "[(" else "") + setting["range"])
    if setting["unit"]:
        parts.append(f"counted in {setting['unit']}")
    if setting["default"] is not None:
        parts.append(f"default {setting['default']!r}")
    elif not setting["required"]:
        parts.append("optional")
    return ", ".join(parts)


def _document(name: str, entry: Mapping, page: str) -> str:
    info = entry["info"] or {}
    lines = [info.get("summary", entry["about"]).rstrip(".") + "."]
    rows = [f"{label}: {info[key]}." for key, label in _ROWS if info.get(key)]
    lines += ["", *rows] if rows else []
    if entry["settings"]:
        lines += ["", "Parameters", "----------"]
        for setting in entry["settings"]:
            lines += [f"{_word(setting['name'])} : {_words(setting)}", f"    {setting['about']}"]
            lines += [f"    - {choice['name']}: {choice['about']}" for choice in setting["choices"]]
    if page:
        lines += ["", f"See docs/{page}/{name}.md."]
    return "\n".join(lines)


def _word(key: str) -> str:
    """A setting called like a keyword of Python takes an underscore: lambda_."""
    return key + "_" if iskeyword(key) else key


def _plain(key: str) -> str:
    return key[:-1] if key.endswith("_") and iskeyword(key[:-1]) else key


def constructor(
    kind: type, name: str, entry: Mapping, module: str, page: str = ""
) -> Callable[..., Spec]:
    """The function that makes settings of one kind; wrong ones are refused where they are used, by name."""

    known = {setting["name"]: setting for setting in entry["settings"]}

    def make(**settings: Any) -> Spec:
        settings = {_plain(key): value for key, value in settings.items()}
        wrong = [key for key in settings if key not in known]
        if wrong:
            words = ", ".join(known) or "none"
            raise TypeError(
                f"{module.rpartition('.')[2]}.{name}: got the setting `{wrong[0]}`, expected one of: {words}. "
                f"Remove it, or look at help({module}.{name})."
            )
        settings = {k: v for k, v in settings.items() if v is not None}
        if settings and "normalize" in known:
            # A text with a rate alone is read as one older than this setting; a signature is not.
            settings.setdefault("normalize", known["normalize"]["default"])
        return kind({"kind": name, **settings})

    make.__name__ = make.__qualname__ = name
    make.__module__ = module
    make.__doc__ = _document(name, entry, page)
    make.kind = name
    empty = inspect.Parameter.empty
    make.__signature__ = inspect.Signature(
        [
            inspect.Parameter(
                _word(name),
                inspect.Parameter.KEYWORD_ONLY,
                default=empty if setting["required"] else setting["default"],
                annotation=annotation(setting),
            )
            for name, setting in known.items()
        ],
        return_annotation=kind,
    )
    return make


def fill(
    namespace: dict, group: str, kind: type, page: str = "", aliases: bool = False
) -> list[str]:
    """Puts a constructor for everything of the registry's `group` into a module; returns their names."""
    names = []
    for name, entry in REGISTRY[group].items():
        known = (entry["info"] or {}).get("aliases", []) if aliases else []
        for word in [name, *known]:
            make = constructor(kind, name, entry, namespace["__name__"], page)
            namespace[word] = make
            names.append(word)
    return sorted(names)
