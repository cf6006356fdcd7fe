"""The app as the operator's page asks it, over HTTP."""

import time
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from jobs.contract.settings import Settings
from jobs.contract.tokens import service_key
from plugins.serving_figures import Figures, Window


class AppAway(Exception):
    """The app does not answer."""


class App:
    """The app of one deployment. Safe to share between threads."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        self._settings = settings
        # Once more, because a connection that was kept may be closed by now.
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(seconds), retries=1)
        self._window = Window()

    def ready(self) -> dict[str, Any]:
        """Return what `/readyz` says; raises AppAway."""
        return dict(self._ask("/readyz", {}).json())

    def figures(self) -> Figures:
        """Return the figures of the last minutes; raises AppAway."""
        key = service_key(self._settings, "operator-page", ["metrics"], days=1)
        answer = self._ask("/metrics", {"Authorization": f"Bearer {key}"})
        if answer.status != 200:
            raise AppAway(f"The app refuses its metrics: {answer.status}.")
        return self._window.take(answer.data.decode(), time.time())

    def _ask(self, path: str, headers: dict[str, str]) -> Any:
        if not self._settings.serving_url:
            raise AppAway("NOCTURNE_SERVING_URL is empty: the app's address is not known.")
        try:
            return self._http.request("GET", self._settings.serving_url + path, headers=headers)
        except HTTPError:
            raise AppAway("The app does not answer.") from None
