"""The server starts on the embedded model, answers, and stops."""

from conftest import ALL_ADAPTERS
from repository import golden_json


def test_the_server_generates_what_the_reference_generates_and_stops(start_server, connect):
    server = start_server(*ALL_ADAPTERS, "--drain-delay", "0s")
    client = connect(server)
    case = golden_json("greedy/continuations.json")["cases"][0]
    assert client.greedy(case["prompt"], tokens=16).token_ids == case["continuation_ids"][:16]
    client.close()
    server.ask_to_stop()
    assert server.wait() == 0
