"""Invented words and names for the texts of the shapes, some of which XML must escape."""

from __future__ import annotations

import random

WORDS = (
    "quiet", "harbour", "copper", "lantern", "ridge", "of", "the", "and", "with", "under", "between", "slow",
    "amber", "tide", "orchard", "signal", "ledger", "north", "granite", "willow", "drift", "measured",
    "against", "a", "steady", "baseline", "over", "seven", "winters", "observed", "response", "samples", "kept",
    "cold", "overnight", "then", "weighed", "twice", "uptake", "rate", "membrane", "fold", "channel", "vesicle",
    "marker", "onset", "dose", "interval", "cohort", "baseline", "outcome", "median", "variance", "ratio",
    "slope", "plateau", "decline", "recovery", "season", "pasture", "meadow", "valley", "estuary", "reed",
    "bank", "stone", "bridge", "mill", "wheel", "belt", "gear", "spindle", "lathe", "rivet", "weld", "seam",
    "joint", "panel", "frame", "cover", "handle", "hinge", "socket", "cable", "switch", "fuse", "lamp", "shade",
    "Größe", "größer", "naïve", "façade", "crème", "señal", "λ-phase", "β-fold", "≤5", "%", "R&D", "AT&T",
    "p<0.05", "x>y",
)  # fmt: skip
LAST_NAMES = (
    "Aldersmith", "Brankovic", "Castellane", "Duivenvoorde", "Eklund", "Fjeldstad", "Gorzelak", "Hollmann",
    "Ivarsson", "Jovanel", "Kestrel", "Lindqvist", "Marchetti", "Nygaard", "Okonjo", "Petrescu", "Quintanar",
    "Rosenthal", "Søndergård", "Tamboura", "Ullrich", "Vandermeer", "Wójcik", "Xanthopoulos", "Ybarra",
    "Zilinskas", "O'Farrell", "Müllerson", "Núñez", "Çelikkol",
)  # fmt: skip
FIRST_NAMES = (
    "Ada", "Bero", "Cleo", "Dario", "Elif", "Fenna", "Goran", "Hanna", "Ibo", "Jūlija", "Kofi", "Leila", "Mats",
    "Nuria", "Oskar", "Pia", "René", "Sofía", "Tove", "Yuki",
)  # fmt: skip
CITIES = (
    "Aarle", "Bremvik", "Castello", "Dornum", "Eskilby", "Fontane", "Gravedal", "Hoogveld",
)  # fmt: skip


def escape(text: str) -> str:
    """Text as it stands in an element."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_attribute(text: str) -> str:
    """Text as it stands in an attribute within double quotes."""
    return escape(text).replace('"', "&quot;").replace("\n", "&#xA;")


def phrase(choose: random.Random, shortest: int, longest: int) -> str:
    """Some words, unescaped."""
    return " ".join(choose.choices(WORDS, k=choose.randint(shortest, longest)))
