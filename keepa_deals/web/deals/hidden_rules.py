"""The brands and categories that a reader has hidden, and how each is shown again."""

from __future__ import annotations

import re

from flask import Blueprint, Response, redirect, render_template, request, url_for
from sqlalchemy import select

from keepa_deals.db.models import HiddenBrand, HiddenCategory
from keepa_deals.marketplaces import marketplace
from keepa_deals.marks import changes
from keepa_deals.marks.reading import book_of
from keepa_deals.query.parameters import ParameterError
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals.mark_forms import CHANGED, change_of_page
from keepa_deals.web.services import current_services

blueprint = Blueprint("hidden_rules", __name__)

_CATEGORY = re.compile(r"([0-9]{1,2})-([0-9]{1,18})")


@blueprint.get("/hidden")
def page() -> str:
    """The brands by name, the categories by marketplace and name."""
    book, services = book_of(current_person().id), current_services()
    brands = select(HiddenBrand.brand).where(HiddenBrand.book_id == book).order_by(HiddenBrand.brand)
    categories = (
        select(HiddenCategory)
        .where(HiddenCategory.book_id == book)
        .order_by(HiddenCategory.domain_id, HiddenCategory.name, HiddenCategory.category)
    )
    with services.database.session() as session:
        return render_template(
            "deals/hidden.html",
            brands=session.scalars(brands).all(),
            categories=session.scalars(categories).all(),
            marketplace=marketplace,
            last_change=change_of_page(session.connection()),
        )


@blueprint.post("/hidden")
def show() -> Response:
    """Show ``brand`` again, or ``category``, like ``1-172282``; one that is shown already stays so."""
    brand, category = request.form.get("brand"), request.form.get("category", "")
    place = _CATEGORY.fullmatch(category) if category.isascii() else None
    if brand is not None and "\0" in brand:
        raise ParameterError("brand", "has a character that no brand has")
    if brand is None and place is None:
        raise ParameterError("category", "must be like 1-172282, a marketplace and a root category")
    services = current_services()
    with services.database.begin() as session:
        change = changes.open_book(session, current_person().id, services.clock.now())
        if brand is not None:
            change.show_brand(brand)
        elif place is not None:
            change.show_category(int(place[1]), int(place[2]))
        revision = change.close("Brand shown again" if brand is not None else "Category shown again")
    query = f"?{CHANGED}={revision}" if change.before else ""
    response = redirect(f"{url_for('hidden_rules.page')}{query}", 303)
    assert isinstance(response, Response)
    return response
