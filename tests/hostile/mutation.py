"""Random mutations of valid conversations; every byte follows from a seed and a number.

    mutation.py PORT SEED FIRST [COUNT]    says conversations FIRST … FIRST + COUNT - 1 (1) again, one by one
    mutation.py show SEED FIRST [COUNT]    writes their packets as hexadecimal digits
"""

import random
import sys

from conversation import conversation
from packets import body_of, varint, with_body

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)


def flip(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]


def overwrite(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.choice((0, 1, 0x7F, 0x80, 0xC0, 0xED, 0xFF, rng.randrange(256)))]) + data[at + 1:]


def number(rng, data):
    """Two bytes, a length perhaps, become another number."""
    at = rng.randrange(max(1, len(data) - 1))
    old = int.from_bytes(data[at:at + 2], "big")
    new = rng.choice(NUMBERS + ((old + 1) & 0xFFFF, (old - 1) & 0xFFFF, rng.randrange(65536)))
    return data[:at] + new.to_bytes(2, "big") + data[at + 2:]


def cut(rng, data):
    a = rng.randrange(len(data))
    return data[:a] + data[min(len(data), a + 1 + rng.randrange(8)):]


def insert(rng, data):
    a = rng.randrange(len(data) + 1)
    b = rng.randrange(len(data))
    more = rng.choice((data[b:b + 1 + rng.randrange(30)], rng.randbytes(1 + rng.randrange(8)), data[a:a + 2] * 50))
    return data[:a] + more + data[a:]


def truncate(rng, data):
    return data[:rng.randrange(len(data))]


IN_BYTES = (flip, flip, overwrite, overwrite, number, number, cut, insert, truncate)


def inside(rng, said, at):
    """Changes a packet's body; mostly its length still fits, so that what is wrong is found deeper."""
    data = said[at]
    start = body_of(data)
    body = data[start:]
    if not body:
        return
    changed = rng.choice(IN_BYTES)(rng, body)
    said[at] = with_body(data, changed) if rng.random() < 0.85 else data[:start] + changed


def outside(rng, said, at):
    """Changes a packet's first bytes or anything in it."""
    data = said[at]
    start = body_of(data)
    kind = rng.randrange(5)
    if kind == 0:
        said[at] = bytes([rng.randrange(256)]) + data[1:]
    elif kind == 1:
        length = max(0, len(data) - start + rng.choice((-2, -1, 1, 2, 127, 1 << 20)))
        said[at] = data[:1] + varint(length) + data[start:]
    elif kind == 2:  # not the shortest form, or too long
        length = varint(len(data) - start)
        length = length[:-1] + bytes([length[-1] | 0x80]) + rng.choice((b"\0", b"\x80\0", b"\x80\x80\x80\0", b"\xff\xff\xff"))
        said[at] = data[:1] + length + data[start:]
    else:
        said[at] = rng.choice(IN_BYTES)(rng, data)


def order(rng, said, at):
    kind = rng.randrange(5)
    other = rng.randrange(len(said))
    if kind == 0:
        said[at], said[other] = said[other], said[at]
    elif kind == 1:
        said.insert(other, said[at])
    elif kind == 2:
        said[at:at + 1] = [said[at]] * (2 + rng.randrange(100))
    elif kind == 3 and len(said) > 1:
        del said[at]
    else:
        said[other:] = said[at:]


def splice(rng, said, at):
    """A packet of another client, or the head of one and the tail of another."""
    foreign = rng.choice(conversation(rng)[1])
    if rng.random() < 0.5:
        said.insert(at, foreign)
        return
    mine = said[at]
    said[at] = mine[:rng.randrange(len(mine) + 1)] + foreign[rng.randrange(len(foreign)):]
    if rng.random() < 0.7 and len(said[at]) > 1:
        said[at] = with_body(said[at][:1], said[at][min(len(said[at]), body_of(mine)):])


def mutated(seed, index):
    """The packets of one conversation, mutated. One in ten is left as it is."""
    rng = random.Random(f"{seed}/{index}")
    said = conversation(rng)[1]
    if rng.random() < 0.1:
        return said
    for _ in range(1 + rng.randrange(3)):
        if not said:
            break
        # CONNECT survives most of the time: what follows it matters as much.
        first = 0 if len(said) == 1 or rng.random() < 0.2 else 1
        at = rng.randrange(first, len(said))
        rng.choice((inside, inside, inside, outside, order, splice))(rng, said, at)
        said = [data for data in said if len(data) > 1]
    return said


def main():
    where, seed, first = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    for index in range(int(first), int(first) + count):
        said = mutated(seed, index)
        if where == "show":
            print(f"# {index}", *(data.hex() for data in said), sep="\n")
            continue
        from crowd import Crowd
        with Crowd(int(where)) as crowd:
            peer = crowd.open(b"".join(said), end="finish", keep=True)
            crowd.until_all_closed()
            print(f"{index}: {len(said)} packets, answer {peer.answer.hex()}")


if __name__ == "__main__":
    main()
