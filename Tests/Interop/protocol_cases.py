"""Reads the protocol suite: `Fixtures/protocol/*.cases`, whose language is described in the README beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "Fixtures" / "protocol"


@dataclass
class Step:
    """One line: `>` or `<` on a connection, or a word of its own."""

    verb: str
    words: list[str]
    connection: int
    place: str

    def options(self) -> tuple[list[str], dict[str, list[str]]]:
        """The words without a value, and the values of those with one."""
        bare, values = [], {}
        for word in self.words:
            name, equals, value = word.partition("=")
            if equals and "(" not in name:
                values.setdefault(name, []).append(value)
            else:
                bare.append(word)
        return bare, values


@dataclass
class Case:
    name: str
    file: str
    clause: str = ""
    only: str | None = None
    steps: list[Step] = field(default_factory=list)


class Malformed(Exception):
    pass


@dataclass
class _Block:
    """A case or a scene as it was written."""

    kind: str
    name: str
    place: str
    lines: list[tuple[str, str]] = field(default_factory=list)


def load(folder: Path = FOLDER) -> list[Case]:
    """All cases, one for each row of those that have a table."""
    defines, scenes, blocks = {}, {}, []
    for file in sorted(folder.glob("*.cases")):
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            text = line.split("#", 1)[0].rstrip() if not line.lstrip().startswith("#") else ""
            word, _, rest = text.strip().partition(" ")
            place = f"{file.name}:{number}"
            if word == "define":
                name, _, value = rest.strip().partition(" ")
                defines[name] = value.strip()
            elif word in ("case", "scene"):
                blocks.append(_Block(word, rest.strip(), place))
            elif word:
                blocks[-1].lines.append((text.strip(), place))
    for block in blocks:
        if block.kind == "scene":
            scenes[block.name] = block
    cases = [case for block in blocks if block.kind == "case" for case in _expand(block, scenes, defines)]
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Malformed(f"several cases are called {sorted(twice)}")
    return cases


def _expand(block: _Block, scenes: dict[str, _Block], defines: dict[str, str]) -> list[Case]:
    columns, rows, lines = [], [], []
    for text, place in block.lines:
        if text.startswith("each "):
            columns = [cell.strip() for cell in text[5:].split("|")]
        elif text.startswith("|"):
            cells = [cell.strip() for cell in text[1:].split("|")]
            if len(cells) != len(columns):
                raise Malformed(f"{place}: {len(cells)} cells for {len(columns)} columns")
            rows.append(dict(zip(columns, cells)))
        else:
            lines.append((text, place))
    cases = []
    for row in rows or [{}]:
        values = {**defines, **row}
        case = Case(_substitute(block.name, values, block.place), block.place)
        _fill(case, lines, values, scenes)
        if not case.clause:
            raise Malformed(f"{block.place}: a case without a clause")
        cases.append(case)
    return cases


def _substitute(text: str, values: dict[str, str], place: str) -> str:
    for _ in range(4):
        if "{" not in text:
            return text
        try:
            text = re.sub(r"\{([\w-]+)\}", lambda match: values[match[1]], text)
        except KeyError as error:
            raise Malformed(f"{place}: nothing is called {error}") from None
    raise Malformed(f"{place}: definitions without end")


def _fill(case: Case, lines: list[tuple[str, str]], values: dict[str, str], scenes: dict[str, _Block]):
    for text, place in lines:
        text = _substitute(text, values, place)
        word, _, rest = text.partition(" ")
        if word == "clause":
            case.clause = rest.strip()
        elif word == "why":
            pass
        elif word == "only":
            case.only = rest.partition(",")[0]
        elif word == "given":
            _fill(case, scenes[rest.strip()].lines, values, scenes)
        else:
            match = re.fullmatch(r"(\d*)([<>])", word)
            verb, connection = (match[2], int(match[1] or 1)) if match else (word, 1)
            case.steps.append(Step(verb, rest.split(), connection, place))
