# ruff: noqa: SIM905 - lists of area codes are read and kept as text
"""Telephone numbers for people who do not exist.

Every number is valid as libphonenumber says, and comes from a range that reaches nobody:

- United States and Canada: exchange 555 of an area code. Lines 0100 to 0199 are reserved for
  fiction and are used first; the rest of 555 is not given out to subscribers.
- United Kingdom: the numbers that Ofcom keeps for drama. (Its mobile ones are not valid for
  libphonenumber, so British mobiles here have geographic numbers; the French likewise.)
- France, Germany, Australia, Sweden: the ranges that Arcep, the Bundesnetzagentur, ACMA and PTS
  keep for the same purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_US_AREAS = """
201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 220 223 224 225 227 228 229
231 234 235 239 240 248 251 252 253 254 256 260 262 267 269 270 272 274 276 279 281 283 301 302
303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 321 323 324 325 326 327 329 330
331 332 334 336 337 339 341 346 347 350 351 352 353 360 361 363 364 369 380 385 386 401 402 404
405 406 407 408 409 410 412 413 414 415 417 419 423 424 425 430 432 434 435 440 442 443 445 447
448 458 463 464 469 470 472 475 478 479 480 484 501 502 503 504 505 507 508 509 510 512 513 515
516 517 518 520 530 531 534 539 540 541 551 557 559 561 562 563 564 567 570 571 572 573 574 575
580 582 585 586 601 602 603 605 606 607 608 609 610 612 614 615 616 617 618 619 620 623 626 628
629 630 631 636 640 641 645 646 650 651 656 657 659 660 661 662 667 669 678 680 681 682 686 689
701 702 703 704 706 707 708 712 713 714 715 716 717 718 719 720 724 725 726 727 728 730 731 732
734 737 738 740 743 747 748 754 757 760 762 763 765 769 770 771 772 773 774 775 779 781 785 786
801 802 803 804 805 806 808 810 812 813 814 815 816 817 818 820 821 826 828 830 831 832 835 838
839 840 843 845 847 848 850 854 856 857 858 859 860 862 863 864 865 870 872 878 901 903 904 906
907 908 909 910 912 913 914 915 916 917 918 919 920 925 928 929 930 931 934 936 937 938 940 941
943 945 947 948 949 951 952 954 956 959 970 971 972 973 975 978 979 980 983 984 985 986 989
""".split()
_CANADIAN_AREAS = """
204 226 236 249 250 257 263 273 289 306 343 354 365 367 368 382 403 416 418 428 431 437 438 450
468 474 506 514 519 548 579 581 584 587 604 613 639 647 672 683 705 709 742 753 778 780 782 807
819 825 867 873 879 902 905 942
""".split()

Range = tuple[str, str, int]
Format = Callable[[str, str], str]
"""Writes an area code and a subscriber number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The numbers of one country.

    Attributes:
        country: Its name as Salesforce stores it.
        blocks: Ranges that are used up one block after the other. A range is an area code, the
            first digits of the subscriber number, and how many digits follow them.
        national: How people write a number at home; it takes the country to read these.
        international: How they write it for anybody; these can be read anywhere.
    """

    country: str
    blocks: tuple[tuple[Range, ...], ...]
    national: tuple[Format, ...]
    international: tuple[Format, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A telephone number of a plan."""

    plan: Plan
    area: str
    subscriber: str

    def written(self, choice: int, *, anywhere: bool = False) -> str:
        """Write the number in one of its formats, in one that can be read anywhere if asked."""
        plan = self.plan
        formats = plan.international if anywhere else plan.national + plan.international
        return formats[choice % len(formats)](self.area, self.subscriber)


