"""The OpenAPI description: schemathesis asks every address what it says, and finds no fault."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from starlette.testclient import TestClient

from onegrain.explorer.pages.registry import PAGES

CONFIG = {
    "generation": {"database": "none", "deterministic": True},
    "checks": {
        # a value that has the right type may still name nothing here, or go with no other value
        "positive_data_acceptance": {"expected-statuses": ["2xx", "303", "304", "404", "422", "429"]},
    },
}


QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def ask(client: TestClient, examples: int) -> list[str]:
    """Ask every operation in valid and invalid ways, and return what the answers have wrong."""
    config = SchemathesisConfig.from_dict(CONFIG)
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app, config=config)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 4 * len(PAGES)
    faults = []
    for operation in operations:
        for mode in GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=examples, database=None, suppress_health_check=QUIET, derandomize=True)
            def check(case: Any) -> None:
                case.call_and_validate()

            try:
                check()
            except Unsatisfiable:
                continue
            except (Exception, BaseExceptionGroup) as error:
                faults.append(f"{operation.label}: {error}"[:1500])
    return faults


def test_no_address_breaks_its_description(client: TestClient) -> None:
    assert ask(client, 2) == []


@pytest.mark.slow
def test_no_address_breaks_its_description_in_many_examples(client: TestClient) -> None:
    assert ask(client, 60) == []


def test_every_page_is_described(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for kind in PAGES:
        assert {f"/{kind.name}", f"/{kind.name}.json"} <= set(paths)
        answers = paths[f"/{kind.name}.json"]["get"]["responses"]
        assert {"200", "304", "404", "422", "429", "500"} <= set(answers)
    for path, operations in paths.items():
        for operation in operations.values():
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            assert names or operation.get("requestBody") or "get" not in operations, path
