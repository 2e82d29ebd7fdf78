"""Shape D: many small invoices, after UBL 2: three namespaces, one record a file, some fourteen lines each."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.shapes.words import CITIES, LAST_NAMES, escape, phrase

_UBL = "urn:oasis:names:specification:ubl:schema:xsd"


def write_invoices(folder: Path, files: int, seed: int = 7) -> int:
    """Write invoices into ``folder``; returns the bytes written."""
    folder.mkdir(parents=True, exist_ok=True)
    return sum(
        (folder / f"invoice-{number:06d}.xml").write_bytes(invoice(seed, number).encode()) for number in range(files)
    )


def invoice(seed: int, number: int) -> str:
    """The invoice ``number``, whole."""
    choose = random.Random(f"{seed}/invoice/{number}")
    lines = [_line(choose, position) for position in range(1, 1 + _line_count(choose))]
    total = sum(cents for cents, _ in lines)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="{_UBL}:Invoice-2" xmlns:cac="{_UBL}:CommonAggregateComponents-2"
  xmlns:cbc="{_UBL}:CommonBasicComponents-2">
  <cbc:CustomizationID>urn:example:invoice:1</cbc:CustomizationID>
  <cbc:ID>INV-{number:08d}</cbc:ID>
  <cbc:IssueDate>2024-{choose.randint(1, 12):02d}-{choose.randint(1, 28):02d}</cbc:IssueDate>
  <cbc:DueDate>2025-{choose.randint(1, 12):02d}-{choose.randint(1, 28):02d}</cbc:DueDate>
  <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
  <cbc:Note>{escape(phrase(choose, 12, 30))}</cbc:Note>
  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cbc:BuyerReference>{choose.randrange(10**6)}</cbc:BuyerReference>
{_party(choose, "AccountingSupplierParty")}{_party(choose, "AccountingCustomerParty")}\
  <cac:TaxTotal><cbc:TaxAmount currencyID="EUR">{_money(total * 21 // 100)}</cbc:TaxAmount></cac:TaxTotal>
  <cac:LegalMonetaryTotal>
    <cbc:LineExtensionAmount currencyID="EUR">{_money(total)}</cbc:LineExtensionAmount>
    <cbc:PayableAmount currencyID="EUR">{_money(total + total * 21 // 100)}</cbc:PayableAmount>
  </cac:LegalMonetaryTotal>
{"".join(text for _, text in lines)}</Invoice>
"""


def _line_count(choose: random.Random) -> int:
    return max(3, min(50, int(choose.expovariate(1 / 14))))


def _line(choose: random.Random, position: int) -> tuple[int, str]:
    """What a line costs, in cents, and the line."""
    quantity, price = choose.randint(1, 50), choose.randrange(100, 100_000)
    text = f"""  <cac:InvoiceLine>
    <cbc:ID>{position}</cbc:ID>
    <cbc:InvoicedQuantity unitCode="EA">{quantity}</cbc:InvoicedQuantity>
    <cbc:LineExtensionAmount currencyID="EUR">{_money(quantity * price)}</cbc:LineExtensionAmount>
    <cac:Item>
      <cbc:Description>{escape(phrase(choose, 10, 14))}</cbc:Description>
      <cbc:Name>{escape(phrase(choose, 2, 5))}</cbc:Name>
      <cac:SellersItemIdentification><cbc:ID>SKU{choose.randrange(10**6)}</cbc:ID></cac:SellersItemIdentification>
      <cac:ClassifiedTaxCategory>
        <cbc:ID>S</cbc:ID>
        <cbc:Percent>21</cbc:Percent>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
      </cac:ClassifiedTaxCategory>
    </cac:Item>
    <cac:Price><cbc:PriceAmount currencyID="EUR">{_money(price)}</cbc:PriceAmount></cac:Price>
  </cac:InvoiceLine>
"""
    return quantity * price, text


def _party(choose: random.Random, role: str) -> str:
    name = escape(f"{choose.choice(LAST_NAMES)} & {choose.choice(LAST_NAMES)} BV")
    return f"""  <cac:{role}>
    <cac:Party>
      <cbc:EndpointID schemeID="0088">{choose.randrange(10**12):012d}</cbc:EndpointID>
      <cac:PartyName><cbc:Name>{name}</cbc:Name></cac:PartyName>
      <cac:PostalAddress>
        <cbc:StreetName>{choose.choice(LAST_NAMES)} street {choose.randrange(1, 200)}</cbc:StreetName>
        <cbc:CityName>{choose.choice(CITIES)}</cbc:CityName>
        <cbc:PostalZone>{choose.randrange(10_000, 99_999)}</cbc:PostalZone>
        <cac:Country><cbc:IdentificationCode>NL</cbc:IdentificationCode></cac:Country>
      </cac:PostalAddress>
      <cac:PartyTaxScheme>
        <cbc:CompanyID>NL{choose.randrange(10**9):09d}B01</cbc:CompanyID>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
      </cac:PartyTaxScheme>
      <cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName></cac:PartyLegalEntity>
    </cac:Party>
  </cac:{role}>
"""


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
