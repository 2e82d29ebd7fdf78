"""The type of a column: from all texts that were seen, from what an XSD declares, and from what the name says.

Never too narrow: a type must take every text that was seen, with room for more. What is not sure stays text.
"""

from __future__ import annotations

from dataclasses import dataclass

from sluice.draft.naming import word_set, words_of
from sluice.draft.profile import Profile
from sluice.draft.shape import SimpleType
from sluice.feed.types import parse_type
from sluice.wording import counted

_COUNTERS = word_set("count index line nbof numberof page position pos row seq sequence")
_COUNTED = word_set("age count day days hours minutes months seconds size year years yr yrs")
_CODES = word_set(
    "account acct availability bban bic category cd class code ean ein fax gln gtin iban id ident identifier "
    "identification isbn isin issn key lei no nr num number oid phone plz postal postcode ref reference "
    "release role sku ssn status swift tel telephone tin type uid upc uuid vat zip version"
)
_MEASURES = word_set(
    "amount amt bal balance charge cost credit debit discount fee gross height lat latitude length limit lng lon"
    " longitude margin net pct percent price qty quantity rate sum total value volume weight width"
)
# Of these the white space around a value is no part of it, by the XSD.
_COLLAPSED = word_set("ENTITY ID IDREF NCName NMTOKEN Name anyURI language token")
_SMALL = word_set("byte short int unsignedByte unsignedShort")
_INTEGERS = range(-(2**31), 2**31)
_BIGINT_DIGITS, _MAX_DIGITS = 18, 76
# So many values speak for a type although some texts are tokens for "none".
_ENOUGH = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """A column's type with its options. ``why`` tells what was seen, for a comment; ``doubt`` is for the notes."""

    type: str = "text"
    formats: tuple[str, ...] = ()
    null: tuple[str, ...] = ()
    timezone: str = ""
    trim: bool = False
    why: str = ""
    doubt: str = ""


def decide(name: str, profile: Profile, simple: SimpleType | None = None) -> Kind:
    """The type of an element or attribute called ``name`` (as the document has it)."""
    seen = _from_samples(name, profile) if profile.filled else None
    if simple is None or simple.base.startswith("any"):  # without a type of its own, an XSD says nothing
        return seen or Kind(why="never filled in the samples" if profile.count else "")
    declared = _from_schema(simple, profile)
    if declared is None:
        is_time = seen is not None and seen.type in ("date", "timestamp", "timestamptz")
        return seen if seen is not None and is_time else Kind(trim=_is_padded_code(simple, profile))
    if seen is not None and not _takes(declared, profile):
        if seen.formats:
            return seen
        return Kind(
            why=f"the XSD says {simple.base}, and not all texts of the samples fit", doubt="samples break the XSD"
        )
    return declared


def _is_padded_code(simple: SimpleType, profile: Profile) -> bool:
    """Whether texts may have white space around a value that the XSD lists without."""
    may_be_padded = bool(profile.padded) or not profile.count
    return bool(simple.enumeration) and simple.base in _COLLAPSED and not simple.is_list and may_be_padded


# -- samples ----------------------------------------------------------------------------------------------------------


def _from_samples(name: str, profile: Profile) -> Kind:
    kind = _fitting_all(name, profile)
    if kind.type == "text":
        return Kind(why=kind.why, doubt=kind.doubt or _text_doubts(profile))
    tokens = tuple(sorted(profile.tokens))
    fitting = profile.filled - profile.tokens.total()
    if tokens and (fitting < _ENOUGH or profile.tokens.total() > fitting):
        return Kind(doubt=f"{', '.join(tokens)} beside what could be {kind.type}")
    null, why, doubt = kind.null, kind.why, kind.doubt
    if tokens:
        null = tokens
        told = ", ".join(f"{token} {counted(profile.tokens[token], 'time')}" for token in tokens)
        doubt = f"{told}, taken as NULL"
    if profile.empty:
        null = ("", *null)
        why = "; ".join(filter(None, [why, f"empty {counted(profile.empty, 'time')}"]))
    return Kind(kind.type, kind.formats, null, kind.timezone, why=why, doubt=doubt)


def _fitting_all(name: str, profile: Profile) -> Kind:
    """The narrowest type with room that takes all but empty texts and tokens."""
    numbers = profile.numbers
    others = {form: seen for form, seen in profile.forms.items() if form.strip("9")}
    other_count = sum(seen.count for seen in others.values())
    fitting = profile.filled - profile.tokens.total()
    if profile.json and profile.json == fitting:
        return Kind("json")
    if profile.is_free or fitting == 0:
        return Kind()
    if numbers.count == fitting:
        return _compact_moment(name, profile) or _number(name, profile)
    if profile.values is not None and profile.values.keys() - profile.tokens.keys() <= {"true", "false", "0", "1"}:
        return Kind("boolean")
    if other_count == fitting or other_count + numbers.count == fitting:
        return _moments(profile)
    return Kind()


