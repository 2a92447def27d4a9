"""Checks, comparisons and whole papers: what `apical check`, `compare` and `reproduce` do, as Python objects."""

from __future__ import annotations

import json
import os
from typing import Any, Iterable, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np

from . import _core
from ._arrays import file_path, word
from ._drive import Bar
from ._network import whole
from ._spec import REGISTRY, as_spec


class Receipt(dict):
    """What was checked of one rule: `relations`, `locality`, `time`, `unbiased`, and whether it all `passed`."""

    @property
    def passed(self) -> bool:
        """Whether everything came out as declared."""
        return self["passed"]

    @property
    def name(self) -> str:
        """The rule."""
        return self["rule"]["name"]

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        lines = [f"{self.name}: {'passed' if self.passed else 'FAILED'}"]
        for r in self.get("relations", []):
            sign = "<=" if r["holds"] else ">"
            size = r["largest"] if r["holds"] else r["median"]
            mark = "ok" if r["passed"] else "X"
            lines.append(f"  {mark:2} {size:8.1e} {sign} {r['bound']:7.1e}  {r['says']}")
        for v in self["locality"]:
            mark = "ok" if v["passed"] else "X"
            words = f" ({v['settings']})" if v["settings"] else ""
            lines.append(
                f"  {mark:2} locality{words}: declared {v['declared']}; {v['synapse']} of {v['synapses']} synapses "
                f"see only what is theirs, {v['dendrite']} with what reaches their unit"
            )
            if v["uses"]:
                lines.append(f"     uses {', '.join(v['uses'])} {', '.join(v['memory'])}".rstrip())
        for u in self.get("unbiased", []):
            mark = "ok" if u["passed"] else "X"
            numbers = ", ".join(f"{k} {x:.3g}" for k, x in u.items() if isinstance(x, float))
            lines.append(f"  {mark:2} mean over noise: {numbers}")
        return "\n".join(lines)


def check(
    *rules: Any,
    cases: int = 100,
    seed: int = 0,
    draws: int = 10_000,
    progress: bool = True,
) -> Union[Receipt, list]:
    """The receipt of rules: relations to exact gradients, audit of locality, means of stochastic rules.

    Parameters
    ----------
    *rules : str, settings of `apical.rules`, or a class with a method `step(view, credit)`
        All built-in rules if none is named. Of a rule written in Python only the locality is audited: what `locality` the
        class declares must be true. Give the class (or a function without arguments), not an object: each audited network
        gets a rule of its own.
    cases : int
        Random networks for each relation.
    seed : int
    draws : int
        Draws of noise for each stochastic rule and network.

    Returns
    -------
    Receipt, or a list of them
        True if everything came out as declared.
    """
    names = rules or tuple(REGISTRY["rules"])
    receipts = []
    with Bar(len(names), progress) as bar:
        for rule in names:
            if isinstance(rule, (str, dict)) or hasattr(rule, "kind"):
                spec = as_spec(rule, "rule")
                text = _core.check(
                    [spec], whole("cases", cases), whole("seed", seed), whole("draws", draws), None
                )
                receipts.append(Receipt(json.loads(text)[0]))
            elif callable(rule):
                count = max(1, min(whole("cases", cases), 20))
                verdict = json.loads(_core.audit(rule, count, whole("seed", seed)))
                receipts.append(
                    Receipt(
                        rule={"name": getattr(rule, "__name__", "rule")},
                        locality=[verdict],
                        passed=verdict["passed"],
                    )
                )
            else:
                raise TypeError(
                    f"rule: got an object of {type(rule).__name__}, expected its class: each audited network gets a rule of "
                    f"its own. Write apical.check({type(rule).__name__})."
                )
            bar.advance(1)
    return receipts[0] if len(rules) == 1 else receipts


