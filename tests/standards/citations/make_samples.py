"""PubMed citations as the daily update files have them: articles that are new or changed, and what was deleted."""

from __future__ import annotations

import random

from tests.standards.writing import Line, Markup, Node, Samples, gzipped, node, zipped

DOCTYPE = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN"'
    ' "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">\n'
)
MONTHS = ["Jan", "Feb", "Mar", "04", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
PEOPLE = [
    ("Müller", "Jörg", "J"),
    ("O'Connor", "Síle M", "SM"),
    ("Zhang", "伟", "W"),
    ("van der Berg", "A", "A"),
    ("Ñuñez", "José", "J"),
]
JOURNALS = [
    ("0028-0836", "Print", "Journal of Invented Results", "J Invent Res", "0410462", "England"),
    ("1476-468X", "Electronic", "Annals of Sample Medicine", "Ann Sample Med", "9808127", "United States"),
    ("0007-1447", "Print", "Archiv für Beispiele", "Arch Beisp", "100954821", "Germany"),
]
DESCRIPTORS = [
    ("D006801", "Humans", "N", []),
    ("D000818", "Animals", "N", []),
    (
        "D003924",
        "Diabetes Mellitus, Type 2",
        "N",
        [("Q000188", "drug therapy", "Y"), ("Q000150", "complications", "N")],
    ),
    ("D009369", "Neoplasms", "Y", []),
    ("D008297", "Male", "N", []),
]
TITLES = [
    "Effects of CO<sub>2</sub> on <i>Escherichia coli</i>.",
    "A randomised trial of nothing &amp; something: &lt;5% of patients.",
    "[Über die Wirkung von Beispielen].",
    "β-catenin ≥ 10<sup>−3</sup> mol/l",
]


def day(tag: str, year: int, month: int | str, day_: int | None, **attributes: object) -> Node:
    return node(
        tag,
        node("Year", year),
        node("Month", month if isinstance(month, str) else f"{month:02d}"),
        node("Day", f"{day_:02d}") if day_ else None,
        **attributes,
    )


def journal(index: int) -> Node:
    issn, kind, title, short, _, _ = JOURNALS[index % len(JOURNALS)]
    if index % 9 == 0:
        published = node("PubDate", node("MedlineDate", f"19{70 + index % 30} Nov-Dec"))
    elif index % 4 == 0:
        published = node("PubDate", node("Year", 2000 + index % 26), node("Season", "Winter"))
    else:
        published = node(
            "PubDate",
            node("Year", 2000 + index % 26),
            node("Month", MONTHS[index % 12]),
            node("Day", f"{index % 28 + 1:02d}") if index % 2 else None,
        )
    return node(
        "Journal",
        node("ISSN", issn, IssnType=kind) if index % 8 else None,
        node(
            "JournalIssue",
            node("Volume", f"{index % 90 + 1}") if index % 6 else node("Volume", "45 Suppl 1"),
            node("Issue", f"0{index % 9}" if index % 5 else "1-2") if index % 7 else None,
            published,
            CitedMedium="Internet" if kind == "Electronic" else "Print",
        ),
        node("Title", title),
        node("ISOAbbreviation", short),
    )


def abstract(index: int, note: str) -> Node | None:
    if index % 6 == 0:
        return None
    if index % 3 == 0:
        sections = [
            node(
                "AbstractText", Markup(f"{note}Why <i>n</i> = {index}?"), Label="BACKGROUND", NlmCategory="BACKGROUND"
            ),
            node(
                "AbstractText",
                Markup("<b>p</b> &lt; 0.05, x<sup>2</sup>."),
                Label="RESULTS AND COSTS",
                NlmCategory="RESULTS",
            ),
            node("AbstractText", "None.", Label="CONCLUSION"),
        ]
    else:
        sections = [node("AbstractText", Markup(f"{note}One paragraph about H<sub>2</sub>O &amp; more."))]
    return node("Abstract", *sections, node("CopyrightInformation", "© 2025 The Authors.") if index % 5 == 0 else None)


def author(index: int, position: int) -> Node:
    last, fore, initials = PEOPLE[(index + position) % len(PEOPLE)]
    if position == 3:
        return node("Author", node("CollectiveName", "SAMPLE Study Group"), ValidYN="Y")
    return node(
        "Author",
        node("LastName", last),
        node("ForeName", fore) if index % 11 else None,
        node("Initials", initials),
        node("Suffix", "3rd") if (index + position) % 13 == 0 else None,
        node("Identifier", f"0000-000{index % 10}-2345-678X", Source="ORCID") if position == 0 and index % 2 else None,
        *(
            node("AffiliationInfo", node("Affiliation", f"Dept. {number}, University of Samples, Köln, Germany."))
            for number in range((index + position) % 3)
        ),
        ValidYN="Y" if position != 2 else "N",
        EqualContrib="Y" if index % 10 == 0 else None,
    )


def mesh(index: int) -> Node | None:
    chosen = [descriptor for place, descriptor in enumerate(DESCRIPTORS) if (index + place) % 3]
    if index % 5 == 0:
        return None
    return node(
        "MeshHeadingList",
        *(
            node(
                "MeshHeading",
                node("DescriptorName", name, UI=ui, MajorTopicYN=is_major),
                *(node("QualifierName", q, UI=q_ui, MajorTopicYN=q_major) for q_ui, q, q_major in qualifiers),
            )
            for ui, name, is_major, qualifiers in chosen
        ),
    )


def pmid(number: int, version: int = 1) -> Node:
    return node("PMID", number, Version=version)


def article(index: int, rng: random.Random, note: str = "", version: int = 1) -> Node:
    number = 38_000_000 + index * 1009 if index != 5 else 12
    ids = [
        ("pubmed", str(number)),
        ("doi", f"10.1000/{index:03d}.a<b>&c"),
        ("pii", f"00{index}"),
        ("pmc", f"PMC0{index:06d}"),
    ]
    title = TITLES[index % len(TITLES)]
    return node(
        "PubmedArticle",
        node(
            "MedlineCitation",
            pmid(number, version),
            day("DateCompleted", 2025, index % 12 + 1, index % 28 + 1) if index % 2 else None,
            day("DateRevised", 2026, 1, index % 28 + 1),
            node(
                "Article",
                journal(index),
                node("ArticleTitle", Markup(title)),
                node("Pagination", node("StartPage", f"e0{index}"), node("EndPage"), node("MedlinePgn", f"e0{index}-9"))
                if index % 4
                else None,
                node("ELocationID", f"10.1000/{index:03d}.a<b>&c", EIdType="doi", ValidYN="Y") if index % 3 else None,
                abstract(index, note),
                node(
                    "AuthorList",
                    *(author(index, place) for place in range(index % 4 + 1)),
                    CompleteYN="Y" if index % 7 else "N",
                )
                if index % 8
                else None,
                node("Language", "eng" if index % 3 != 2 else "ger"),
                node("Language", "fre") if index % 10 == 3 else None,
                node(
                    "GrantList",
                    node(
                        "Grant",
                        node("GrantID", f"R01 0{index}"),
                        node("Acronym", "HL"),
                        node("Agency", "NHLBI NIH HHS"),
                        node("Country", "United States"),
                    ),
                    node("Grant", node("Agency", "Wellcome Trust"), node("Country")),
                    CompleteYN="Y",
                )
                if index % 6 == 1
                else None,
                node(
                    "PublicationTypeList",
                    node("PublicationType", "Journal Article", UI="D016428"),
                    node("PublicationType", "Review", UI="D016454") if index % 5 == 0 else None,
                ),
                node("VernacularTitle", "Über die Wirkung von Beispielen.") if index % 4 == 2 else None,
                day("ArticleDate", 2025, index % 12 + 1, 5, DateType="Electronic") if index % 3 == 1 else None,
                PubModel="Print-Electronic" if index % 2 else "Print",
            ),
            node(
                "MedlineJournalInfo",
                node("Country", JOURNALS[index % 3][5]),
                node("MedlineTA", JOURNALS[index % 3][3]),
                node("NlmUniqueID", JOURNALS[index % 3][4]),
                node("ISSNLinking", JOURNALS[index % 3][0]) if index % 8 else None,
            ),
            node(
                "ChemicalList",
                node("Chemical", node("RegistryNumber", "0"), node("NameOfSubstance", "Glucose & co", UI="D005947")),
                node("Chemical", node("RegistryNumber", "059QF0KO0R"), node("NameOfSubstance", "Water", UI="D014867")),
            )
            if index % 7 == 2
            else None,
            node("CitationSubset", "IM") if index % 2 else None,
            node(
                "CommentsCorrectionsList",
                node(
                    "CommentsCorrections",
                    node("RefSource", "J Invent Res. 2024;1:2"),
                    pmid(37_000_000 + index),
                    RefType="ErratumIn",
                ),
            )
            if index % 9 == 1
            else None,
            mesh(index),
            node(
                "KeywordList",
                *(
                    node("Keyword", word, MajorTopicYN="N")
                    for word in ("samples", "β-blocker", "x > y")[: index % 3 + 1]
                ),
                Owner="NOTNLM",
            )
            if index % 4 == 1
            else None,
            node("CoiStatement", "None declared.") if index % 8 == 3 else None,
            Status="MEDLINE" if index % 5 else "PubMed-not-MEDLINE",
            Owner="NLM",
            IndexingMethod="Automated" if index % 4 == 0 else None,
        ),
        node(
            "PubmedData",
            node(
                "History",
                day("PubMedPubDate", 2024, 5, 7, PubStatus="received"),
                node(
                    "PubMedPubDate",
                    node("Year", 2025),
                    node("Month", index % 12 + 1),
                    node("Day", index % 28 + 1),
                    node("Hour", index % 24),
                    node("Minute", "00"),
                    PubStatus="pubmed",
                ),
                *([day("PubMedPubDate", 2025, 6, 1, PubStatus="medline")] if index % 2 else []),
            ),
            node("PublicationStatus", "ppublish" if index % 2 else "epublish"),
            node(
                "ArticleIdList",
                *(node("ArticleId", value, IdType=kind) for kind, value in ids[: rng.choice([2, 3, 4])]),
            ),
            node(
                "ReferenceList",
                *(
                    node(
                        "Reference",
                        node("Citation", Markup(f"Doe J. <i>Nature</i>. {1990 + ref};{ref}:1&#x2013;2.")),
                        node(
                            "ArticleIdList",
                            node("ArticleId", 20_000_000 + ref, IdType="pubmed"),
                            node("ArticleId", f"10.1/{ref}", IdType="doi") if ref % 2 else None,
                        )
                        if ref % 3
                        else None,
                    )
                    for ref in range(1, index % 5 + 1)
                ),
            )
            if index % 5
            else None,
        ),
    )


def article_set(articles: list[Node], deleted: list[Node]) -> bytes:
    last = [node("DeleteCitation", *deleted)] if deleted else []
    root = node("PubmedArticleSet", Line("<!-- update file of invented citations -->"), *articles, *last)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{DOCTYPE}{root.render("  ")}\n'.encode()


def number_of(index: int) -> int:
    return 38_000_000 + index * 1009


def make() -> Samples:
    rng = random.Random(1966)
    first = [article(index, rng) for index in range(1, 31)]
    second = [article(index, rng) for index in range(31, 51)]
    second += [article(index, rng, note="Revised: ") for index in (3, 9, 31)]
    third = [article(index, rng) for index in range(51, 61)]
    third += [article(3, rng, note="Revised again: "), article(8, rng)]
    whole = article_set([article(index, rng) for index in range(70, 75)], [])
    return {
        "samples/2026-01-05/pubmed26n1301.xml.gz": gzipped(article_set(first, [])),
        # 8 and 14 are taken back, and one that was never there; 8 comes back in the next file
        "samples/2026-01-06/pubmed26n1302.xml.gz": gzipped(
            article_set(second, [pmid(number_of(8)), pmid(number_of(14)), pmid(99_999_999)])
        ),
        "samples/2026-01-07/pubmed26n1303.zip": zipped(
            {"pubmed26n1303.xml": article_set(third, [pmid(number_of(20))])}
        ),
        "broken/2026-01-08/pubmed26n1304.xml.gz": gzipped(whole[: len(whole) * 3 // 4]),
    }
