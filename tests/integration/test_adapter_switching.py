"""Adapters and orders loaded, switched and unloaded at random while clients ask: every answer is
the quiet one for what it says was in force.

A larger run: add --adapter-rounds 5000 to the pytest command line."""

import random
import threading
from collections import Counter

import grpc
import numpy as np
import pytest

from deadline import wait_until
from scanserve_client import (BASE, CALL_SECONDS, Generation, adapter, generate_request,
                              setting)
from test_adapters import DEVIL, KJV, changed

PROMPT = "During the first years of the war the ships of the line"
NAMES = ("a", "b")
CONTENTS = (KJV, DEVIL, (changed(KJV[0], lora_alpha=4), KJV[1]),
            (changed(DEVIL[0], lora_alpha=2), DEVIL[1]))
ORDER = np.random.default_rng(7).permutation(64).tolist()
ROUND_SECONDS = 30


def ask(client, choice):
    return client.generate(PROMPT, adapter=choice, seed=5, max_new_tokens=4, ignore_eos=True,
                           logprobs=True)


def outcome(answer):
    return [(each.token_id, each.logprob) for each in answer.logprobs]


def in_force(answer):
    """What decides an answer's numbers, as the answer states it."""
    force = answer.started.in_force
    return force.adapter.digest, force.adapter_merged, force.scan.order.digest


def quiet_answers(client) -> dict:
    """The answers for all that can be in force, asked one by one."""
    quiet = {}
    for order in (None, setting("order")):
        client.activate(order)
        for files in CONTENTS:
            for merge in (False, True):
                client.upload_adapter("quiet", *files, merge=merge)
                answer = ask(client, adapter("quiet"))
                quiet[in_force(answer)] = outcome(answer)
                client.unload_adapter("quiet")
        answer = ask(client, BASE)
        quiet[in_force(answer)] = outcome(answer)
    assert len(quiet) == 2 * (2 * len(CONTENTS) + 1)
    # One of them may repeat another's tokens, but none its bits.
    assert len({str(each) for each in quiet.values()}) == len(quiet)
    return quiet


class Asking:
    """Clients that ask for adapters by name, whether they are there or not."""

    def __init__(self, connect, server, clients=3):
        self.answers, self.refusals = [], Counter()
        self._going = True
        self._threads = [threading.Thread(target=self._run, args=(connect(server), number))
                         for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, client, number):
        draw = random.Random(number)
        while self._going:
            choice = draw.choice([BASE, *map(adapter, NAMES)])
            try:
                self.answers.append(ask(client, choice))
            except grpc.RpcError as error:
                self.refusals[error.code()] += 1

    def wait_for_more_than(self, count):
        wait_until(lambda: len(self.answers) > count, "an answer", ROUND_SECONDS)

    def stop(self):
        self._going = False
        for thread in self._threads:
            thread.join()


def change(client, draw):
    """Loads, unloads or switches something at random."""
    kind = draw.randrange(8)
    name = draw.choice(NAMES)
    if kind < 4:
        client.upload_adapter(name, *draw.choice(CONTENTS), merge=draw.choice([None, False, True]))
    elif kind < 6:
        version = draw.choice([each.version for each in client.list_adapters().adapters
                               if each.name == name] + [0])
        try:
            client.unload_adapter(name, version=version)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND
    else:
        client.activate(draw.choice([None, setting("order")]))


def test_every_answer_equals_the_quiet_one_for_the_digests_that_it_names(start_server, connect,
                                                                         request):
    rounds = request.config.getoption("--adapter-rounds")
    server = start_server()
    client = connect(server)
    client.upload("order", ORDER)
    quiet = quiet_answers(client)
    draw = random.Random(1)
    asking = Asking(connect, server)
    try:
        for _ in range(rounds):
            seen = len(asking.answers)
            change(client, draw)
            asking.wait_for_more_than(seen)
    finally:
        asking.stop()
    assert len(asking.answers) >= rounds
    for answer in asking.answers:
        assert outcome(answer) == quiet[in_force(answer)]
    assert set(asking.refusals) <= {grpc.StatusCode.NOT_FOUND}
    seen = Counter(map(in_force, asking.answers))
    if rounds >= 500:
        assert set(seen) == set(quiet), "some setting was never in force"


@pytest.mark.parametrize("merge", [False, True])
def test_an_adapter_that_is_unloaded_serves_its_requests_to_their_end(start_server, connect, merge):
    client = connect(start_server())
    client.upload_adapter("a", *KJV, merge=merge)
    quiet = client.greedy(PROMPT, tokens=300, adapter=adapter("a"))
    streams = [client.inference.Generate(generate_request(
        PROMPT, adapter=adapter("a"), do_sample=False, max_new_tokens=300, ignore_eos=True),
        timeout=CALL_SECONDS) for _ in range(4)]
    begun = [next(stream) for stream in streams]
    client.unload_adapter("a")
    assert not client.list_adapters().adapters
    for first, stream in zip(begun, streams):
        answer = Generation.of([first, *stream])
        assert answer.token_ids == quiet.token_ids
        assert in_force(answer) == in_force(quiet)
