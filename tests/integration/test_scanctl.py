"""scanctl: what people see, what scripts get, exit status."""

import json
import os
import pty
import re
import socket
import subprocess
import time

import numpy as np
import pytest

from command_line import environment, ok, run, scanctl
from repository import ADAPTERS, GOLDEN, golden_json, program
from scanserve_client import npy_bytes

CASE = golden_json("greedy/continuations.json")["cases"][1]
GREEDY = ("--greedy", "--ignore-eos")
COMMANDS = ["generate", "perplexity", "compare", "extract", "tokenize", "detokenize", "orders",
            "orders upload", "orders download", "orders list", "orders show", "orders delete",
            "orders activate", "orders deactivate", "orders rollback", "orders history",
            "orders check", "orders gc",
            "adapters", "adapters list", "adapters load", "adapters upload", "adapters unload",
            "info", "audit", "health", "bench", "session-keys", "session-keys new",
            "session-keys rotate"]


@pytest.fixture
def order_file(tmp_path):
    path = tmp_path / "order.npy"
    path.write_bytes(npy_bytes(np.random.default_rng(9).permutation(50)))
    return path


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example_of_it(command):
    text = ok(run("scanctl", *command.split(), "--help"))
    assert "Example:" in text and f"scanctl {command}" in text.split("Example:")[1]
    assert max(map(len, text.splitlines())) <= 100


def test_generate_prints_the_text(server):
    shown = ok(scanctl(server, "generate", CASE["prompt"], *GREEDY, "-m", 64))
    assert shown == CASE["text"] + "\n"


