"""Invented legal entities in GLEIF's LEI-CDF form, any number of them, the same for the same seed.

No LEI of a real issuer begins with 9999; the check digits are right all the same.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

NAMESPACE = "http://www.gleif.org/data/schema/leidata/2016"
RECORD_COUNT_DIGITS = 9
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_EPOCH = dt.datetime(2014, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where entities are at home: country, region, city, language, register, postal pattern, legal forms, words."""

    country: str
    region: str
    city: str
    language: str
    register: str
    postal: str
    forms: tuple[tuple[str, str], ...]
    words: tuple[str, ...]


_PLACES = (
    Place(
        "BE",
        "BE-VOV",
        "Gent",
        "nl",
        "RA000025",
        "9###",
        (("R85P", "NV"), ("LSGP", "BV")),
        ("Leie", "Schelde", "Haven", "Linnen", "Korenmarkt", "Dampoort", "Vlas", "Brouwerij"),
    ),
    Place(
        "FR",
        "FR-ARA",
        "Lyon",
        "fr",
        "RA000189",
        "6900#",
        (("6CHY", "SA"), ("6S5O", "SARL")),
        ("Forge", "Soierie", "Saône", "Traboule", "Confluence", "Bellecour", "Éclat", "Garonne"),
    ),
    Place(
        "DE",
        "DE-SN",
        "Leipzig",
        "de",
        "RA000327",
        "041##",
        (("2HBR", "GmbH"), ("6QQB", "AG")),
        ("Lindenau", "Pleiße", "Gießerei", "Verlag", "Nordstern", "Mühle", "Völker", "Kranich"),
    ),
    Place(
        "GR",
        "GR-A",
        "Θεσσαλονίκη",
        "el",
        "RA000685",
        "546 ##",
        (("CFI7", "Α.Ε."), ("B575", "Ε.Π.Ε.")),
        ("Αιγαίο", "Λευκός", "Πύργος", "Ελαία", "Θάλασσα", "Βορράς", "Ήλιος", "Αστέρι"),
    ),
    Place(
        "BG",
        "BG-03",
        "Варна",
        "bg",
        "RA000065",
        "90##",
        (("8EKI", "АД"), ("9TFM", "ЕООД")),
        ("Черноморец", "Галата", "Слънце", "Мост", "Янтра", "Вълна", "Зора", "Кедър"),
    ),
    Place(
        "JP",
        "JP-26",
        "京都市",
        "ja",
        "RA000412",
        "600-8###",
        (("T417", "株式会社"), ("7QQ0", "合同会社")),
        ("鴨川", "西陣", "錦", "嵐山", "伏見", "桂", "北山", "清水"),
    ),
    Place(
        "US",
        "US-OR",
        "Portland",
        "en",
        "RA000631",
        "972##",
        (("HJBQ", "LLC"), ("XTIQ", "Inc.")),
        ("Cascade", "Umber", "Harbor & Sons", "Willamette", "Foundry", "Lark", "Beacon", "O'Dell"),
    ),
    Place(
        "NG",
        "NG-LA",
        "Lagos",
        "en",
        "RA000469",
        "101###",
        (("8888", "LIMITED"), ("8888", "PLC")),
        ("Atlantic", "Palm", "Marina", "Ikoyi", "Delta", "Kola", "Unity", "Harmattan"),
    ),
)
_LATIN = {
    "Θεσσαλονίκη": "Thessaloniki", "Варна": "Varna", "京都市": "Kyoto-shi",
    "Αιγαίο": "Aigaio", "Λευκός": "Lefkos", "Πύργος": "Pyrgos", "Ελαία": "Elaia", "Θάλασσα": "Thalassa",
    "Βορράς": "Vorras", "Ήλιος": "Ilios", "Αστέρι": "Asteri", "Α.Ε.": "A.E.", "Ε.Π.Ε.": "E.P.E.",
    "Черноморец": "Chernomorets", "Галата": "Galata", "Слънце": "Slantse", "Мост": "Most", "Янтра": "Yantra",
    "Вълна": "Valna", "Зора": "Zora", "Кедър": "Kedar", "АД": "AD", "ЕООД": "EOOD",
    "鴨川": "Kamogawa", "西陣": "Nishijin", "錦": "Nishiki", "嵐山": "Arashiyama", "伏見": "Fushimi", "桂": "Katsura",
    "北山": "Kitayama", "清水": "Kiyomizu", "株式会社": "Kabushiki Kaisha", "合同会社": "Godo Kaisha",
}  # fmt: skip


def lei_of(index: int) -> str:
    """The LEI of the entity ``index``, with ISO 17442's check digits (mod 97-10)."""
    # spread over all numbers; the factor has no divisor in common with 36, so that no two entities get the same
    number, digits = (index * 3_141_592_653_589_793 + 271_828_182_845_904) % 36**12, ""
    for _ in range(12):
        number, digit = divmod(number, 36)
        digits = _ALPHABET[digit] + digits
    body = f"999900{digits}"
    as_number = int("".join(str(_ALPHABET.index(character)) for character in f"{body}00"))
    return f"{body}{98 - as_number % 97:02d}"


