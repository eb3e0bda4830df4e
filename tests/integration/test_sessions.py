"""Resumable sessions: across a restart, between servers, under orders and adapters, with scanctl."""

import json
import os
import stat

import grpc
import numpy as np
import pytest

from command_line import ok, run, scanctl
from conftest import ALL_ADAPTERS
from scanserve.v1 import inference_service_pb2 as pb
from scanserve.v1 import scan_pb2
from scanserve_client import CALL_SECONDS, Generation, adapter, generate_request, refused, scan
from server_process import failing_start

CITY = "The city was founded in"
NEXT = " After the war, the"
TOKENS = 16


def greedy(client, text, session=b"", save=True, **fields) -> Generation:
    request = generate_request(text, do_sample=False, max_new_tokens=TOKENS, top_logprobs=2,
                               **({"ignore_eos": True} | fields))
    request.session = session
    request.return_session = save
    return Generation.of(client.inference.Generate(request, timeout=CALL_SECONDS))


def logprobs(answer) -> list[bytes]:
    return [each.SerializeToString(deterministic=True) for each in answer.logprobs]


def conversation(client, first, following) -> list[int]:
    """The tokens that a straight request takes to say the same."""
    return client.tokenize(CITY) + first.token_ids + client.tokenize(following)


def test_a_conversation_goes_on_across_a_restart(start_server, connect, tmp_path):
    store = tmp_path / "store"
    server = start_server(store=store)
    client = connect(server)
    first = greedy(client, CITY)
    straight = greedy(client, conversation(client, first, NEXT))
    server.kill()
    assert stat.S_IMODE(os.stat(store / "session-keys").st_mode) == 0o600
    client = connect(start_server(store=store))
    second = greedy(client, NEXT, session=first.session)
    assert logprobs(second) == logprobs(straight)
    assert second.started.session_tokens == len(client.tokenize(CITY)) + TOKENS - 1
    assert second.started.pending_tokens == 1
    assert second.started.prompt_tokens == len(client.tokenize(NEXT))
    third = greedy(client, NEXT, session=second.session)
    assert third.started.session_tokens == second.started.session_tokens + 1 + \
        second.started.prompt_tokens + TOKENS - 1


def test_a_conversation_moves_to_a_server_with_the_same_keys_only(start_server, connect, tmp_path):
    keys = tmp_path / "keys"
    ok(run("scanctl", "session-keys", "new", keys))
    one, two = (connect(start_server("--session-keys", str(keys))) for _ in range(2))
    first = greedy(one, CITY)
    here = greedy(one, NEXT, session=first.session)
    assert logprobs(greedy(two, NEXT, session=first.session)) == logprobs(here)
    # Rotated, and the old key gone: the running servers see it.
    ok(run("scanctl", "session-keys", "rotate", keys, "--keep", "1"))
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "it was sealed with key"):
        greedy(two, NEXT, session=first.session)
    greedy(two, NEXT, session=greedy(one, CITY).session)


ORDERS = {
    "natural last": scan("mixed"),
    "pin last": scan("mixed", readout=scan_pb2.READOUT_PIN_LAST),
    "some layers": scan("mixed", layers=(0, 2)),
    "some layers, pin last": scan("mixed", layers=(1,), readout=scan_pb2.READOUT_PIN_LAST),
    "identity": scan_pb2.ScanChoice(identity=scan_pb2.IdentityScan()),
}


@pytest.fixture(scope="module")
def mixed(client):
    client.upload("mixed", np.random.default_rng(3).permutation(64))


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("adapter_name", [None, "kjv"])
def test_what_follows_is_read_naturally_after_any_first_prompt(client, mixed, name, adapter_name):
    """Against the continuation score, which reads the prompt under the order and the rest naturally."""
    chosen = {"scan": ORDERS[name], "adapter": adapter(adapter_name)}
    prompt = client.tokenize(CITY * 4)
    first = greedy(client, prompt, stop_strings=[" the"], **chosen)
    second = greedy(client, NEXT, session=first.session)
    assert second.started.in_force == first.started.in_force
    tokens = prompt + first.token_ids + client.tokenize(NEXT) + second.token_ids
    scored = client.score([("straight", tokens)], mode=pb.PERPLEXITY_MODE_CONTINUATION,
                          prefix_tokens=len(prompt), per_token=True, **chosen)
    assert scored.nlls[0][-TOKENS:] == [-each.logprob for each in second.logprobs]


