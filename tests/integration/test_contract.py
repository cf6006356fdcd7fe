"""The API keeps to its contract, whatever is sent: on the real stores, in this process."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from schemathesis import GenerationMode

from jobs.contract.tokens import operator_token
from serving.app import create_app
from serving.services import EXTENSION
from serving.views.contract import contract

OPERATIONS = [
    (path, method)
    for path, item in json.loads(contract())["paths"].items()
    for method in item
    if path != "/metrics"  # it needs a key that speaks for no listener
]


@pytest.fixture(scope="module")
def api(published, stack):
    app = create_app(stack.settings.model_copy(update={"rate_limit": ""}))
    yield schemathesis.openapi.from_wsgi("/openapi.json", app)
    app.extensions[EXTENSION].stores.close()


def test_every_route_is_in_the_contract(stack):
    app = create_app(stack.settings.model_copy(update={"environment": "production"}))
    routes = {rule.rule.replace("<", "{").replace(">", "}") for rule in app.url_map.iter_rules()}
    assert routes - {"/static/{path:filename}", "/openapi.json"} == set(
        json.loads(contract())["paths"]
    )


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_are_those_of_the_contract(api, stack, path, method, mode):
    """Requests as the contract has them, and others: each is answered as it says."""

    @examples(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def hold(case):
        # Signed anew each time: one of the operations revokes what it is called with.
        token = operator_token(stack.settings, "fuzzed")
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"})

    hold()