def header(records: int, content_date: dt.datetime, *, is_delta: bool = False) -> str:
    """Everything before the first record; its length does not depend on the number of records."""
    kind = "GLEIF_DELTA_PUBLISHED" if is_delta else "GLEIF_FULL_PUBLISHED"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<lei:LEIData xmlns:lei="{NAMESPACE}">\n  <lei:LEIHeader>\n'
        f"    <lei:ContentDate>{content_date.isoformat()}</lei:ContentDate>\n"
        f"    <lei:FileContent>{kind}</lei:FileContent>\n"
        f"    <lei:RecordCount>{records:0{RECORD_COUNT_DIGITS}d}</lei:RecordCount>\n"
        "  </lei:LEIHeader>\n  <lei:LEIRecords>\n"
    )


FOOTER = "  </lei:LEIRecords>\n</lei:LEIData>\n"


def record(seed: int, index: int, revision: int = 0) -> str:
    """One LEIRecord. A higher ``revision`` is a later state of the same entity, at another address."""
    choose = random.Random(f"{seed}/{index}")
    place = choose.choice(_PLACES)
    form = choose.choice(place.forms)
    words = choose.sample(place.words, 2)
    name = " ".join([*words, str(index), form[1]])
    since = _EPOCH + dt.timedelta(days=choose.randrange(3650), seconds=choose.randrange(86_400))
    number = choose.randrange(10**8)
    updated = since + dt.timedelta(days=choose.randrange(300) + 400 * revision, milliseconds=choose.randrange(1000))
    lines = [
        "    <lei:LEIRecord>",
        f"      <lei:LEI>{lei_of(index)}</lei:LEI>",
        "      <lei:Entity>",
        f'        <lei:LegalName xml:lang="{place.language}">{escape(name)}</lei:LegalName>',
        *_names(choose, place, words, form, index),
        *_address("LegalAddress", f' xml:lang="{place.language}"', place, _street(choose, place, revision), place.city),
        *_address("HeadquartersAddress", f' xml:lang="{place.language}"', place, _street(choose, place, 0), place.city),
        *_other_address(choose, place),
        *_transliterated_address(choose, place),
        "        <lei:RegistrationAuthority>",
        f"          <lei:RegistrationAuthorityID>{place.register}</lei:RegistrationAuthorityID>",
        f"          <lei:RegistrationAuthorityEntityID>{number:08d}</lei:RegistrationAuthorityEntityID>",
        "        </lei:RegistrationAuthority>",
        f"        <lei:LegalJurisdiction>{place.country}</lei:LegalJurisdiction>",
        f"        <lei:EntityCategory>{'FUND' if choose.random() < 0.1 else 'GENERAL'}</lei:EntityCategory>",
        *_legal_form(form),
        *_end_of_entity(choose, since, index, revision),
        "      </lei:Entity>",
        *_registration(choose, place, since, updated),
        "    </lei:LEIRecord>",
        "",
    ]
    return "\n".join(lines)


def records(seed: int, count: int | None = None) -> Iterator[str]:
    """The first ``count`` records, or records without end."""
    index = 0
    while count is None or index < count:
        yield record(seed, index)
        index += 1


def _latin(words: list[str]) -> str:
    return " ".join(_LATIN.get(word, word) for word in words)


def _names(choose: random.Random, place: Place, words: list[str], form: tuple[str, str], index: int) -> Iterator[str]:
    kinds = (("PREVIOUS_LEGAL_NAME", place.language), ("TRADING_OR_OPERATING_NAME", "en"))
    if others := [kind for kind in kinds if choose.random() < 0.2]:
        tag = "lei:OtherEntityName"
        yield "        <lei:OtherEntityNames>"
        for kind, language in others:
            other = escape(_latin([choose.choice(place.words), words[0]]))
            yield f'          <{tag} xml:lang="{language}" type="{kind}">{other} {index}</{tag}>'
        yield "        </lei:OtherEntityNames>"
    if place.city in _LATIN:
        tag = "lei:TransliteratedOtherEntityName"
        latin = escape(_latin([*words, str(index), form[1]]))
        yield "        <lei:TransliteratedOtherEntityNames>"
        yield f'          <{tag} xml:lang="en" type="AUTO_ASCII_TRANSLITERATED_LEGAL_NAME">{latin}</{tag}>'
        yield "        </lei:TransliteratedOtherEntityNames>"


def _street(choose: random.Random, place: Place, revision: int) -> list[str]:
    lines = [f"{choose.choice(place.words)} {choose.randrange(1, 200) + revision}"]
    return [*lines, f"{choose.choice(place.words)} {choose.randrange(1, 9)}"] if choose.random() < 0.2 else lines