def test_generate_reads_the_prompt_from_a_file_or_standard_input(server, tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text(CASE["prompt"] + "\n")
    expected = CASE["text"] + "\n"
    assert ok(scanctl(server, "generate", "--prompt-file", path, *GREEDY, "-m", 64)) == expected
    for dash in ([], ["-"]):
        assert ok(scanctl(server, "generate", *dash, *GREEDY, "-m", 64,
                          input=CASE["prompt"] + "\n")) == expected


def test_generate_writes_one_json_line_for_each_event(server):
    lines = events(ok(scanctl(server, "generate", CASE["prompt"], *GREEDY, "-m", 64, "--json")))
    kinds = [line["event"] for line in lines]
    assert kinds[0] == "started" and kinds[-2:] == ["finished", "summary"]
    assert set(kinds[1:-2]) == {"delta"}
    assert "".join(line["text"] for line in lines if line["event"] == "delta") == CASE["text"]
    assert [i for line in lines if line["event"] == "delta" for i in line["token_ids"]] == \
        CASE["continuation_ids"]
    assert lines[-2]["reason"] == "length"


def test_generate_writes_several_choices_under_their_numbers(server):
    ask = ("generate", CASE["prompt"], "--ignore-eos", "-t", 1, "--seed", 4, "-m", 12)
    shown = ok(scanctl(server, *ask, "-n", 3))
    texts = re.split(r"^choice \d\n", shown, flags=re.MULTILINE)
    assert texts[0] == "" and len(texts) == 4 and len(set(texts)) == 4
    assert texts[1] == ok(scanctl(server, *ask))
    lines = events(ok(scanctl(server, *ask, "-n", 3, "--json")))
    for choice in range(3):
        joined = "".join(line["text"] for line in lines
                         if line["event"] == "delta" and line["choice"] == choice)
        assert joined.rstrip("\n") == texts[choice + 1].rstrip("\n")
    assert sorted(line["choice"] for line in lines if line["event"] == "finished") == [0, 1, 2]


def test_generate_writes_the_prompt_before_its_continuation(server):
    ask = ("generate", CASE["prompt"], *GREEDY, "--echo")
    assert ok(scanctl(server, *ask, "-m", 64)) == CASE["prompt"] + CASE["text"] + "\n"
    assert ok(scanctl(server, *ask, "-m", 0)) == CASE["prompt"] + "\n"


def test_generate_shows_the_log_probabilities_of_the_prompt(server):
    ask = ("generate", CASE["prompt"], "-m", 0, "--prompt-logprobs", "--top-logprobs", 2)
    rows = ok(scanctl(server, *ask)).splitlines()
    assert rows[0].split() == ["position", "id", "token", "logprob", "class", "alternatives"]
    assert len(rows) == len(CASE["prompt_ids"])
    assert [int(row.split()[1]) for row in rows[1:]] == CASE["prompt_ids"][1:]
    assert all(" causal " in row for row in rows[1:])
    parts = [line for line in events(ok(scanctl(server, *ask, "--json")))
             if line["event"] == "prompt"]
    assert len(parts) == 1
    assert [each["logprob"]["token_id"] for each in parts[0]["logprobs"]] == CASE["prompt_ids"][1:]
    assert all(len(each["logprob"]["top"]) == 2 for each in parts[0]["logprobs"])


def test_generate_shows_figures_on_standard_error(server):
    shown = scanctl(server, "generate", CASE["prompt"], *GREEDY, "-m", 3, "--stats",
                    "--adapter", "kjv")
    assert ok(shown).count("\n") == 1
    assert "kjv" in shown.stderr and "3 tokens" in shown.stderr


def test_generate_appears_while_it_is_computed(server):
    command = [program("scanctl"), "generate", "The", *GREEDY, "-m", "4096", "--server",
               server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        assert os.read(process.stdout.fileno(), 1)
        assert process.poll() is None
        process.terminate()
        assert process.wait(20) == 130


def test_a_reader_that_leaves_ends_generate_quietly(server):
    command = f"'{program('scanctl')}' generate The --ignore-eos -m 4096 --json " \
        f"--server {server.address} | head -1"
    began = time.monotonic()
    shown = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True,
                           text=True, timeout=60, env=environment(), check=False)
    assert json.loads(shown.stdout)["event"] == "started"
    assert shown.stderr == "" and shown.returncode == 0
    assert time.monotonic() - began < 30


def test_perplexity_reports_classes_and_json_totals(server, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("The first document stands here.\n\nThe second one\nhas two lines.\n")
    table = ok(scanctl(server, "perplexity", path))
    for word in ("perplexity", "bits per byte", "leaked", "lookahead", "causal"):
        assert word in table
    lines = events(ok(scanctl(server, "perplexity", path, "--json")))
    assert [line["event"] for line in lines] == ["started", "document", "document", "totals"]
    assert lines[-1]["documents"] == 2
    by_line = events(ok(scanctl(server, "perplexity", path, "--documents", "line", "--json")))
    assert by_line[-1]["documents"] == 3
    as_one = events(ok(scanctl(server, "perplexity", path, "--documents", "file", "--json")))
    assert as_one[-1]["documents"] == 1


def test_perplexity_writes_each_tokens_score(server, tmp_path):
    path, scores = tmp_path / "text.txt", tmp_path / "scores.jsonl"
    path.write_text("One short document.")
    ok(scanctl(server, "perplexity", path, "--per-token", scores))
    lines = events(scores.read_text())
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["class"] for line in lines} == {"causal"}


def test_extract_writes_an_array(server, tmp_path):
    out = tmp_path / "states.npy"
    ids = ",".join(map(str, np.load(GOLDEN / "hidden" / "ids.npy")))
    shown = ok(scanctl(server, "extract", "--token-ids", ids, "--layer", 6, "--out", out,
                       "--no-adapter"))
    assert "[48, 256]" in shown and str(out) in shown
    golden = np.load(GOLDEN / "hidden" / "base_natural_mixer_input_6.npy")
    assert np.abs(np.load(out) - golden).max() <= 5e-4
    path = tmp_path / "text.txt"
    path.write_text("Some text of a file.")
    said = json.loads(ok(scanctl(server, "extract", path, "--layers", "0,11", "--out", out,
                                 "--json")))
    assert said["shape"] == list(np.load(out).shape) and said["layers"] == [0, 11]


def test_tokenize_and_detokenize(server):
    ids = ok(scanctl(server, "tokenize", CASE["prompt"])).split()
    assert [int(each) for each in ids] == CASE["prompt_ids"]
    assert ok(scanctl(server, "detokenize", *ids)) == CASE["prompt"] + "\n"
    said = json.loads(ok(scanctl(server, "tokenize", "a\tb", "--pieces", "--json")))
    assert said["token_ids"] == [67, 200, 68]
    assert r'"\t"' in ok(scanctl(server, "tokenize", "a\tb", "--pieces"))


def test_an_order_is_uploaded_switched_on_and_off_and_deleted(server, order_file, tmp_path):
    prompt = "The old bridge over the river had been closed since the flood of that year when"
    ask = ("generate", prompt, *GREEDY, "-m", 16)
    before = ok(scanctl(server, *ask))
    assert "50 positions" in ok(scanctl(server, "orders", "upload", order_file, "mine"))
    assert "already there" in ok(scanctl(server, "orders", "upload", order_file, "mine"))
    assert "mine@1" in ok(scanctl(server, "orders", "list"))
    assert "50" in ok(scanctl(server, "orders", "show", "mine"))
    assert "active: mine@1" in ok(scanctl(server, "orders", "activate", "mine"))
    assert re.search(r"mine@1.*yes", ok(scanctl(server, "orders", "list")))
    assert ok(scanctl(server, *ask)) != before
    assert ok(scanctl(server, *ask, "--identity")) == before
    refused = scanctl(server, "orders", "delete", "mine")
    assert refused.returncode == 1 and "FAILED_PRECONDITION" in refused.stderr
    assert "active: identity" in ok(scanctl(server, "orders", "deactivate"))
    assert ok(scanctl(server, *ask)) == before
    assert "active: mine@1" in ok(scanctl(server, "orders", "rollback"))
    ok(scanctl(server, "orders", "deactivate"))
    assert "mine@1" in ok(scanctl(server, "orders", "history", "--limit", 3))
    copy = tmp_path / "copy.npy"
    ok(scanctl(server, "orders", "download", "mine", "--out", copy))
    assert copy.read_bytes() == order_file.read_bytes()
    assert "deleted 1" in ok(scanctl(server, "orders", "delete", "mine"))


def test_orders_speak_json(server, order_file):
    stored = json.loads(ok(scanctl(server, "orders", "upload", order_file, "js", "--json")))
    assert stored["created"] and stored["order"]["version"] == 1
    listed = json.loads(ok(scanctl(server, "orders", "list", "--json")))
    assert listed["orders"][0]["name"] == "identity"
    shown = json.loads(ok(scanctl(server, "orders", "show", "js@1", "--json")))
    assert shown["order"] == stored["order"]
    active = json.loads(ok(scanctl(server, "orders", "activate", "js", "--target-layers", "0,2",
                                   "--readout", "pin-last", "--json")))["active"]
    assert active["setting"]["target_layers"] == [0, 2]
    assert active["setting"]["readout"] == "pin-last"
    off = json.loads(ok(scanctl(server, "orders", "deactivate", "--json",
                                "--expected-revision", active["revision"])))["active"]
    stale = scanctl(server, "orders", "activate", "js", "--expected-revision", active["revision"])
    assert stale.returncode == 1
    assert "ABORTED" in stale.stderr and str(off["revision"]) in stale.stderr
    history = json.loads(ok(scanctl(server, "orders", "history", "--json")))
    assert history["active"] == off and history["history"][0] == active


def test_an_adapter_is_uploaded_merged_listed_and_unloaded(server):
    folder = ADAPTERS / "kjv"
    stored = ok(scanctl(server, "adapters", "upload", folder, "mine"))
    assert stored.startswith("stored mine@1: rank ") and " of memory, digest " in stored
    there = ok(scanctl(server, "adapters", "upload", folder, "mine", "--merge"))
    assert there.startswith("already there as mine@1, merged: ")
    line = next(each for each in ok(scanctl(server, "adapters", "list")).splitlines()
                if each.startswith("mine@1"))
    assert " yes " in line
    back = json.loads(ok(scanctl(server, "adapters", "upload", folder, "mine", "--no-merge",
                                 "--json")))
    assert back["adapter"]["merged"] is False and back["created"] is False
    taken = scanctl(server, "adapters", "upload", ADAPTERS / "devil", "mine", "--must-be-new")
    assert taken.returncode == 1 and "mine" in taken.stderr
    other = scanctl(server, "adapters", "upload", folder, "mine", "--digest", "0" * 64)
    assert other.returncode == 1 and "digest" in other.stderr
    assert scanctl(server, "adapters", "upload", folder, "x", "--merge",
                   "--no-merge").returncode == 2
    unloaded = ok(scanctl(server, "adapters", "unload", "mine"))
    assert unloaded.startswith("unloaded 1 version(s) of mine, ")
    again = scanctl(server, "adapters", "unload", "mine")
    assert again.returncode == 1 and "mine" in again.stderr


def test_an_adapter_is_loaded_from_the_servers_root(start_server):
    server = start_server("--adapter-root", str(ADAPTERS))
    loaded = json.loads(ok(scanctl(server, "adapters", "load", "devil", "--name", "mine",
                                   "--merge", "--json")))
    assert loaded["created"] and loaded["adapter"]["name"] == "mine"
    assert loaded["adapter"]["merged"]
    refused = scanctl(server, "adapters", "load", "../devil")
    assert refused.returncode == 1 and "folder" in refused.stderr


def test_adapters_info_and_health(server):
    assert "kjv@1" in ok(scanctl(server, "adapters", "list"))
    adapters = json.loads(ok(scanctl(server, "adapters", "list", "--json")))["adapters"]
    assert [each["name"] for each in adapters] == ["devil", "kjv"]
    assert "scanserve-6m" in ok(scanctl(server, "info"))
    info = json.loads(ok(scanctl(server, "info", "--json")))
    assert info["model"]["name"] == "scanserve-6m" and info["numerics_id"] == "f32.k1"
    assert ok(scanctl(server, "health")) == "SERVING\n"
    assert json.loads(ok(scanctl(server, "health", "--json"))) == {"status": "SERVING"}


def test_the_server_may_be_named_by_the_environment(server):
    shown = run("scanctl", "info", "--json", env={"SCANSERVE_SERVER": server.address})
    assert json.loads(ok(shown))["engine"]["slots_used"] == 0


def assert_one_sentence(process, *words):
    assert process.stdout == ""
    assert process.stderr.startswith("error: ") and process.stderr.count("\n") == 1
    for word in words:
        assert word in process.stderr


def test_a_server_that_is_not_there_is_one_sentence_soon():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        for command in (["info"], ["generate", "The"], ["health"], ["orders", "list"]):
            began = time.monotonic()
            said = run("scanctl", *command, "--server", address)
            assert said.returncode == 1
            assert_one_sentence(said, "no server answers", address)
            assert time.monotonic() - began < 15


def test_a_host_without_address_is_one_sentence():
    said = run("scanctl", "info", "--server", "no-such-host.invalid:1", "--timeout", "20s")
    assert said.returncode == 1
    assert_one_sentence(said, "no-such-host.invalid")


@pytest.mark.parametrize("command, words", [
    (["generate", "The", "--order", "nowhere"], ["NOT_FOUND", "nowhere"]),
    (["generate", "The", "--temperature", "-1"], ["INVALID_ARGUMENT", "temperature"]),
    (["perplexity", "no-such-file.txt"], ["no-such-file.txt"]),
    (["orders", "upload", "no-such-file.npy", "x"], ["no-such-file.npy"]),
    (["extract", "--token-ids", "1", "--out", "/no/such/folder/x.npy"], ["/no/such/folder"])])
def test_what_fails_is_one_sentence_and_status_1(server, command, words):
    said = scanctl(server, *command)
    assert said.returncode == 1
    assert_one_sentence(said, *words)


@pytest.mark.parametrize("command", [
    [], ["no-such-command"], ["generate", "The", "--no-such-flag"], ["orders"],
    ["generate", "The", "--order", "a", "--identity"], ["perplexity"],
    ["generate", "The", "--logit-bias", "x"], ["info", "--timeout", "soon"]])
def test_a_wrong_command_line_is_status_2(command):
    said = run("scanctl", *command)
    assert said.returncode == 2
    assert said.stdout == "" and said.stderr.startswith("error: ") and "--help" in said.stderr


def test_the_timeout_flag_ends_a_long_call(server):
    said = scanctl(server, "generate", "The", "--ignore-eos", "-m", 4096, "--timeout", "300ms")
    assert said.returncode == 1 and "DEADLINE_EXCEEDED" in said.stderr


def on_terminal(server, *arguments, **env) -> str:
    """What the program shows when its output is a terminal."""
    controller, terminal = pty.openpty()
    with subprocess.Popen([program("scanctl"), *arguments, "--server", server.address],
                          stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
                          env=environment(TERM="xterm", **env)) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                data = os.read(controller, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
    os.close(controller)
    assert process.returncode == 0, shown
    return shown.decode()


def test_colours_are_for_terminals_without_no_color(server):
    assert "\x1b[" in on_terminal(server, "info")
    assert "\x1b[" not in on_terminal(server, "info", NO_COLOR="1")
    assert "\x1b[" not in ok(scanctl(server, "info"))


def test_long_work_shows_its_progress_on_a_terminal_only(server, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(["A document of some words. " * 300] * 12))
    assert "scoring" in on_terminal(server, "perplexity", str(path))
    assert scanctl(server, "perplexity", path).stderr == ""
