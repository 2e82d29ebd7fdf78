"""A network timetable in NeTEx: a file for what all lines share, and one for each line, as operators export them.

What belongs together refers to each other by id and version; everything has a version of its own, and the same stop
stands in the files of all lines that call there.
"""

from __future__ import annotations

from tests.standards.writing import Line, Markup, Node, Samples, document, gzipped, node, zipped

NETEX = "http://www.netex.org.uk/netex"
STOPS = [
    "Bjørvika",
    "Ås stasjon",
    "Sørumsand",
    "Øvre Ullern",
    "Gáivuotna / Kåfjord",
    "St. John's & Abbey",
    "Łódź Fabryczna",
]
LINES = [
    ("0021", "Harbour – Hill", "bus"),
    ("7", "Night line", "bus"),
    ("R10", "Airport", "rail"),
    ("F1", "Call & ride", "bus"),
]
DAYS = ["Monday Tuesday Wednesday Thursday Friday", "Saturday", "Sunday", ""]


def ident(kind: str, local: object) -> str:
    return f"SMP:{kind}:{local}"


def ref(kind: str, local: object, version: int | None = None, order: int | None = None) -> Node:
    return node(f"{kind}Ref", ref=ident(kind, local), version=version, order=order)


def operator(index: int, version: int = 1) -> Node:
    contact = "OperatorContactStructure" if index % 2 else "ContactStructure"
    return node(
        "Operator",
        node(
            "keyList",
            node("KeyValue", node("Key", "OrgNr"), node("Value", f"00{index}2345678")),
            node("KeyValue", node("Key", "Note"), node("Value")),
        )
        if index % 2
        else None,
        node("CompanyNumber", f"0{index}7654321"),
        node("Name", f"Beispiel Busverkehr {index} & Co", lang="de"),
        node("LegalName", "Sample Transit AS") if index == 1 else None,
        node(
            "ContactDetails",
            node("Email", "kontakt@example.com"),
            node("Phone", "+47 22 00 00 0" + str(index)) if index % 3 else None,
            node("Url", "https://example.com/?line=1&lang=no"),
            node("OpeningHours", "08:00-16:00") if index % 2 else None,
            at={"xsi:type": contact},
        ),
        at={"version": str(version), "id": ident("Operator", index)},
    )


def stop(index: int, version: int = 1) -> Node:
    longitude = ["10.7522", "10.791667", "-0.1", "11"][index % 4]
    location = (
        [node("Longitude", longitude), node("Latitude", f"59.9{index}1275")]
        if index % 3
        else [node("gml:pos", f"59.9{index}1275 {longitude}", srsName="EPSG:4326")]
    )
    return node(
        "ScheduledStopPoint",
        node(
            "ValidBetween",
            node("FromDate", "2026-01-01T00:00:00"),
            node("ToDate", "2026-12-31T23:59:59+01:00") if index % 2 else None,
        ),
        node("Name", STOPS[index % len(STOPS)], lang="no" if index % 2 else None),
        node("Location", *location) if index % 5 else None,
        node("PublicCode", f"{index:04d}"),
        at={"version": str(version), "id": ident("ScheduledStopPoint", f"{index:05d}")},
    )


def line(index: int, version: int = 1) -> Node:
    code, name, mode = LINES[index]
    is_flexible = code == "F1"
    booking = [
        node("FlexibleLineType", "corridor"),
        node("MinimumBookingPeriod", "PT1H30M"),
        node("BookingNote", Markup("<![CDATA[Call < 1 h & wait]]>")),
    ]
    return node(
        "FlexibleLine" if is_flexible else "Line",
        node("Name", name),
        node("TransportMode", mode),
        node("PublicCode", code),
        node("PrivateCode", f"00{index}") if index != 2 else None,
        ref("Operator", index % 2 + 1, 1),
        node("Presentation", node("Colour", "0000FF"), node("TextColour", "FFFFFF")) if index % 2 == 0 else None,
        *(booking if is_flexible else []),
        at={"version": str(version), "id": ident("Line", code)},
    )


