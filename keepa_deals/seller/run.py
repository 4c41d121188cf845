"""One run of the job that asks Amazon which deals the seller may list.

Without a seller a run is one look into the database, and its process loads none of what asking takes
(``seller.asking`` knows views, and with them numpy).
"""

from __future__ import annotations

from collections.abc import Callable

from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.run import Outcome, Run, RunResult, run_job
from keepa_deals.jobs import LISTINGS_JOB
from keepa_deals.secret_box import SecretBox, SecretBoxError
from keepa_deals.seller import account
from keepa_deals.seller.calls import SellerCalls
from keepa_deals.sp_api.credentials import Credentials
from keepa_deals.sp_api.errors import CredentialsRefusedError, SpApiError, ThrottledError

MakeCalls = Callable[[IngestContext, Credentials], SellerCalls]


def run(context: IngestContext, make_calls: MakeCalls | None = None) -> RunResult:
    """Ask Amazon; ``make_calls`` replaces the calls of this process."""
    with context.database.session() as session:
        seller = account.connected(session)
        if seller is None or account.rests(seller, context.clock.now()):
            return RunResult(LISTINGS_JOB.name, Outcome.NOTHING_TO_DO)
    return run_job(context, LISTINGS_JOB, lambda one: _work(one, make_calls or _calls_of))


def _work(run: Run, make_calls: MakeCalls) -> Outcome:
    from keepa_deals.seller.asking import ask

    context = run.context
    try:
        with context.database.session() as session:
            seller = account.connected(session)
            if seller is None:
                return Outcome.NOTHING_TO_DO
            box = SecretBox(context.settings.keepa_deals_home)
            calls = make_calls(context, account.credentials_of(seller, box))
        return ask(run, calls)
    except ThrottledError:
        return Outcome.WAITING_FOR_TOKENS
    except (SecretBoxError, CredentialsRefusedError) as error:
        with run.commit() as session:
            account.note_refusal(session, str(error), context.clock.now())
        raise CredentialsRefusedError(str(error)) from None
    except SpApiError as error:
        with run.commit() as session:
            account.note_trouble(session, str(error), context.clock.now())
        raise


_known: tuple[Credentials, SellerCalls] | None = None


def _calls_of(context: IngestContext, credentials: Credentials) -> SellerCalls:
    """The calls of this process, made once for each credentials: an access token holds an hour."""
    global _known
    if _known is None or _known[0] != credentials:
        if _known is not None:
            _known[1].client.close()
        _known = credentials, SellerCalls.from_settings(context.settings, credentials, context.clock)
    return _known[1]
