"""The part of YAML that engines' configuration files use, read strictly and written safely.

Mappings and lists by indentation, plain and quoted scalars, lists and mappings in brackets on one
line. Anchors, tags, several documents and text over several lines are refused rather than guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.errors import LaunchError

LARGEST = 256 * 1024
_DEEPEST = 20
_KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'\[\]{}#&*!|>%@`,:-][^:#]*|-[^\s:#][^:#]*)\s*:(?:\s+(.*)|$)"""
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'')
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_INT, _FLOAT = re.compile(r"[-+]?\d{1,18}"), re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?")
# A plain scalar that no reader of YAML takes for anything but text.
_PLAIN = re.compile(r"[A-Za-z/][\w./-]*(?<![:-])", re.ASCII)
# What YAML breaks lines at, or lets no document hold.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_AMBIGUOUS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def read_yaml(path: str) -> dict[str, Any]:
    """The mapping in a file of at most 256 KiB; raises :class:`LaunchError` on anything else."""
    from weighbridge.model.bounded import label, open_regular, read_exactly

    where = label(path)
    file, size = open_regular(Path(path))
    with file:
        if size > LARGEST:
            raise LaunchError(f"{where} has {size:,} bytes, more than a configuration of an engine")
        raw = read_exactly(file, size, where)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise LaunchError(f"{where} is not UTF-8") from None
    return parse_yaml(text, where)


def parse_yaml(text: str, where: str = "the configuration") -> dict[str, Any]:
    """The mapping that a text holds; {} for an empty one."""
    lines = [line for line in map(_line, enumerate(text.splitlines(), 1)) if line.text]
    if lines and lines[0].text == "---":
        del lines[0]
    if not lines:
        return {}
    value, rest = _block(lines, lines[0].indent, where, 0)
    if rest:
        raise _fault(where, rest[0], "its indentation fits nothing above")
    if not isinstance(value, dict):
        raise LaunchError(f"{where} holds a list, where keys and values are needed")
    return value


def _line(numbered: tuple[int, str]) -> _Line:
    number, raw = numbered
    text = raw.rstrip()
    stripped = text.lstrip(" ")
    return _Line(number, len(text) - len(stripped), "" if stripped[:1] == "#" else stripped)


def _fault(where: str, line: _Line, why: str) -> LaunchError:
    return LaunchError(f"{where}, line {line.number}: {why}: {line.text[:60]!r}")


def _block(lines: list[_Line], indent: int, where: str, depth: int) -> tuple[Any, list[_Line]]:
    if depth > _DEEPEST:
        raise _fault(where, lines[0], "it is nested too deeply")
    if lines[0].text.startswith(("- ", "-\t")) or lines[0].text == "-":
        return _list(lines, indent, where, depth)
    return _mapping(lines, indent, where, depth)


def _mapping(lines: list[_Line], indent: int, where: str, depth: int) -> tuple[Any, list[_Line]]:
    found: dict[str, Any] = {}
    while lines and lines[0].indent == indent and not lines[0].text.startswith("- "):
        line, lines = lines[0], lines[1:]
        match = _KEY.fullmatch(line.text)
        if match is None or "\t" in line.text[:1]:
            raise _fault(where, line, "this is no `key: value`")
        key = str(_scalar(match[1], where, line))
        if key in found:
            raise _fault(where, line, "the key appears twice")
        rest = _uncommented(match[2] or "")
        if rest:
            found[key] = _scalar(rest, where, line)
        elif lines and (lines[0].indent > indent or (
                lines[0].indent == indent and lines[0].text.startswith("- "))):  # fmt: skip
            found[key], lines = _block(lines, lines[0].indent, where, depth + 1)
        else:
            found[key] = None
    return found, lines


def _list(lines: list[_Line], indent: int, where: str, depth: int) -> tuple[Any, list[_Line]]:
    found: list[Any] = []
    while lines and lines[0].indent == indent and lines[0].text[:2] in {"- ", "-"}:
        line, lines = lines[0], lines[1:]
        text = line.text[1:].lstrip()
        inner = line.indent + len(line.text) - len(text)
        if _KEY.fullmatch(text):
            value, lines = _block(
                [_Line(line.number, inner, text), *lines], inner, where, depth + 1
            )
        elif _uncommented(text):
            value = _scalar(_uncommented(text), where, line)
        elif lines and lines[0].indent > indent:
            value, lines = _block(lines, lines[0].indent, where, depth + 1)
        else:
            value = None
        found.append(value)
    return found, lines


def _uncommented(text: str) -> str:
    """A value without the comment behind it."""
    if text[:1] in {'"', "'"}:
        match = _QUOTED.match(text)
        rest = text[match.end() :].strip() if match else ""
        return match[0] if match and (not rest or rest.startswith("#")) else text
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _scalar(text: str, where: str, line: _Line) -> Any:
    if text[:1] in {"&", "*", "!", "|", ">", "%", "@", "`"}:
        raise _fault(where, line, "anchors, tags and text over several lines are not read")
    if text[:1] in {"[", "{"}:
        return _flow(text, where, line)
    if text[:1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            raise _fault(where, line, "the quotes do not close") from None
    if text[:1] == "'":
        if len(text) < 2 or not re.fullmatch(r"'(?:[^']|'')*'", text):
            raise _fault(where, line, "the quotes do not close")
        return text[1:-1].replace("''", "'")
    return _plain(text)


def _plain(text: str) -> Any:
    folded = text.strip()
    if folded.lower() in _WORDS:
        return _WORDS[folded.lower()]
    if _INT.fullmatch(folded):
        return int(folded)
    if _FLOAT.fullmatch(folded):
        return float(folded)
    return folded


def _flow(text: str, where: str, line: _Line) -> Any:
    """``[a, b]`` and ``{a: 1}`` on one line: JSON, or JSON whose words have no quotes."""
    quoted = re.sub(
        r'"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"][^\[\]{},:"]*',
        lambda found: found[0] if found[0][0] == '"' else json.dumps(_plain(_bare(found[0]))),
        text,
    )
    keys = re.sub(r"([{,]\s*)(-?[\d.]+|true|false|null)(\s*:)", r'\1"\2"\3', quoted)
    try:
        return json.loads(keys)
    except (ValueError, RecursionError):
        raise _fault(where, line, "the brackets cannot be read") from None


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text


def write_yaml(value: Any, indent: int = 0) -> str:
    """A value as YAML; every text that could be read as something else stands in quotes."""
    pad = " " * indent
    if isinstance(value, Mapping) and value:
        return "\n".join(
            f"{pad}{scalar(str(key))}:{_below(inner, indent + 2)}" for key, inner in value.items()
        )
    if isinstance(value, (list, tuple)) and value:
        return "\n".join(f"{pad}-{_item(inner, indent + 2)}" for inner in value)
    return pad + scalar(value)


def _below(value: Any, indent: int) -> str:
    if isinstance(value, (Mapping, list, tuple)) and value:
        return "\n" + write_yaml(value, indent)
    return " " + scalar(value)


def _item(value: Any, indent: int) -> str:
    if isinstance(value, (Mapping, list, tuple)) and value:
        return " " + write_yaml(value, indent).lstrip(" ")
    return " " + scalar(value)


def scalar(value: Any) -> str:
    """One scalar; JSON's way of writing it is YAML's too."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _AMBIGUOUS:
        return value
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value)
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
