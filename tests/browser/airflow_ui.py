"""Airflow's own pages, as an operator uses them."""

import re

from playwright.sync_api import Page, expect

from infra.local.config import stack_secrets
from tests.integration.stack import Stack

RUN_MS = 600_000


class AirflowUI:
    """One user's browser in Airflow."""

    def __init__(self, stack: Stack, page: Page, user: str) -> None:
        self._url = f"http://127.0.0.1:{stack.local.airflow_port}"
        self._page = page
        page.goto(self._url)
        page.locator("[name=username]").fill(user)
        page.locator("[name=password]").fill(stack_secrets(stack.local.state)[f"airflow_{user}"])
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Nocturne").wait_for()

    def trigger(self, dag: str, switched_on: str, **params: str) -> str:
        """Fill in the form of a DAG and trigger it; return the run that its page then shows."""
        page = self._page
        page.goto(f"{self._url}/dags/{dag}")
        page.get_by_role("button", name="Trigger").first.click()
        for name, value in params.items():
            page.locator(f"[name=element_{name}]").fill(value)
        switch = page.locator(f"[name=element_{switched_on}]")
        page.locator("label", has=switch).last.click()
        expect(switch).to_be_checked()
        page.get_by_test_id("trigger-dag-submit").click()
        page.wait_for_url(re.compile(f"/dags/{dag}/runs/manual__"), timeout=60_000)
        return page.url.rsplit("/", 1)[1]

    def approve(self, report: re.Pattern[str]) -> None:
        """Wait on the run's page until it asks, open the report that it names, and approve."""
        page = self._page
        page.get_by_role("button", name="Required Actions").click(timeout=RUN_MS)
        with page.expect_popup() as opened:
            page.get_by_role("link", name="its report").click()
        expect(opened.value.locator("body")).to_contain_text(report)
        opened.value.close()
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)

    def watch(self, dag: str, run: str) -> None:
        """Look at a run's page until it is green."""
        self._page.goto(f"{self._url}/dags/{dag}/runs/{run}")
        expect(self._page.get_by_text("Success").first).to_be_visible(timeout=RUN_MS)
        expect(self._page.get_by_text("Running", exact=True)).to_have_count(0, timeout=RUN_MS)
