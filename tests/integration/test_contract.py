"""The API keeps to its contract, whatever is sent: on the real stores, in this process."""

import json
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from jobs.contract.tokens import operator_token
from serving.app import create_app
from serving.services import EXTENSION
from serving.views.contract import contract

PATHS = json.loads(contract())["paths"]
CASES = [
    (path, method, mode)
    for path, item in PATHS.items()
    for method, operation in item.items()
    for mode in GenerationMode
    # Metrics need a key that speaks for no listener; without parameters nothing can be wrong.
    if path != "/metrics"
    and (
        mode is GenerationMode.POSITIVE or operation.get("parameters") or "requestBody" in operation
    )
]
FOR_BROWSERS = {
    *("/", "/song/{track_id}", "/settings", "/signin", "/signout"),
    "/static/{version}/{path:filename}",
}
"""Pages, forms and files."""

NARROWER = {
    *("/songs", "/songs/{track_id}/feedback"),
    *("/recommend/home", "/recommend/next", "/recommend/session"),
}
"""Cursors are those of earlier answers, ids have no control characters, a choice ends in the next
years and 5.0 is no whole number: JSON schema says none of it, so not all that fits it is taken."""


@pytest.fixture(scope="module")
def api(published, stack):
    app = create_app(stack.settings.model_copy(update={"rate_limit": ""}))
    yield schemathesis.openapi.from_wsgi("/openapi.json", app)
    app.extensions[EXTENSION].stores.close()


def test_every_route_is_in_the_contract(stack):
    app = create_app(stack.settings.model_copy(update={"environment": "production"}))
    routes = {rule.rule.replace("<", "{").replace(">", "}") for rule in app.url_map.iter_rules()}
    assert routes - FOR_BROWSERS - {"/openapi.json"} == set(PATHS)


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
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
        # Signed anew each time: an operation revokes what it is called with, another one all
        # that its listener has.
        who = f"fuzzed-{uuid4().hex}" if path == "/me/erase" else "fuzzed"
        token = operator_token(stack.settings, who)
        left_out = [positive_data_acceptance] if path in NARROWER else []
        # What it makes wrong may be the token, put in again here, or a list that no URL can hold.
        left_out += [negative_data_rejection] if path == "/recommend/home" else []
        headers = {"Authorization": f"Bearer {token}"}
        case.call_and_validate(headers=headers, excluded_checks=left_out)

    hold()
