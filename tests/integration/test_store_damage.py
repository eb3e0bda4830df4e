"""A byte that changes in the store is noticed, named, and never served."""

from pathlib import Path

import grpc
import numpy as np
import pytest
from scanserve.v1 import scan_order_service_pb2 as pb
from scanserve.v1 import scan_pb2 as scan_pb

from conftest import ALL_ADAPTERS
from repository import ADAPTERS
from scanserve_client import (CALL_SECONDS, adapter, experiments_pb, refused, scan,
                              setting)
from server_process import failing_start

STATUS = grpc.StatusCode
FIRST = np.random.default_rng(21).permutation(64)
SECOND = np.random.default_rng(22).permutation(64)
PROMPT = "The council of the town met in the old hall near the river to discuss the"


def flip(path, at: float) -> None:
    """Alters one bit at this part of the file."""
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file, at", [
    ("2.npy", 0.2), ("2.npy", 0.9), ("2.json", 0.1), ("2.json", 0.5), ("2.json", 0.97)])
def test_an_altered_order_is_named_at_the_start_and_not_served(start_server, connect, file, at):
    server = start_server()
    client = connect(server)
    client.upload("mine", FIRST)
    client.upload("mine", SECOND)
    before = client.greedy(PROMPT, scan=scan("mine", version=1)).token_ids
    server.kill()
    flip(server.store / "orders" / "mine" / file, at)

    again = start_server(store=server.store)
    assert "order mine version 2 is damaged and not served" in again.log_tail()
    client = connect(again)
    for choice in (scan("mine"), scan("mine", version=2)):
        with refused(STATUS.FAILED_PRECONDITION, "order mine version 2 is damaged"):
            client.greedy(PROMPT, scan=choice)
    with refused(STATUS.FAILED_PRECONDITION, "order mine version 2 is damaged"):
        client.activate(setting("mine"))
    assert client.greedy(PROMPT, scan=scan("mine", version=1)).token_ids == before


def test_an_order_altered_under_the_server_is_noticed_when_it_is_loaded(start_server, connect):
    server = start_server()
    client = connect(server)
    client.upload("mine", FIRST)
    flip(server.store / "orders" / "mine" / "1.npy", 0.9)
    with refused(STATUS.FAILED_PRECONDITION, "mine/1.npy"):
        client.greedy(PROMPT, scan=scan("mine"))
    with refused(STATUS.FAILED_PRECONDITION, "mine/1.npy"):
        request = pb.DownloadScanOrderRequest(order=scan_pb.ScanOrderRef(name="mine"))
        list(client.orders.DownloadScanOrder(request, timeout=CALL_SECONDS))


@pytest.mark.parametrize("file, at", [
    ("1.json", 0.1), ("1.json", 0.6), ("1/adapter_config.json", 0.5),
    ("1/adapter_model.safetensors", 0.02), ("1/adapter_model.safetensors", 0.7)])
def test_an_altered_adapter_is_named_and_not_served(start_server, connect, file, at):
    server = start_server()
    client = connect(server)
    files = [(ADAPTERS / "kjv" / name).read_bytes()
             for name in ("adapter_config.json", "adapter_model.safetensors")]
    client.upload_adapter("mine", *files)
    server.kill()
    flip(server.store / "adapters" / "mine" / file, at)

    again = start_server(store=server.store)
    log = again.log_tail()
    assert "adapter mine version 1 is damaged" in log or "damaged and not served name=mine" in log
    with refused(STATUS.FAILED_PRECONDITION, "mine version 1 is damaged"):
        connect(again).greedy(PROMPT, adapter=adapter("mine"))


@pytest.mark.parametrize("damaged", ["orders/mine/1.npy", "orders/mine/1.json", "active"])
def test_a_server_does_not_start_with_another_setting_than_was_set(start_server, connect, damaged):
    server = start_server()
    client = connect(server)
    client.upload("mine", FIRST)
    client.activate(setting("mine"))
    server.kill()
    path = server.store / damaged
    for each in path.iterdir() if path.is_dir() else [path]:
        flip(each, 0.6)
    run = failing_start("--listen", "127.0.0.1:0", "--store", str(server.store))
    assert run.returncode == 1
    words = "damaged" if damaged == "active" else "mine version 1 is damaged"
    assert words in run.stderr