def numbers(plan: Plan) -> Iterator[Number]:
    """Yield every number of a plan once, area by area in turn, reserved lines first."""
    for block in plan.blocks:
        for turn in range(10 ** max(digits for _, _, digits in block)):
            for at, (area, first, digits) in enumerate(block):
                if turn < 10**digits:
                    # 37 shares no factor with 10: every line comes up once, neighbours differ.
                    line = (turn * 37 + at * 7) % 10**digits
                    yield Number(plan, area, f"{first}{line:0{digits}}")


def _north_american(country: str, areas: list[str]) -> Plan:
    return Plan(
        country=country,
        blocks=tuple(
            tuple((area, f"555{hundred:02}", 2) for area in areas)
            for hundred in range(1, 100)
            if hundred != 12  # 555-1212 is directory assistance
        ),
        national=(
            lambda area, line: f"({area}) {line[:3]}-{line[3:]}",
            lambda area, line: f"{area}-{line[:3]}-{line[3:]}",
            lambda area, line: f"{area}.{line[:3]}.{line[3:]}",
            lambda area, line: f"{area}{line}",
            lambda area, line: f"1-{area}-{line[:3]}-{line[3:]}",
        ),
        international=(
            lambda area, line: f"+1{area}{line}",
            lambda area, line: f"+1 {area}-{line[:3]}-{line[3:]}",
            lambda area, line: f"+1 ({area}) {line[:3]}-{line[3:]}",
            lambda area, line: f"+1 {area} {line[:3]} {line[3:]}",
        ),
    )


def _other(country: str, code: str, ranges: tuple[Range, ...]) -> Plan:
    return Plan(
        country=country,
        blocks=(ranges,),
        national=(
            lambda area, line: f"0{area} {line[:4]} {line[4:]}",
            lambda area, line: f"(0{area}) {line}",
            lambda area, line: f"0{area}{line}",
            lambda area, line: f"0{area}/{line[:3]} {line[3:]}",
        ),
        international=(
            lambda area, line: f"+{code}{area}{line}",
            lambda area, line: f"+{code} {area} {line[:4]} {line[4:]}",
            lambda area, line: f"+{code} (0){area} {line}",
        ),
    )


UNITED_STATES = _north_american("United States", _US_AREAS)
CANADA = _north_american("Canada", _CANADIAN_AREAS)
UNITED_KINGDOM = _other(
    "United Kingdom",
    "44",
    (
        ("20", "79460", 3),
        *((area, "4960", 3) for area in "113 114 116 117 118 121 131 141 151 161".split()),
        ("191", "4980", 3),
        ("28", "96496", 3),
        ("29", "20180", 3),
    ),
)
GERMANY = _other(
    "Germany",
    "49",
    (("30", "23125", 3), ("69", "90009", 3), ("40", "66969", 3), ("221", "4710", 3),
     ("89", "99998", 3)),
)  # fmt: skip
FRANCE = Plan(
    country="France",
    blocks=(
        (("1", "9900", 4), ("2", "6191", 4), ("3", "5301", 4), ("4", "6571", 4), ("5", "3649", 4)),
    ),
    national=(
        lambda area, line: f"0{area} {line[:2]} {line[2:4]} {line[4:6]} {line[6:]}",
        lambda area, line: f"0{area}.{line[:2]}.{line[2:4]}.{line[4:6]}.{line[6:]}",
        lambda area, line: f"0{area}{line}",
    ),
    international=(
        lambda area, line: f"+33{area}{line}",
        lambda area, line: f"+33 {area} {line[:2]} {line[2:4]} {line[4:6]} {line[6:]}",
        lambda area, line: f"+33 (0){area} {line[:2]} {line[2:4]} {line[4:6]} {line[6:]}",
    ),
)  # fmt: skip
AUSTRALIA = _other(
    "Australia",
    "61",
    tuple((area, first, 4) for first in ("5550", "7010") for area in "2378"),
)
SWEDEN = _other(
    "Sweden",
    "46",
    (("8", "465004", 2), ("40", "62804", 2), ("980", "3192", 2), ("31", "39006", 2)),
)
