"""US patent grants in the form of the weekly files: documents one after another in a file, each with its declaration.

Among the grants stand sequence listings, documents of another type, as in the real files.
"""

from __future__ import annotations

import random

from tests.standards.writing import Line, Markup, Node, Samples, gzipped, node, zipped

DTD = "us-patent-grant-v47-2022-02-17.dtd"
NAMES = [("Søren", "Kjærgaard", "DK", "Århus"), ("Mary Ann", "O'Neil", "US", "Boise"), ("浩", "田中", "JP", "Tokyo")]
NAMES += [("Jean-Luc", "d'Aubigné", "FR", "Lyon"), ("Tom", "Fox, Jr.", "US", "Austin"), ("Li", "Wei", "CN", "Shenzhen")]
COMPANIES = ["Acme & Sons, Inc.", "Müller Feinmechanik GmbH", "Institute <of> Technology", "株式会社サンプル"]
TITLES = [
    "Method of bonding &#x3b1;-alumina",
    "Folding chair",
    "H<sub>2</sub>O<sub>2</sub> sensor with 10<sup>&#x2212;9</sup> resolution",
    "Rose plant named <i>Rosa</i> &#x2018;Aurora&#x2019;",
]


def document_id(country: str, number: str, kind: str | None = None, date: str | None = None) -> Node:
    return node(
        "document-id",
        node("country", country),
        node("doc-number", number),
        node("kind", kind) if kind else None,
        node("date", date) if date else None,
    )


def number_and_kind(index: int) -> tuple[str, str, str]:
    """Number, kind code and type of application; design, plant and reissue patents have letters in front."""
    if index % 10 == 7:
        return f"D{1_000_000 + index:07d}", "S1", "design"
    if index % 10 == 8:
        return f"PP{35_000 + index:06d}", "P2" if index % 4 else "P3", "plant"
    if index % 10 == 9:
        return f"RE{50_100 + index:06d}", "E1", "reissue"
    return f"{12_000_000 + index * 137}", "B2" if index % 3 else "B1", "utility"


def addressbook(index: int, is_company: bool = False) -> Node:
    first, last, country, city = NAMES[index % len(NAMES)]
    name = (
        [node("orgname", COMPANIES[index % len(COMPANIES)]), node("role", f"0{index % 3 + 2}")]
        if is_company
        else [node("last-name", last), node("first-name", first)]
    )
    state = node("state", "ID") if country == "US" else None
    return node("addressbook", *name, node("address", node("city", city), state, node("country", country)))


def ipc(index: int, position: int) -> Node:
    return node(
        "classification-ipcr",
        node("ipc-version-indicator", node("date", "20060101")),
        node("classification-level", "A"),
        node("section", "ABCH"[index % 4]),
        node("class", f"0{index % 9 + 1}"),
        node("subclass", "LKB"[position % 3]),
        node("main-group", f"{index % 30 + 1}"),
        node("subgroup", f"0{position}"),
        node("symbol-position", "F" if position == 1 else "L"),
        node("classification-value", "I"),
        node("action-date", node("date", "20260106")),
        node("generating-office", node("country", "US")),
        node("classification-status", "B"),
        node("classification-data-source", "H"),
    )


def citation(number: int, index: int) -> Node:
    if number % 4 == 3:
        cited = node(
            "nplcit",
            node("othercit", Markup("Kowalski et al., &#x201c;On <i>thin</i> films&#x201d;, 1998, pp. 3&#x2013;17.")),
            num=f"{number:05d}",
        )
    else:
        date = f"{1970 + number}0{number % 9 + 1}00" if number % 3 == 0 else f"{1990 + number}1105"
        cited = node(
            "patcit",
            document_id(
                *(
                    ("US", f"{4_000_000 + index * 11 + number}", "A", date)
                    if number % 2
                    else ("JP", "H07-012345", None, date)
                )
            ),
            num=f"{number:05d}",
        )
    return node(
        "us-citation",
        cited,
        node("category", "cited by examiner" if number % 2 else "cited by applicant"),
        node("classification-national", node("country", "US"), node("main-classification", f" {index} 22"))
        if number == 2
        else None,
    )


