"""Tax returns of exempt organisations as the IRS's Modernized e-File has them, of invented organisations.

A return is a document of its own with a header and the forms that belong to it: Form 990 or 990-EZ, and schedules.
"""

from __future__ import annotations

import random

from tests.standards.writing import Line, Markup, Node, Samples, document, gzipped, node, zipped

EFILE = "http://www.irs.gov/efile"
WORDS = ["River", "Harbor", "Prairie", "Saint Anne", "Cañada", "O'Brien", "Smith & Daughters", "Ute Mountain"]
KINDS = ["Food Bank", "Choir", "Land Trust", "Animal Shelter", "Fire Company No 3", "Historical Society"]
PEOPLE = ["JOSÉ NÚÑEZ", "MARY O'TOOLE", "D'ANGELO WEBB JR", "LI WEI", "ANN-MARIE SØRENSEN", "SEE SCHEDULE O"]
ZONES = ["-05:00", "-06:00", "-07:00", "Z"]
ADDRESSES = [
    ("1 Main St", "Boston", "MA", "02108"),
    ("PO Box 007", "Ponce", "PR", "00716"),
    ("40 W 4th", "Reno", "NV", "895010001"),
]


def ein(number: int) -> str:
    """Nine digits, often with a zero in front."""
    return f"{10_000_003 + number * 7_919_111 % 900_000_000:09d}"


def us_address(rng: random.Random, tag: str = "USAddress") -> Node:
    street, city, state, code = rng.choice(ADDRESSES)
    return node(
        tag,
        node("AddressLine1Txt", street),
        node("AddressLine2Txt", "Suite 0100") if rng.random() < 0.2 else None,
        node("CityNm", city),
        node("StateAbbreviationCd", state),
        node("ZIPCd", code),
    )


def foreign_address() -> Node:
    return node(
        "ForeignAddress",
        node("AddressLine1Txt", "Calle 5 #17-20"),
        node("CityNm", "Bogotá"),
        node("CountryCd", "CO"),
        node("ForeignPostalCd", "000110"),
    )


def name_of(tag: str, first: str, second: str | None = None) -> Node:
    return node(tag, node("BusinessNameLine1Txt", first), node("BusinessNameLine2Txt", second) if second else None)


def header(number: int, year: int, kind: str, sent: str, rng: random.Random) -> Node:
    name = f"{WORDS[number % len(WORDS)]} {KINDS[number % len(KINDS)]}"
    is_paid = number % 3 != 0
    return node(
        "ReturnHeader",
        node("ReturnTs", sent),
        node("TaxPeriodEndDt", f"{year}-12-31" if number % 4 else f"{year + 1}-06-30"),
        node(
            "PreparerFirmGrp",
            node("PreparerFirmEIN", ein(number + 500)),
            name_of("PreparerFirmName", "Ledger & Sons LLP"),
            us_address(rng, "PreparerUSAddress"),
        )
        if is_paid
        else None,
        node("ReturnTypeCd", kind),
        node("TaxPeriodBeginDt", f"{year}-01-01" if number % 4 else f"{year}-07-01"),
        node(
            "Filer",
            node("EIN", ein(number)),
            name_of("BusinessName", name.upper(), "% TREASURER" if number % 6 == 0 else None),
            node("BusinessNameControlTxt", name.upper().replace(" ", "")[:4]),
            node("InCareOfNm", "% J DOE") if number % 5 == 0 else None,
            node("PhoneNum", f"{2025550100 + number}"),
            foreign_address() if number % 11 == 0 else us_address(rng),
        ),
        node(
            "BusinessOfficerGrp",
            node("PersonNm", rng.choice(PEOPLE)),
            node("PersonTitleTxt", "Président" if number % 7 == 0 else "Treasurer"),
            node("PhoneNum", f"{3035550100 + number}") if number % 2 else None,
            node("SignatureDt", sent[:10]),
            node("DiscussWithPaidPreparerInd", "true" if number % 2 else "0") if is_paid else None,
        ),
        node(
            "PreparerPersonGrp",
            node("PreparerPersonNm", "ROBIN LEDGER CPA"),
            node("PTIN", f"P0{number:07d}"),
            node("PreparationDt", sent[:10]),
            node("SelfEmployedInd", "X") if number % 8 == 0 else None,
        )
        if is_paid
        else None,
        node("TaxYr", year),
        node("BuildTS", "2026-01-22 14:03:11Z"),
        binaryAttachmentCnt=number % 3,
    )


