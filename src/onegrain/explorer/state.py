"""The state that the pages of one explorer share: the collection, the limits, and the work on models."""

from __future__ import annotations

from dataclasses import dataclass, field

from onegrain.explorer.collection import Collection
from onegrain.explorer.indexes import Indexes
from onegrain.explorer.searches import Searches
from onegrain.explorer.settings import Settings
from onegrain.explorer.work import Work

__all__ = ["Explorer"]


@dataclass(frozen=True, eq=False)
class Explorer:
    """The state of a running explorer.

    Attributes:
        collection: the records, stores and models.
        settings: limits and switches.
        navigation: (name, title) of the pages that every page leads to.
        work: the queue of work on models.
        indexes: the indexes of the stores.
        searches: the searches for concepts.
    """

    collection: Collection
    settings: Settings = field(default_factory=Settings)
    navigation: tuple[tuple[str, str], ...] = ()
    indexes: Indexes = field(default_factory=Indexes)
    work: Work = field(init=False)
    searches: Searches = field(init=False, default_factory=Searches)

    def __post_init__(self) -> None:
        object.__setattr__(self, "work", Work(self.collection, self.settings))