def _address(tag: str, attributes: str, place: Place, street: list[str], city: str) -> Iterator[str]:
    yield f"        <lei:{tag}{attributes}>"
    yield f"          <lei:FirstAddressLine>{escape(street[0])}</lei:FirstAddressLine>"
    for line in street[1:]:
        yield f"          <lei:AdditionalAddressLine>{escape(line)}</lei:AdditionalAddressLine>"
    yield f"          <lei:City>{escape(city)}</lei:City>"
    yield f"          <lei:Region>{place.region}</lei:Region>"
    yield f"          <lei:Country>{place.country}</lei:Country>"
    yield f"          <lei:PostalCode>{place.postal.replace('#', '1')}</lei:PostalCode>"
    yield f"        </lei:{tag}>"


def _other_address(choose: random.Random, place: Place) -> Iterator[str]:
    if choose.random() >= 0.15:
        return
    street = [_latin([str(choose.randrange(1, 200)), choose.choice(place.words)])]
    attributes = ' xml:lang="en" type="ALTERNATIVE_LANGUAGE_HEADQUARTERS_ADDRESS"'
    yield "        <lei:OtherAddresses>"
    yield from _address("OtherAddress", attributes, place, street, _LATIN.get(place.city, place.city))
    yield "        </lei:OtherAddresses>"


def _transliterated_address(choose: random.Random, place: Place) -> Iterator[str]:
    if place.city not in _LATIN:
        return
    street = [_latin([choose.choice(place.words), str(choose.randrange(1, 200))])]
    attributes = ' xml:lang="en" type="AUTO_ASCII_TRANSLITERATED_LEGAL_ADDRESS"'
    yield "        <lei:TransliteratedOtherAddresses>"
    yield from _address("TransliteratedOtherAddress", attributes, place, street, _LATIN[place.city])
    yield "        </lei:TransliteratedOtherAddresses>"


def _legal_form(form: tuple[str, str]) -> Iterator[str]:
    yield "        <lei:LegalForm>"
    yield f"          <lei:EntityLegalFormCode>{form[0]}</lei:EntityLegalFormCode>"
    if form[0] == "8888":
        yield f"          <lei:OtherLegalForm>{form[1]}</lei:OtherLegalForm>"
    yield "        </lei:LegalForm>"


def _end_of_entity(choose: random.Random, since: dt.datetime, index: int, revision: int) -> Iterator[str]:
    is_active = choose.random() < 0.92
    yield f"        <lei:EntityStatus>{'ACTIVE' if is_active else 'INACTIVE'}</lei:EntityStatus>"
    yield f"        <lei:EntityCreationDate>{since.date()}T00:00:00+01:00</lei:EntityCreationDate>"
    if not is_active:
        successor = f"<lei:SuccessorLEI>{lei_of(index + 1)}</lei:SuccessorLEI>"
        yield f"        <lei:SuccessorEntity>{successor}</lei:SuccessorEntity>"
    if is_active and not revision:
        return
    kind, status = ("CHANGE_LEGAL_ADDRESS", "COMPLETED") if is_active else ("MERGERS_AND_ACQUISITIONS", "IN_PROGRESS")
    yield "        <lei:LegalEntityEvents>"
    yield f'          <lei:LegalEntityEvent group_type="STANDALONE" event_status="{status}">'
    yield f"            <lei:LegalEntityEventType>{kind}</lei:LegalEntityEventType>"
    yield f"            <lei:LegalEntityEventEffectiveDate>{since.isoformat()}</lei:LegalEntityEventEffectiveDate>"
    yield "            <lei:ValidationDocuments>SUPPORTING_DOCUMENTS</lei:ValidationDocuments>"
    yield "          </lei:LegalEntityEvent>"
    yield "        </lei:LegalEntityEvents>"


def _registration(choose: random.Random, place: Place, since: dt.datetime, updated: dt.datetime) -> Iterator[str]:
    status = choose.choices(("ISSUED", "LAPSED", "RETIRED"), (80, 17, 3))[0]
    yield "      <lei:Registration>"
    yield f"        <lei:InitialRegistrationDate>{since.isoformat()}</lei:InitialRegistrationDate>"
    yield f"        <lei:LastUpdateDate>{updated.isoformat(timespec='milliseconds')}</lei:LastUpdateDate>"
    yield f"        <lei:RegistrationStatus>{status}</lei:RegistrationStatus>"
    yield f"        <lei:NextRenewalDate>{(updated + dt.timedelta(days=365)).isoformat()}</lei:NextRenewalDate>"
    yield f"        <lei:ManagingLOU>{lei_of(10**9 + choose.randrange(30))}</lei:ManagingLOU>"
    yield "        <lei:ValidationSources>FULLY_CORROBORATED</lei:ValidationSources>"
    yield "        <lei:ValidationAuthority>"
    yield f"          <lei:ValidationAuthorityID>{place.register}</lei:ValidationAuthorityID>"
    yield "        </lei:ValidationAuthority>"
    yield "      </lei:Registration>"
