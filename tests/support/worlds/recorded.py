"""A world of its own, made from recorded answers of Keepa; it shares no code and no belief with the project.

48 ``/deal`` answers and 104 account envelopes of September 2025 say how Keepa behaves; the figures below
that name no other source are theirs. What no recording tells is an option.

=============  =======  ==============================================================================
option         default  meaning
=============  =======  ==============================================================================
repriced       6        % of the listed deals whose price changes within an hour
restless       40       % of the deals that do most of that: 6 % moved in an hour, 41 % in 27 hours
gone           2.5      % of the listed deals that leave the list within an hour; as many come
deep           18       % of the newcomers with an older date, ten minutes to 61 days (13 to 24 recorded)
dates          moving   ``moving``: creationDate is the time of the last price change; ``fixed``: it stays
lag            180      seconds within which a change shows after its date
ahead          30       seconds by which a date may lie ahead of the answer
siblings       0        every n-th deal is a family of variations, of which each answer shows another
members        3        of such a family
sibling_kind   same     ``same``: they share date and price; ``own``: each has its own, and its own end
hidden         10       % of the ends and absences of which /product does not know: it says that all holds
flapping       0        % of the deals that leave within an hour for 10 to 40 minutes, to come back unchanged
lost           0        % of the requests that are charged, but whose answer never arrives, or is a 500
cached         0        % of the /deal answers that are an older one again (``dealsCached``), up to 10 minutes
order          newest   ``newest``; ``percent``: by percent; ``loose``: newest first, 2 % out of place
ties           stable   ``stable``, or ``random``: deals of one date in another order each time
counts         recorded ``recorded``: they ignore category filters; ``doubled``: always twice the truth
ticks          60.3     seconds between ticks in the mean, sd 0.35
=============  =======  ==============================================================================
"""

import bisect
import json
import math
import random
from urllib.parse import parse_qs, urlsplit

EPOCH = 21_564_000
"""Keepa's minute 0 in Unix minutes."""
PAGE, MOST = 150, 10_000
KNOWN = {
    "repriced": "6", "restless": "40", "gone": "2.5", "deep": "18", "dates": "moving", "lag": "180",
    "ahead": "30", "siblings": "0", "members": "3", "sibling_kind": "same", "hidden": "10", "flapping": "0",
    "lost": "0", "cached": "0", "order": "newest", "ties": "stable", "counts": "recorded", "ticks": "60.3",
}  # fmt: skip
CHOICES = {
    "dates": ("moving", "fixed"), "sibling_kind": ("same", "own"), "order": ("newest", "percent", "loose"),
    "ties": ("stable", "random"), "counts": ("recorded", "doubled"),
}  # fmt: skip
CATEGORIES = {
    283155: "Books", 172282: "Electronics", 3760911: "Beauty & Personal Care", 1055398: "Home & Kitchen",
    228013: "Tools & Home Improvement", 165793011: "Toys & Games", 2619533011: "Pet Supplies",
}  # fmt: skip
HOLDS, RECOVERED, SOLD_OUT, BAD_RANK, VANISHED = "holds", "recovered", "sold out", "bad rank", "vanished"


def create(now, *, deals, rate, hours, seed, options):
    """``options`` as in the table above; a ``ValueError`` names what is none."""
    unknown = options.keys() - KNOWN.keys() - {"selection"}
    if unknown:
        raise ValueError(f"no option {', '.join(sorted(unknown))}; there are {', '.join(KNOWN)}")
    found = {**KNOWN, **options}
    for name, allowed in CHOICES.items():
        if found[name] not in allowed:
            raise ValueError(f"{name}={found[name]}: one of {', '.join(allowed)}")
    numbers = {n: float(found[n].rstrip("%")) for n in KNOWN if n not in CHOICES}
    return World(now, deals, rate, hours, random.Random(f"{seed} world"), numbers, found)


class Segment:
    """A stretch of a product's life: from ``at`` (Unix seconds) on, what Keepa shows of it."""

    __slots__ = ("asin", "at", "date", "family", "listed", "price", "state")

    def __init__(self, asin, family, at, price, date, listed=True, state=HOLDS):
        self.asin, self.family, self.at = asin, family, at
        self.price, self.date, self.listed, self.state = price, date, listed, state


