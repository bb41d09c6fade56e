# ruff: noqa: SIM905, RUF001 - lists of words are read and kept as text
"""The words that the sandbox's people, companies and addresses are made of."""

from __future__ import annotations

GIVEN = """
Aaron Abigail Adam Alice Amanda Amy Andrea Andrew Angela Anna Anthony Barbara Benjamin Beth
Brandon Brenda Brian Carol Catherine Charles Charlotte Christina Christopher Claire Daniel David
Deborah Dennis Diana Donald Dorothy Edward Elizabeth Emily Emma Eric Ethan Evelyn Frances Frank
Gabriel George Gloria Grace Gregory Hannah Harold Heather Helen Henry Isabella Jack Jacob James
Janet Jason Jennifer Jeremy Jessica Joan John Jonathan Joseph Joshua Joyce Judith Julia Justin
Karen Katherine Kathleen Kenneth Kevin Kimberly Larry Laura Lauren Linda Lisa Louis Madison
Margaret Maria Marie Mark Martha Mary Matthew Megan Melissa Michael Michelle Nancy Natalie
Nathan Nicholas Nicole Noah Olivia Pamela Patricia Patrick Paul Peter Philip Rachel Raymond
Rebecca Richard Robert Roger Ronald Rose Russell Ruth Ryan Samantha Samuel Sandra Sara Scott Sean
Sharon Shirley Sophia Stephanie Stephen Steven Susan Teresa Theresa Thomas Timothy Tyler Victoria
Vincent Virginia Walter Wayne William Zachary
""".split()

FAMILY = """
Adams Alexander Allen Anderson Bailey Baker Barnes Bell Bennett Brooks Brown Bryant Butler
Campbell Carter Clark Coleman Collins Cook Cooper Cox Cruz Davis Diaz Edwards Ellis Evans Fisher
Flores Ford Foster Garcia Gibson Gomez Gonzalez Graham Gray Green Griffin Hall Hamilton Harris
Harrison Hayes Henderson Hernandez Hill Howard Hughes Jackson James Jenkins Johnson Jones Jordan
Kelly Kennedy King Lee Lewis Long Lopez Marshall Martin Martinez McDonald Miller Mitchell Moore
Morales Morgan Morris Murphy Murray Myers Nelson Nguyen Ortiz Owens Parker Patel Patterson Perez
Perry Peterson Phillips Powell Price Ramirez Ramos Reed Reyes Reynolds Richardson Rivera Roberts
Robinson Rodriguez Rogers Ross Russell Sanchez Sanders Scott Simmons Smith Stevens Stewart
Sullivan Taylor Thomas Thompson Torres Tran Turner Walker Wallace Ward Washington Watson West
White Williams Wilson Wood Wright Young
""".split()

# Given and family names of people outside the English-speaking world, by country.
LOCAL_NAMES = {
    "Germany": (
        "Jürgen Käthe Björn Uwe Anke Günther Heike Jörg Sabine Matthias Ute Lukas Leonie".split(),
        "Müller Schäfer Weiß Krüger Vogel Groß Köhler Böhm Jäger Schröder Lang Franke".split(),
    ),
    "France": (
        "Zoé Éric Hélène Benoît Chloé Jérôme Agnès Loïc Françoise Rémi Océane Maëlle".split(),
        "Lefèvre Dubois Garçon Bézier Noël Moreau Crépin Gérard Benoît d'Aubigné Müh".split(),
    ),
    "Sweden": (
        "Åsa Björn Göran Märta Örjan Sören Linnéa Håkan Frida Elsa Nils Ebba".split(),
        "Åkesson Öberg Sjöström Lindström Hägg Nyström Söderberg Ek Björk Dahl".split(),
    ),
}

# Written as their owners write them: family name and given name in their own script, and names
# from languages whose accents come in two Unicode forms.
OTHER_SCRIPTS = (
    ("秀英", "王"),
    ("伟", "李"),
    ("太郎", "山田"),
    ("美咲", "佐藤"),
    ("지훈", "김"),
    ("Анна", "Иванова"),
    ("Ελένη", "Παπαδοπούλου"),
    ("José", "Peña"),
    ("Nguyệt", "Trần"),
    ("Zoë", "Brontë"),
    ("François", "Lévêque"),
    ("Søren", "Ångström"),
    ("فاطمة", "الهاشمي"),
    ("Siân", "O’Neill"),
    ("Łukasz", "Wójcik"),
    ("Jiří", "Dvořák"),
)

SHORT_FORMS = {
    "Abigail": "Abby", "Andrew": "Andy", "Anthony": "Tony", "Benjamin": "Ben",
    "Catherine": "Cathy", "Charles": "Charlie", "Christopher": "Chris", "Daniel": "Dan",
    "David": "Dave", "Deborah": "Debbie", "Edward": "Ed", "Elizabeth": "Liz", "Gregory": "Greg",
    "James": "Jim", "Jennifer": "Jen", "Jonathan": "Jon", "Joseph": "Joe", "Katherine": "Kate",
    "Kenneth": "Ken", "Kimberly": "Kim", "Margaret": "Peggy", "Matthew": "Matt",
    "Michael": "Mike", "Nicholas": "Nick", "Pamela": "Pam", "Patricia": "Pat",
    "Rebecca": "Becky", "Richard": "Rick", "Robert": "Bob", "Samantha": "Sam", "Samuel": "Sam",
    "Stephen": "Steve", "Susan": "Sue", "Thomas": "Tom", "Timothy": "Tim", "William": "Bill",
}  # fmt: skip

