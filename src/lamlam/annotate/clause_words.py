"""Words that tell what a clause says: nouns of works and places, verbs and nouns that say too little by themselves."""

from __future__ import annotations

import re

WORKS = frozenset({"film", "movie", "album", "song", "single", "novel", "book", "series", "game", "ep", "documentary"})
TIME_PREPOSITIONS = frozenset({"in", "on", "since", "from", "until", "till", "to", "between", "during", "by", "around"})
LIGHT = frozenset({"be", "have", "do", "become", "remain", "include"})
NOT_NOUNS = frozenset(
    {
        *(
            "one",
            "record",
            "number",
            "part",
            "time",
            "member",
            "name",
            "series",
            "kind",
            "lot",
            "rest",
            "end",
            "some",
            "most",
        ),
        *("two", "mile", "kilometre", "kilometer", "km", "metre", "meter", "foot", "ft", "acre", "hectare", "minute"),
        *(
            "hour",
            "day",
            "week",
            "month",
            "year",
            "century",
            "percent",
            "dollar",
            "pound",
            "euro",
            "inch",
            "ton",
            "run",
        ),
    }
)
"""What "has 25 …" counts, but which does not say of what there are 25."""

RIDDLES = frozenset(
    {
        *("him", "her", "it", "them", "his", "its", "their", "himself", "herself", "itself", "themselves"),
        "who",
        "whom",
        "which",
        "#",
        "citation",
        "according",
    }
)
"""Words that say nothing outside of their sentence."""
ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")
EMPTY_VERBS = frozenset(
    {
        *("decide", "begin", "start", "come", "go", "spend", "play", "continue", "make", "take", "get", "see", "say"),
        *(
            "find",
            "know",
            "name",
            "call",
            "use",
            "give",
            "add",
            "try",
            "want",
            "remain",
            "become",
            "announce",
            "bestow",
        ),
        *("award", "present"),
    }
)
"""Verbs that say too little for "Year Decided" to be a question."""
WHOLE_EVENTS = frozenset(
    {
        *("bear", "die", "found", "establish", "build", "open", "close", "release", "premiere", "retire"),
        *("launch", "form", "publish", "create", "hold", "abolish", "incorporate", "dissolve", "complete"),
        *("construct", "marry", "end", "air", "broadcast", "introduce", "discover", "demolish", "destroy"),
        *("disband", "record", "crown", "ordain", "bury", "baptise", "baptize", "knight", "graduate", "debut"),
        *("relocate", "rename", "restore", "renovate", "consecrate", "commission", "decommission"),
        *("inaugurate", "invent", "design", "write", "produce", "settle", "occur", "happen", "merge", "cancel"),
        *("discontinue", "reopen", "expand", "operate", "exist", "adopt", "charter", "organise", "develop"),
        *("organize", "date", "sink", "wreck", "scrap", "film", "shoot", "cede", "annex", "rebuild", "erect"),
        *("unveil", "last", "divorce", "emigrate", "resign", "begin", "start", "conclude", "finish", "reign"),
        *("rule", "sell", "list"),
    }
)
"""Verbs that say enough for "Year Founded" to be a question."""
CREEDS = frozenset(
    {
        *("Christian", "Catholic", "Roman Catholic", "Protestant", "Anglican", "Lutheran", "Methodist"),
        *("Baptist", "Jewish", "Muslim", "Islamic", "Hindu", "Buddhist", "Orthodox", "Presbyterian", "Mormon"),
        *("Republican", "Democratic", "Democrat", "Conservative", "Liberal", "Labour", "Communist"),
        *("Socialist", "Nazi"),
    }
)
"""What a recogniser takes for nationalities as well."""
NO_PEOPLE = frozenset(
    {
        *("team", "club", "committee", "character", "racehorse", "horse", "band", "group", "duo", "company", "film"),
        *("series", "town", "city", "village", "river", "building", "ship", "album", "song", "party", "school"),
        *("outpost", "novel", "book", "station", "unit", "site", "line", "event", "magazine", "newspaper", "region"),
        *("frigate", "destroyer", "cruiser", "submarine", "vessel", "boat", "aircraft", "force", "house", "church"),
        *("mountain", "crater", "route", "network", "channel", "programme", "show", "tournament", "season", "breed"),
    }
)
"""Nouns that tell no occupation, even where a text seems to speak of a person."""
UNITS = frozenset(
    {"kilometres", "kilometers", "km", "miles", "metres", "meters", "feet", "hectares", "acres", "years", "days"}
)
HOLDS = frozenset({"have", "include", "contain", "comprise", "hold", "feature", "consist", "cover", "house", "span"})
LOOSE = frozenset(
    {"during", "without", "despite", "like", "than", "over", "about", "after", "before", "among", "under"}
)
"""Prepositions under which a name stands beside what is said, not in it."""
OF_NUMBERS = ("counted", "measure", "is", "what of", "sentence")
"""Rules that say of what there is a number."""
VAGUE_STARTS = frozenset(
    {
        *("number", "series", "variety", "use", "range", "group", "list", "only", "multiple", "several"),
        *("many", "various", "such", "other", "another", "some", "east", "west", "north", "south", "member"),
        *("kind", "type", "lack", "lot"),
    }
)
"""First words of values that say too little: "number of independent films", "east of Bradford"."""
VAGUE_VALUES = frozenset(
    {
        *("state", "u.s. state", "us state", "county", "city", "town", "village", "country", "province", "region"),
        *("area", "district", "part", "place", "name", "former", "first", "second", "third", "last", "same", "century"),
    }
)

PLACES = frozenset(
    {
        *(
            "city",
            "town",
            "village",
            "state",
            "district",
            "region",
            "county",
            "province",
            "municipality",
            "suburb",
            "country",
        ),
        *("area", "parish", "borough", "commune", "department", "community", "constellation", "island", "republic"),
        *("prefecture", "township", "oblast", "voivodeship", "canton", "governorate", "division", "ward", "raion"),
    }
)
