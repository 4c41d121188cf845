"""The searches that a run reads: as the files say at its beginning, and the table."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy.orm import Session

from keepa_deals.clock import Clock
from keepa_deals.db.upsert import lock_writers
from keepa_deals.errors import SettingsError
from keepa_deals.keepa.selection_files import SelectionFiles, read_selection_files
from keepa_deals.searches import registry
from keepa_deals.searches.search import Search
from keepa_deals.settings import Settings

log = logging.getLogger(__name__)


class SearchSource:
    """Reads the files anew for each run, so that what is changed in them needs no restart."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._told: Sequence[str] = ()

    def follow_files(self, session: Session) -> Sequence[Search]:
        """Bring the table to what the files say, in the caller's transaction; the searches to be read.

        Files of which none can be used change nothing. What is wrong is logged when it is news.
        """
        files, problems = self._read()
        if files is not None:
            lock_writers(session)
            problems = registry.follow_files(session, files, self._clock.now())
        for problem in problems:
            if problem not in self._told:
                log.warning("%s", problem)
        self._told = problems
        return registry.searches_to_read(session)

    def _read(self) -> tuple[SelectionFiles | None, Sequence[str]]:
        try:
            return read_selection_files(self._settings), ()
        except SettingsError as error:
            return None, (str(error),)
