"""What the samples of PubMed citations hold, counted without Sluice."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.standards.counting import count_below, documents, first, local, texts, walk

ROOT = "/PubmedArticleSet/PubmedArticle"
MEDLINE = "MedlineCitation"
ARTICLE = f"{MEDLINE}/Article"
BELOW = [
    f"{ARTICLE}/Abstract/AbstractText",
    f"{ARTICLE}/AuthorList/Author",
    f"{ARTICLE}/AuthorList/Author/AffiliationInfo",
    f"{ARTICLE}/GrantList/Grant",
    f"{ARTICLE}/PublicationTypeList/PublicationType",
    f"{MEDLINE}/ChemicalList/Chemical",
    f"{MEDLINE}/CommentsCorrectionsList/CommentsCorrections",
    f"{MEDLINE}/MeshHeadingList/MeshHeading",
    f"{MEDLINE}/MeshHeadingList/MeshHeading/QualifierName",
    f"{MEDLINE}/KeywordList/Keyword",
    "PubmedData/History/PubMedPubDate",
    "PubmedData/ArticleIdList/ArticleId",
    "PubmedData/ReferenceList/Reference",
    "PubmedData/ReferenceList/Reference/ArticleIdList/ArticleId",
]


def living(folder: Path) -> tuple[int, list[ET.Element]]:
    """Number of articles and deletes, and the articles that are left: file after file, by the date in its path.

    Within a file what comes later counts, and the deletes come last.
    """
    found, by_pmid = 0, {}
    for _, root in documents(folder):
        for child in root:
            if local(child) == "PubmedArticle":
                found += 1
                by_pmid[first(child, f"{MEDLINE}/PMID")] = child
            else:
                for pmid in child:
                    found += 1
                    by_pmid.pop(pmid.text, None)
    return found, list(by_pmid.values())


def expected(folder: Path = Path(__file__).parent / "samples") -> dict[str, Any]:
    found, articles = living(folder)
    sorted_ = [
        f"{MEDLINE}/PMID",
        f"{ARTICLE}/ArticleTitle",
        f"{ARTICLE}/Abstract/AbstractText",
        f"{ARTICLE}/AuthorList/Author/AffiliationInfo/Affiliation",
        f"{ARTICLE}/Journal/JournalIssue/PubDate/MedlineDate",
        "PubmedData/ReferenceList/Reference/ArticleIdList/ArticleId",
        f"{MEDLINE}/ChemicalList/Chemical/RegistryNumber",
    ]
    dois = [e.text for a in articles for e in walk(a, "PubmedData/ArticleIdList/ArticleId") if e.get("IdType") == "doi"]
    third = next(a for a in articles if first(a, f"{MEDLINE}/PMID") == "38003027")
    return {
        "found": found,
        "tables": count_below(articles, ROOT, BELOW),
        "sums": {
            f"{ROOT}/{path}": sum((Decimal(text) for a in articles for text in texts(a, path)), Decimal(0))
            for path in (f"{ARTICLE}/Journal/JournalIssue/PubDate/Year", "PubmedData/History/PubMedPubDate/Day")
        },
        "distinct": {
            f"{ROOT}/{MEDLINE}/PMID": len({first(a, f"{MEDLINE}/PMID") for a in articles}),
            f"{ROOT}/{MEDLINE}/MeshHeadingList/MeshHeading/DescriptorName/@UI": len(
                {
                    e.get("UI")
                    for a in articles
                    for e in walk(a, f"{MEDLINE}/MeshHeadingList/MeshHeading/DescriptorName")
                }
            ),
        },
        "sorted": {
            **{f"{ROOT}/{path}": sorted(text for a in articles for text in texts(a, path)) for path in sorted_},
            f"{ROOT}/PubmedData/ArticleIdList/ArticleId[@IdType='doi']": sorted(dois),
        },
        "rows": [
            (
                ROOT,
                {f"{ROOT}/{MEDLINE}/PMID": "38003027"},
                {
                    f"{ROOT}/{ARTICLE}/Journal/JournalIssue/Volume": first(
                        third, f"{ARTICLE}/Journal/JournalIssue/Volume"
                    ),
                    f"{ROOT}/{MEDLINE}/MedlineJournalInfo/NlmUniqueID": first(
                        third, f"{MEDLINE}/MedlineJournalInfo/NlmUniqueID"
                    ),
                    f"{ROOT}/{ARTICLE}/Language": texts(third, f"{ARTICLE}/Language"),
                },
            )
        ],
    }


PLANTED = [{"file": "2026-01-08/pubmed26n1304.xml.gz", "reasons": ["truncated"]}]
"""A file that ends too early."""

SOUND_BESIDE = 0
"""Records of the folder of broken files that load all the same."""
