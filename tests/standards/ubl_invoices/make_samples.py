"""UBL 2.1 invoices and credit notes of invented companies: one document each, loose, compressed and in an archive."""

from __future__ import annotations

import base64
import random
from decimal import ROUND_HALF_UP, Decimal

from tests.standards.writing import Line, Markup, Node, Samples, document, gzipped, node, zipped

URN = "urn:oasis:names:specification:ubl:schema:xsd"
CENT = Decimal("0.01")
SUPPLIERS = [
    ("0088", "4035811000017", "Mühlbach Werkzeuge GmbH", "DE", "DE811907980", "01067", "Dresden", "Ostra-Allee 9"),
    ("0106", "00412876", "Van der Veen & Zonen B.V.", "NL", "NL001234567B01", "1012 AB", "Amsterdam", "Damrak 70"),
    ("0184", "DK00112233", "Ærø Skibsservice A/S", "DK", "DK00112233", "0999", "København C", "Havnegade 1"),
    ("0192", "000987654", "Fjord Data AS", "NO", "NO000987654MVA", "0150", "Oslo", "Dronning Eufemias gate 16"),
]
CUSTOMERS = [
    ("Ville de Liège", "BE", "4000", "Liège"),
    ("Αθηναϊκή Ζυθοποιία", "GR", "104 31", "Αθήνα"),
    ("Żabka & Synowie sp. z o.o.", "PL", "00-950", "Warszawa"),
    ("東京部品株式会社", "JP", "100-0001", "東京都千代田区"),
    ('O\'Neill "Quick" <Parts> Ltd', "IE", "D02 X285", "Dublin"),
]
GOODS = [
    ("Hex bolt M8 × 40", "0045", "C62", Decimal("0.0875"), "7318"),
    ("Cutting fluid, 20 l", "0107", "LTR", Decimal("3.125"), "3403"),
    ("Service hour", "9001", "HUR", Decimal("95"), None),
    ("Steel sheet 2 mm", "0012", "KGM", Decimal("1.4999"), "7208"),
    ("Cloud storage", "8100", "MON", Decimal("1250.00"), None),
]


def money(tag: str, value: Decimal, currency: str) -> Node:
    return node(f"cbc:{tag}", str(value), currencyID=currency)


