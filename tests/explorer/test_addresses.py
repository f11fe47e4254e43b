"""Addresses carry the whole state of a page: from any state to the address and back."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Query
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.testclient import TestClient

from onegrain.explorer.addresses import MOST_PINS, PageQuery, address, changed, link
from onegrain.explorer.pages.page import PageKind
from onegrain.explorer.pages.registry import PAGES


@cache
def echo(kind: PageKind) -> TestClient:
    """Return a client of an application that answers with the state that it reads from an address."""
    app = FastAPI()

    def endpoint(query: Any) -> Any:
        return query

    endpoint.__annotations__["query"] = Annotated[kind.query, Query()]
    app.get("/state", response_model=kind.query)(endpoint)
    return TestClient(app)


def values(schema: dict[str, Any], parts: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a JSON schema, as far as states of pages use it."""
    if "$ref" in schema:
        return values(parts[schema["$ref"].rsplit("/", 1)[-1]], parts)
    if "anyOf" in schema:
        return st.one_of(*(values(choice, parts) for choice in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if schema["type"] == "string":
        if "pattern" in schema:
            return st.from_regex(schema["pattern"])
        return st.text(max_size=min(schema.get("maxLength", 20), 20))
    if schema["type"] == "array":
        return st.lists(values(schema["items"], parts), max_size=min(schema.get("maxItems", 4), 4))
    simple = {
        "integer": st.integers(schema.get("minimum", -(10**9)), schema.get("maximum", 10**9)),
        "number": st.floats(
            schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False
        ),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return simple[schema["type"]]


def states(kind: PageKind) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the states of a kind of page, as plain data."""
    schema = kind.query.model_json_schema()
    parts = schema.get("$defs", {})
    return st.fixed_dictionaries(
        {}, optional={name: values(field, parts) for name, field in schema["properties"].items()}
    )


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=25)
def test_every_state_survives_its_address(kind: PageKind, data: st.DataObject) -> None:
    drawn = data.draw(states(kind))
    try:
        query = kind.query.model_validate(drawn)
    except ValidationError:
        return
    answer = echo(kind).get(address("state", query))
    assert answer.status_code == 200, answer.text
    assert kind.query.model_validate(answer.json()) == query


def test_defaults_are_left_out() -> None:
    assert address("text", PageQuery()) == "/text"
    assert address("text", PageQuery(), ".json") == "/text.json"


def test_a_link_keeps_the_store_and_the_pins() -> None:
    query = PageQuery(store="a b", pin=("layers.0:1", "é&x:2"))
    assert link("neuron", query, neuron="layers.0:3") == (
        "/neuron?store=a+b&pin=layers.0%3A1&pin=%C3%A9%26x%3A2&neuron=layers.0%3A3"
    )


def test_pins_go_on_and_off_and_the_oldest_leaves() -> None:
    query = PageQuery()
    for number in range(MOST_PINS + 1):
        query = query.with_pin(f"a:{number}")
    assert query.pin == tuple(f"a:{number}" for number in range(1, MOST_PINS + 1))
    assert query.with_pin("a:5").pin == tuple(name for name in query.pin if name != "a:5")


def test_a_changed_query_is_validated_again() -> None:
    with pytest.raises(ValidationError):
        changed(PageQuery(), store="x" * 401)
    with pytest.raises(ValidationError):
        changed(PageQuery(), unknown="x")
