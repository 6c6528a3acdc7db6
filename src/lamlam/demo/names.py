"""The made-up world's names: word parts of our own, and the code that joins them.

Names are built from shared syllables, so that a small vocabulary spells a name it has never met in a few tokens.
No word is made twice: a town is never also a family, so a value is never hidden inside its entity's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from random import Random

_GIVEN_STARTS = (
    "Al Ar Bel Bran Cal Cor Dal Der El Fal Fen Gar Hal Il Jor Kal Kel Lan Lor Mar Mel Nor Or Per Quin Ran Sel Sor "
    "Tam Tor Ul Val Ver Wil Yor Zan"
)
_GIVEN_ENDS_SHE = "a ia ena ine elle isa una ira ieth wen inda aya"
_GIVEN_ENDS_HE = "an or ik ius ard old in emar eck o und ovan"

_MIDDLE_STARTS = "B Br C Cl D Dr F Fl G Gr H J K Kr L M N P Pl Qu R S St T Th Tr V W Y Z"
_MIDDLE_ENDS = "arno iel osk ulen eldo auvin orin aven isko emmer ouly ymer ambo ethan illow ondra upin esting obren"

_FAMILY_STARTS = (
    "Ost Hald Brenn Corv Tarr Lind Vass Mork Pell Raun Sand Thorn Wick Yarl Zell Dorn Esk Fenn Gant Holl Irv Jant "
    "Kest Lorr Marsh Nev Orl Pask Quint Stav Tren Umb Blith Crant Drov Flind Gresk Hurv Kranz Lamb Mund Pruv Rist "
    "Skarr Tulk Virn Welk Yost"
)
_FAMILY_ENDS = "er ane ley ow ick ett ard ing ova un isk ell aby idge oran ulo aste emy ingo adell"

_CITY_STARTS = (
    "Ash Bar Cald Dun Elder Fair Glen Harl Iron Kings Lark Mill North Oak Pine Red Stone Swan Thrush Wal "
    "West Wind Wolf Yew Briar Copper Heron Otter"
)
_CITY_ENDS = "ford mere wick holm stead gate burn haven combe by market ness cliff ham"

_COUNTRY_STARTS = (
    "Tarv Quel Brus Lenn Hast Morv Keld Dorv Sarn Velt Orst Gald Yarv Pelm Rusk Thal Ulv Zorn Calm Fost "
    "Imb Jask Nald Wend"
)
_COUNTRY_ENDS = "onia avia estan andor emark uria osia eland istria oria"

_RIVER_STARTS = "Br Cr D Fl Gr J K L M N Pr Qu R S Sk Sl Spr T Tw V W Y Z Th Wh"
_RIVER_ENDS = "elm ure arrow aine ode inna ossa eva"

_HOUSE_STARTS = (
    "Bal Ban Cam Cos Dav Del Fir Gol Hob Jal Kip Lam Lud Mab Mon Nim Pav Pol Ral Rom Sab Sim Tal Tob Vik "
    "Vol Wem Yal Zeb Zim"
)
_HOUSE_ENDS = (
    "bert borne brick brook craft dane dell derry dew fax field garth lock low man more nock pole rick ridge "
    "shaw ton tree vane ward worth"
)

_INDUSTRIES = (
    "Optics Shipping Steel Glass Textiles Instruments Railways Foundry Paper Ceramics Timber Electric Motors "
    "Chemicals Mills Trading Engines Clocks Salt Dyes"
)
_PRESSES = "Press Books Editions House"
_SCHOOLS = "University College Institute Academy"
_HONOURS = "Prize Medal Ribbon Star Wreath"

_FIELD_ADJECTIVES = (
    "marine medieval applied experimental comparative rural early modern theoretical northern tropical "
    "industrial urban ancient practical public"
)
_FIELD_NOUNS = (
    "botany geology music law history chemistry optics grammar geometry medicine astronomy architecture "
    "zoology economics philosophy poetry statistics engineering geography acoustics"
)

_TITLE_ADJECTIVES = (
    "Amber Bitter Blue Borrowed Bright Broken Burning Careful Cold Crooked Distant Double Early Empty Faded "
    "Fallen Final First Floating Forgotten Gentle Gilded Golden Green Grey Hidden Hollow Honest Last Little "
    "Lonely Lost Narrow Painted Pale Patient Quiet Restless Scarlet Second Secret Silent Silver Sleeping "
    "Slow Stolen Sunken Tall Unwritten White Wild Winter"
)
_TITLE_NOUNS = (
    "Anchor Apple Bell Bird Boat Bridge Candle Carpet Castle Clock Cloud Coat Corridor Dancer Desert Door "
    "Dream Eagle Echo Feather Ferry Fiddle Fire Forest Fountain Garden Ghost Guest Hammer Harbour Harvest "
    "Hill Horse Island Journey Key Kitchen Ladder Lake Lamp Lantern Letter Lighthouse Mask Meadow Melody "
    "Mirror Moon Mountain Needle Orchard Palace Path Piano Prince Promise Rain Road Room Rose Sailor Shadow "
    "Shore Song Spider Stairs Storm Stranger Summer Tower Train Traveller Valley Voice Wall Well Window Wolf"
)

_RESERVED = 40


@dataclass(frozen=True, slots=True)
class NameParts:
    """Parts for people's names. `she` and `he` are given names; `*_reserved` hold parts kept for unseen people."""

    she: tuple[str, ...]
    he: tuple[str, ...]
    middle: tuple[str, ...]
    family: tuple[str, ...]
    she_reserved: tuple[str, ...]
    he_reserved: tuple[str, ...]
    middle_reserved: tuple[str, ...]
    family_reserved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """All the names that one world draws on; `titles` is as long as the word lists allow."""

    people: NameParts
    cities: tuple[str, ...]
    countries: tuple[str, ...]
    rivers: tuple[str, ...]
    companies: tuple[str, ...]
    presses: tuple[str, ...]
    schools: tuple[str, ...]
    honours: tuple[str, ...]
    fields: tuple[str, ...]
    titles: tuple[str, ...]