COMPANY_FIRST = """
Acorn Alder Amber Anchor Apex Arbor Aspen Atlas Beacon Birch Blue Bright Cedar Cirrus Clear
Cobalt Coral Crescent Delta Eagle East Elm Ember Evergreen Falcon First Fox Garnet Glacier Gold
Granite Green Harbor Hawthorn Heron High Horizon Iron Ivory Jade Juniper Keystone Lake Lark
Lighthouse Linden Lunar Maple Meadow Mercury Mesa Mill Moss Mountain North Oak Onyx Orchard
Osprey Pacific Pearl Pine Pioneer Prairie Quartz Raven Red Ridge River Rowan Sable Sage Silver
Sky Slate Spruce Stone Summit Sun Swift Terra Thistle Timber Union Vale Valley Verdant Vista West
Willow Wren
""".split()
COMPANY_SECOND = """
Analytics Architects Bakery Books Builders Capital Clinic Coffee Consulting Dairy Dental Design
Electric Energy Engineering Events Farms Finance Foods Freight Furniture Garden Glass Health
Hotels Insurance Interiors Labs Law Logistics Marine Media Metals Motors Optics Outfitters Paper
Partners Pharmacy Plumbing Press Properties Robotics Roofing School Security Software Solar
Studios Supply Systems Textiles Tools Toys Travel Veterinary Water Wines
""".split()
COMPANY_FORM = {
    "United States": ("Inc.", "LLC", "Co."),
    "Canada": ("Inc.", "Ltd."),
    "United Kingdom": ("Ltd", "plc"),
    "Germany": ("GmbH", "AG"),
    "France": ("SARL", "S.A."),
    "Australia": ("Pty Ltd",),
    "Sweden": ("AB",),
}

TITLES = (
    """
Accountant|Account Manager|Architect|Assistant|Buyer|CEO|CFO|Chef|Consultant|Controller|CTO
Customer Success Manager|Designer|Director of Operations|Engineer|Facilities Manager|Founder
Head of Sales|HR Manager|IT Manager|Lawyer|Marketing Manager|Nurse|Office Manager|Owner|Partner
Physician|Plant Manager|Procurement Lead|Product Manager|Project Manager|Receptionist
Research & Development|Sales Representative|Teacher|VP Finance|VP Sales|Warehouse Supervisor
""".strip()
    .replace("\n", "|")
    .split("|")
)

STREETS = """
Alder Birch Bridge Broad Cedar Chapel Cherry Church College Elm Forest Franklin Garden Grove
Highland Hill Jefferson King Lake Lincoln Main Maple Market Meadow Mill North Oak Orchard Park
Pine Pleasant Prospect Queen River School South Spring Station Sunset Valley View Walnut
Washington Water Willow
""".split()
STREET_FORM = ("Street", "St", "Avenue", "Ave.", "Road", "Lane", "Drive", "Way", "Court")

# City, state, postal code.
CITIES = {
    "United States": (
        ("Austin", "TX", "73301"), ("Boise", "ID", "83702"), ("Boston", "MA", "02108"),
        ("Chicago", "IL", "60601"), ("Denver", "CO", "80202"), ("Nashville", "TN", "37201"),
        ("New York", "NY", "10001"), ("Portland", "OR", "97201"), ("Raleigh", "NC", "27601"),
        ("San Francisco", "CA", "94103"), ("Seattle", "WA", "98101"), ("St. Louis", "MO", "63101"),
        ("Truth or Consequences", "NM", "87901"),
    ),
    "Canada": (
        ("Halifax", "NS", "B3H 0A1"), ("Montréal", "QC", "H2X 1Y4"), ("Toronto", "ON", "M5H 2N2"),
        ("Vancouver", "BC", "V6B 1A1"),
    ),
    "United Kingdom": (
        ("Bristol", None, "BS1 4DJ"), ("Edinburgh", "Scotland", "EH1 1YZ"),
        ("London", None, "EC1A 1BB"), ("Manchester", None, "M1 1AE"),
    ),
    "Germany": (
        ("Berlin", None, "10115"), ("Frankfurt am Main", "Hessen", "60311"),
        ("Köln", "Nordrhein-Westfalen", "50667"), ("München", "Bayern", "80331"),
    ),
    "France": (
        ("Lyon", None, "69001"), ("Nîmes", None, "30000"), ("Paris", None, "75002"),
        ("Saint-Étienne", None, "42000"),
    ),
    "Australia": (
        ("Brisbane", "QLD", "4000"), ("Melbourne", "VIC", "3000"), ("Perth", "WA", "6000"),
        ("Sydney", "NSW", "2000"),
    ),
    "Sweden": (("Göteborg", None, "411 03"), ("Malmö", None, "211 22")),
}  # fmt: skip

NOTES = (
    "Prefers e-mail.",
    "Met at the trade fair; wants a quote for 40 seats.",
    "Calls back after 4 pm.\nAsk for the assistant first.",
    "Do not call on Fridays.",
    'Renewal in March; "price" is the sticking point; see last year\'s offer.',
    "Speaks German and French.",
)
TAGS = ("customer", "partner", "press", "supplier", "event 2024", "newsletter", "vip", "très bien")

NO_NUMBER = (
    "n/a",
    "call the office",
    "555-01",
    "000-000-0000",
    "+1 555",
    "see e-mail",
    "12345",
    "(999) 999 99",
    "+44 1",
    "ask Peggy",
)
"""What people type where a telephone number should be; none of it is valid anywhere."""