def test_rollback_works_after_a_restart(start_server, connect):
    server = start_server(*ALL_ADAPTERS)
    client = connect(server)
    client.upload("mine", FIRST)
    client.upload("mine", SECOND)
    client.activate(setting("mine", version=1, layers=[1, 2]))
    first = client.greedy(PROMPT)
    client.activate(setting("mine", version=2))
    server.kill()

    client = connect(start_server(*ALL_ADAPTERS, store=server.store))
    request = pb.GetActiveScanRequest(history_limit=5)
    state = client.orders.GetActiveScan(request, timeout=CALL_SECONDS)
    assert [each.setting.order.version for each in (state.active, *state.history)] == [2, 1, 0]
    back = client.orders.RollbackActiveScan(pb.RollbackActiveScanRequest(), timeout=CALL_SECONDS)
    assert back.active.setting.order.version == 1
    after = client.greedy(PROMPT)
    assert after.started.in_force.scan == first.started.in_force.scan
    assert after.token_ids == first.token_ids


def create_experiment(server, client):
    client.upload("tour", FIRST)
    arms = [experiments_pb.ExperimentArm(name="control", weight=1),
            experiments_pb.ExperimentArm(name="tour", weight=1, scan=scan("tour"), shadow=10_000)]
    client.experiments.CreateExperiment(experiments_pb.CreateExperimentRequest(
        design=experiments_pb.ExperimentDesign(id="trial", arms=arms)), timeout=CALL_SECONDS)
    for number in range(8):
        client.greedy(PROMPT, tokens=2, unit_key=f"user-{number}")
    (folder,) = (server.store / "experiments").iterdir()
    return folder / "trial.json", folder / "trial.stats"


def results(client):
    request = experiments_pb.GetExperimentRequest(id="trial")
    return client.experiments.GetExperiment(request, timeout=CALL_SECONDS).results


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def empty(path):
    path.write_bytes(b"")


def test_damage_to_an_experiment_that_runs_keeps_the_server_from_starting(start_server, connect):
    server = start_server()
    record, statistics = create_experiment(server, connect(server))
    server.ask_to_stop()
    assert server.wait() == 0
    damages = [lambda path: flip(path, 0.3), lambda path: flip(path, 0.99), cut, empty]
    for path, damage in [*((statistics, each) for each in [*damages, Path.unlink]),
                         *((record, each) for each in damages)]:
        intact = path.read_bytes()
        damage(path)
        run = failing_start("--store", str(server.store), "--listen", "127.0.0.1:0",
                            "--http-listen", "127.0.0.1:0", "--log-level", "off")
        assert run.returncode == 1 and run.stdout == ""
        assert str(path) in run.stderr and run.stderr.count("\n") == 1, run.stderr
        path.write_bytes(intact)
    client = connect(start_server(store=server.store))
    assert sum(arm.requests for arm in results(client).arms) == 8

    # Who gives the experiment up removes both of its files.
    server = start_server()
    record, statistics = create_experiment(server, connect(server))
    server.kill()
    record.unlink()
    statistics.unlink()
    client = connect(start_server(store=server.store))
    with refused(STATUS.NOT_FOUND, "trial"):
        results(client)


def test_damaged_statistics_of_an_experiment_that_has_ended_are_refused_alone(start_server,
                                                                              connect):
    server = start_server()
    client = connect(server)
    _, statistics = create_experiment(server, client)
    client.experiments.StopExperiment(experiments_pb.StopExperimentRequest(id="trial"),
                                      timeout=CALL_SECONDS)
    server.kill()
    flip(statistics, 0.5)
    client = connect(start_server(store=server.store))
    with refused(STATUS.FAILED_PRECONDITION, "experiment trial: the statistics are damaged"):
        results(client)
    assert client.greedy(PROMPT, tokens=2).started.in_force.arm == ""