class Comparison:
    """How far the gradients of rules agree along one trajectory.

    Attributes
    ----------
    labels : list of names
    seeds : list of int
    means : array (seeds, rules, rules)
        Mean alignment (cosine) of the recurrent gradients; 1 on the diagonal.
    """

    def __init__(self, about: Mapping, svg: str, png: bytes) -> None:
        self.labels: list = about["labels"]
        self.seeds: list = about["seeds"]
        self.rows: list = about["rows"]
        self.svg, self.png = svg, png
        place = {label: k for k, label in enumerate(self.labels)}
        at = {seed: k for k, seed in enumerate(self.seeds)}
        self.means = np.tile(np.eye(len(self.labels)), (len(self.seeds), 1, 1))
        for row in self.rows:
            i, j, k = place[row["rule"]], place[row["with"]], at[row["seed"]]
            mean = np.nan if row["mean"] is None else row["mean"]
            self.means[k, i, j] = self.means[k, j, i] = mean

    def to_pandas(self) -> Any:
        """One row a pair and seed: mean, deviation over steps, weighted mean, and what was compared."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas: pip install 'apical[pandas]'") from None
        return pandas.DataFrame(self.rows)

    def plot(self, ax: Any = None) -> Any:
        """The mean alignments as a heat map, with matplotlib."""
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            raise ImportError("plot needs matplotlib: pip install 'apical[plot]'") from None
        if ax is None:
            _, ax = plt.subplots(constrained_layout=True)
        means = self.means.mean(0)
        image = ax.imshow(means, vmin=-1, vmax=1, cmap="RdBu")
        ticks = range(len(self.labels))
        ax.set_xticks(ticks, self.labels, rotation=90)
        ax.set_yticks(ticks, self.labels)
        for i in ticks:
            for j in ticks:
                dark = abs(means[i, j]) > 0.6
                ax.text(j, i, f"{means[i, j]:.2f}", ha="center", va="center", color="w" if dark else "k")
        ax.figure.colorbar(image, ax=ax, label="mean alignment")
        return ax

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        means, spread = self.means.mean(0), self.means.std(0, ddof=1 if len(self.seeds) > 1 else 0)
        width = max(map(len, self.labels))
        lines = [f"mean alignment over {len(self.seeds)} seeds"]
        for i, label in enumerate(self.labels):
            cells = "  ".join(f"{means[i, j]:5.2f} ±{spread[i, j]:.2f}" for j in range(i))
            lines.append(f"{label:{width}}  {cells}".rstrip())
        return "\n".join(lines)


def compare(
    experiment: str,
    rules: Union[str, Sequence[str]] = "rtrl,rflo,uoro,kf_rtrl,r_kf_rtrl,dendritic,f_bptt,e_bptt",
    *,
    train: Optional[str] = None,
    changes: Optional[Mapping[str, Any]] = None,
    seeds: Optional[int] = None,
    steps: Optional[int] = None,
    quick: bool = False,
    threads: int = 0,
    progress: bool = True,
) -> Comparison:
    """Lets one rule train and others watch, and compares their gradients, as `apical compare`.

    Parameters
    ----------
    experiment : str
        A built-in experiment (see `apical.experiments()`) or a TOML file.
    rules : list or comma-separated names
        Rules that watch, each of `apical.rules`, or "KIND" or "KIND.KEY=VALUE+KEY=VALUE".
    train : str or settings of `apical.rules`, optional
        The rule that trains; that of the experiment if left out.
    changes : dictionary, optional
        Settings to change, for example {"network.units": 16}.
    seeds, steps : int, optional
    quick : bool
        Two seeds of 2,000 steps.
    threads : int
        Seeds side by side, 0 for one a processor; results do not depend on it.
    """
    if not isinstance(experiment, (str, os.PathLike)):
        raise TypeError(
            f"experiment: got a {type(experiment).__name__}, expected the name of a built-in experiment or a TOML file, because "
            "compare builds learners of its own. For a network and data of your own, compare apical.gradients(network, rule, X, Y) "
            "of each rule."
        )
    if changes is not None and not isinstance(changes, Mapping):
        raise TypeError(
            f"changes: got a {type(changes).__name__}, expected a dictionary. Write for example changes={{\"network.units\": 16}}."
        )
    settings = dict(changes or {})
    if quick:
        settings.setdefault("seeds", 2)
        settings.setdefault("steps", 2_000)
    for name, value in (("seeds", seeds), ("steps", steps)):
        if value is not None:
            settings[name] = whole(name, value)
    listed = [f"{key}={_toml(value)}" for key, value in settings.items()]
    single = isinstance(rules, (str, Mapping)) or not isinstance(rules, Iterable)
    names = ",".join(map(_rule_text, [rules] if single else rules))
    train = None if train is None else _rule_text(train)
    with Bar(None, progress) as bar:
        text, svg, png = _core.compare(
            os.fspath(experiment), listed, train, names, whole("threads", threads), bar.advance
        )
    return Comparison(json.loads(text), svg, png)


def _rule_text(rule: Any) -> str:
    """A rule as the command line writes it: KIND.KEY=VALUE+KEY=VALUE."""
    if isinstance(rule, str):
        return rule
    if hasattr(rule, "kind") and not isinstance(rule, Mapping):
        return rule.kind
    if not isinstance(rule, Mapping) or not isinstance(rule.get("kind"), str):
        kind = rule.__name__ if isinstance(rule, type) else f"a {type(rule).__name__}"
        raise TypeError(
            f"rules: got {kind}, expected names or settings of apical.rules, because only built-in rules watch a run. Write for "
            "example rules=[\"rtrl\", \"rflo\"]; for a rule of your own compare apical.gradients(network, rule, X, Y)."
        )
    settings = "+".join(f"{key}={_toml(value)}" for key, value in rule.items() if key != "kind" and value is not None)
    return f"{rule['kind']}.{settings}" if settings else rule["kind"]


def _toml(value: Any) -> str:
    """A value as it stands in a configuration file."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {_toml(part)}" for key, part in value.items())
        return "{ " + inner + " }"
    if hasattr(value, "tolist"):
        value = value.tolist()
    return json.dumps(value)


