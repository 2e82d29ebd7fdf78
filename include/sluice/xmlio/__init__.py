"""The only place where XML parsers are built: their limits, their error texts, and XSDs.

Every parser here refuses the network, external entities and external DTDs. Entities of an internal DTD are expanded
within the parser's own amplification limit; documents whose DTD declares nothing that could make more of them may be
as large as they like.
"""

from sluice.xmlio.documents import (
    XSI_NIL,
    Element,
    find_fault_in_fragment,
    lead_counts,
    new_parser,
    open_names,
    parse_document,
    parse_piece,
    parse_sound_head,
    spell_document,
    spell_text,
)
from sluice.xmlio.listening import Listener, listen
from sluice.xmlio.schemas import XS, Schemas, count_faults, parse_schema_file, peek_schema_namespace

__all__ = [
    "XS",
    "XSI_NIL",
    "Element",
    "Listener",
    "Schemas",
    "count_faults",
    "find_fault_in_fragment",
    "lead_counts",
    "listen",
    "new_parser",
    "open_names",
    "parse_document",
    "parse_piece",
    "parse_schema_file",
    "parse_sound_head",
    "peek_schema_namespace",
    "spell_document",
    "spell_text",
]
