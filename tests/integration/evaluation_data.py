"""A small data set that a real model answers well: thirty topics, each asked for in other words."""

from __future__ import annotations

from pathlib import Path

from crossfade.evaluation.beir import write_beir
from crossfade.store.types import Document

# Title, text, query.
TOPICS = [
    ("Bread", "Flour, water and yeast are kneaded, left to rise and baked.", "how to make a loaf of dough at home"),
    ("Bicycle", "A vehicle with two wheels moved by pedals.", "two wheeled pedal transport"),
    ("Volcano", "Molten rock breaks through the crust and erupts.", "mountain that spews lava"),
    ("Piano", "A keyboard instrument whose hammers strike strings.", "musical instrument with black and white keys"),
    ("Mortgage", "A loan secured on a house, paid back over decades.", "borrowing money to buy property"),
    ("Penguin", "A flightless bird of the Antarctic that swims well.", "bird that cannot fly and lives on ice"),
    ("Chess", "A board game of kings, queens, rooks and pawns.", "checkmate strategy game"),
    ("Vaccine", "A preparation that trains the immune system.", "shot that protects from disease"),
    ("Photosynthesis", "Plants turn light, water and carbon dioxide into sugar.", "how leaves use sunlight"),
    ("Compiler", "A program that translates source code to machine code.", "turn source code into an executable"),
    ("Tsunami", "A series of giant waves set off by an earthquake at sea.", "huge ocean wave after a quake"),
    ("Espresso", "Hot water is pressed through finely ground coffee.", "strong small cup of coffee"),
    ("Telescope", "An instrument that gathers light from distant stars.", "device to look at planets"),
    ("Democracy", "A form of rule in which the people vote.", "government by election"),
    ("Diabetes", "An illness of too much sugar in the blood.", "insulin deficiency disease"),
    ("Glacier", "A slow river of ice formed from snow.", "moving mass of ice on a mountain"),
    ("Violin", "A bowed string instrument with four strings.", "fiddle played with a bow"),
    ("Rainbow", "Sunlight split into colours by drops of rain.", "coloured arc in the sky after a shower"),
    ("Submarine", "A ship that travels under water.", "navy boat that dives"),
    ("Honey", "A sweet food that bees make from nectar.", "what do bees produce"),
    ("Passport", "A document that proves nationality when travelling.", "paper needed to cross a border"),
    ("Tornado", "A violently rotating column of air.", "twister storm"),
    ("Dentist", "A doctor who treats teeth and gums.", "who fixes a toothache"),
    ("Solar panel", "Cells that turn sunlight into electricity.", "rooftop power from the sun"),
    ("Marathon", "A running race of about 42 kilometres.", "long distance foot race"),
    ("Origami", "The Japanese art of folding paper.", "paper crane folding"),
    ("Cheese", "Milk is curdled, pressed and aged.", "dairy product such as cheddar"),
    ("Desert", "A dry land of sand and little rain.", "arid region like the Sahara"),
    ("Bank robbery", "Stealing money from a bank by force.", "heist of a vault"),
    ("Lighthouse", "A tower with a lamp that guides ships.", "beacon on the coast for sailors"),
]


def write_topics(directory: Path, *, asked: int | None = None) -> Path:
    """Write the data set as a BEIR directory; one empty document is in it. `asked`: judge the first queries only."""
    documents = [Document(f"d{row}", title, text) for row, (title, text, _) in enumerate(TOPICS)]
    queries = {f"q{row}": query for row, (_, _, query) in enumerate(TOPICS[:asked])}
    qrels = {f"q{row}": {f"d{row}": 2, f"d{(row + 1) % len(TOPICS)}": 0} for row in range(len(queries))}
    write_beir(directory, [*documents, Document("empty")], queries, {"test": qrels})
    return directory
