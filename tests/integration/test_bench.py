"""scanctl bench against a real server: counts, lengths, JSON, errors, Ctrl-C."""

import json
import signal
import subprocess

import pytest

from command_line import environment, ok, run, scanctl
from deadline import wait_until
from repository import program
from scanserve_client import Client

LATENCIES = ["start_delay", "time_to_first_token", "inter_token_latency", "time_per_output_token",
             "end_to_end"]
SHORT = ("--prompt-tokens", 12, "--output-tokens", 5)


def bench(server, *arguments) -> dict:
    return json.loads(ok(scanctl(server, "bench", *SHORT, *arguments, "--json")))


def trace(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_counts_are_what_was_asked_for(server, tmp_path):
    path = tmp_path / "trace"
    report = bench(server, "--requests", 20, "--warm-up", 3, "--clients", 4, "--trace", path)
    assert (report["completed"], report["failed"], report["unfinished"]) == (20, 0, 0)
    assert report["prompt_tokens"] == 20 * 12 and report["generated_tokens"] == 20 * 5
    assert report["duration_seconds"] > 0 and not report["interrupted"]
    rate = report["generated_tokens"] / report["duration_seconds"]
    assert report["generated_tokens_per_second"] == pytest.approx(rate)
    seconds = report["mix"][0]["seconds"]
    assert list(seconds) == LATENCIES
    assert seconds["end_to_end"]["count"] == seconds["time_to_first_token"]["count"] == 20
    for latency in seconds.values():
        assert latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    lines = trace(path)
    assert sorted(line["index"] for line in lines) == list(range(23))
    for line in lines:
        times = [line["sent"], *(time for time, _ in line["deliveries"]), line["finished"]]
        assert times == sorted(times)
        assert sum(tokens for _, tokens in line["deliveries"]) == 5


def test_the_report_names_settings_and_server(server, tmp_path):
    path = tmp_path / "report.json"
    text = ok(scanctl(server, "bench", *SHORT, "--requests", 3, "--clients", 2, "--seed", 9,
                      "--json-file", path))
    assert "closed loop, 2 clients" in text and "3 completed, 0 failed" in text
    report = json.loads(path.read_text())
    assert report["server"]["address"] == server.address
    assert len(report["server"]["model_digest"]) == 64
    settings = report["settings"]
    assert (settings["clients"], settings["requests"], settings["seed"]) == (2, 3, 9)
    assert settings["mix"] == [{"kind": "generate", "weight": 1.0, "prompt_tokens": "12",
                                "output_tokens": "5"}]


def test_a_mix_reaches_every_kind(server):
    report = bench(server, "--requests", 30, "--mix", "generate,adapter=kjv", "--mix",
                   "perplexity,prompt=30,window=10", "--mix", "extract,prompt=uniform:5:9,order=identity")
    assert report["completed"] == 30 and report["failed"] == 0
    generate, perplexity, extract = report["mix"]
    assert generate["generated_tokens"] == 5 * generate["completed"] > 0
    assert perplexity["prompt_tokens"] == 30 * perplexity["completed"] > 0
    assert 5 * extract["completed"] <= extract["prompt_tokens"] <= 9 * extract["completed"]


def test_an_open_loop_sends_at_its_rate(server, tmp_path):
    path = tmp_path / "trace"
    bench(server, "--rate", 50, "--arrivals", "constant", "--requests", 10, "--trace", path)
    intended = sorted(line["intended"] for line in trace(path))
    assert intended[-1] - intended[0] == pytest.approx(9 / 50, abs=1e-6)
    assert all(line["sent"] >= line["intended"] for line in trace(path))


def test_prompts_come_from_a_file(server, tmp_path):
    path = tmp_path / "prompts"
    path.write_text("The river flows\n")
    with Client(server.address) as client:
        tokens = len(client.tokenize("The river flows"))
    report = json.loads(ok(scanctl(server, "bench", "--prompt-file", path, "--output-tokens", 2,
                                   "--requests", 4, "--json")))
    assert report["prompt_tokens"] == 4 * tokens


def test_a_full_queue_shows_as_errors_and_status_1(start_server):
    server = start_server("--max-sequences", "1", "--queue-requests", "1")
    said = scanctl(server, "bench", "--clients", 16, "--requests", 48, "--output-tokens", 64,
                   "--json")
    assert said.returncode == 1
    report = json.loads(said.stdout)
    assert report["completed"] >= 1 and report["failed"] >= 1
    assert report["completed"] + report["failed"] == 48
    (error,) = report["mix"][0]["errors"]
    assert error["code"] == "RESOURCE_EXHAUSTED" and error["count"] == report["failed"]
    assert "try again in" in error["first_message"]
    assert said.stderr == f"error: {report['failed']} of 48 requests failed\n"


def test_a_request_over_a_limit_shows_the_servers_sentence(server):
    said = scanctl(server, "bench", "--requests", 1, "--output-tokens", 100_000)
    assert said.returncode == 1
    assert "INVALID_ARGUMENT" in said.stdout and "max_new_tokens" in said.stdout


def test_an_unreachable_server_is_one_sentence():
    said = run("scanctl", "bench", "--server", "127.0.0.1:1")
    assert said.returncode == 1 and said.stdout == ""
    assert said.stderr.startswith("error: no server answers at 127.0.0.1:1")
    assert said.stderr.count("\n") == 1


def test_an_interrupt_ends_early_with_what_was_measured(server, tmp_path):
    path = tmp_path / "trace"
    with subprocess.Popen(
            [program("scanctl"), "bench", "--server", server.address, "--duration", "60s",
             "--prompt-tokens", "4", "--output-tokens", "4", "--trace", str(path), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        wait_until(lambda: path.exists() and path.stat().st_size > 0, "the first outcomes")
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=20)
    assert process.returncode == 130 and error == b"error: interrupted\n"
    report = json.loads(output)
    assert report["interrupted"] and report["completed"] > 0 and report["failed"] == 0
    with Client(server.address) as client:
        wait_until(lambda: client.info().engine.slots_used == 0, "slots given back")