def test_no_prompt_text_is_in_the_log_and_nothing_of_the_session(start_server, connect):
    server = start_server("--log-level", "trace")
    client = connect(server)
    first = greedy(client, CITY)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "session: it was altered"):
        greedy(client, NEXT, session=first.session[:-1] + bytes([first.session[-1] ^ 1]))
    log = server.log.read_bytes()
    assert b"founded" not in log and b"war" not in log and first.session[:64] not in log


def test_a_key_ring_that_cannot_be_used_keeps_the_server_from_starting(tmp_path):
    keys = tmp_path / "keys"
    flags = ("--store", str(tmp_path / "store"), "--listen", "127.0.0.1:0", "--http-listen",
             "127.0.0.1:0")
    failed = failing_start(*flags, "--session-keys", str(keys))
    assert failed.returncode != 0 and str(keys) in failed.stderr
    keys.write_text("one 1234\n")
    failed = failing_start(*flags, "--session-keys", str(keys))
    assert failed.returncode != 0 and "line 1: the key must be 64 hex digits" in failed.stderr
    failed = failing_start(*flags, "--session-ttl", "0s")
    assert failed.returncode != 0 and "--session-ttl 0s: must be 1s to 720h" in failed.stderr


GREEDY = ("--greedy", "--ignore-eos", "-m", TOKENS)


def test_scanctl_saves_and_goes_on_with_one_file(server, client, tmp_path):
    path = tmp_path / "talk.session"
    first = ok(scanctl(server, "generate", CITY, *GREEDY, "--save-session", path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    process = scanctl(server, "generate", NEXT, *GREEDY, "--session", path, "--save-session", path,
                      "--stats")
    second = ok(process)
    assert "resumed" in process.stderr and "1 more were pending" in process.stderr
    # The session's last pending token is read by a call without new tokens.
    third = ok(scanctl(server, "generate", *GREEDY, "--session", path, input=""))
    whole = CITY + first.removesuffix("\n") + NEXT
    expected = ok(scanctl(server, "generate", whole, "--greedy", "--ignore-eos", "-m", 2 * TOKENS))
    assert second.removesuffix("\n") + third.removesuffix("\n") == expected.removesuffix("\n")


def test_scanctl_leaves_the_sessions_bytes_out_of_json(server, tmp_path):
    path = tmp_path / "talk.session"
    lines = [json.loads(line) for line in ok(scanctl(server, "generate", CITY, *GREEDY, "--json",
                                                     "--save-session", path)).splitlines()]
    chunks = [line for line in lines if line["event"] == "session"]
    assert [line["event"] for line in lines][-1] == "summary"
    assert chunks and all(chunk["total_bytes"] == path.stat().st_size for chunk in chunks)
    assert all("data" not in chunk and "expires" in chunk for chunk in chunks)


def test_scanctl_says_what_is_wrong_with_a_session_file(server, tmp_path):
    missing = scanctl(server, "generate", NEXT, "--session", tmp_path / "none")
    assert missing.returncode == 1 and f"no file {tmp_path / 'none'}" in missing.stderr
    path = tmp_path / "bad"
    path.write_bytes(b"these are no session's bytes, though there are enough of them")
    altered = scanctl(server, "generate", NEXT, "--session", path)
    assert altered.returncode == 1 and "INVALID_ARGUMENT: session: it is cut short" in altered.stderr
    nowhere = scanctl(server, "generate", CITY, *GREEDY, "--save-session", tmp_path / "no" / "where")
    assert nowhere.returncode == 1 and "no/where" in nowhere.stderr


def test_scanctl_makes_and_rotates_key_rings(tmp_path):
    path = tmp_path / "keys"
    assert ok(run("scanctl", "session-keys", "new", path)).startswith(f"wrote {path}: newest key ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text()
    again = run("scanctl", "session-keys", "new", path)
    assert again.returncode == 1 and "exists" in again.stderr and path.read_text() == first
    shown = json.loads(ok(run("scanctl", "session-keys", "rotate", path, "--json")))
    assert shown["keys"] == 2
    assert path.read_text().startswith(first) and shown["newest"] in path.read_text()
    path.chmod(0o644)
    ok(run("scanctl", "session-keys", "rotate", path, "--keep", "2"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 2 and lines[0].startswith(shown["newest"])
    assert first.splitlines()[-1] not in lines
    path.write_text("damaged")
    assert "line 1: expected an id and a key" in run("scanctl", "session-keys", "rotate",
                                                     path).stderr
