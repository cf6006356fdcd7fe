"""The cards of the operator's page: each is read on its own, and says what it does not know."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from pymongo.errors import PyMongoError

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.generations import Generations
from jobs.stores.objects import Objects
from plugins.daily_page import daily_page
from plugins.model_cards import ModelCards
from plugins.page_app import App, AppAway
from plugins.page_words import Card
from plugins.traffic_cards import TrafficCards

STORE_SECONDS = 3


class Cards:
    """Reads the cards of one deployment. Safe to share between threads."""

    def __init__(self, settings: Settings, run_of: Callable[[str], str | None]) -> None:
        """`run_of` finds the run of `train_als` that announced a generation."""
        wait_ms = STORE_SECONDS * 1000
        generations = Generations(settings, wait_ms)
        app = App(settings, STORE_SECONDS)
        self._bucket = settings.lake_bucket
        self._objects = Objects(settings, STORE_SECONDS)
        model = ModelCards(settings, generations, self._objects, app, run_of)
        traffic = TrafficCards(settings, generations, self._objects, app, wait_ms)
        self._readers: dict[str, tuple[str, Callable[[], Card]]] = {
            "alerts": ("Alerts", traffic.alerts),
            "live": ("Live generation", model.live),
            "quality": ("Quality report", model.quality),
            "freshness": ("Freshness", traffic.freshness),
            "stream": ("Stream", traffic.stream),
            "serving": ("Serving", traffic.serving),
            "events": ("Events", traffic.events),
            "history": ("History", model.history),
        }

    @property
    def titles(self) -> dict[str, str]:
        """Return the titles of the cards by name, in their order on the page."""
        return {name: title for name, (title, _) in self._readers.items()}

    def read(self, name: str) -> Card:
        """Return a card; `unknown` names the part that does not answer. KeyError: no such card."""
        _, reader = self._readers[name]
        try:
            return reader()
        except PyMongoError:
            return Card("unknown", "MongoDB does not answer.")
        except (BotoCoreError, ClientError):
            return Card("unknown", "The object store does not answer.")
        except AppAway as error:
            return Card("unknown", str(error))

    def report(self, generation: str) -> bytes:
        """Return the page of a generation's evaluation; raises KeyError where there is none."""
        key = names.report_page_key(generation)
        return self._objects.get(self._bucket, key)

    def daily(self, day: date) -> bytes:
        """Return the daily report of a day; raises KeyError where there is none."""
        return self._objects.get(self._bucket, names.daily_report_key(day))

    def days(self) -> list[str]:
        """Return the days that have a daily report, the last first."""
        keys = self._objects.keys(self._bucket, f"{names.DAILY_REPORTS}/")
        return sorted((Path(key).stem for key in keys), reverse=True)

    def write_daily(self, day: date) -> str:
        """Write every card as it is now into a day's report; return its object key."""
        cards = [(title, self.read(name)) for name, title in self.titles.items()]
        key = names.daily_report_key(day)
        self._objects.put(self._bucket, key, daily_page(day, cards).encode(), "text/html")
        return key
