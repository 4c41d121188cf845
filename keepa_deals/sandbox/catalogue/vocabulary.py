"""The word lists of the catalogue: categories, nouns, brands, and titles as strangers write them."""

from __future__ import annotations

from dataclasses import dataclass

from keepa_deals.keepa.deal import UNKNOWN_CATEGORY


@dataclass(frozen=True, slots=True)
class Category:
    """A root category: its share of the catalogue, its prices in cents and what is sold in it."""

    id: int
    name: str
    share: int
    price_low: int
    price_high: int
    used_percent: int
    children: tuple[tuple[int, str], ...]
    nouns: tuple[str, ...]


CATEGORIES = (
    Category(
        283155, "Books", 20, 1400, 16000, 92,
        ((1000, "Subjects"), (75, "Science & Math"), (3, "Business & Money"), (5, "Computers & Technology")),
        ("Field Guide to Quiet Birds", "Handbook of Practical Statistics", "Atlas of Lost Railways",
         "Introduction to Soil Chemistry", "Cookbook for Slow Sundays", "History of the Paper Trade",
         "Principles of Distributed Ledgers", "Novel of the Salt Road", "Primer on Marine Engines",
         "Companion to Roman Law"),
    ),
    Category(
        172282, "Electronics", 14, 1500, 90000, 45,
        ((541966, "Computers & Accessories"), (502394, "Camera & Photo"), (24046923011, "Headphones")),
        ("Noise Cancelling Headphones", "USB-C Docking Station", "4K Action Camera", "Bluetooth Speaker",
         "Portable SSD 2TB", "Mechanical Keyboard", "27 Inch Monitor", "Mesh WiFi Router", "Dash Cam"),
    ),
    Category(
        1055398, "Home & Kitchen", 14, 900, 45000, 20,
        ((284507, "Kitchen & Dining"), (1063252, "Bedding"), (1063306, "Furniture")),
        ("Cast Iron Skillet", "Stand Mixer", "Linen Duvet Cover", "Espresso Machine", "Air Fryer",
         "Knife Block Set", "Standing Desk Converter", "Robot Vacuum", "Storage Baskets, Set of 4"),
    ),
    Category(
        165793011, "Toys & Games", 9, 800, 16000, 15,
        ((166057011, "Building Toys"), (166220011, "Games"), (166269011, "Puzzles")),
        ("Wooden Train Set", "Cooperative Board Game", "1000 Piece Puzzle", "Marble Run", "Science Kit",
         "Magnetic Tiles, 120 Pieces", "Remote Control Rover"),
    ),
    Category(
        228013, "Tools & Home Improvement", 8, 1000, 40000, 12,
        ((328182011, "Power Tools"), (551238, "Hand Tools"), (495224, "Lighting")),
        ("Cordless Drill Kit", "Laser Level", "Socket Set, 94 Pieces", "LED Work Light", "Impact Driver",
         "Oscillating Multi-Tool", "Torque Wrench"),
    ),
    Category(
        3375251, "Sports & Outdoors", 8, 900, 35000, 10,
        ((706814011, "Outdoor Recreation"), (3407731, "Exercise & Fitness")),
        ("Two-Person Tent", "Adjustable Dumbbells", "Insulated Bottle", "Trekking Poles", "Yoga Mat",
         "Down Sleeping Bag", "Foam Roller"),
    ),
    Category(
        3760911, "Beauty & Personal Care", 6, 700, 9000, 2,
        ((11060451, "Skin Care"), (11057241, "Hair Care")),
        ("Vitamin C Serum", "Ionic Hair Dryer", "Mineral Sunscreen SPF 50", "Beard Trimmer",
         "Retinol Night Cream", "Electric Toothbrush Heads, 8 Pack"),
    ),
    Category(
        3760901, "Health & Household", 5, 700, 12000, 1,
        ((3760931, "Health Care"), (3764441, "Vitamins & Supplements")),
        ("Magnesium Glycinate, 180 Capsules", "Blood Pressure Monitor", "Dishwasher Tablets, 90 Count",
         "HEPA Replacement Filter", "Digital Bathroom Scale"),
    ),
    Category(
        16310101, "Grocery & Gourmet Food", 4, 600, 6500, 0,
        ((16521305011, "Coffee, Tea & Cocoa"), (16322721, "Snack Foods")),
        ("Single Origin Coffee Beans, 1 kg", "Rooibos Tea, 100 Bags", "Dark Chocolate Almonds",
         "Extra Virgin Olive Oil, 3 l", "Oat Bars, 24 Count"),
    ),
    Category(
        2619533011, "Pet Supplies", 4, 700, 18000, 1,
        ((2975312011, "Dogs"), (2975241011, "Cats")),
        ("Orthopedic Dog Bed", "Automatic Cat Feeder", "No-Pull Harness", "Clumping Litter, 18 kg",
         "Aquarium Filter"),
    ),
    Category(
        1064954, "Office Products", 4, 700, 30000, 8,
        ((1069242, "Office & School Supplies"), (172574, "Printers")),
        ("Fountain Pen", "Label Printer", "Gel Pens, 36 Pack", "Mesh Office Chair", "Paper Shredder"),
    ),
    Category(
        468642, "Video Games", 3, 1500, 52000, 60,
        ((20972781011, "Consoles"), (20972797011, "PC Games")),
        ("Wireless Controller", "Racing Wheel", "Strategy Game, Complete Edition", "Handheld Console",
         "Charging Station"),
    ),
    Category(
        UNKNOWN_CATEGORY, "?", 1, 900, 12000, 10, (),
        ("Replacement Part", "Adapter Cable", "Mounting Bracket"),
    ),
)  # fmt: skip

