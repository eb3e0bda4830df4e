#!/usr/bin/python3
"""Measures how a server of the embedded model shares itself, one scenario at a time.

    bench/serving_scenarios.py SCENARIO.. [--json FILE] [-- SERVER FLAGS..]

Each scenario starts a server of its own and compares two phases of the same run, so that its figure does not depend
on the machine; only a quiet machine gives figures that count. Exit status 1 when a figure misses its aim.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "release"
os.environ.setdefault("SCANSERVE_BIN", str(BUILD / "bin"))
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(BUILD / "tests" / "integration" / "stubs")]

from deadline import wait_until
from load_generator import Load, measure, resident_bytes
from memory_growth import growth_per_request
from scanserve_client import Client, generate_request
from server_process import ServerProcess

# A request that outlives every phase: clients that send it one after the other never stop decoding.
DECODING = ("--clients", 8, "--duration", "300s", "--prompt-tokens", 16, "--output-tokens", 2048)
QUIET_SECONDS = 10
WAIT_SECONDS = 120
# A slow machine measures less, but not for ever.
BOUNDED = ("--duration", "120s")
SOAK_SECONDS = 1800
SATURATED_SECONDS = 30


class Figures:
    """What a scenario found, and whether it is what was wanted."""

    def __init__(self):
        self.values = {}
        self.missed = []

    def show(self, name, value, at_least=None, at_most=None):
        aim, missed = "", False
        if at_least is not None:
            aim, missed = f"wanted >= {at_least:g}", not value >= at_least
        if at_most is not None:
            aim, missed = f"wanted <= {at_most:g}", not value <= at_most
        self.values[name] = value
        if missed:
            self.missed.append(name)
        print(f"  {name:<48} {value:>12,.4g}  {aim}{'  MISSED' if missed else ''}", flush=True)


def decode_in(server, seconds):
    """Eight clients that decode, once they have done so for that long: the load, and since when."""
    load = Load(server, *DECODING, "--seed", 1)
    with Client(server.address) as client:
        wait_until(lambda: client.info().engine.running == 8, "eight decoding requests",
                   WAIT_SECONDS)
    begin = time.monotonic()
    wait_until(lambda: time.monotonic() >= begin + seconds, "the quiet phase", WAIT_SECONDS)
    return load, begin


def p99_milliseconds(measured, spans):
    gaps = np.concatenate([measured.inter_token_seconds(*span) for span in spans])
    return float(np.quantile(gaps, 0.99)) * 1000


def clients(server, figures):
    """Tokens per second of 64 clients against one, three times in turn."""
    ratios = []
    for round_number in range(3):
        rates = {}
        for count, requests in ((1, 20), (64, 320)):
            measured = measure(server, "--clients", count, "--requests", requests, *BOUNDED,
                               "--warm-up", count, "--prompt-tokens", 32, "--output-tokens", 128,
                               "--seed", 2 * round_number + (count > 1))
            rates[count] = measured.report["generated_tokens_per_second"]
            figures.show(f"tokens/s, {count} clients, round {round_number + 1}", rates[count])
        ratios.append(rates[64] / rates[1])
    figures.show("64 clients against one, median ratio", statistics.median(ratios), at_least=4)


def long_prompt(server, figures):
    """A prompt of 4,000 tokens arrives while eight clients decode."""
    prompts = ("--clients", 1, "--requests", 8, *BOUNDED, "--prompt-tokens", 4000,
               "--output-tokens", 1)
    alone = measure(server, *prompts, "--seed", 2)
    load, begin = decode_in(server, QUIET_SECONDS)
    during = measure(server, *prompts, "--seed", 3)
    decoding = load.stop()
    reading = [(each["sent"], each["deliveries"][0][0]) for each in during.requests]
    before_p99 = p99_milliseconds(decoding, [(begin, begin + QUIET_SECONDS)])
    during_p99 = p99_milliseconds(decoding, reading)
    figures.show("inter-token p99 before, ms", before_p99)
    figures.show("inter-token p99 while it is read, ms", during_p99)
    figures.show("inter-token p99, ratio", during_p99 / before_p99, at_most=3)
    speed = alone.prompt_tokens_per_second()
    figures.show("prompt tokens/s alone", speed)
    figures.show("prompt tokens/s while others decode, ratio",
                 during.prompt_tokens_per_second() / speed, at_least=0.5)


def background(server, figures):
    """A long perplexity job and large extractions run beside eight decoding clients, five times in turn."""
    jobs = {"perplexity": "perplexity,prompt=20000,window=512", "extraction": "extract,prompt=20000"}
    rounds, seconds = 5, 8

    def together(seed):
        loads = {name: Load(server, "--clients", 1, "--duration", f"{seconds}s", "--mix", mix,
                            "--seed", seed) for name, mix in jobs.items()}
        return {name: load.wait() for name, load in loads.items()}

    def speeds(measured):
        return {name: each.prompt_tokens_per_second() for name, each in measured.items()}

    alone, beside, gaps = [speeds(together(0))], [], []
    for number in range(rounds):
        load, begin = decode_in(server, seconds)
        during = together(2 * number + 1)
        decoding = load.stop()
        spans = [measured.span() for measured in during.values()]
        both = (max(span[0] for span in spans), min(span[1] for span in spans))
        gaps.append(p99_milliseconds(decoding, [both]) /
                    p99_milliseconds(decoding, [(begin, begin + seconds)]))
        beside.append(speeds(during))
        alone.append(speeds(together(2 * number + 2)))
        figures.show(f"inter-token p99, ratio, round {number + 1}", gaps[-1])
    figures.show("inter-token p99, median ratio", statistics.median(gaps), at_most=1.5)
    for name in jobs:
        # Against before and after: the machine's own speed drifts.
        ratios = [2 * beside[k][name] / (alone[k][name] + alone[k + 1][name]) for k in range(rounds)]
        for number, ratio in enumerate(ratios):
            figures.show(f"{name} speed beside decoding, ratio, round {number + 1}", ratio)
        figures.show(f"{name} speed beside decoding, median ratio", statistics.median(ratios),
                     at_least=0.5)


def priorities(server, figures):
    """Twice as many clients as slots want text at each of the two priorities."""
    with Client(server.address) as client:
        slots = client.info().engine.slots_total
    loads = {level: Load(server, "--clients", 2 * slots, "--duration",
                         f"{SATURATED_SECONDS}s", "--prompt-tokens", 64, "--output-tokens", 64,
                         "--mix", f"generate,priority={level}", "--seed", seed)
             for seed, level in enumerate(("normal", "low"))}
    measured = {level: load.wait() for level, load in loads.items()}
    # Both want everything from the later beginning on until the first stops sending.
    beginnings = [each.span()[0] for each in measured.values()]
    begin, end = max(beginnings), min(beginnings) + SATURATED_SECONDS
    tokens = {level: each.tokens_between(begin, end) for level, each in measured.items()}
    figures.show("seconds with both saturated", end - begin)
    for level, count in tokens.items():
        figures.show(f"tokens generated, {level} priority", count)
    figures.show("share of the low priority", tokens["low"] / sum(tokens.values()), at_least=0.1)


def soak(server, figures):
    """Memory over 10,000 short requests of all kinds, after the first 2,000."""
    requests, settled = 10_000, 2_000
    load = Load(server, "--clients", 32, "--requests", requests, "--duration",
                f"{SOAK_SECONDS}s", "--prompt-tokens", "uniform:4:32", "--output-tokens",
                "uniform:1:8", "--mix", "generate,weight=6", "--mix",
                "generate,weight=2,adapter=kjv", "--mix", "perplexity", "--mix", "extract")
    samples = []
    while load.running():
        samples.append((time.monotonic(), resident_bytes(server.process.pid)))
        time.sleep(0.02)
    measured = load.wait()
    if len(measured.requests) < requests:
        raise RuntimeError(f"only {len(measured.requests)} requests in {SOAK_SECONDS} s")
    ends = np.sort([each["finished"] for each in measured.requests])
    times, resident = np.array(samples).T
    ended = np.searchsorted(ends, times)
    counted = (ended >= settled) & (ended < requests)
    slope, upper = growth_per_request(ended[counted], resident[counted])
    figures.show("requests/s", measured.report["requests_per_second"])
    figures.show("resident memory at the end, MiB", resident[-1] / 2**20)
    figures.show("growth, bytes a request", slope)
    figures.show("growth, 95 % upper bound", upper, at_most=100)


def stalled_readers(server, figures):
    """As many clients as slots read nothing of long answers; then a new client comes."""
    with Client(server.address) as client, \
            Client(server.address, options=[("grpc.http2.bdp_probe", 0)]) as stalled:
        slots = client.info().engine.slots_total
        request = generate_request("The", max_new_tokens=4096, ignore_eos=True, top_logprobs=20)
        calls = [stalled.inference.Generate(request, timeout=WAIT_SECONDS) for _ in range(slots)]
        wait_until(lambda: client.info().engine.slots_used == slots, "all slots taken", WAIT_SECONDS)
        begin = time.monotonic()
        client.greedy("The river", tokens=8, timeout=WAIT_SECONDS)
        figures.show("stalled readers", slots)
        figures.show("seconds until a new client is served", time.monotonic() - begin, at_most=7)
        for call in calls:
            call.cancel()


# Name: what runs, and the server's flags for it.
SCENARIOS = {
    "clients": (clients, ()),
    "long-prompt": (long_prompt, ()),
    "background": (background, ()),
    "priorities": (priorities, ("--max-sequences", "8")),
    "soak": (soak, ()),
    "stalled-readers": (stalled_readers, ("--max-sequences", "8")),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="+", choices=[*SCENARIOS, "all"], metavar="SCENARIO",
                        help=", ".join([*SCENARIOS, "all"]))
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="the figures too")
    own, server_flags = sys.argv[1:], []
    if "--" in own:
        cut = own.index("--")
        own, server_flags = own[:cut], own[cut + 1:]
    options = parser.parse_args(own)

    chosen = list(SCENARIOS) if "all" in options.scenarios else options.scenarios
    found, missed = {}, []
    adapter = f"kjv={ROOT / 'models' / 'scanserve-6m' / 'adapters' / 'kjv'}"
    for name in chosen:
        run, flags = SCENARIOS[name]
        print(f"{name}: {run.__doc__}", flush=True)
        figures = Figures()
        with tempfile.TemporaryDirectory() as folder:
            server = ServerProcess(pathlib.Path(folder), "--adapter", adapter, "--log-level",
                                   "warning", *flags, *server_flags)
            try:
                run(server, figures)
            finally:
                server.kill()
        found[name] = figures.values
        missed += [f"{name}: {figure}" for figure in figures.missed]
    if options.json:
        options.json.write_text(json.dumps({"server_flags": server_flags, "figures": found}, indent=2) + "\n")
    sys.exit("missed: " + "; ".join(missed) if missed else 0)


if __name__ == "__main__":
    main()