def pattern(index: int, direction: int) -> Node:
    stops = [(index * 3 + place) % 12 for place in range(4 + index)]
    stops = stops if direction == 0 else stops[::-1]
    return node(
        "ServiceJourneyPattern",
        node("Name", "Outbound" if direction == 0 else "Inbound"),
        ref("Line", LINES[index][0], 1),
        node("DirectionType", "outbound" if direction == 0 else "inbound"),
        node(
            "pointsInSequence",
            *(
                node(
                    "StopPointInJourneyPattern",
                    node("ScheduledStopPointRef", ref=ident("ScheduledStopPoint", f"{number:05d}"), version=1),
                    node("ForAlighting", "false") if order == 1 else None,
                    node("ForBoarding", "false") if order == len(stops) else None,
                    node("RequestStop", "true") if order % 3 == 0 else None,
                    at={
                        "order": str(order),
                        "version": "1",
                        "id": ident("StopPointInJourneyPattern", f"{index}-{direction}-{order}"),
                    },
                )
                for order, number in enumerate(stops, 1)
            ),
        ),
        at={"version": "1", "id": ident("JourneyPattern", f"{index}-{direction}")},
    )


def passing_times(index: int, direction: int, hour: int) -> Node:
    count = 4 + index
    times = []
    for order in range(1, count + 1):
        minutes = hour * 60 + order * 7
        clock, offset = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}:{30 if order == 2 else 0:02d}", minutes // 1440
        times.append(
            node(
                "TimetabledPassingTime",
                node(
                    "StopPointInJourneyPatternRef",
                    ref=ident("StopPointInJourneyPattern", f"{index}-{direction}-{order}"),
                    version=1,
                ),
                node("ArrivalTime", clock) if order > 1 else None,
                node("ArrivalDayOffset", offset) if order > 1 and offset else None,
                node("WaitingTime", "PT2M30S") if order == 3 else None,
                node("DepartureTime", clock) if order < count else None,
                node("DepartureDayOffset", offset) if order < count and offset else None,
                at={"version": "0", "id": ident("TimetabledPassingTime", f"{index}-{direction}-{hour}-{order}")},
            )
        )
    return node("passingTimes", *times)


def journey(index: int, direction: int, hour: int, version: int = 1) -> Node:
    code = LINES[index][0]
    return node(
        "ServiceJourney",
        node("keyList", node("KeyValue", node("Key", "Block"), node("Value", f"0{hour}"))) if hour % 3 == 0 else None,
        node("Name", f"{code} kl. {hour}") if hour % 2 else None,
        node("PrivateCode", f"{index}0{hour:02d}"),
        node("dayTypes", *(ref("DayType", day) for day in range(hour % 3 + 1))),
        node("JourneyPatternRef", ref=ident("JourneyPattern", f"{index}-{direction}"), version=1),
        ref("Operator", index % 2 + 1) if index % 2 else None,
        node("LineRef", ref=ident("Line", code), version=1),
        node("JourneyDuration", ["PT45M", "PT1H5M", "PT5M"][hour % 3]) if hour % 4 else None,
        passing_times(index, direction, hour),
        at={"version": str(version), "id": ident("ServiceJourney", f"{code}_{direction}_{hour:02d}")},
    )


def dead_run(index: int, hour: int) -> Node:
    return node(
        "DeadRun",
        node("PrivateCode", f"T{hour:02d}"),
        node("dayTypes", ref("DayType", 0)),
        node("LineRef", ref=ident("Line", LINES[index][0]), version=1),
        node("DeadRunType", "garageRunOut"),
        at={"version": "1", "id": ident("DeadRun", f"{LINES[index][0]}_{hour}")},
    )


def day_type(index: int, version: int = 1) -> Node:
    days = node("properties", node("PropertyOfDay", node("DaysOfWeek", DAYS[index]))) if DAYS[index] else None
    return node(
        "DayType",
        node("Name", "Holidays") if not days else None,
        days,
        at={"version": str(version), "id": ident("DayType", index)},
    )


def assignment(order: int, period: bool, available: bool = True) -> Node:
    when = (
        node("OperatingPeriodRef", ref=ident("OperatingPeriod", "H26"), version=1)
        if period
        else node("Date", f"2026-05-{order:02d}")
    )
    return node(
        "DayTypeAssignment",
        when,
        ref("DayType", order % 4),
        node("isAvailable", "true" if available else "false") if order % 2 else None,
        at={"order": str(order), "version": "1", "id": ident("DayTypeAssignment", order)},
    )


