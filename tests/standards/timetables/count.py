"""What the samples of timetables hold, counted without Sluice."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.standards.counting import count_below, documents, first, texts, walk

FRAMES = "dataObjects/CompositeFrame/frames"
SERVICE, TIMETABLE = f"{FRAMES}/ServiceFrame", f"{FRAMES}/TimetableFrame/vehicleJourneys"
CALENDAR = f"{FRAMES}/ServiceCalendarFrame"
OPERATOR = f"{FRAMES}/ResourceFrame/organisations/Operator"
STOP = f"{SERVICE}/scheduledStopPoints/ScheduledStopPoint"
JOURNEY = f"{TIMETABLE}/ServiceJourney"
PATTERN = f"{SERVICE}/journeyPatterns/ServiceJourneyPattern"
BELOW = {
    OPERATOR: ["keyList/KeyValue"],
    STOP: [],
    f"{SERVICE}/lines/Line": [],
    f"{SERVICE}/lines/FlexibleLine": [],
    PATTERN: ["pointsInSequence/StopPointInJourneyPattern"],
    f"{CALENDAR}/dayTypes/DayType": [],
    f"{CALENDAR}/dayTypeAssignments/DayTypeAssignment": [],
    JOURNEY: ["keyList/KeyValue", "dayTypes/DayTypeRef", "passingTimes/TimetabledPassingTime"],
    f"{TIMETABLE}/DeadRun": ["dayTypes/DayTypeRef"],
}


def newest(folder: Path) -> tuple[int, dict[str, list[ET.Element]]]:
    """Number of objects, and by the path of each kind those of the greatest version of each id."""
    found, by_key = 0, {path: {} for path in BELOW}
    for _, root in documents(folder):
        for path, kept in by_key.items():
            for element in walk(root, path):
                found += 1
                before = kept.get(element.get("id"))
                if before is None or int(before.get("version")) < int(element.get("version")):
                    kept[element.get("id")] = element
    return found, {path: list(kept.values()) for path, kept in by_key.items()}


def expected(folder: Path = Path(__file__).parent / "samples") -> dict[str, Any]:
    found, kept = newest(folder)
    root = "/PublicationDelivery"
    tables: dict[str, int] = {}
    for path, below in BELOW.items():
        tables |= count_below(kept[path], f"{root}/{path}", below)
    journeys, stops = kept[JOURNEY], kept[STOP]
    times = "passingTimes/TimetabledPassingTime"
    offsets = [Decimal(text) for j in journeys for text in texts(j, f"{times}/DepartureDayOffset")]
    third = next(s for s in stops if s.get("id").endswith(":00003"))
    refs = [e.get("ref") for p in kept[PATTERN] for e in walk(p, f"{BELOW[PATTERN][0]}/ScheduledStopPointRef")]
    return {
        "found": found,
        "tables": tables,
        "sums": {
            f"{root}/{JOURNEY}/{times}/DepartureDayOffset": sum(offsets, Decimal(0)),
            f"{root}/{STOP}/Location/Latitude": sum(
                (Decimal(text) for s in stops for text in texts(s, "Location/Latitude")), Decimal(0)
            ),
        },
        "distinct": {
            f"{root}/{JOURNEY}/@id": len({j.get("id") for j in journeys}),
            f"{root}/{PATTERN}/pointsInSequence/StopPointInJourneyPattern/ScheduledStopPointRef/@ref": len(set(refs)),
        },
        "sorted": {
            f"{root}/{JOURNEY}/{times}/DepartureTime": sorted(
                text for j in journeys for text in texts(j, f"{times}/DepartureTime")
            ),
            f"{root}/{JOURNEY}/JourneyDuration": sorted(text for j in journeys for text in texts(j, "JourneyDuration")),
            f"{root}/{STOP}/Location/pos": sorted(text for s in stops for text in texts(s, "Location/pos")),
            f"{root}/{STOP}/PublicCode": sorted(text for s in stops for text in texts(s, "PublicCode")),
            f"{root}/{OPERATOR}/@version": sorted(o.get("version") for o in kept[OPERATOR]),
        },
        "rows": [
            (
                f"{root}/{STOP}",
                {f"{root}/{STOP}/@id": third.get("id")},
                {f"{root}/{STOP}/@version": "10", f"{root}/{STOP}/Name": first(third, "Name")},
            )
        ],
    }


PLANTED = [{"file": "unknown_type.xml", "record": "1", "reasons": ["xsd_invalid", "xsd_invalid"]}]
"""An xsi:type that no schema knows; libxml2 says so twice."""

SOUND_BESIDE = 1
"""Records of the folder of broken files that load all the same."""
