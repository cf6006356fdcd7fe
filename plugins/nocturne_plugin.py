"""The one plugin that Airflow loads: the operator's page, and its place in the menu."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/nocturne"

Message = MutableMapping[str, Any]


async def page(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer as the page does, an ASGI app.

    It is imported when first asked: every process of Airflow loads its plugins, every task
    as well, and only the API server shows a page.
    """
    from plugins.page import app

    await app(scope, receive, send)


class NocturnePlugin(AirflowPlugin):
    """Mounts the page in the API server."""

    name = "nocturne"
    fastapi_apps = [{"name": "nocturne", "app": page, "url_prefix": PREFIX}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Nocturne",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "nocturne",
            "icon": f"{PREFIX}/files/moon.svg",
        }
    ]
