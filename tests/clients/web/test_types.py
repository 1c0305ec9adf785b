"""Unit: the types that affectd.d.ts declares are those of affectd.js and of the protocol."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, get_args, get_type_hints

import pytest
from tests.clients.web.javascript import WEB, values_of

from affectd.engine import protocol

TYPES = re.sub(r"/\*\*.*?\*/", "", (WEB / "affectd.d.ts").read_text("utf-8"), flags=re.DOTALL)
EVENTS = [
    each
    for each in vars(protocol).values()
    if isinstance(each, type) and issubclass(each, protocol.Event) and "type" in vars(each)
]


def interfaces() -> dict[str, dict[str, str]]:
    """Return the declared fields of every kind of event, and their types."""
    declared: dict[str, dict[str, str]] = {}
    for name, body in re.findall(
        r"interface (\w+) (?:extends EventBase )?\{(.*?)\}", TYPES, re.DOTALL
    ):
        fields = dict(re.findall(r"(\w+): ([^;]+?)\s*(?:;|$)", body.strip(), re.MULTILINE))
        for kind in re.findall(r'"(\w+)"', fields.pop("type", f'"{name}"')):
            declared[kind] = fields
    return declared


def typescript(hint: Any) -> str:
    """Return how TypeScript writes a type of the protocol."""
    if hint is str or hint is bool or hint in (int, float):
        return {str: "string", bool: "boolean"}.get(hint, "number")
    if hint is protocol.Abstention:
        return "Abstention"
    if hint is protocol.ErrorCode:
        return "string"  # newer daemons have others
    arguments = get_args(hint)
    if all(isinstance(each, str) for each in arguments):
        return " | ".join(f'"{each}"' for each in arguments)
    if type(None) in arguments:
        return f"{typescript(arguments[0])} | null"
    if arguments[0] is str and arguments[-1] is Ellipsis:
        return "string[]"
    return f"Record<{typescript(arguments[0])}, {typescript(arguments[1])}>"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_has_the_fields_of_the_protocol(event: type[protocol.Event]) -> None:
    hints = get_type_hints(event)
    fields = {field.name: typescript(hints[field.name]) for field in dataclasses.fields(event)}
    declared = interfaces()
    assert {**declared["EventBase"], **declared[event.type]} == fields


def test_every_event_and_abstention_is_declared() -> None:
    union = re.search(r"type AffectdEvent =(.*?);", TYPES, re.DOTALL)
    assert union
    assert len(union[1].split("|")) - 1 == len(EVENTS) - 1, "Result is two of them"
    abstentions = re.search(r"type Abstention = (.*?);", TYPES)
    assert abstentions
    assert re.findall(r"\w+", abstentions[1]) == list(protocol.Abstention)


async def test_what_is_exported_is_declared_and_the_other_way_round() -> None:
    (exported,) = await values_of('say(Object.keys(await load("affectd.js")).sort());')
    declared = re.findall(r"export declare (?:async )?(?:function|class|const) (\w+)", TYPES)
    assert exported == sorted(declared)
