"""The API keeps to its contract, whatever is sent: on the real stores, in this process."""

import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from jobs.contract.tokens import operator_token
from serving.app import create_app
from serving.services import EXTENSION


@pytest.fixture(scope="module")
def app(published, stack):
    app = create_app(stack.settings.model_copy(update={"rate_limit": ""}))
    yield app
    app.extensions[EXTENSION].stores.close()


@pytest.fixture(scope="module")
def api(app):
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


schema = schemathesis.pytest.from_fixture("api")


@schema.exclude(path="/metrics").parametrize()
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
def test_answers_are_those_of_the_contract(case, stack):
    # Signed anew each time: one of the operations revokes what it is called with.
    token = operator_token(stack.settings, "fuzzed")
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"})
