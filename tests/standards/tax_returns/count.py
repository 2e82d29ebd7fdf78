"""What the samples of tax returns hold, counted without Sluice."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.standards.counting import count_below, documents, first, texts

FORM = "ReturnData/IRS990"
BELOW = [
    FORM,
    f"{FORM}/ProgSrvcAccomActy2Grp",
    f"{FORM}/ProgSrvcAccomActyOtherGrp",
    f"{FORM}/Form990PartVIISectionAGrp",
    "ReturnData/IRS990EZ",
    "ReturnData/IRS990EZ/OfficerDirectorTrusteeEmplGrp",
    "ReturnData/IRS990ScheduleA",
    "ReturnData/IRS990ScheduleI",
    "ReturnData/IRS990ScheduleI/RecipientTable",
    "ReturnData/IRS990ScheduleO/SupplementalInformationDetail",
]
KEY = ("ReturnHeader/Filer/EIN", "ReturnHeader/TaxPeriodEndDt", "ReturnHeader/ReturnTypeCd")


def newest(folder: Path) -> tuple[int, list[ET.Element]]:
    """Number of returns, and the one that was filed last for each filer, period and type."""
    found, by_key = 0, {}
    for _, root in documents(folder):
        found += 1
        key = tuple(first(root, path) for path in KEY)
        filed = dt.datetime.fromisoformat(first(root, "ReturnHeader/ReturnTs") or "")
        if key not in by_key or by_key[key][0] < filed:
            by_key[key] = (filed, root)
    return found, [root for _, root in by_key.values()]


def total(roots: list[ET.Element], path: str) -> Decimal:
    return sum((Decimal(text) for root in roots for text in texts(root, path)), Decimal(0))


def expected(folder: Path = Path(__file__).parent / "samples") -> dict[str, Any]:
    found, roots = newest(folder)
    sums = [
        f"{FORM}/CYTotalRevenueAmt",
        f"{FORM}/Form990PartVIISectionAGrp/OtherCompensationAmt",
        f"{FORM}/Form990PartVIISectionAGrp/AverageHoursPerWeekRt",
        "ReturnData/IRS990ScheduleI/RecipientTable/CashGrantAmt",
        "ReturnData/IRS990ScheduleA/PublicSupportCY170Pct",
    ]
    sorted_ = [
        "ReturnHeader/Filer/EIN",
        "ReturnHeader/Filer/ForeignAddress/ForeignPostalCd",
        f"{FORM}/Form990PartVIISectionAGrp/BusinessName/BusinessNameLine1Txt",
        f"{FORM}/ActivityOrMissionDesc",
        "ReturnData/IRS990ScheduleO/SupplementalInformationDetail/ExplanationTxt",
    ]
    huge = next(root for root in roots if len(first(root, f"{FORM}/CYTotalRevenueAmt") or "") >= 15)
    return {
        "found": found,
        "tables": count_below(roots, "/Return", BELOW),
        "sums": {f"/Return/{path}": total(roots, path) for path in sums},
        "distinct": {
            f"/Return/{path}": len({text for root in roots for text in texts(root, path)})
            for path in ("ReturnHeader/Filer/EIN", f"{FORM}/Form990PartVIISectionAGrp/PersonNm")
        },
        "sorted": {f"/Return/{path}": sorted(text for r in roots for text in texts(r, path)) for path in sorted_},
        "rows": [
            (
                f"/Return/{FORM}",
                {f"/Return/{FORM}/CYTotalRevenueAmt": first(huge, f"{FORM}/CYTotalRevenueAmt")},
                {
                    f"/Return/{FORM}/TotalAssetsGrp/EOYAmt": first(huge, f"{FORM}/TotalAssetsGrp/EOYAmt"),
                    f"/Return/{FORM}/@documentId": huge.find(".//{*}IRS990").get("documentId"),
                    f"/Return/{FORM}/@softwareId": huge.find(".//{*}IRS990").get("softwareId"),
                },
            )
        ],
    }


PLANTED = [
    {
        "file": "2026_TEOS_XML_03A.zip",
        "member": "bad.xml",
        "record": "1",
        "reasons": ["xsd_invalid", "not_a_boolean form_990 is_group_return"],
    },
    {"file": "cut_off.xml", "reasons": ["truncated"]},
]
"""A word where the standard has a boolean, and a file that ends too early."""

SOUND_BESIDE = 0
"""Records of the folder of broken files that load all the same."""
