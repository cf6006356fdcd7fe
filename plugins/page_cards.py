"""The cards of the operator's page: each is read on its own, and says what it does not know."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from pymongo.errors import PyMongoError

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.generations import Generations
from jobs.stores.objects import Objects
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
        self._readers: dict[str, Callable[[], Card]] = {
            "alerts": traffic.alerts,
            "live": model.live,
            "quality": model.quality,
            "freshness": traffic.freshness,
            "stream": traffic.stream,
            "serving": traffic.serving,
            "events": traffic.events,
            "history": model.history,
        }

    @property
    def names(self) -> list[str]:
        """Return the names of the cards, in their order on the page."""
        return list(self._readers)

    def read(self, name: str) -> Card:
        """Return a card; `unknown` names the part that does not answer. KeyError: no such card."""
        reader = self._readers[name]
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