def officer(index: int, rng: random.Random) -> Node:
    return node(
        "Form990PartVIISectionAGrp",
        node("PersonNm", rng.choice(PEOPLE)) if index % 5 else name_of("BusinessName", "First Trust Co", "TRUSTEE"),
        node("TitleTxt", rng.choice(["DIRECTOR", "PRESIDENT/CEO", "CFO", ""])),
        node("AverageHoursPerWeekRt", rng.choice(["40.00", "2.5", "0", "1.75"])),
        node("AverageHoursPerWeekRltdOrgRt", "0.5") if rng.random() < 0.2 else None,
        node("IndividualTrusteeOrDirectorInd", "X") if index % 5 else node("InstitutionalTrusteeInd", "X"),
        node("OfficerInd", "X") if rng.random() < 0.5 else None,
        node("FormerOfcrDirectorTrusteeInd", "X") if rng.random() < 0.1 else None,
        node("ReportableCompFromOrgAmt", rng.choice([0, 0, 84_250, 311_000])),
        node("ReportableCompFromRltdOrgAmt", 0),
        node("OtherCompensationAmt", rng.choice([0, -1200, 15_001])),
    )


def activity(index: int, rng: random.Random) -> Node:
    return node(
        "ProgSrvcAccomActyOtherGrp" if index > 1 else "ProgSrvcAccomActy2Grp",
        node("ActivityCd", f"0{index}10") if index % 2 else None,
        node("ExpenseAmt", rng.randrange(1000, 900_000)),
        node("GrantAmt", 0) if index == 2 else None,
        node("RevenueAmt", rng.randrange(-500, 9000)),
        node("Desc", Markup("MEALS &amp; RIDES FOR SENIORS &#x2014; &quot;NO ONE ALONE&quot;")),
    )


def amounts(tag: str, prior: int | None, current: int) -> Node:
    return node(tag, node("PriorYearAmt", prior) if prior is not None else None, node("CurrentYearAmt", current))


def form_990(number: int, rng: random.Random) -> Node:
    huge = 987_654_321_012_345 if number == 13 else 0
    revenue, expenses = rng.randrange(250_000, 9_000_000) + huge, rng.randrange(200_000, 9_000_000)
    return node(
        "IRS990",
        node("PrincipalOfficerNm", rng.choice(PEOPLE)),
        node("GrossReceiptsAmt", revenue + 1200),
        node("GroupReturnForAffiliatesInd", "false" if number % 2 else "0"),
        node("Organization501c3Ind", "X")
        if number % 3
        else node("Organization501cInd", "X", organization501cTypeTxt=f"{number % 9 + 4:02d}"),
        node("WebsiteAddressTxt", "HTTPS://EXAMPLE.ORG/?a=1&b=2" if number % 4 else "N/A"),
        node("TypeOfOrganizationCorpInd", "X") if number % 2 else node("TypeOfOrganizationTrustInd", "X"),
        node("FormationYr", 1887 + number),
        node("LegalDomicileStateCd", "MA"),
        node("ActivityOrMissionDesc", Markup("<![CDATA[TO FEED & SHELTER]]> — all who ask")),
        node("VotingMembersGoverningBodyCnt", 9),
        node("TotalEmployeeCnt", number * 3),
        node("TotalVolunteersCnt", rng.randrange(2000)) if number % 3 else None,
        node("TotalGrossUBIAmt", 0),
        amounts("ContributionsGrantsGrp", None if number % 5 == 0 else rng.randrange(90_000), rng.randrange(90_000)),
        node("PYTotalRevenueAmt", revenue - 70_000),
        node("CYTotalRevenueAmt", revenue),
        node("CYTotalExpensesAmt", expenses),
        node("CYRevenuesLessExpensesAmt", revenue - expenses),
        node(
            "TotalAssetsGrp",
            node("BOYAmt", 1_000_000),
            node("EOYAmt", 1_000_000 + revenue - expenses, referenceDocumentId=f"R{number:03d}0002")
            if number % 2
            else node("EOYAmt", 0),
        ),
        Line("<?edit mark?>") if number % 9 == 0 else None,
        *(activity(index, rng) for index in range(1, number % 4 + 1)),
        *(officer(index, rng) for index in range(1, rng.choice([1, 3, 5]) + 1)),
        node("ScheduleBRequiredInd", "true", referenceDocumentId=f"R{number:03d}0002"),
        documentId=f"R{number:03d}0001",
        referenceDocumentId=f"R{number:03d}0002 R{number:03d}0003" if number % 2 else None,
        softwareId="00000042",
    )


def form_990ez(number: int, rng: random.Random) -> Node:
    return node(
        "IRS990EZ",
        node("MethodOfAccountingCashInd", "X") if number % 2 else node("MethodOfAccountingAccrualInd", "X"),
        node("GrossReceiptsAmt", rng.randrange(50_000, 199_999)),
        node("TotalRevenueAmt", rng.randrange(50_000)),
        node("TotalExpensesAmt", rng.randrange(80_000)),
        node("ExcessOrDeficitForYearAmt", rng.randrange(-30_000, 30_000)),
        *(
            node(
                "OfficerDirectorTrusteeEmplGrp",
                node("PersonNm", rng.choice(PEOPLE)),
                node("TitleTxt", "BOARD"),
                node("AverageHrsPerWkDevotedToPosRt", "1.00"),
                node("CompensationAmt", 0),
            )
            for _ in range(number % 3 + 1)
        ),
        documentId=f"R{number:03d}0001",
    )