class Life:
    """One product's segments, drawn beforehand for the whole time."""

    def __init__(self, draw, numbers, moving, asin, family, began, ends, arrives):
        self.asin, self.family = asin, family
        self.average = draw.randrange(5300, 11500)
        self.rank = draw.randrange(60_000, 450_000)
        self.category = draw.choice(list(CATEGORIES))
        self.segments = []
        self._draw, self._numbers, self._moving = draw, numbers, moving
        self._changes = self._change_rate()
        self._live_through(began, ends, arrives)

    def _change_rate(self):
        """Price changes an hour: most of the changes are those of the restless part."""
        share, part = self._numbers["repriced"] / 100, self._numbers["restless"] / 100
        if share >= 0.9 * part:
            return -math.log(max(1e-9, 1 - share))
        return -math.log(1 - share / part) if self._draw.random() < part else 0.002

    def _price(self):
        """Half the average or less, so that any usual selection of deals still matches."""
        return round(self.average * self._draw.uniform(0.38, 0.48))

    def _first_date(self, at, arrives):
        """In Keepa's even minutes: now for most newcomers, else the time since the last change."""
        draw, gone = self._draw, max(1e-6, self._numbers["gone"] / 100)
        if draw.random() < self._numbers["deep"] / 100:
            hours = math.exp(draw.uniform(math.log(1 / 6), math.log(61 * 24)))
        elif arrives:
            hours = 0
        else:
            age, change = draw.expovariate(gone), draw.expovariate(self._changes) if self._changes else 1e9
            hours = min(age, change if self._moving else age)
        return even(at - 3600 * hours)

    def _live_through(self, began, ends, arrives):
        draw, numbers = self._draw, self._numbers
        date = self._first_date(began, arrives)
        self._put(self._shows(began) if arrives else began, self._price(), date)
        gone = -math.log(max(1e-9, 1 - numbers["gone"] / 100))
        flaps = -math.log(max(1e-9, 1 - numbers["flapping"] / 100))
        over = began + 3600 * (draw.expovariate(gone) if gone else 1e9)
        at = began
        while True:
            change = 3600 * draw.expovariate(self._changes) if self._changes else 1e12
            flap = 3600 * draw.expovariate(flaps) if flaps else 1e12
            at += min(change, flap)
            if at >= min(over, ends):
                break
            if flap < change:
                at = self._flap(at)
            else:
                self._reprice(at)
        if over < ends:
            state = HOLDS if draw.random() < numbers["hidden"] / 100 else draw.choices(
                (RECOVERED, SOLD_OUT, BAD_RANK, VANISHED), (60, 20, 17, 3))[0]  # fmt: skip
            last = self.segments[-1]
            self._put(self._shows(over), last.price, last.date, listed=False, state=state)

    def _reprice(self, at):
        last, price = self.segments[-1], self._price()
        if self._draw.random() < 0.08:
            price = last.price  # changed and changed back
        self._put(self._shows(at), price, even(at) if self._moving else last.date)

    def _flap(self, at):
        last, draw = self.segments[-1], self._draw
        state = HOLDS if draw.random() < self._numbers["hidden"] / 100 else BAD_RANK
        self._put(self._shows(at), last.price, last.date, listed=False, state=state)
        back = at + 60 * draw.uniform(10, 40)
        self._put(self._shows(back), last.price, last.date)
        return back

    def _shows(self, at):
        """When Keepa shows a change that carries the even minute of ``at``."""
        date = 60 * (even(at) + EPOCH)
        return date + self._draw.uniform(-self._numbers["ahead"], self._numbers["lag"])

    def _put(self, at, price, date, listed=True, state=HOLDS):
        if self.segments:
            at = max(at, self.segments[-1].at + 1)
        self.segments.append(Segment(self.asin, self.family, at, price, date, listed, state))

    def at(self, moment):
        """The segment in force; ``None`` before the first."""
        place = bisect.bisect_right(self.segments, moment, key=lambda s: s.at) - 1
        return self.segments[place] if place >= 0 else None