def make_names(rng: Random) -> Names:
    """Draw the names of one world; the same generator state gives the same names."""
    taken: set[str] = set()
    she = _words(rng, _GIVEN_STARTS, _GIVEN_ENDS_SHE, 320, taken)
    he = _words(rng, _GIVEN_STARTS, _GIVEN_ENDS_HE, 320, taken)
    middle = _words(rng, _MIDDLE_STARTS, _MIDDLE_ENDS, 520, taken)
    family = _words(rng, _FAMILY_STARTS, _FAMILY_ENDS, 800, taken)
    half = _RESERVED // 2
    people = NameParts(
        she[half:], he[half:], middle[_RESERVED:], family[_RESERVED:],
        she[:half], he[:half], middle[:_RESERVED], family[:_RESERVED],
    )  # fmt: skip
    cities = _words(rng, _CITY_STARTS, _CITY_ENDS, 240, taken)
    countries = _words(rng, _COUNTRY_STARTS, _COUNTRY_ENDS, 160, taken)
    rivers = _words(rng, _RIVER_STARTS, _RIVER_ENDS, 160, taken)
    houses = _words(rng, _HOUSE_STARTS, _HOUSE_ENDS, 700, taken)
    fields = [f"{adjective} {noun}" for adjective in _FIELD_ADJECTIVES.split() for noun in _FIELD_NOUNS.split()]
    things = _TITLE_NOUNS.split()
    titles = [f"The {adjective} {noun}" for adjective in _TITLE_ADJECTIVES.split() for noun in things]
    titles += [f"The {first} and the {second}" for first, second in combinations(things, 2)]
    return Names(
        people=people,
        cities=cities,
        countries=countries,
        rivers=rivers,
        companies=_suffixed(rng, houses[:200], _INDUSTRIES),
        presses=_suffixed(rng, houses[200:360], _PRESSES),
        schools=_suffixed(rng, houses[360:520], _SCHOOLS),
        honours=_suffixed(rng, houses[520:700], _HONOURS),
        fields=tuple(rng.sample(fields, 180)),
        titles=tuple(rng.sample(titles, len(titles))),
    )


def _words(rng: Random, starts: str, ends: str, count: int, taken: set[str]) -> tuple[str, ...]:
    """`count` words made of a start and an end that begins with another letter; all are new, and `taken` grows."""
    pairs = ((start, end) for start in starts.split() for end in ends.split())
    words = dict.fromkeys(start + end for start, end in pairs if start[-1].lower() != end[0])
    free = [word for word in words if word not in taken]
    chosen = rng.sample(free, count)
    taken.update(chosen)
    return tuple(chosen)


def _suffixed(rng: Random, words: tuple[str, ...], suffixes: str) -> tuple[str, ...]:
    return tuple(f"{word} {rng.choice(suffixes.split())}" for word in words)