class Figure(NamedTuple):
    """A figure as SVG text and PNG bytes."""

    svg: str
    png: bytes

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Figure(svg of {len(self.svg):,} characters, png of {len(self.png):,} bytes)"


class Reproduction:
    """What a reproduction gave: `claims` (dictionaries with statement, measured, verdict, ..), `figures` by name, `reports`."""

    def __init__(self, about: Mapping, figures: Sequence) -> None:
        self.claims: list = about["claims"]["claims"]
        self.paper: str = about["claims"]["paper"]
        self.reports: list = about["reports"]
        self.figures = {name: Figure(svg, png) for name, svg, png in figures}
        self._markdown: str = about["markdown"]

    def to_pandas(self) -> Any:
        """One row a claim."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas: pip install 'apical[pandas]'") from None
        return pandas.DataFrame(self.claims)

    def _repr_markdown_(self) -> str:
        return self._markdown

    def __repr__(self) -> str:
        lines = [f"{self.paper}: {len(self.claims)} claims"]
        lines += [f"  {c['verdict']:14}  {c['statement']}: {c['measured']}" for c in self.claims]
        return "\n".join(lines)


def reproduce(
    paper: str,
    *,
    figure: Optional[str] = None,
    task: Optional[str] = None,
    quick: bool = False,
    out: Any = None,
    resume: bool = False,
    threads: int = 0,
    progress: bool = True,
) -> Reproduction:
    """Runs a whole paper, draws its figures and judges its claims, as `apical reproduce`.

    Parameters
    ----------
    paper : str
        A key of `apical.papers()`.
    figure : str, optional
        Only this figure, of papers that are cut into figures ("2d" of "murray2019").
    task : str, optional
        Only this task, of papers that are cut into tasks ("xor" of "liu2022").
    quick : bool
        Fewer seeds and steps, in seconds; verdicts are weaker.
    out : path, optional
        A new folder for figures, claims and tables.
    resume : bool
        Go on with the reproduction in `out` where it was interrupted.
    threads : int
        Runs side by side, 0 for one a processor; results do not depend on it.
    """
    word("paper", paper, "marschall2019")
    for name, value in (("figure", figure), ("task", task)):
        if value is not None:
            word(name, value, "2d" if name == "figure" else "xor")
    if resume and out is None:
        raise ValueError("resume: got True without out. Give the folder of the reproduction that was interrupted.")
    if figure is not None and task is not None:
        raise ValueError("figure, task: got both, expected one of them. Leave one out.")
    part = ("figure", figure) if figure is not None else ("task", task) if task is not None else None
    out = None if out is None else file_path("out", out)
    with Bar(_core.paper_steps(paper, part, quick), progress) as bar:
        text, figures = _core.reproduce(
            paper, part, quick, whole("threads", threads), out, resume, bar.advance
        )
    return Reproduction(json.loads(text), figures)


def papers() -> dict[str, str]:
    """Papers that `reproduce` knows: key and title."""
    return dict(_core.papers())


def experiments() -> list[str]:
    """Names of the built-in experiments."""
    return _core.experiments()
