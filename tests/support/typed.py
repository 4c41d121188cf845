"""What people type, paste and copy where a number is asked for, with what it must be taken for."""

from __future__ import annotations

from keepa_deals.query.amounts import Unit

US, UK, GERMANY, FRANCE, JAPAN, CANADA = 1, 2, 3, 4, 5, 6
ITALY, SPAIN, INDIA, MEXICO, BRAZIL = 8, 9, 10, 11, 12

Case = tuple[Unit, int, str, int | None]
"""A unit, a marketplace's domain, the text, and the number in stored units; ``None`` for "refused"."""

_MONEY: dict[int, dict[str, int | None]] = {
    US: {
        **dict.fromkeys(("19.99", "$19.99", "19.99 $", "$ 19.99", "US$19.99", "USD 19.99", "19.99usd"), 1999),
        **dict.fromkeys(
            (" 19.99 ", "\t19.99\n", "\u00a019.99\u202f", "\u200b19.99\ufeff", "１９．９９", "＄19.99"), 1999
        ),
        **dict.fromkeys(
            ("1,000", "1 000", "1\u00a0000", "1\u202f000", "1'000", "1’000", "$1,000.00", "1000."), 100_000
        ),
        **dict.fromkeys(("-5", "−5", "–5", "- 5", "-$5", "$-5", "−$5.00"), -500),
        "+5": 500,
        ".5": 50,
        "0.5": 50,
        "007": 700,
        "0": 0,
        "٥": 500,
        "1,234,567.8": 123_456_780,
        **dict.fromkeys(
            ("19,99", "1.000", "1.234,56", "1,00", "1,0000", "10,00,000", "0,500", "1,000,00"), None
        ),
        **dict.fromkeys(
            ("abc", "20 %", "1e3", "1E3", "1k", "€19", "EUR 19", "19 €", "£5", "R$5", "0x10"), None
        ),
        **dict.fromkeys(
            ("--5", "+-5", "5-", "5+", "(5)", "5²", "½", "Ⅴ", "∞", "NaN", "1_000", "5..", "1.2.3"), None
        ),
        **dict.fromkeys(("$", "-", ".", ",", "$$5", "12:30", "1/2", "5 6", "1234567890", "9" * 99), None),
    },
    GERMANY: {
        **dict.fromkeys(
            ("19,99", "19.99", "19,99 €", "€19,99", "19,99\u00a0€", "EUR 19,99", "19,99 Euro"), 1999
        ),
        **dict.fromkeys(("1.000", "1000", "1.000,00", "1 000", "1'000,00", "1.000,- €", "1000,–"), 100_000),
        "1.5": 150,
        "1,5": 150,
        ",5": 50,
        "12.50": 1250,
        "1.234.567,89": 123_456_789,
        "−5,00": -500,
        **dict.fromkeys(("1,000", "1,234.50", "0.500", "19,999", "$19", "1.00.000", "1.0000", "abc"), None),
    },
    FRANCE: {
        **dict.fromkeys(
            ("1\u202f234,50\u00a0€", "1 234,50", "1\u00a0234,50 €", "1234,50", "1'234,50"), 123_450
        ),
        **dict.fromkeys(("1.234", "1.234,50", "1,234.50", "1,234", "12 34", "1 23"), None),
    },
    JAPAN: {
        **dict.fromkeys(
            ("1250", "1,250", "¥1,250", "￥1,250", "１２５０円", "JPY 1250", "￥１，２５０"), 1250
        ),
        "12.5": 13,
        "$5": None,
        "1.250": None,
        "千": None,
    },
    UK: {"£5": 500, "5 GBP": 500, "￡5": 500, "5p": None, "€5": None, "£1,234.5": 123_450},
    CANADA: {"$5": 500, "CA$5": 500, "C$5": 500, "5 CAD": 500, "US$5": None, "19,99": None},
    ITALY: {"19,99": 1999, "1.000": 100_000, "1,000": None},
    SPAIN: {"19,99 €": 1999, "1.000": 100_000, "10.000,5": 1_000_050},
    INDIA: {
        **dict.fromkeys(
            ("1,00,000", "100,000", "₹1,00,000.00", "Rs. 1,00,000", "rs100000", "१०००००"), 10_000_000
        ),
        "1,23,45,678.90": 1_234_567_890,
        "19,99": None,
        "1,0,0": None,
    },
    MEXICO: {"MX$5": 500, "$1,234.50": 123_450, "19,99": None},
    BRAZIL: {"R$ 19,90": 1990, "R$\u00a01.234,50": 123_450, "19,90 BRL": 1990, "$5": None, "1.000": 100_000},
}

_OTHERS: dict[tuple[Unit, int], dict[str, int | None]] = {
    (Unit.PERCENT, US): {
        **dict.fromkeys(("20", "20 %", "20%", "２０％", "20.0", "+20", "20\u00a0%", "٢٠٪", "%20"), 20),
        **dict.fromkeys(("20.5", "$20", "20 percent", "2e1", "abc", "20 % off", "20,5"), None),
    },
    (Unit.PERCENT, GERMANY): {"20,0 %": 20, "20,5": None, "1.000 %": 1000},
    (Unit.BASIS_POINTS, US): {
        "12.5": 1250, "12.5 %": 1250, "−3": -300, "1,234.5 %": 123_450, "15.01": 1501, "1e3": None,
        "12,5": None, "12.345": None, "$12": None,
    },
    (Unit.BASIS_POINTS, GERMANY): {
        "12,5 %": 1250, "12.5": 1250, "1.234,5": 123_450, "1,234.5 %": 123_450, "1,234": None,
    },
    (Unit.STARS, US): {"4.5": 45, "4.5 stars": 45, "1 star": 10, "★4": 40, "4,5": None, "4/5": None},
    (Unit.STARS, GERMANY): {"4,5": 45, "4.5": 45, "4,5 ★": 45},
    (Unit.COUNT, US): {
        **dict.fromkeys(("5000", "5,000", "5.000", "5 000", "#5,000", "5,000.0", "５０００"), 5000),
        **dict.fromkeys(("5.5", "5,5", "5,00,0", "$5", "5 %", "5k", "1.000,000", "1,000.000"), None),
        "12,34,567": 1_234_567,
    },
    (Unit.COUNT, GERMANY): {"5.000": 5000, "5,000": 5000, "12,345,678": 12_345_678, "1,5": None},
}  # fmt: skip

CASES: list[Case] = [
    *((Unit.MONEY, domain, text, value) for domain, of in _MONEY.items() for text, value in of.items()),
    *((unit, domain, text, value) for (unit, domain), of in _OTHERS.items() for text, value in of.items()),
]
