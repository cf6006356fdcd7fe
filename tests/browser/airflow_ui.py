"""Airflow's own pages, as an operator uses them."""

from playwright.sync_api import Page

from infra.local.config import stack_secrets
from tests.integration.stack import Stack

RUN_MS = 240_000


class AirflowUI:
    """One user's browser in Airflow."""

    def __init__(self, stack: Stack, page: Page, user: str) -> None:
        self.url = f"http://127.0.0.1:{stack.local.airflow_port}"
        self.page = page
        page.goto(self.url)
        page.locator("[name=username]").fill(user)
        page.locator("[name=password]").fill(stack_secrets(stack.local.state)[f"airflow_{user}"])
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Nocturne").wait_for()
