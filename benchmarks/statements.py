"""Invented bank statements (ISO 20022 camt.053), any number of small files, the same for the same seed.

Versions 02, 04 and 08 take turns. The books balance: closing is opening plus credits less debits.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from xml.sax.saxutils import escape

VERSIONS = ("02", "04", "08")
_PEOPLE = (
    "Anneleen De Smet", "Bakkerij Zwaluw BV", "Café O'Connor & Fille", "Dóra Kiss", "Elektro Vanhove NV",
    "Fenna Jansma", "Gärtnerei Holunder", "Hôtel du Lac Bleu", "Ilse Brandão", "Jørgen Mikkelsen",
    "Kovács és Társa Kft.", "Łucja Wrona",
)  # fmt: skip
_REASONS = ("Invoice", "Order", "Rent", "Contribution", "Repair", "Delivery", "Facture", "Rechnung", "Subscription")


def iban_of(number: int) -> str:
    """A Belgian IBAN of no bank, with right check digits."""
    account = f"000{number % 10**7:07d}"
    account += f"{int(account) % 97 or 97:02d}"
    return f"BE{98 - int(f'{account}111400') % 97:02d}{account}"


def statement_file(seed: int, number: int, day: dt.date) -> str:
    """One file with one statement of the account ``number``, made in the night after ``day``."""
    choose = random.Random(f"{seed}/{number}/{day}")
    version = VERSIONS[number % len(VERSIONS)]
    opening = Decimal(choose.randrange(10**7)) / 100
    entries = [_Entry(choose, version, day) for _ in range(choose.randrange(3, 16))]
    closing = opening + sum((entry.signed for entry in entries), Decimal(0))
    made_at = f"{day + dt.timedelta(days=1)}T02:{choose.randrange(60):02d}:{choose.randrange(60):02d}+01:00"
    identity = f"{day:%Y%j}{number:08d}"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">',
        "  <BkToCstmrStmt>",
        f"    <GrpHdr><MsgId>MSG{identity}</MsgId><CreDtTm>{made_at}</CreDtTm></GrpHdr>",
        "    <Stmt>",
        f"      <Id>{identity}</Id>",
        f"      <ElctrncSeqNb>{day.timetuple().tm_yday}</ElctrncSeqNb>",
        f"      <CreDtTm>{made_at}</CreDtTm>",
        f"      <Acct><Id><IBAN>{iban_of(number)}</IBAN></Id><Ccy>EUR</Ccy></Acct>",
        *_balance("OPBD", opening, day),
        *_balance("CLBD", closing, day),
        *(line for entry in entries for line in entry.lines()),
        "    </Stmt>",
        "  </BkToCstmrStmt>",
        "</Document>",
        "",
    ]
    return "\n".join(lines)


def _balance(code: str, amount: Decimal, day: dt.date) -> Iterator[str]:
    sign = "CRDT" if amount >= 0 else "DBIT"
    yield f"      <Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
    yield f'        <Amt Ccy="EUR">{abs(amount)}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>'


class _Entry:
    """One entry with one transaction, written as its message version wants it."""

    def __init__(self, choose: random.Random, version: str, day: dt.date) -> None:
        self._version = version
        self._day = day
        self._amount = Decimal(choose.randrange(1, 500_000)) / 100
        self._is_credit = choose.random() < 0.5
        self._party = choose.choice(_PEOPLE)
        self._iban = iban_of(choose.randrange(10**7))
        self._reference = f"{choose.randrange(36**8):012d}"
        self._text = f"{choose.choice(_REASONS)} {choose.randrange(10**6)}"

    @property
    def signed(self) -> Decimal:
        return self._amount if self._is_credit else -self._amount

    def lines(self) -> Iterator[str]:
        indicator = "CRDT" if self._is_credit else "DBIT"
        status = "<Cd>BOOK</Cd>" if self._version == "08" else "BOOK"
        family = "RCDT" if self._is_credit else "ICDT"
        amount = f'<Amt Ccy="EUR">{self._amount}</Amt>'
        yield f"      <Ntry>{amount}<CdtDbtInd>{indicator}</CdtDbtInd><Sts>{status}</Sts>"
        yield f"        <BookgDt><Dt>{self._day}</Dt></BookgDt><ValDt><Dt>{self._day}</Dt></ValDt>"
        yield "        <BkTxCd><Domn><Cd>PMNT</Cd>"
        yield f"          <Fmly><Cd>{family}</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
        yield f"        <NtryDtls><TxDtls><Refs><EndToEndId>{self._reference}</EndToEndId></Refs>"
        if self._version == "02":
            yield f"          <AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
        else:
            yield f"          {amount}<CdtDbtInd>{indicator}</CdtDbtInd>"
        yield from self._parties()
        yield f"          <RmtInf><Ustrd>{self._text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"

    def _parties(self) -> Iterator[str]:
        side = "Dbtr" if self._is_credit else "Cdtr"
        name = f"<Nm>{escape(self._party)}</Nm>"
        party = f"<Pty>{name}</Pty>" if self._version == "08" else name
        yield f"          <RltdPties><{side}>{party}</{side}>"
        yield f"            <{side}Acct><Id><IBAN>{self._iban}</IBAN></Id></{side}Acct></RltdPties>"