ADJECTIVES = (
    "Compact", "Premium", "Lightweight", "Professional", "Original", "Heavy Duty", "Organic", "Foldable",
    "Rechargeable", "Classic", "Waterproof", "Silent", "Illustrated", "Everyday", "Limited Edition",
)  # fmt: skip
BRANDS = (
    "Halvorsen", "Brightmoor", "Kestrel & Sons", "Ostra", "Tidewell", "Nordlicht", "Pemberley Press",
    "Quarrystone", "Valdeon", "Ashgrove", "Miro", "Larkspur", "Ironbark", "Sunderby", "Cobalt Lane",
)  # fmt: skip
SUFFIXES = (
    "Black", "Pack of 2", "Large", "with Carrying Case", "(2nd Edition)", "for Home and Travel", "Blue",
    "Gift Box", "12 Inch", "Renewed Design", "Hardcover", "Stainless Steel",
)  # fmt: skip

MARKUP_TITLES = (
    "<b>{brand}</b> {noun}",
    "{brand} {noun} &ndash; {suffix} &amp; more",
    "{brand} {noun} 12&quot; x 8&quot; &lt;{suffix}&gt;",
    "{brand} <i>{adjective}</i> {noun}<br>{suffix}",
    "{brand} {noun} with <b>{adjective} &amp; Quiet</b> motor",
)
"""Titles as Keepa delivers some of them: harmless markup and entities."""

HOSTILE_TITLES = (
    "{noun} <script>document.title='owned'</script>",
    '"><img src=x onerror="alert(1)"> {brand} {noun}',
    "{noun}</td></tr></table><h1>{brand}</h1>",
    "{noun}' onmouseover='alert(2)' x='",
    "{{{{ 7*7 }}}} ${{7*7}} {noun} %s %(name)s",
    "=HYPERLINK(\"http://127.0.0.1/\",\"{noun}\")",
    "javascript:alert(3) {noun} \u202egnidaelsim\u202c \u200b\u0001",
    "{noun} " + "very " * 60 + "long",
)  # fmt: skip
"""Titles written to break a page, a log or a spreadsheet."""

MARKUP_PERCENT = 3
HOSTILE_PERMILLE = 10