def even(seconds):
    """Keepa's even minute at or before a moment (Unix seconds)."""
    return int(seconds // 120) * 2 - EPOCH


class Cursor:
    """What is listed at a moment, moved from change to change, forward and back."""

    def __init__(self, lives):
        self.listed, self.version = {}, 0
        self._changes = []
        for life in lives:
            before = None
            for segment in life.segments:
                self._changes.append((segment.at, life.asin, before, segment))
                before = segment
        self._changes.sort(key=lambda c: (c[0], c[1]))
        self._done = 0

    def move(self, moment):
        """To a moment (Unix seconds); the listed segments by ASIN."""
        changes, done = self._changes, self._done
        while done < len(changes) and changes[done][0] <= moment:
            self._set(changes[done][1], changes[done][3])
            done += 1
        while done and changes[done - 1][0] > moment:
            done -= 1
            self._set(changes[done][1], changes[done][2])
        if done != self._done:
            self._done, self.version = done, self.version + 1
        return self.listed

    def _set(self, asin, segment):
        if segment is not None and segment.listed:
            self.listed[asin] = segment
        else:
            self.listed.pop(asin, None)


class Account:
    """The tokens: ticks that come late by a third of a second, each by another amount."""

    def __init__(self, now, rate, draw, mean):
        self._now, self.rate, self._draw, self._late = now, rate, draw, mean - 60
        self.left, self._tick = rate, now()
        self._next = self._after(self._tick)

    def _after(self, tick):
        return tick + 60 + min(1.26, max(-0.4, self._draw.gauss(self._late, 0.352)))

    def settle(self):
        while self._now() >= self._next:
            self.left = min(60 * self.rate, self.left + self.rate)
            self._tick, self._next = self._next, self._after(self._next)

    def envelope(self, cost):
        self.settle()
        self.left -= cost
        due = round(1000 * (self._tick + 60 - self._now()))
        return {
            "timestamp": round(1000 * self._now()), "tokensLeft": self.left, "refillIn": max(522, due),
            "refillRate": self.rate, "tokenFlowReduction": 0.0, "tokensConsumed": cost,
            "processingTimeInMs": 120 if cost else 0,
        }  # fmt: skip


class World:
    """Deals, account and answers of one case."""

    def __init__(self, now, deals, rate, hours, draw, numbers, texts):
        self._now, self._draw, self._numbers, self._texts = now, draw, numbers, texts
        self.account = Account(now, rate, random.Random(draw.random()), numbers["ticks"])
        self.lives, self._families = {}, {}
        self._populate(now(), deals, hours)
        lives = self.lives.values()
        self._feed, self._truth = Cursor(lives), Cursor(lives)
        self._orders, self._before = {}, {}

    # -- the deals -----------------------------------------------------------------------------
    def _populate(self, began, deals, hours):
        ends = began + 3600 * (hours + 1)
        number = 0
        for _ in range(deals):
            self._add(number, began, ends, arrives=False)
            number += 1
        arriving = deals * self._numbers["gone"] / 100
        at = began
        while arriving:
            at += 3600 * self._draw.expovariate(arriving)
            if at >= ends:
                break
            self._add(number, at, ends, arrives=True)
            number += 1

    def _add(self, number, began, ends, *, arrives):
        """A deal, or every so often a family of them."""
        every, moving = int(self._numbers["siblings"]), self._texts["dates"] == "moving"
        is_family = every > 0 and number % every == 0
        members = int(self._numbers["members"]) if is_family else 1
        family = f"P0{number:08d}" if is_family else f"B{100 * number:09d}"
        first = None
        for member in range(members):
            asin = f"B{100 * number + member:09d}"
            self._families[asin] = family
            draw = random.Random(self._draw.random())
            if first is not None and self._texts["sibling_kind"] == "same":
                self.lives[asin] = _twin(first, asin)
                continue
            life = Life(draw, self._numbers, moving, asin, family, began, ends, arrives)
            first = first or life
            life.category = first.category
            self.lives[asin] = life

    def listed(self, at):
        return {asin: segment.price for asin, segment in self._truth.move(at).items()}

    def dated(self, at):
        return {asin: segment.date for asin, segment in self._truth.move(at).items()}

    def family(self, asin):
        return self._families.get(asin, asin)

    # -- the answers ---------------------------------------------------------------------------
    def answer(self, method, url, body):
        parts = urlsplit(url)
        query, path = {k: v[0] for k, v in parse_qs(parts.query).items()}, parts.path.strip("/")
        if len(query.get("key", "")) != 64:
            return 400, {**dict.fromkeys(self.account.envelope(0), 0), "error": error("invalidParameter")}
        self.account.settle()
        if path == "token":
            return 200, self.account.envelope(0)
        if path not in ("deal", "product"):
            return 404, {**self.account.envelope(0), "error": error("notFound")}
        if self.account.left <= 0:
            return 429, self.account.envelope(0)
        told, cost = self._deal(query, body) if path == "deal" else self._product(query)
        envelope = self.account.envelope(cost)
        if self._draw.random() < self._numbers["lost"] / 100:
            if self._draw.random() < 0.5:
                raise TimeoutError
            return 500, {**envelope, "error": error("internalServerError")}
        return 200, {**envelope, **told}

    def _deal(self, query, body):
        asked = json.loads(body or query.get("selection") or "{}")
        page, now = int(asked.get("page", 0)), self._now()
        key = json.dumps(asked, sort_keys=True)
        said = self._before.get(key)
        if said and now - said[0] < 600 and self._draw.random() < self._numbers["cached"] / 100:
            return {"dealsCached": True, "deals": said[1]}, 5
        shown = self._in_order(asked)
        wanted = shown[page * PAGE : min((page + 1) * PAGE, MOST)]
        kind = int(asked["priceTypes"][0])
        deals = {"dr": [self._entry(s, kind, now) for s in wanted], **self._counts(asked, shown)}
        self._before[key] = now, deals
        return {"dealsCached": False, "deals": deals}, 5

    def _in_order(self, asked):
        """The listed deals, one of each family where the query says so, as this answer orders them."""
        listed = self._feed.move(self._now())
        mark = self._feed.version, bool(asked.get("singleVariation"))
        cached = self._orders.get("last")
        if cached and cached[0] == mark and not self._numbers["siblings"] and self._texts["ties"] == "stable":
            return cached[1]
        shown, families = [], {}
        for segment in listed.values():
            if mark[1] and segment.family[0] == "P":
                families.setdefault(segment.family, []).append(segment)
            else:
                shown.append(segment)
        shown += [self._draw.choice(members) for members in families.values()]
        if self._texts["ties"] == "random":
            self._draw.shuffle(shown)
        else:
            shown.sort(key=lambda s: s.asin)
        shown.sort(key=self._rank_in_feed)
        self._orders["last"] = mark, shown
        return shown

    def _rank_in_feed(self, segment):
        order = self._texts["order"]
        if order == "percent":
            return segment.price / self.lives[segment.asin].average
        if order == "loose" and hash_of(segment.asin) % 50 == 0:
            return -segment.date + hash_of(segment.asin) % 1000
        return -segment.date

    def _counts(self, asked, shown):
        """By category; where categories are asked for, the counts go on counting all the others."""
        included = [int(c) for c in asked.get("includeCategories") or ()]
        counts = dict.fromkeys(CATEGORIES, 0)
        for segment in shown:
            counts[included[0] if included else self.lives[segment.asin].category] += 1
        if included or asked.get("excludeCategories"):
            for number, category in enumerate(c for c in counts if c not in included):
                counts[category] += (number + 1) * len(shown) // 7
        if self._texts["counts"] == "doubled":
            counts = {c: 2 * n for c, n in counts.items()}
        found = {c: n for c, n in counts.items() if n}
        return {"categoryIds": list(found), "categoryNames": [CATEGORIES[c] for c in found],
                "categoryCount": list(found.values()), "drDateIndex": []}  # fmt: skip

    def _entry(self, segment, kind, now):
        life = self.lives[segment.asin]
        current = values(34, kind, segment.price, life.rank)
        average = values(34, kind, life.average, life.rank)
        delta = values(34, kind, life.average - segment.price, 0, 0)
        percent = values(34, kind, round(100 * (life.average - segment.price) / life.average), 0, 0)
        since = values(34, kind, self._changed_at(life, segment, now), even(now - 7200))
        return {
            "asin": segment.asin, "title": f"Product {segment.asin} &amp; more", "rootCat": life.category,
            "categories": [life.category], "image": [65, 49, 46, 106, 112, 103],
            "creationDate": segment.date, "lastUpdate": even(now - hash_of(segment.asin) % 36_000),
            "lightningEnd": 0, "warehouseCondition": 0, "warehouseConditionComment": None,
            "current": current, "currentSince": since, "deltaLast": delta,
            "delta": [delta] * 4, "deltaPercent": [percent] * 4, "avg": [average] * 4, "dateIntervalIndex": 3,
        }  # fmt: skip

    def _changed_at(self, life, segment, now):
        """``currentSince``: the date itself where dates move; else when the price in force came."""
        if self._texts["dates"] == "moving":
            return segment.date
        since = segment.date
        for before, after in zip(life.segments, life.segments[1:], strict=False):
            if after.at <= now and after.price != before.price:
                since = even(after.at)
        return since

    def _product(self, query):
        asins = query.get("asin", "").split(",")
        if any(len(asin) != 10 or not asin.isalnum() for asin in asins) or len(asins) > 100:
            return {"error": error("invalidParameter")}, 0
        products = [self._describe(asin, query) for asin in asins]
        each = 3 if query.get("buybox") == "1" else 1
        return {"products": products}, each * sum(1 for p in products if p["title"] is not None)

    def _describe(self, asin, query):
        life, now = self.lives.get(asin), self._now()
        segment = life.at(now) if life else None
        if life is None or (segment is not None and segment.state == VANISHED):
            return {
                "asin": asin,
                "domainId": 1,
                "title": None,
                "csv": None,
                "parentAsin": None,
                "stats": None,
            }
        price, rank = life.average, life.rank
        if segment is None:
            rank = 2_000_000  # not yet a deal
        elif segment.state == HOLDS:
            price = segment.price
        elif segment.state == SOLD_OUT:
            price = -1
        elif segment.state == BAD_RANK:
            price, rank = segment.price, 2_000_000
        members = [a for a in siblings_of(asin, self._families) if a != asin]
        return {
            "asin": asin, "domainId": 1, "title": f"Product {asin}", "brand": "Brand", "productType": 0,
            "parentAsin": life.family if life.family[0] == "P" else None,
            "variations": [{"asin": a, "attributes": []} for a in members] or None,
            "rootCategory": life.category, "categories": [life.category], "lastUpdate": even(now - 1800),
            "availabilityAmazon": -1, "referralFeePercentage": 15.0, "monthlySold": 50, "csv": None,
            "fbaFees": {"lastUpdate": even(now), "pickAndPackFee": 400},
            "stats": stats(price, rank, life.average),
        }  # fmt: skip


def _twin(first, asin):
    """A sibling that shares date and price with the first."""
    twin = object.__new__(Life)
    twin.__dict__.update(first.__dict__)
    twin.asin = asin
    twin.segments = [
        Segment(asin, s.family, s.at, s.price, s.date, s.listed, s.state) for s in first.segments
    ]
    return twin


def siblings_of(asin, families):
    """The members of an ASIN's family, itself among them: their numbers follow one another."""
    family, stem = families[asin], int(asin[1:]) // 100 * 100
    found, member = [], 0
    while families.get(name := f"B{stem + member:09d}") == family:
        found.append(name)
        member += 1
    return found


def values(size, kind, value, rank, nothing=-1):
    """An array by csv type, of which the price type and the rank are known, and new and used prices."""
    found = [nothing] * size
    for known in {1, 2, kind} - {3}:
        found[known] = value
    found[3] = rank
    return found


def stats(price, rank, average):
    current, usual = values(36, 1, price, rank), values(36, 1, average, 200_000)
    return {
        "current": current, "avg": usual, "avg30": usual, "avg90": usual, "avg180": usual, "avg365": usual,
        "salesRankDrops30": 12, "salesRankDrops90": 35, "totalOfferCount": 3, "buyBoxPrice": -2,
        "buyBoxShipping": -2,
    }  # fmt: skip


def error(kind):
    return {"type": kind, "message": "", "details": ""}


def hash_of(asin):
    """The same number for an ASIN in every process."""
    return int(asin[1:]) * 2654435761 % 2**31