def schedule_a(number: int) -> Node:
    years = ("CurrentTaxYearMinus4YearsAmt", "CurrentTaxYearMinus3YearsAmt", "CurrentTaxYearAmt", "TotalAmt")
    return node(
        "IRS990ScheduleA",
        node("PublicOrganization170Ind", "X"),
        node("GiftsGrantsContriRcvd170Grp", *(node(year, number * 1000 + i) for i, year in enumerate(years))),
        node("PublicSupportCY170Pct", ["0.98765", "1.00000", "0"][number % 3]),
        documentId=f"R{number:03d}0002",
    )


def schedule_i(number: int, rng: random.Random) -> Node:
    return node(
        "IRS990ScheduleI",
        node("GrantRecordsMaintainedInd", "true"),
        *(
            node(
                "RecipientTable",
                name_of("RecipientBusinessName", f"{rng.choice(WORDS)} Shelter"),
                foreign_address() if index == 3 else us_address(rng),
                node("RecipientEIN", ein(900 + number + index)) if index != 3 else None,
                node("IRCSectionDesc", "501(C)(3)"),
                node("CashGrantAmt", rng.randrange(5001, 90_000)),
                node("PurposeOfGrantTxt", "GENERAL SUPPORT"),
            )
            for index in range(1, number % 5 + 2)
        ),
        documentId=f"R{number:03d}0003",
    )


def schedule_o(number: int) -> Node:
    return node(
        "IRS990ScheduleO",
        *(
            node(
                "SupplementalInformationDetail",
                node("FormAndLineReferenceDesc", f"FORM 990, PART VI, LINE {line}"),
                node("ExplanationTxt", "THE BOARD REVIEWS  THE RETURN\nBEFORE IT IS FILED."),
            )
            for line in ("11B", "19", "12C")[: number % 3 + 1]
        ),
        documentId=f"R{number:03d}0004",
    )


def make_return(number: int, year: int, sent: str, rng: random.Random, is_amended: bool = False) -> Node:
    kind = "990EZ" if number % 5 == 0 else "990"
    form = form_990ez(number, rng) if kind == "990EZ" else form_990(number, rng)
    if is_amended:
        form = Node(form.tag, form.attributes, [node("AmendedReturnInd", "X"), *form.content])
    forms = [form, schedule_a(number)]
    forms += [schedule_i(number, rng)] if number % 2 and kind == "990" else []
    forms += [schedule_o(number)] if number % 4 != 1 else []
    return node(
        "Return",
        header(number, year, kind, sent, rng),
        node("ReturnData", *forms, documentCnt=len(forms)),
        at={
            "xmlns": EFILE,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": EFILE,
            "returnVersion": f"{year}v{'5.0' if number % 2 else '4.1'}",
        },
    )


def file_name(number: int, year: int) -> str:
    return f"{year + 1}0{number:04d}9349300{number:03d}_public.xml"


def make() -> Samples:
    rng = random.Random(990)
    files: Samples = {}
    for year, numbers in ((2023, range(1, 26)), (2024, range(1, 38))):
        members = {}
        for number in numbers:
            sent = f"{year + 1}-05-{number % 28 + 1:02d}T{number % 24:02d}:17:09{ZONES[number % 4]}"
            root = make_return(number, year, sent, rng)
            members[file_name(number, year)] = document(root, indent="" if number % 2 else "  ", end="")
        files[f"samples/{year + 1}_TEOS_XML_05A.zip"] = zipped(members)
    root = make_return(38, 2024, "2025-11-03T12:00:00-05:00", rng)
    files[f"samples/{file_name(38, 2024)}"] = b"\xef\xbb\xbf" + document(root)
    for number, zone in ((2, "-05:00"), (10, "Z"), (13, "+00:00")):  # sent again, with other figures
        root = make_return(number, 2024, f"2026-02-14T08:00:00{zone}", rng, is_amended=True)
        files[f"samples/{file_name(number + 100, 2025)}.gz"] = gzipped(document(root))
    good = document(make_return(39, 2024, "2026-03-01T00:00:00Z", rng))
    bad = document(make_return(41, 2024, "2026-03-01T00:00:00Z", rng)).replace(
        b">false</GroupReturn", b">N/A</GroupReturn"
    )
    cut = document(make_return(42, 2024, "2026-03-01T00:00:00Z", rng))
    files["broken/2026_TEOS_XML_03A.zip"] = zipped({"bad.xml": bad})
    files["broken/cut_off.xml"] = cut[: len(good) // 2]
    return files
