"""Shape A: invented citations, nested as PubMed's are: mixed content, references, long lists that no column reads."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.shapes.recordfile import ID_MARK, Shape
from benchmarks.shapes.words import FIRST_NAMES, LAST_NAMES, escape, phrase

_STATUSES = ("MEDLINE", "MEDLINE", "PubMed-not-MEDLINE", "In-Process")
_JOURNALS = tuple(
    f"{kind} of {field}"
    for kind in ("Annals", "Journal", "Letters")
    for field in ("Tides", "Reeds & Banks", "Slow Gears")
)
_HEADINGS = ("Humans", "Water", "Seasons", "Copper", "Membranes", "Reference Values", "Estuaries", "Time Factors")
_COUNTRIES = ("Belgium", "Norway", "Côte d’Ivoire")
_MARKS = ("i", "sub", "sup", "b")
_FIRST_YEAR, _YEARS = 2000, 12


def make_record(choose: random.Random, revision: int) -> str:
    """An article. A later revision was revised later."""
    lines = [
        "  <PubmedArticle>",
        f'    <MedlineCitation Status="{choose.choice(_STATUSES)}" Owner="NLM" IndexingMethod="Automated">',
        f'      <PMID Version="1">{ID_MARK}</PMID>',
        *_date("DateCompleted", choose, 0),
        *_date("DateRevised", choose, revision),
        f'      <Article PubModel="{choose.choice(("Print", "Electronic", "Print-Electronic"))}">',
        *_journal(choose),
        f"        <ArticleTitle>{_mixed(choose, 8, 18)}.</ArticleTitle>",
        f"        <Pagination><MedlinePgn>{choose.randrange(900)}-{choose.randrange(9)}</MedlinePgn></Pagination>",
        "        <Abstract>",
        *(
            f'          <AbstractText Label="{label}">{_mixed(choose, 30, 90)}</AbstractText>'
            for label in ("AIM", "RESULTS")
        ),
        "        </Abstract>",
        *_authors(choose),
        "        <Language>eng</Language>",
        "        <PublicationTypeList>",
        '          <PublicationType UI="D016428">Journal Article</PublicationType>',
        "        </PublicationTypeList>",
        "      </Article>",
        f"      <MedlineJournalInfo><Country>{choose.choice(_COUNTRIES)}</Country></MedlineJournalInfo>",
        *_headings(choose),
        "    </MedlineCitation>",
        *_history(choose),
        "  </PubmedArticle>",
        "",
    ]
    return "\n".join(lines)


def _date(name: str, choose: random.Random, revision: int) -> Iterator[str]:
    yield f"      <{name}>"
    yield f"        <Year>{_FIRST_YEAR + choose.randrange(_YEARS) + revision * _YEARS}</Year>"
    yield f"        <Month>{choose.randint(1, 12):02d}</Month>"
    yield f"        <Day>{choose.randint(1, 28):02d}</Day>"
    yield f"      </{name}>"


def _journal(choose: random.Random) -> Iterator[str]:
    journal = escape(choose.choice(_JOURNALS))
    yield "        <Journal>"
    issn = f"{choose.randrange(10**4):04d}-{choose.randrange(10**3):03d}{choose.choice('0123456789X')}"
    yield f'          <ISSN IssnType="Print">{issn}</ISSN>'
    yield '          <JournalIssue CitedMedium="Internet">'
    yield f"            <Volume>{choose.randrange(1, 90)}</Volume>"
    if choose.random() < 0.8:
        yield f"            <Issue>{choose.randrange(1, 13)}</Issue>"
    yield f"            <PubDate><Year>{_FIRST_YEAR + choose.randrange(_YEARS)}</Year></PubDate>"
    yield "          </JournalIssue>"
    yield f"          <Title>{journal}</Title>"
    yield f"          <ISOAbbreviation>{journal[:6]}.</ISOAbbreviation>"
    yield "        </Journal>"


def _mixed(choose: random.Random, shortest: int, longest: int) -> str:
    """A text, in one of three cases with elements in it."""
    text = escape(phrase(choose, shortest, longest))
    if choose.random() > 0.35:
        return text
    mark = choose.choice(_MARKS)
    return f"{text} <{mark}>{escape(choose.choice(FIRST_NAMES))}</{mark}> {escape(phrase(choose, 2, 6))} &#946;&#x2082;"


def _authors(choose: random.Random) -> Iterator[str]:
    yield '        <AuthorList CompleteYN="Y">'
    for _ in range(choose.randint(1, 8)):
        first = choose.choice(FIRST_NAMES)
        yield '          <Author ValidYN="Y">'
        yield f"            <LastName>{choose.choice(LAST_NAMES)}</LastName>"
        yield f"            <ForeName>{first}</ForeName>"
        yield f"            <Initials>{first[0]}</Initials>"
        if choose.random() < 0.5:
            affiliation = escape(phrase(choose, 6, 14))
            yield f"            <AffiliationInfo><Affiliation>{affiliation}</Affiliation></AffiliationInfo>"
        yield "          </Author>"
    yield "        </AuthorList>"


def _headings(choose: random.Random) -> Iterator[str]:
    if choose.random() < 0.15:
        return
    yield "      <MeshHeadingList>"
    for name in choose.sample(_HEADINGS, choose.randint(1, 6)):
        major = choose.choice("YN")
        yield "        <MeshHeading>"
        number = f"D{_HEADINGS.index(name):06d}"
        yield f'          <DescriptorName UI="{number}" MajorTopicYN="{major}">{name}</DescriptorName>'
        if choose.random() < 0.4:
            yield '          <QualifierName UI="Q000378" MajorTopicYN="N">metabolism</QualifierName>'
        yield "        </MeshHeading>"
    yield "      </MeshHeadingList>"


def _history(choose: random.Random) -> Iterator[str]:
    yield "    <PubmedData>"
    yield "      <History>"
    for status in ("received", "accepted", "pubmed"):
        yield f'        <PubMedPubDate PubStatus="{status}">'
        yield f"          <Year>{_FIRST_YEAR + choose.randrange(_YEARS)}</Year>"
        yield f"          <Month>{choose.randint(1, 12)}</Month>"
        yield f"          <Day>{choose.randint(1, 28)}</Day>"
        yield "        </PubMedPubDate>"
    yield "      </History>"
    yield "      <ArticleIdList>"
    yield f'        <ArticleId IdType="pubmed">{ID_MARK}</ArticleId>'
    yield f'        <ArticleId IdType="doi">10.5555/{choose.randrange(10**8):08d}</ArticleId>'
    yield "      </ArticleIdList>"
    yield from _references(choose)
    yield "    </PubmedData>"


def _references(choose: random.Random) -> Iterator[str]:
    if choose.random() < 0.6:
        return
    yield "      <ReferenceList>"
    for _ in range(choose.randint(3, 30)):
        yield "        <Reference>"
        yield f"          <Citation>{choose.choice(LAST_NAMES)} {escape(phrase(choose, 8, 16))}</Citation>"
        number = choose.randrange(10**8)
        yield f'          <ArticleIdList><ArticleId IdType="pubmed">{number}</ArticleId></ArticleIdList>'
        yield "        </Reference>"
    yield "      </ReferenceList>"


_HEADER = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//EXAMPLE//Invented citations//EN" "https://citations.example/set.dtd">
<PubmedArticleSet>
"""
SHAPE = Shape("citations", "A", _HEADER, "</PubmedArticleSet>\n", make_record, records_per_block=1_500)
