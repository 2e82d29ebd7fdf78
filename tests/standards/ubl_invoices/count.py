"""What the UBL samples hold, counted without Sluice."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.standards.counting import count_below, documents, first, local, texts, walk

SUPPLIER = "AccountingSupplierParty/Party/EndpointID"
BELOW = ["AdditionalDocumentReference", "PaymentMeans", "AllowanceCharge", "TaxTotal", "TaxTotal/TaxSubtotal"]
OF_LINE = ["", "/AllowanceCharge", "/Item/CommodityClassification", "/Item/AdditionalItemProperty"]


def newest(folder: Path) -> tuple[int, list[ET.Element]]:
    """Number of documents, and of each supplier's number the one that was issued last."""
    found, by_key = 0, {}
    for _, root in documents(folder):
        found += 1
        key = (local(root), first(root, SUPPLIER), first(root, "ID"))
        issued = (first(root, "IssueDate"), first(root, "IssueTime"))
        if key not in by_key or by_key[key][0] < issued:
            by_key[key] = (issued, root)
    return found, [root for _, root in by_key.values()]


def expected(folder: Path = Path(__file__).parent / "samples") -> dict[str, Any]:
    found, kept = newest(folder)
    tables: dict[str, int] = {}
    for kind in ("Invoice", "CreditNote"):
        of_kind = [root for root in kept if local(root) == kind]
        below = [*BELOW, *(f"{kind}Line{path}" for path in OF_LINE)]
        tables |= count_below(of_kind, f"/{kind}", below)
    invoices = [root for root in kept if local(root) == "Invoice"]
    large = next(root for root in invoices if first(root, "ID") == "000007")
    subtotals = [amount for root in invoices for amount in texts(root, "TaxTotal/TaxSubtotal/TaxAmount")]
    currencies = [e.get("currencyID") for root in invoices for e in walk(root, "TaxTotal/TaxAmount")]
    return {
        "found": found,
        "tables": tables,
        "sums": {
            "/Invoice/LegalMonetaryTotal/PayableAmount": sum(
                Decimal(text) for root in invoices for text in texts(root, "LegalMonetaryTotal/PayableAmount")
            ),
            "/Invoice/TaxTotal/TaxSubtotal/TaxAmount": sum(map(Decimal, subtotals)),
            "/Invoice/InvoiceLine/InvoicedQuantity": sum(
                Decimal(text) for root in invoices for text in texts(root, "InvoiceLine/InvoicedQuantity")
            ),
        },
        "distinct": {
            "/Invoice/ID": len({first(root, "ID") for root in invoices}),
            f"/Invoice/{SUPPLIER}": len({first(root, SUPPLIER) for root in invoices}),
            "/Invoice/TaxTotal/TaxAmount/@currencyID": len(set(currencies)),
        },
        "sorted": {
            "/CreditNote/ID": sorted(first(root, "ID") for root in kept if local(root) == "CreditNote"),
            "/Invoice/InvoiceLine/Item/AdditionalItemProperty/Value": sorted(
                text for root in invoices for text in texts(root, "InvoiceLine/Item/AdditionalItemProperty/Value")
            ),
            "/Invoice/InvoiceLine/Note": sorted(text for root in invoices for text in texts(root, "InvoiceLine/Note")),
        },
        "rows": [
            (
                "/Invoice",
                {"/Invoice/ID": "000007"},
                {
                    "/Invoice/LegalMonetaryTotal/PayableAmount": first(large, "LegalMonetaryTotal/PayableAmount"),
                    f"/Invoice/{SUPPLIER}": first(large, SUPPLIER),
                    "/Invoice/IssueDate": first(large, "IssueDate"),
                },
            )
        ],
    }


PLANTED = [
    {"file": "INV-000900.xml", "record": "1", "reasons": ["xsd_invalid", "not_a_number invoices payable_amount"]}
]
"""A comma in an amount."""

SOUND_BESIDE = 0
"""Records of the folder of broken files that load all the same."""
