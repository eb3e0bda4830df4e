"""Active settings: under load, over restarts, and with two servers on one store."""

import threading
import time

import numpy as np

from conftest import ALL_ADAPTERS
from repository import ADAPTERS
from scanserve_client import Generation, adapter, generate_request, setting
from server_process import failing_start

PROMPT = "During the first years of the war the ships of the line were kept in harbour and"
ORDER = np.random.default_rng(7).permutation(200).tolist()
SWITCHES = 60


def ask(client):
    return client.generate(PROMPT, adapter=adapter("kjv"), seed=5, max_new_tokens=6,
                           ignore_eos=True, logprobs=True)


def outcome(answer):
    return answer.text, tuple((each.token_id, each.logprob) for each in answer.logprobs)


def test_every_answer_under_switching_is_one_of_two_and_its_digest_says_which(server, client,
                                                                              connect):
    digest = client.upload("load", ORDER).order.digest
    quiet = {"": outcome(ask(client))}
    client.activate(setting("load"))
    quiet[digest] = outcome(ask(client))
    client.activate()
    assert quiet[""] != quiet[digest]

    answers, switching = [], threading.Event()
    switching.set()

    def load():
        with_own_connection = connect(server)
        while switching.is_set():
            answers.append(ask(with_own_connection))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    revisions = {0: ""}
    deadline = time.monotonic() + 45
    for number in range(SWITCHES):
        on = number % 2 == 0
        active = client.activate(setting("load") if on else None)
        revisions[active.revision] = digest if on else ""
        # An answer at least between two switches, so that both settings are used.
        seen = len(answers)
        while len(answers) == seen and time.monotonic() < deadline:
            time.sleep(0.001)
    switching.clear()
    for thread in threads:
        thread.join()
    assert len(answers) >= SWITCHES
    assert {answer.order_digest for answer in answers} == {"", digest}
    for answer in answers:
        assert outcome(answer) == quiet[answer.order_digest]
        revision = answer.started.in_force.revision
        assert revisions.get(revision, answer.order_digest) == answer.order_digest


def test_a_request_in_flight_keeps_its_order(client):
    digest = client.upload("flight", ORDER).order.digest
    client.activate(setting("flight"))
    quiet = client.greedy(PROMPT, tokens=400)
    events = client.inference.Generate(
        generate_request(PROMPT, do_sample=False, max_new_tokens=400, ignore_eos=True), timeout=60)
    first = next(events)
    client.activate()
    answer = Generation.of([first, *events])
    assert answer.order_digest == digest
    assert answer.token_ids == quiet.token_ids


def test_orders_and_the_active_setting_survive_a_crash(start_server, connect):
    first = start_server(*ALL_ADAPTERS)
    client = connect(first)
    uploaded = client.upload("lasting", ORDER).order
    active = client.activate(setting("lasting"))
    before = client.greedy(PROMPT)
    first.kill()

    again = connect(start_server(*ALL_ADAPTERS, store=first.store))
    info = again.info()
    assert info.active == active
    after = again.greedy(PROMPT)
    assert after.order_digest == uploaded.digest and after.token_ids == before.token_ids
    assert again.activate(expected_revision=active.revision).revision == active.revision + 1


def test_a_second_server_on_a_store_says_so_and_ends(server):
    run = failing_start("--listen", "127.0.0.1:0", "--store", str(server.store),
                        "--adapter", f"kjv={ADAPTERS / 'kjv'}", "--log-level", "off")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1 and str(server.store) in run.stderr
