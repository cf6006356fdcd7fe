"""Invented names for songs, albums, artists and listeners."""

from itertools import product


def _words(text: str) -> list[str]:
    return text.split()


ADJECTIVES = _words("""
    Amber Blue Borrowed Bright Broken Copper Crystal Distant Early Electric Empty Endless Fading
    Feathered Gentle Ghostly Golden Hidden Hollow Indigo Ivory Jade Late Lavender Little Lonely
    Lunar Midnight Misty Northern Open Painted Paper Patient Quiet Restless Scarlet Secret
    Silent Silver Slow Soft Southern Spinning Static Sudden Summer Tender Velvet Violet
    Wandering Warm Wild Winter
""")
NOUNS = _words("""
    Anchor Arcade Avenue Balcony Bell Bicycle Bridge Candle Canyon Carousel Cathedral Cinema
    Coast Comet Compass Corner Curtain Desert Dream Engine Ember Ferry Field Fountain Garden
    Glass Harbour Heart Horizon Hotel Island Lantern Letter Library Light Lighthouse Machine Map
    Meadow Mirror Morning Mountain Neighbour Ocean Orchard Piano Planet Postcard Radio Railway
    Rain River Rooftop Room Sailor Season Shadow Signal Sky Station Stranger Street Sunday
    Thunder Tide Tower Train Valley Weather Window
""")
PLACES = _words("""
    Antwerp Bergen Bilbao Bristol Coimbra Galway Ghent Kyoto Leith Lisbon Ljubljana Malmo Nantes
    Oaxaca Odense Porto Quebec Riga Tallinn Trieste Turin Utrecht Valparaiso Vilnius
""")
FIRST_NAMES = _words("""
    Ada Amir Anouk Bela Bruno Carmen Chidi Clara Dario Elif Emil Esme Farid Freya Gita Hana Hugo
    Ines Ivo Jonas Juno Kaya Kofi Lena Leo Liv Lucia Malik Marta Milo Mira Nadia Nico Noor Oskar
    Pia Rafael Rosa Samir Selma Sofia Tariq Theo Vera Yara Yuki Zoe
""")
LAST_NAMES = _words("""
    Abara Almeida Bauer Belov Castell Chen Dahl Duarte Eriksen Falk Farouk Ferrante Grieve
    Hallam Ishida Jansen Kaplan Keita Kowal Larsen Lindqvist Marlow Moreau Novak Okafor Oliveira
    Petrov Quist Ravn Rossi Sato Serrano Tamm Vance Verhoeven Walsh Winther Zeller
""")


def titles() -> list[str]:
    """Return every title there is, each once."""
    return [
        *(f"{adjective} {noun}" for adjective, noun in product(ADJECTIVES, NOUNS)),
        *(f"{noun} in {place}" for noun, place in product(NOUNS, PLACES)),
        *(f"{noun} for {name}" for noun, name in product(NOUNS, FIRST_NAMES)),
    ]


def artists() -> list[str]:
    """Return every artist name there is, each once."""
    plurals = [f"{noun}s" for noun in NOUNS if not noun.endswith(("s", "y"))]
    return [
        *(f"{first} {last}" for first, last in product(FIRST_NAMES, LAST_NAMES)),
        *(f"The {adjective} {nouns}" for adjective, nouns in product(ADJECTIVES, plurals[::3])),
        *(f"{place} {noun}" for place, noun in product(PLACES, NOUNS[::2])),
    ]


def nth(names: list[str], index: int) -> str:
    """Return the name at `index`; past the end the names come again, numbered from 2."""
    again, place = divmod(index, len(names))
    return f"{names[place]} {again + 1}" if again else names[place]