def claim(number: int, index: int) -> Node:
    if number == 1:
        text = Markup(
            f"1. A device of SiO<sub>{index % 5 + 1}</sub>: <claim-text>a body (<b>10</b>); and</claim-text>"
            ' <claim-text>a lid, wherein <?in-line-formulae description="In-line Formulae" end="lead"?>'
            "a &#x2264; b<sup>2</sup>.</claim-text>"
        )
    else:
        text = Markup(
            f'{number}. The device of <claim-ref idref="CLM-{number - 1:05d}">claim {number - 1}</claim-ref>,'
            " wherein x &lt; y &amp; z."
        )
    return node("claim", node("claim-text", text), id=f"CLM-{number:05d}", num=f"{number:05d}")


def related(index: int) -> Node | None:
    """What the application goes back to: each kind of relation is an element of its own."""
    relation = node(
        "relation",
        node(
            "parent-doc",
            document_id("US", f"{15_000_000 + index}", None, "20180401"),
            node("parent-status", "PENDING")
            if index % 2
            else node("parent-grant-document", document_id("US", "09876543")),
        ),
        node("child-doc", document_id("US", f"{17_000_000 + index}")),
    )
    provisional = node("us-provisional-application", document_id("US", f"62{index:06d}", "00", "20170330"))
    kinds: list[Node | None] = [
        node("continuation", relation),
        node("division", relation),
        node("continuation-in-part", relation),
        provisional,
        None,
    ]
    found = kinds[index % 5]
    if found is None:
        return None
    return node("us-related-documents", found, provisional if index % 5 == 0 else None)


def grant(index: int, published: str, produced: str, rng: random.Random, note: str = "") -> Node:
    number, kind, type_ = number_and_kind(index)
    claims = 1 if type_ in ("design", "plant") else index % 6 + 1
    abstract = node(
        "abstract",
        node(
            "p",
            Markup(f"{note}CO<sub>2</sub> and N<sub>2</sub> at 10<sup>5</sup> Pa &#x2014; see <b>FIG. {index}</b>."),
            id="p-0001",
            num="0000",
        ),
        node("p", "Second paragraph.", id="p-0002", num="0000") if index % 9 == 0 else None,
        id="abstract",
    )
    bibliography = node(
        "us-bibliographic-data-grant",
        node("publication-reference", document_id("US", number, kind, published)),
        node(
            "application-reference",
            document_id(
                "US", f"{17_100_000 + index}" if type_ != "design" else f"29{700_000 + index}", None, "20210304"
            ),
            at={"appl-type": type_},
        ),
        node("us-application-series-code", "29" if type_ == "design" else "17"),
        node(
            "priority-claims",
            *(
                node(
                    "priority-claim",
                    node("country", ["JP", "EP", "DE"][i]),
                    node("doc-number", ["2020-012345", "20160001.4", "10 2020 000 007"][i]),
                    node("date", "20200229"),
                    sequence=f"{i + 1:02d}",
                    kind="national" if i != 1 else "regional",
                )
                for i in range(index % 3 + 1)
            ),
        )
        if index % 4 == 0
        else None,
        node(
            "us-term-of-grant",
            node("length-of-grant", 15) if type_ == "design" else node("us-term-extension", index * 3),
            node("disclaimer", node("text", "This patent is subject to a terminal disclaimer."))
            if index % 5 == 1
            else None,
        )
        if index % 2
        else None,
        node("classifications-ipcr", *(ipc(index, position) for position in range(1, index % 3 + 2)))
        if type_ != "design"
        else None,
        node("invention-title", Markup(TITLES[index % len(TITLES)]), id=f"d2e{index}"),
        node("us-references-cited", *(citation(i, index) for i in range(1, index % 7 + 1))) if index % 7 else None,
        node("number-of-claims", claims),
        node("us-exemplary-claim", 1),
        node("figures", node("number-of-drawing-sheets", index % 12 + 1), node("number-of-figures", index % 20 + 1))
        if index % 6
        else None,
        related(index),
        node(
            "us-parties",
            node(
                "us-applicants",
                node(
                    "us-applicant",
                    addressbook(index, is_company=index % 3 != 0),
                    node("residence", node("country", "US")),
                    at={"sequence": "001", "app-type": "applicant", "designation": "us-only"},
                ),
            ),
            node(
                "inventors",
                *(
                    node("inventor", addressbook(index + i), sequence=f"{i:03d}", designation="us-only")
                    for i in range(rng.choice([1, 1, 2, 4]))
                ),
            ),
            node(
                "agents",
                node("agent", addressbook(index, is_company=True), at={"sequence": "01", "rep-type": "attorney"}),
            )
            if index % 3
            else None,
        ),
        node("assignees", *(node("assignee", addressbook(index + i, is_company=True)) for i in range(index % 2 + 1)))
        if index % 5
        else None,
        node(
            "examiners",
            node(
                "primary-examiner",
                node("last-name", "Pham"),
                node("first-name", "T. Q."),
                node("department", f"0{index % 9}31"),
            ),
            node("assistant-examiner", node("last-name", "Ruiz"), node("first-name")) if index % 4 == 1 else None,
        ),
    )
    description = node(
        "description",
        Line('<?brief-description-of-drawings description="Brief Description of Drawings" end="lead"?>'),
        node("heading", "BACKGROUND", id="h-0001", level=1),
        node(
            "p",
            Markup('See <figref idref="DRAWINGS">FIG. <b>1</b></figref>. <![CDATA[a < b && c]]>'),
            id="p-0003",
            num="0001",
        ),
        Line('<?brief-description-of-drawings description="Brief Description of Drawings" end="tail"?>'),
        id="description",
    )
    return node(
        "us-patent-grant",
        bibliography,
        abstract if type_ != "design" else None,
        description,
        node("us-claim-statement", "What is claimed is:" if claims > 1 else "The ornamental design, as shown."),
        node("claims", *(claim(i, index) for i in range(1, claims + 1)), id="claims"),
        at={
            "lang": "EN",
            "dtd-version": "v4.7 2022-02-17",
            "file": f"US{number}-{published}.XML",
            "status": "PRODUCTION",
            "id": "us-patent-grant",
            "country": "US",
            "date-produced": produced,
            "date-publ": published,
        },
    )


