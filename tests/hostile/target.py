"""What an attack gets: an instance's port, how large to be, and randomness that can be had again."""

import random

from crowd import Crowd
from wire import Wire


class Target:
    def __init__(self, port, seed, long, prepared):
        self.port = port
        self.prepared = prepared  # called when what follows is the attack: growth counts from there
        self.seed = seed
        self.long = long
        self.rng = random.Random(seed)
        self.crowds = []

    def many(self, short, long):
        """A size: for `make test`, and for `make soak`."""
        return long if self.long else short

    def crowd(self, **options):
        self.crowds.append(Crowd(self.port, **options))
        return self.crowds[-1]

    def opened(self):
        """How many connections its crowds have opened."""
        return sum(crowd.opened for crowd in self.crowds)

    def client(self, client_id="", version=5, **options):
        """A blocking client that is connected."""
        client = Wire(self.port, timeout=60.0)
        assert client.connect(client_id, version, **options)[1] == 0
        return client

    def serves(self):
        """Somebody new connects and is answered."""
        with self.client() as one:
            one.ping()
