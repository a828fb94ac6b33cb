"""Write support tickets to try distillora with: python docs/make_tickets.py tickets.csv

Each ticket is put together from phrases, for one of five queues; the same seed gives the same file.
A file called .jsonl has the topics of a ticket instead, one or two of them, in a list.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from pathlib import Path

QUEUES = {
    "billing": ("the invoice", "my last payment", "the refund", "the price on my bill"),
    "delivery": ("the parcel", "my order", "the courier", "the tracking number"),
    "login": ("my password", "the sign-in page", "two-factor login", "my account"),
    "bug": ("the app", "the export button", "the dark mode", "the search box"),
    "praise": ("your team", "the new design", "the quick answer", "your service"),
}
PROBLEMS = {
    "billing": ("was charged twice", "shows the wrong amount", "has not arrived on my card"),
    "delivery": ("never arrived", "has been stuck for a week", "went to another street"),
    "login": ("does not let me in", "was locked", "keeps asking me to confirm who I am"),
    "bug": ("crashes every time", "shows an error message", "does nothing when I press it"),
    "praise": ("made my day", "is simply great", "could not have been better"),
}
OPENINGS = ("Hello,", "Hi there,", "Good morning,", "Dear support,", "Please note:")
CLOSINGS = ("Thank you.", "Regards, Kim", "Order {0}.", "Sent from my phone", "Ticket {0}.")


def make_sentence(queue: str, chance: random.Random) -> str:
    """Return what a ticket of this queue says."""
    return f"{chance.choice(QUEUES[queue])} {chance.choice(PROBLEMS[queue])}."


def make_ticket(queues: list[str], chance: random.Random) -> str:
    """Return a ticket that belongs to all of these queues."""
    middle = " And ".join(make_sentence(queue, chance) for queue in queues)
    closing = chance.choice(CLOSINGS).format(chance.randrange(1000, 10_000))
    return f"{chance.choice(OPENINGS)} {middle} {closing}"


def write_table(path: Path, rows: int, chance: random.Random) -> None:
    """Write one queue a ticket, as CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["ticket", "text", "label"])
        for number in range(rows):
            queue = chance.choice(list(QUEUES))
            writer.writerow([number, make_ticket([queue], chance), queue])


def write_lines(path: Path, rows: int, chance: random.Random) -> None:
    """Write a list of topics a ticket, as JSON Lines."""
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(rows):
            topics = chance.sample(list(QUEUES), chance.choice((1, 1, 2)))
            stream.write(json.dumps({"text": make_ticket(topics, chance), "topics": topics}) + "\n")


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="tickets.csv or tickets.jsonl")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write = write_lines if options.path.suffix == ".jsonl" else write_table
    write(options.path, options.rows, random.Random(options.seed))


if __name__ == "__main__":
    main()
