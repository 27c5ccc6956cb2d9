"""Write the NL2JSON sample data: customer messages to an online shop and their JSON records.

Run `python make_data.py` to rewrite train.jsonl and heldout.jsonl next to this file. The wording
is in phrasings.json; this program only decides what each message is about, fills the slots and
checks the result. The same seed gives the same bytes on every machine.

A core phrasing such as "Please refund {item}[ from {order}]{now}." carries the intent. Slots are in
braces; the part in square brackets stays only when the order number is told at that place.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 2025
SIZES = {"train": 700, "heldout": 100}
INTENTS = ("refund", "exchange", "cancel", "track", "address", "invoice")
KEYS = ["intent", "product", "order", "quantity", "urgent"]

URGENT_SHARE = 0.30
PRODUCT_SHARE = 0.82
ORDER_SHARE = 0.75
MANY_SHARE = 0.40  # of the messages that name a product
BORROWED_SHARE = 0.5  # how often a held-out message uses a greeting, cue or product of training

WORDS_ALLOWED = range(8, 46)
SHARED_RUN = 7  # so many words (or slots) in a row may not occur in cores of both splits
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SLOT = re.compile(r"\{(\w+)\}")
OPTIONAL = re.compile(r"\[([^\]]*)\]")
SIZE_TALK = re.compile(r"\b(?:size|small|smaller|bigger|larger)\b")
URGENT_CUE = re.compile(
    r"urgent|asap|hurry|immediate|right (?:away|now)|straight away|this instant|at once|delay"
    r"|today|tonight|tomorrow|weekend|friday|cannot wait|can'?t wait|as fast as|soon as possible",
    re.IGNORECASE,
)

Tables = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """What a message says: the fields of the JSON answer."""

    intent: str
    product: str | None
    order: str | None
    quantity: int
    urgent: bool

    def text(self) -> str:
        """Return the record as one line of JSON in the fixed key order."""
        return json.dumps({key: getattr(self, key) for key in KEYS})


@dataclass(frozen=True)
class Row:
    """One message with its record and the core phrasing it was made from."""

    message: str
    record: Record
    core: str

    def line(self) -> str:
        """Return the row as it stands in the JSONL file."""
        turns = [("user", self.message), ("assistant", self.record.text())]
        messages = [{"role": role, "content": content} for role, content in turns]
        return json.dumps({"messages": messages}, ensure_ascii=False)


@dataclass(frozen=True)
class Phrasebook:
    """The tables of one split; the held-out book borrows from the training one, cores excepted."""

    rng: random.Random
    own: Tables
    borrowed: Tables

    def pick(self, table: str, key: str | None = None) -> str:
        """Choose an entry of a table, or of its part `key` (a register or an intent)."""
        lend = table not in self.own or self.chance(BORROWED_SHARE)
        entries = (self.borrowed if lend else self.own)[table]
        return self.rng.choice(entries if key is None else entries[key])

    def chance(self, share: float) -> bool:
        """Return True in `share` of the calls."""
        return self.rng.random() < share


def stratified(rng: random.Random, count: int, share: float) -> list[bool]:
    """Return `count` flags in random order, of which exactly the rounded share is True."""
    flags = [index < round(count * share) for index in range(count)]
    rng.shuffle(flags)
    return flags


def cores_of(tables: Tables, intent: str) -> list[tuple[str, str]]:
    """Return the core phrasings of an intent with their register (formal or casual)."""
    return [(core, name) for name, cores in tables["cores"][intent].items() for core in cores]


def deal(rng: random.Random, items: Sequence[Any], count: int) -> list[Any]:
    """Return `count` of the items, each used equally often give or take one."""
    dealt: list[Any] = []
    while len(dealt) < count:
        dealt += rng.sample(items, min(len(items), count - len(dealt)))
    return dealt


# ---------------------------------------------------------------- the parts of a message


def item_phrase(book: Phrasebook, record: Record, new: bool) -> str:
    """Name the product and how many: "the desk lamp", "2 x desk lamp"; `new` for "a desk lamp"."""
    if record.product is None:
        return "something" if new else book.pick("item_none", record.intent)
    prefix = "new_item" if new else "item"
    if record.quantity == 1:
        form = book.pick(f"{prefix}_one")
    elif record.quantity == 2 and not new and book.chance(0.35):
        form = book.pick("item_pair")
    else:
        form = book.pick(f"{prefix}_many")
    return form.format(
        product=record.product,
        a="an" if record.product[0] in "aeiou" else "a",
        digit=record.quantity,
        word=NUMBER_WORDS[record.quantity],
    )


def grammar(item: str, quantity: int) -> dict[str, str]:
    """Return the pronouns and verbs that agree with an item phrase."""
    if quantity == 1 or item.startswith("the "):
        return {"it": "it", "they": "it", "is": "is", "was": "was", "has": "has", "s": "s"}
    return {"it": "them", "they": "they", "is": "are", "was": "were", "has": "have", "s": ""}


def fill(book: Phrasebook, record: Record, phrase: str, order_here: bool, now: str = "") -> str:
    """Fill the slots of a phrase and keep or drop its optional part."""
    phrase = OPTIONAL.sub(r"\1" if order_here else "", phrase)
    item = item_phrase(book, record, new="{new_item}" in phrase)
    order = book.pick("order").format(number=record.order)
    places = {table: book.pick(table) for table in ("street", "place", "colour")}
    return phrase.format(
        item=item,
        new_item=item,
        order=order,
        number=record.order,
        now=now,
        **places,
        **grammar(item, record.quantity),
    )


def capitalise(text: str) -> str:
    """Start the text, and every sentence in it, with a capital letter."""
    return re.sub(r"(?:^|(?<=[.!?] )(?<!no\. )(?<!nr\. ))[a-z]", lambda m: m[0].upper(), text)


def after_greeting(text: str) -> str:
    """Write the first word after "Hi," small, unless it is "I" or an abbreviation."""
    first = text.split()[0]
    keeps = first == "I" or first.startswith("I'") or first[:2].isupper() or first[0] == "#"
    return text if keeps else text[0].lower() + text[1:]


def urgency(book: Phrasebook, record: Record, core: str, register: str) -> dict[str, str]:
    """Choose where the message says that it is urgent: inside the core, before or after it."""
    if not record.urgent:
        return {"after": book.pick("calm", register)} if book.chance(0.06) else {}
    if "{now}" in core and book.chance(0.5):
        return {"now": book.pick("urgent_inline", register)}
    draw = book.rng.random()
    if draw < 0.2:
        return {"before": book.pick("urgent_opener")}
    if draw < 0.35:
        return {"after": book.pick("urgent_for_intent", record.intent)}
    return {"after": book.pick("urgent_sentence", register)}


def body(book: Phrasebook, record: Record, core: str, register: str) -> list[str]:
    """Write the sentences between greeting and closer."""
    cue = urgency(book, record, core, register)
    order_left = record.order is not None
    in_core = order_left and "[" in core and book.chance(0.7)
    order_left = order_left and not in_core
    sentences = [fill(book, record, core, in_core, cue.get("now", ""))]
    if record.product is not None and "item}" not in core:
        with_order = order_left and book.chance(0.5)
        sentences.append(fill(book, record, book.pick("item_sentence"), with_order))
        order_left = order_left and not with_order
    if order_left and "before" not in cue and book.chance(0.4):
        sentences.insert(0, book.pick("order_opener").format(number=record.order))
    elif order_left:
        sentences.append(book.pick("order_sentence").format(number=record.order))
    if book.chance(0.1):
        sentences.insert(0, book.pick("mood_before", register))
    elif book.chance(0.1):
        sentences.append(book.pick("mood_after", register))
    before = [cue["before"]] if "before" in cue else []
    after = [cue["after"]] if "after" in cue else []
    return [capitalise(sentence) for sentence in before + sentences + after]


def framed(book: Phrasebook, sentences: list[str], register: str) -> str:
    """Join the sentences, with or without greeting and closer, as a letter or on one line."""
    text = " ".join(sentences)
    is_letter = register == "formal" and book.chance(0.4)
    if is_letter or book.chance(0.45):
        greeting = book.pick("greeting", register)
        text = f"{greeting}\n{text}" if is_letter else f"{greeting} {after_greeting(text)}"
    if is_letter or book.chance(0.4):
        closer = book.pick("closer", register).format(name=book.pick("name"))
        text = f"{text}\n{closer}" if is_letter else f"{text} {closer}"
    return text


def roughen(book: Phrasebook, text: str, typos: dict[str, str]) -> str:
    """Now and then drop the capitals, or misspell one word that is not part of a field."""
    if book.chance(0.15):
        present = [word for word in typos if re.search(rf"\b{word}\b", text)]
        if present:
            word = book.rng.choice(present)
            text = re.sub(rf"\b{word}\b", typos[word], text, count=1)
    if book.chance(0.25):
        text = re.sub(r"\bts-", "TS-", text.lower())
    return text


# ---------------------------------------------------------------- rows


def record_for(
    book: Phrasebook, intent: str, core: str, order: str | None, urgent: bool, named: bool
) -> Record:
    """Draw product and quantity for a message made from the given core phrasing."""
    product, quantity = None, 1
    if named:
        product = book.pick("sized_product" if SIZE_TALK.search(core) else "product")
        if book.chance(MANY_SHARE):
            quantity = book.rng.choices(range(2, 10), weights=(6, 4, 3, 2, 2, 1, 1, 1))[0]
    return Record(intent, product, order, quantity, urgent)


def write_message(
    book: Phrasebook, record: Record, core: str, register: str, typos: dict[str, str]
) -> str:
    """Write messages for the record until one has the wanted length."""
    while True:
        text = framed(book, body(book, record, core, register), register)
        if register == "casual":
            text = roughen(book, text, typos)
        if len(text.split()) in WORDS_ALLOWED:
            return text


def make_rows(
    book: Phrasebook, count: int, orders: Iterator[str], typos: dict[str, str]
) -> list[Row]:
    """Make the rows of one split: intents balanced, each core equally often, in random order."""
    rows: dict[str, Row] = {}
    for position, intent in enumerate(INTENTS):
        share = count // len(INTENTS) + (position < count % len(INTENTS))
        flags = zip(
            deal(book.rng, cores_of(book.own, intent), share),
            stratified(book.rng, share, URGENT_SHARE),
            stratified(book.rng, share, PRODUCT_SHARE),
            stratified(book.rng, share, ORDER_SHARE),
            strict=True,
        )
        for (core, register), urgent, named, numbered in flags:
            order = next(orders) if numbered else None
            record = record_for(book, intent, core, order, urgent, named)
            message = write_message(book, record, core, register, typos)
            while message in rows:
                message = write_message(book, record, core, register, typos)
            rows[message] = Row(message, record, core)
    shuffled = list(rows.values())
    book.rng.shuffle(shuffled)
    return shuffled


# ---------------------------------------------------------------- checks


def core_words(core: str) -> list[tuple[str, ...]]:
    """Return the words of a core, slots made alike, with and without its optional parts."""
    variants = (OPTIONAL.sub(r"\1", core), OPTIONAL.sub("", core))
    plain = (SLOT.sub("_", variant.replace("{now}", "")).lower() for variant in variants)
    return [tuple(re.findall(r"[\w']+", variant)) for variant in plain]


def runs(cores: Iterable[str], length: int) -> set[tuple[str, ...]]:
    """Return every run of `length` words in the cores, and every whole core that is shorter."""
    found: set[tuple[str, ...]] = set()
    for words in (words for core in cores for words in core_words(core)):
        found.update(words[start : start + length] for start in range(len(words) - length + 1))
        found.update([words] if len(words) < length else [])
    return found


def all_cores(tables: Tables) -> list[str]:
    """Return the core phrasings of every intent of a split."""
    return [core for intent in INTENTS for core, _ in cores_of(tables, intent)]


def check_separation(train: Tables, heldout: Tables) -> None:
    """Assert that no held-out core phrasing or product is known from training."""
    cores = {"train": all_cores(train), "heldout": all_cores(heldout)}
    shapes = {
        split: Counter(tuple(w for w in core_words(core)[1] if w != "_") for core in split_cores)
        for split, split_cores in cores.items()
    }
    assert max((shapes["train"] + shapes["heldout"]).values()) == 1, (
        "two cores differ in slots only"
    )
    shared = runs(cores["train"], SHARED_RUN) & runs(cores["heldout"], SHARED_RUN)
    assert not shared, f"cores of both splits share {shared}"
    assert not set(train["product"]) & set(heldout["product"]), "a held-out product is in training"


def check_row(row: Row, products: Iterable[str], calm: Iterable[str]) -> None:
    """Assert that the record can be read off the message, and nothing else can."""
    record, message = row.record, row.message
    assert list(json.loads(record.text())) == KEYS, row
    assert len(message.split()) in WORDS_ALLOWED, row
    assert re.findall(r"TS-\d{4}", message) == ([record.order] if record.order else []), row
    found = [product for product in products if re.search(rf"\b{product}\b", message)]
    assert found == ([record.product] if record.product else []), row
    cues = message.lower()
    for phrase in calm:
        cues = cues.replace(phrase.lower(), "")
    assert bool(URGENT_CUE.search(cues)) == record.urgent, row


def check_splits(train: list[Row], heldout: list[Row]) -> None:
    """Assert that the splits share no message, core or order number."""
    for field in ("message", "core"):
        assert not {getattr(r, field) for r in train} & {getattr(r, field) for r in heldout}, field
    orders = [row.record.order for row in train + heldout if row.record.order]
    assert len(orders) == len(set(orders)), "an order number is used twice"


def describe(name: str, rows: list[Row], known_products: Iterable[str]) -> str:
    """Return the statistics of a split, ready to print."""
    records = [row.record for row in rows]
    words = [len(row.message.split()) for row in rows]
    cores = {intent: {r.core for r in rows if r.record.intent == intent} for intent in INTENTS}
    intents = Counter(record.intent for record in records)
    unseen = [r.product for r in records if r.product and r.product not in set(known_products)]
    return "\n".join(
        [
            f"{name}: {len(rows)} rows",
            f"  intents    { {intent: intents[intent] for intent in INTENTS} }",
            f"  phrasings  { {intent: len(used) for intent, used in cores.items()} }",
            f"  words      {min(words)}-{max(words)}, mean {sum(words) / len(words):.1f}",
            f"  quantity   {dict(sorted(Counter(r.quantity for r in records).items()))}",
            f"  urgent     {sum(r.urgent for r in records)}",
            f"  no product {sum(r.product is None for r in records)}",
            f"  no order   {sum(r.order is None for r in records)}",
            f"  products   {len({r.product for r in records} - {None})}, not in training:"
            f" {len(set(unseen))} in {len(unseen)} rows",
        ]
    )


def main() -> None:
    """Make both splits, check them, write the files and print the statistics."""
    tables = json.loads((HERE / "phrasings.json").read_text(encoding="utf-8"))
    train, heldout = tables["train"], tables["heldout"]
    check_separation(train, heldout)
    rng = random.Random(SEED)
    orders = (f"TS-{number}" for number in rng.sample(range(1000, 10_000), sum(SIZES.values())))
    books = {
        "train": Phrasebook(rng, train, borrowed=train),
        "heldout": Phrasebook(rng, heldout, borrowed=train),
    }
    rows = {
        name: make_rows(book, SIZES[name], orders, tables["typos"]) for name, book in books.items()
    }
    check_splits(rows["train"], rows["heldout"])
    calm = [
        phrase for split in (train, heldout) for part in split["calm"].values() for phrase in part
    ]
    for name, split in rows.items():
        for row in split:
            check_row(row, train["product"] + heldout["product"], calm)
        lines = "".join(row.line() + "\n" for row in split)
        (HERE / f"{name}.jsonl").write_text(lines, encoding="utf-8", newline="\n")
        print(describe(name, split, train["product"]))


if __name__ == "__main__":
    main()