def _number(name: str, profile: Profile) -> Kind:
    numbers, words = profile.numbers, words_of(name)
    if numbers.plus or numbers.leading_zeros:
        why = "leading zeros" if numbers.leading_zeros else "plus signs"
        return Kind(why=f"digits, some with {why}")
    if (numbers.fraction or numbers.with_point) and words and words[-1] in _CODES:
        return Kind(why="looks like a code or a version")
    if numbers.whole + numbers.fraction > 60:
        return Kind(why="very long numbers")
    if numbers.fraction or numbers.with_point:
        return Kind(_numeric(numbers.whole, numbers.fraction), why=_digits(profile))
    if _is_code(words, profile):
        return Kind(why="digits only")
    if words and (_MEASURES & set(words)) and not (_COUNTED | _COUNTERS) & set(words):
        return Kind(_numeric(numbers.whole, 0), why=f"whole numbers so far, {_bounds(profile)}")
    if numbers.whole > 18:
        return Kind(f"numeric({min(numbers.whole + 10, 60)},0)", why=_digits(profile))
    return Kind("bigint", why=_bounds(profile))


def _is_code(words: list[str], profile: Profile) -> bool:
    if not words:
        return False
    joined = "".join(words)
    if words[-1] in ("revision", "version"):
        return False
    if set(words) & _COUNTERS or joined.startswith(("numberof", "nbof", "noof", "num_of")) or words[-1] in _COUNTED:
        return False
    if words[-1] == "value" and len(words) > 1 and words[-2] in _CODES:
        return True
    numbers = profile.numbers
    is_wide = len(numbers.widths) == 1 and numbers.whole >= 6 and (profile.distinct or 2) > 1
    return words[-1] in _CODES or is_wide


def _numeric(whole: int, fraction: int) -> str:
    """Room for what was seen, and more: four digits before the point, two after it, at least 14 and 4."""
    scale = max(4, fraction + 2)
    return f"numeric({min(max(14, whole + 4) + scale, 76)},{scale})"


def _digits(profile: Profile) -> str:
    numbers = profile.numbers
    return f"up to {numbers.whole or 1} digits before the point and {numbers.fraction} after it"


def _bounds(profile: Profile) -> str:
    numbers = profile.numbers
    least, greatest = numbers.least or 0, numbers.greatest or 0
    if least == greatest and numbers.whole < 16:
        return f"always {least:,.0f}"
    return f"{least:,.0f} to {greatest:,.0f}" if numbers.whole < 16 else _digits(profile)


def _compact_moment(name: str, profile: Profile) -> Kind | None:
    """Digits that are dates: all of one length, all of them days, several of them or with a name that says so."""
    found = [(form, seen) for form, seen in profile.forms.items() if seen.readings]
    if len(found) != 1 or found[0][1].count != profile.numbers.count:
        return None
    is_named = bool(set(words_of(name)) & {"date", "datetime", "day", "dt", "time", "timestamp", "on", "at"})
    if not is_named and (profile.distinct or 3) < 3:
        return None
    reading = found[0][1].readings[0]
    return Kind(reading.kind, (reading.format or "",), why=f"such as {found[0][1].least}")


def _moments(profile: Profile) -> Kind:
    """Dates and times: of one form by that form, of several by a list of formats."""
    choices = [(seen, seen.readings) for form, seen in profile.forms.items() if form.strip("9") or seen.readings]
    counted = sum(seen.count for seen, _ in choices)
    if counted != profile.filled - profile.tokens.total() or not all(readings for _, readings in choices):
        return Kind(doubt=_half_moments(choices))
    least = min(seen.least for seen, _ in choices)
    greatest = max(seen.greatest for seen, _ in choices)
    why = f"such as {least}" if least == greatest else f"such as {least} and {greatest}"
    common = [
        r for r in choices[0][1] if all(any((o.kind, o.format) == (r.kind, r.format) for o in os) for _, os in choices)
    ]
    if len({reading.format for reading in common}) > 1:
        return Kind(why=why, doubt=f"dates that can be read as {' or '.join(r.format or '' for r in common)}")
    picked = [common[0] if common and len(common) == 1 else readings[0] for _, readings in choices]
    if any(len(readings) > 1 for _, readings in choices) and not common:
        return Kind(doubt="dates in forms that can be read in two ways")
    kinds = {reading.kind for reading in picked}
    kind = next(kind for kind in ("timestamptz", "timestamp", "date") if kind in kinds)
    is_zoned_in_part = kind == "timestamptz" and len(kinds) > 1
    doubt = "some times have no zone; taken as UTC" if is_zoned_in_part else ""
    timezone = "UTC" if is_zoned_in_part else ""
    is_iso = all(reading.format is None for reading in picked) and (
        len(kinds) == 1 or kinds == {"timestamp", "timestamptz"}
    )
    if is_iso:
        return Kind(kind, timezone=timezone, why=why, doubt=doubt)
    formats = dict.fromkeys(reading.iso for reading in sorted(picked, key=lambda reading: -len(reading.iso)))
    if "date" in kinds and len(kinds) > 1:
        doubt = "dates beside times; a date becomes its midnight" + (f"; {doubt}" if doubt else "")
    return Kind(kind, tuple(formats), timezone=timezone, why=why, doubt=doubt)