def frame(kind: str, *content: Node | Line | None) -> Node:
    return node(f"{kind}Frame", *content, at={"version": "1", "id": ident(f"{kind}Frame", 1)})


def delivery(name: str, created: str, *frames: Node) -> Node:
    return node(
        "PublicationDelivery",
        node("PublicationTimestamp", created),
        node("ParticipantRef", "SMP"),
        node("Description", name),
        node(
            "dataObjects",
            node(
                "CompositeFrame",
                node(
                    "validityConditions",
                    node(
                        "AvailabilityCondition",
                        node("FromDate", "2026-01-01T00:00:00"),
                        node("ToDate", "2026-12-31T00:00:00"),
                        at={"version": "1", "id": ident("AvailabilityCondition", 1)},
                    ),
                ),
                node(
                    "FrameDefaults",
                    node("DefaultLocale", node("TimeZone", "Europe/Oslo"), node("DefaultLanguage", "no")),
                ),
                node("frames", *frames),
                at={"created": created, "version": "1", "id": ident("CompositeFrame", 1)},
            ),
        ),
        at={
            "xmlns": NETEX,
            "xmlns:gml": "http://www.opengis.net/gml/3.2",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "version": "1.15:NO-NeTEx-networktimetable:1.5",
        },
    )


def line_file(index: int, created: str, version: int = 1, hours: range = range(5, 12)) -> bytes:
    journeys = [journey(index, hour % 2, hour, version) for hour in hours]
    journeys += [journey(index, 1, 23, version), journey(index, 0, 24, version)] if index == 1 else []
    journeys += [dead_run(index, 4)] if index != 2 else []
    used = sorted({(index * 3 + place) % 12 for place in range(4 + index)})
    root = delivery(
        f"Line {LINES[index][0]}",
        created,
        frame(
            "Service",
            node("scheduledStopPoints", *(stop(number) for number in used)),
            node("lines", line(index, version)),
            node("journeyPatterns", pattern(index, 0), pattern(index, 1)),
        ),
        frame("Timetable", Line("<!-- all days -->"), node("vehicleJourneys", *journeys)),
    )
    return document(root, indent="  " if index % 2 else "")


def make() -> Samples:
    created = "2026-02-01T03:00:00"
    shared = delivery(
        "Shared data",
        created,
        frame("Resource", node("organisations", operator(1), operator(2))),
        frame("Service", node("scheduledStopPoints", *(stop(number) for number in range(12)))),
        frame(
            "ServiceCalendar",
            node("dayTypes", *(day_type(index) for index in range(4))),
            node(
                "dayTypeAssignments",
                assignment(1, True),
                assignment(17, False, False),
                assignment(2, False),
                assignment(3, True),
            ),
        ),
    )
    newer = delivery(
        "Changes",
        "2026-03-01T03:00:00.123+01:00",
        frame("Resource", node("organisations", operator(2, version=10))),
        frame(
            "Service",
            node("scheduledStopPoints", stop(3, version=9), stop(4, version=2)),
            node("lines", line(0, version=2)),
        ),
        frame("Timetable", node("vehicleJourneys", journey(0, 1, 5, version=2), journey(0, 0, 30, version=1))),
    )
    newest = delivery(
        "More changes", "2026-03-02T03:00:00Z", frame("Service", node("scheduledStopPoints", stop(3, version=10)))
    )
    typed = document(
        delivery("Unknown type", created, frame("Resource", node("organisations", operator(3), operator(4))))
    )
    return {
        "broken/unknown_type.xml": typed.replace(b"OperatorContactStructure", b"AgencyContactStructure"),
        "samples/network.zip": zipped(
            {
                "_SMP_shared_data.xml": document(shared),
                **{f"SMP_{LINES[index][0]}.xml": line_file(index, created) for index in range(3)},
            }
        ),
        "samples/SMP_F1.xml": line_file(3, created, hours=range(8, 20, 3)),
        "samples/changes_2026-03-01.xml.gz": gzipped(document(newer)),
        "samples/changes_2026-03-02.xml": document(newest),
    }