def rounded(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def scheme(category: str, percent: str, tag: str = "cac:TaxCategory") -> Node:
    reason = node("cbc:TaxExemptionReasonCode", "VATEX-EU-AE") if category == "AE" else None
    return node(
        tag,
        node("cbc:ID", category),
        node("cbc:Percent", percent),
        reason,
        node("cac:TaxScheme", node("cbc:ID", "VAT")),
    )


def supplier_party(supplier: tuple[str, ...], is_rich: bool) -> Node:
    scheme_id, endpoint, name, country, vat, zone, city, street = supplier
    contact = node(
        "cac:Contact",
        node("cbc:Name", "Anna Beispiel"),
        node("cbc:Telephone", "+49 351 0000-17"),
        node("cbc:ElectronicMail", "rechnung@example.com"),
    )
    return node(
        "cac:AccountingSupplierParty",
        node(
            "cac:Party",
            node("cbc:EndpointID", endpoint, schemeID=scheme_id),
            node("cac:PartyIdentification", node("cbc:ID", endpoint.lstrip("DK"))),
            node("cac:PartyIdentification", node("cbc:ID", "0007", schemeID="SUP")) if is_rich else None,
            node("cac:PartyName", node("cbc:Name", name)),
            node(
                "cac:PostalAddress",
                node("cbc:StreetName", street),
                node("cbc:AdditionalStreetName") if is_rich else None,
                node("cbc:CityName", city),
                node("cbc:PostalZone", zone),
                node("cac:Country", node("cbc:IdentificationCode", country)),
            ),
            node("cac:PartyTaxScheme", node("cbc:CompanyID", vat), node("cac:TaxScheme", node("cbc:ID", "VAT"))),
            node("cac:PartyLegalEntity", node("cbc:RegistrationName", name), node("cbc:CompanyID", endpoint)),
            contact if is_rich else None,
        ),
    )


def customer_party(customer: tuple[str, ...], number: int) -> Node:
    name, country, zone, city = customer
    return node(
        "cac:AccountingCustomerParty",
        node(
            "cac:Party",
            node("cbc:EndpointID", f"{number:09d}", schemeID="0208") if number % 2 else None,
            node("cac:PartyName", node("cbc:Name", name)),
            node(
                "cac:PostalAddress",
                node("cbc:CityName", city),
                node("cbc:PostalZone", zone),
                node("cac:Country", node("cbc:IdentificationCode", country)),
            ),
            node("cac:PartyLegalEntity", node("cbc:RegistrationName", name)),
        ),
    )


def allowance(is_charge: bool, reason: str, amount: Decimal, currency: str, percent: str | None = None) -> Node:
    return node(
        "cac:AllowanceCharge",
        node("cbc:ChargeIndicator", "true" if is_charge else "false"),
        node("cbc:AllowanceChargeReasonCode", "FC" if is_charge else "95"),
        node("cbc:AllowanceChargeReason", reason),
        node("cbc:MultiplierFactorNumeric", percent) if percent else None,
        money("Amount", amount, currency),
    )


def line(kind: str, number: int, rng: random.Random, currency: str, percent: str) -> tuple[Node, Decimal]:
    name, code, unit, price, commodity = rng.choice(GOODS)
    quantity = Decimal(rng.choice(["1", "12", "2.5", "1000", "0.333", "48.0", "-3"]))
    discount = rounded(quantity * price / 20) if rng.random() < 0.25 and quantity > 100 else None
    net = rounded(quantity * price) - (discount or 0)
    properties = [
        node("cac:AdditionalItemProperty", node("cbc:Name", key), node("cbc:Value", value))
        for key, value in rng.sample(
            [("Colour", "blau"), ("Batch", "000731"), ("Norm", "DIN 933"), ("Note", "")], rng.randrange(4)
        )
    ]
    made = node(
        f"cac:{kind}Line",
        node("cbc:ID", f"{number:03d}"),
        node("cbc:Note", Markup("<![CDATA[Rest < 10 & bestellt]]>")) if number == 2 else None,
        node(f"cbc:{'Credited' if kind == 'CreditNote' else 'Invoiced'}Quantity", str(quantity), unitCode=unit),
        money("LineExtensionAmount", net, currency),
        node("cbc:AccountingCost", f"0{number}100") if number % 3 == 0 else None,
        node("cac:InvoicePeriod", node("cbc:StartDate", "2026-02-01"), node("cbc:EndDate", "2026-02-28"))
        if unit == "MON"
        else None,
        allowance(False, "Mengenrabatt", discount, currency, "5") if discount else None,
        node(
            "cac:Item",
            node("cbc:Description", f"{name} – Position {number}") if number % 2 else None,
            node("cbc:Name", name),
            node("cac:SellersItemIdentification", node("cbc:ID", code)),
            node("cac:StandardItemIdentification", node("cbc:ID", f"0{rng.randrange(10**12):013d}", schemeID="0160"))
            if rng.random() < 0.5
            else None,
            *(
                node("cac:CommodityClassification", node("cbc:ItemClassificationCode", value, listID=list_id))
                for list_id, value in (("HS", commodity), ("STI", "09134100-8"))
                if commodity
            ),
            scheme("S" if percent != "0" else "AE", percent, "cac:ClassifiedTaxCategory"),
            *properties,
        ),
        node(
            "cac:Price",
            money("PriceAmount", price, currency),
            node("cbc:BaseQuantity", "1", unitCode=unit) if number == 1 else None,
        ),
    )
    return made, net


def tax_totals(nets: dict[str, Decimal], currency: str, tax_currency: str | None) -> tuple[list[Node], Decimal]:
    taxes = {percent: rounded(net * Decimal(percent) / 100) for percent, net in nets.items()}
    subtotals = [
        node(
            "cac:TaxSubtotal",
            money("TaxableAmount", nets[percent], currency),
            money("TaxAmount", tax, currency),
            scheme("S" if percent != "0" else "AE", percent),
        )
        for percent, tax in taxes.items()
    ]
    total = sum(taxes.values(), Decimal("0.00"))
    totals = [node("cac:TaxTotal", money("TaxAmount", total, currency), *subtotals)]
    if tax_currency:
        totals.append(node("cac:TaxTotal", money("TaxAmount", rounded(total * Decimal("11.4235")), tax_currency)))
    return totals, total


def make_document(
    kind: str, number: int, rng: random.Random, issued: str, time: str, supplier: int, note: str = ""
) -> Node:
    currency = rng.choice(["EUR", "EUR", "SEK", "JPY", "USD"])
    tax_currency = "SEK" if currency == "EUR" and number % 5 == 0 else None
    is_rich = number % 3 == 0
    lines, nets = [], {}
    for index in range(1, rng.choice([1, 1, 2, 3, 5]) + 1):
        percent = rng.choice(["19", "7.7", "25.00", "0"])
        made, net = line(kind, index, rng, currency, percent)
        lines.append(made)
        nets[percent] = nets.get(percent, Decimal("0.00")) + net
    if number == 7:  # a very large one, such as a shipyard writes
        nets["0"] = nets.get("0", Decimal("0.00")) + Decimal("98765432109876.54")
    charges = [allowance(True, "Fracht & Verpackung", Decimal("14.90"), currency)] if is_rich else []
    charges += [allowance(False, "Skonto", Decimal("3.10"), currency, "2.5")] if number % 4 == 0 else []
    charged = (Decimal("14.90") if is_rich else 0) - (Decimal("3.10") if number % 4 == 0 else 0)
    totals, tax = tax_totals(nets, currency, tax_currency)
    net = sum(nets.values(), Decimal("0.00"))
    payable = net + charged + tax
    rounding = Decimal("-0.02") if number % 6 == 0 else None
    attachment = base64.b64encode(f"%PDF {number}".encode()).decode()
    return node(
        kind,
        node("cbc:UBLVersionID", "2.1") if number % 2 else None,
        node("cbc:CustomizationID", "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"),
        node("cbc:ProfileID", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
        node("cbc:ID", f"{number:06d}"),
        node("cbc:CopyIndicator", "false") if is_rich else None,
        node("cbc:IssueDate", issued),
        node("cbc:IssueTime", time),
        node("cbc:DueDate", "2026-04-30") if kind == "Invoice" and number % 5 else None,
        node(f"cbc:{kind}TypeCode", "380" if kind == "Invoice" else "381"),
        node("cbc:Note", note or "Zahlbar ohne Abzug. Vielen Dank für Ihren Auftrag!") if number % 2 else None,
        node("cbc:Note", "Reklamation: «binnen 14 Tagen»", languageID="de") if is_rich else None,
        node("cbc:DocumentCurrencyCode", currency, listID="ISO4217"),
        node("cbc:TaxCurrencyCode", tax_currency) if tax_currency else None,
        node("cbc:BuyerReference", f"00{number % 7}-{number}") if number % 2 == 0 else None,
        node("cac:InvoicePeriod", node("cbc:StartDate", "2026-02-01"), node("cbc:EndDate", "2026-02-28"))
        if is_rich
        else None,
        node("cac:OrderReference", node("cbc:ID", f"000{4500 + number}")) if number % 3 else None,
        node("cac:BillingReference", node("cac:InvoiceDocumentReference", node("cbc:ID", f"{number - 60:06d}")))
        if kind == "CreditNote"
        else None,
        node(
            "cac:AdditionalDocumentReference",
            node("cbc:ID", "Timesheet"),
            node("cbc:DocumentDescription", "Stundennachweis"),
            node(
                "cac:Attachment",
                node(
                    "cbc:EmbeddedDocumentBinaryObject", attachment, mimeCode="application/pdf", filename=f"{number}.pdf"
                ),
            ),
        )
        if number % 7 == 0
        else None,
        node("cac:AdditionalDocumentReference", node("cbc:ID", "0000012", schemeID="ABZ"))
        if number % 14 == 0
        else None,
        supplier_party(SUPPLIERS[supplier], is_rich),
        customer_party(CUSTOMERS[number % len(CUSTOMERS)], number),
        node(
            "cac:PaymentMeans",
            node("cbc:PaymentMeansCode", "58", name="SEPA credit transfer"),
            node("cbc:PaymentID", f"{number:018d}"),
            node("cac:PayeeFinancialAccount", node("cbc:ID", "DE00500105175407324931"), node("cbc:Name")),
        ),
        node("cac:PaymentMeans", node("cbc:PaymentMeansCode", "48")) if number % 8 == 0 else None,
        node("cac:PaymentTerms", node("cbc:Note", "30 Tage netto")) if number % 5 == 0 else None,
        Line("<!-- totals follow -->") if is_rich else None,
        *charges,
        *totals,
        node(
            "cac:LegalMonetaryTotal",
            money("LineExtensionAmount", net, currency),
            money("TaxExclusiveAmount", net + charged, currency),
            money("TaxInclusiveAmount", payable, currency),
            money("PrepaidAmount", Decimal("0"), currency) if number % 9 == 0 else None,
            money("PayableRoundingAmount", rounding, currency) if rounding else None,
            money("PayableAmount", payable + (rounding or 0), currency),
        ),
        *lines,
        at={
            "xmlns": f"{URN}:{kind}-2",
            "xmlns:cac": f"{URN}:CommonAggregateComponents-2",
            "xmlns:cbc": f"{URN}:CommonBasicComponents-2",
        },
    )


def renamed(data: bytes) -> bytes:
    """The same document from a sender who gives the namespaces other prefixes."""
    data = data.replace(b"xmlns:cbc=", b"xmlns:n1=").replace(b"cbc:", b"n1:")
    return data.replace(b"<Invoice xmlns=", b"<ubl:Invoice xmlns:ubl=").replace(b"</Invoice>", b"</ubl:Invoice>")


def make() -> Samples:
    rng = random.Random(21)
    files: Samples = {}
    members: Samples = {}
    for number in range(1, 41):
        issued = f"2026-03-{number % 9 + 1:02d}"
        time = ["09:30:00", "10:15:30.250", "23:59:59Z", "08:00:00+01:00"][number % 4]
        root = make_document("Invoice", number, rng, issued, time, number % 4)
        members[f"out/INV-{number:06d}.xml"] = document(root, indent="" if number % 10 == 0 else "  ")
    files["samples/2026-03-10.zip"] = zipped(members)
    for number in (101, 102, 103, 104):
        files[f"samples/CN-{number}.xml"] = document(
            make_document("CreditNote", number, rng, "2026-03-11", "12:00:00", number % 4),
            '<?xml-stylesheet type="text/xsl" href="view.xsl"?>\n<!-- from a test system -->\n',
            encoding="UTF-16" if number == 104 else "UTF-8",
        )
    members = {}
    for number in range(41, 57):
        root = make_document("Invoice", number, rng, "2026-03-11", f"1{number % 10}:00:00", number % 4)
        data = document(root, indent="\t")
        if number % 5 == 0:
            files[f"samples/INV-{number}.xml.gz"] = gzipped(renamed(data))
        else:
            members[f"INV-{number}.xml"] = data
    files["samples/2026-03-11.zip"] = zipped(members)
    # written anew: same supplier, same number, issued later
    for number in (3, 12, 31):
        root = make_document("Invoice", number, rng, "2026-03-20", "07:00:00", number % 4, note="Ersetzt die frühere.")
        files[f"samples/INV-{number:06d}-2.xml"] = document(root)
    broken = document(make_document("Invoice", 900, rng, "2026-03-21", "07:00:00", 1))
    start = broken.index(b"<cbc:PayableAmount")
    files["broken/INV-000900.xml"] = broken[:start] + broken[start:].replace(b".", b",", 1)
    return files