def _half_moments(choices: list) -> str:  # type: ignore[type-arg]
    fitting = sum(seen.count for seen, readings in choices if readings)
    total = sum(seen.count for seen, _ in choices)
    return f"{fitting:,} of {total:,} texts are dates or times" if fitting * 2 > total else ""


def _text_doubts(profile: Profile) -> str:
    if profile.lists and profile.lists == profile.filled:
        return "each text is a list of numbers"
    fitting = profile.filled - profile.tokens.total()
    if profile.numbers.count < fitting <= 1.2 * profile.numbers.count and fitting >= _ENOUGH:
        seen = next(seen for form, seen in profile.forms.items() if form.strip("9"))
        return f"{profile.numbers.count:,} of {fitting:,} texts are numbers, but not such as {seen.least}"
    if profile.padded:
        return f"white space at an end of {profile.padded:,} of {profile.filled:,} texts; `trim: true` takes it away"
    if profile.tokens:
        tokens = sorted(profile.tokens.items())
        return "may stand for none: " + ", ".join(f"{token} ({counted(n, 'time')})" for token, n in tokens)
    return ""


# -- XSD --------------------------------------------------------------------------------------------------------------


def _from_schema(simple: SimpleType, profile: Profile) -> Kind | None:
    """What the XSD makes of it; None where that is text, or nothing that says more than the samples."""
    if simple.is_list or simple.members:
        return None
    base = simple.base
    if base == "boolean":
        return Kind("boolean", null=_if_empty(profile))
    if simple.is_whole_number:
        return _whole(simple, profile)
    if base == "decimal":
        return _decimal(simple, profile)
    if base == "date":
        return Kind("date", null=_if_empty(profile))
    if base in ("dateTime", "dateTimeStamp"):
        return _date_time(profile)
    return None


def _if_empty(profile: Profile) -> tuple[str, ...]:
    return ("",) if profile.empty else ()


def _whole(simple: SimpleType, profile: Profile) -> Kind:
    """Whole numbers, with room for those that were seen. Where an XSD sets no bounds, a bigint takes what anybody
    counts; that is told, with what samples showed, or as a doubt where they have none.
    """
    null, numbers, declared = _if_empty(profile), profile.numbers, simple.whole_digits
    digits = max(0 if simple.base == "long" else declared or 0, numbers.whole)
    if digits > _BIGINT_DIGITS:
        return Kind(f"numeric({min(max(digits, 20), _MAX_DIGITS)},0)", null=null)
    if declared is not None:
        return Kind("integer" if simple.base in _SMALL and _are_integers(profile) else "bigint", null=null)
    if profile.filled:
        return Kind("bigint", null=null, why=f"{_bounds(profile)}; the XSD sets no bounds")
    doubt = f"whole numbers without bounds in the XSD; none of more than {_BIGINT_DIGITS} digits fits"
    return Kind("bigint", null=null, doubt=doubt)


def _are_integers(profile: Profile) -> bool:
    return all(int(bound or 0) in _INTEGERS for bound in (profile.numbers.least, profile.numbers.greatest))


def _decimal(simple: SimpleType, profile: Profile) -> Kind:
    null = _if_empty(profile)
    numbers = profile.numbers
    if simple.total_digits is None and simple.fraction_digits is None:
        if profile.filled:
            return Kind(_numeric(numbers.whole, numbers.fraction), null=null, why=_digits(profile))
        return Kind("numeric(38,12)", null=null, doubt="xs:decimal without a number of digits")
    whole = simple.total_digits or max(numbers.whole + 4, 18)
    scale = simple.fraction_digits if simple.fraction_digits is not None else max(min(whole, 10), numbers.fraction)
    return Kind(f"numeric({min(whole + scale, _MAX_DIGITS)},{scale})", null=null)


def _date_time(profile: Profile) -> Kind:
    kinds = {reading.kind for seen in profile.forms.values() for reading in seen.readings}
    if kinds == {"timestamp"}:
        return Kind("timestamp", null=_if_empty(profile))
    if kinds == {"timestamptz"}:
        return Kind("timestamptz", null=_if_empty(profile))
    return Kind("timestamptz", null=_if_empty(profile), timezone="UTC", doubt="times without a zone are taken as UTC")


def _takes(kind: Kind, profile: Profile) -> bool:
    """Whether a declared type takes all texts of the samples."""
    numbers, fitting = profile.numbers, profile.filled
    if kind.type in ("integer", "bigint"):
        is_within = _are_integers(profile) if kind.type == "integer" else numbers.whole <= _BIGINT_DIGITS
        return numbers.count == fitting and not numbers.with_point and is_within
    if kind.type.startswith("numeric"):
        column_type = parse_type(kind.type)
        is_within = numbers.whole <= column_type.precision - column_type.scale and numbers.fraction <= column_type.scale
        return numbers.count == fitting and is_within
    if kind.type == "boolean":
        return profile.values is not None and profile.values.keys() <= {"true", "false", "0", "1"}
    iso = (seen for seen in profile.forms.values() if any(reading.format is None for reading in seen.readings))
    return sum(seen.count for seen in iso) == fitting