def sequence_listing(index: int, published: str) -> Node:
    return node(
        "sequence-cwu",
        node("publication-reference", document_id("US", f"{12_000_000 + index * 137}", "B2", published)),
        node(
            "sequence-list-new-rules",
            Line("<!-- 1 sequence -->"),
            node("s400", "atgcatgc"),
            file=f"US{index}.txt",
            seqfilesize="000123",
        ),
        id="SEQLST-0",
        country="US",
    )


def weekly(documents: list[Node]) -> bytes:
    """One file: each document begins with its own declaration and DOCTYPE, right after the one before."""
    return "".join(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE {root.tag} SYSTEM "{DTD}" [ ]>\n{root.render("")}\n'
        for root in documents
    ).encode()


def make() -> Samples:
    rng = random.Random(1790)
    weeks = [("20260106", range(1, 26)), ("20260113", range(26, 46)), ("20260120", range(46, 66))]
    made = []
    for published, indexes in weeks:
        documents = [grant(index, published, f"{int(published) - 1}", rng) for index in indexes]
        documents.insert(3, sequence_listing(indexes[1], published))
        made.append(documents)
    # produced anew, in the file of a later week
    made[2].append(grant(4, "20260106", "20260119", rng, note="(Corrected) "))
    made[2].append(grant(7, "20260106", "20260119", rng))
    bad = [grant(index, "20260127", "20260126", rng) for index in (71, 72, 73)]
    broken = weekly(bad).replace(b"<date>20210304</date>", b"<date>20210231</date>", 1)
    return {
        "samples/ipg260106.xml": weekly(made[0]),
        "samples/ipg260113.zip": zipped({"ipg260113.xml": weekly(made[1])}),
        "samples/ipg260120.xml.gz": gzipped(weekly(made[2])),
        "broken/ipg260127.xml": broken,
    }
