#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Result files for tests, written without the program under test.

    results.py names OUT.json [PLAIN]   a gate's result in which every name of hostile_names.json stands everywhere a name can
                                        (with PLAIN: harmless names in the same places)
    results.py many N OUT.json          N cells
    results.py series N DIR             N results of one machine, a day apart
The checksum is computed here by json.dumps, so that loading such a file also tests the program's canonical text.
"""
import hashlib
import json
import os
import random
import sys

HASH = "sha256:" + hashlib.sha256(b"abc").hexdigest()
RUN_ID = "0b9f3a54-5e0c-4f6e-9d27-6c1b2a3d4e5f"
STATES = ["regression", "pass", "improved", "inconclusive", "unfit", "not_comparable", "new"]


def names():
    with open(os.path.join(os.path.dirname(__file__), "hostile_names.json"), encoding="utf-8") as file:
        return json.load(file)


def verdict(word, ratio, reason):
    return {"metric": "time", "against": "paired", "verdict": word, "ratio": ratio, "low": ratio * 0.99, "high": ratio * 1.01, "tolerance": 0.05,
            "smallest_visible": 0.02, "rounds": 9, "generations": 3, "reason": reason, "differs": []}


def paired(rng, ratio):
    rounds = []
    for generation in range(3):
        for number in range(9):
            order = ["base", "base2", "head"]
            rng.shuffle(order)
            rounds.append({"generation": generation, "round": number, "order": order,
                           "ns": [1e5 * rng.lognormvariate(0, 0.02) * (ratio if lane == "head" else 1) for lane in order]})
    return {"builds": {"base": HASH, "base2": HASH, "head": HASH}, "rounds": rounds}


def cell(rng, suite, bench, params, state="pass", backend="scalar", ratio=1.0, reason=None, metrics=None, work=None):
    ident = "/".join([suite, bench] + [f"{key}={value}" for key, value in params.items()])
    samples = [[1e5 * rng.lognormvariate(0, 0.02) for _ in range(12)] for _ in range(3)]
    flat = sorted(value for one in samples for value in one)
    pick = lambda share: flat[int(share * (len(flat) - 1))]
    return {"id": ident, "suite": suite, "bench": bench, "params": params, "workload_hash": HASH, "status": "ok", "reason": None, "backend": backend,
            "runs": [{"run_id": RUN_ID, "iterations": [100, 100, 100], "samples_ns": samples}],
            "summary": {"median": pick(.5), "mad": 700.5, "p50": pick(.5), "p95": pick(.95), "p99": pick(.99), "min": flat[0], "max": flat[-1]},
            "metrics": metrics or {}, "work": work or {"ops": 1e6, "bytes": 2.5e5, "items": None}, "tolerance": 0.05, "tags": ["ci"], "compiled": None,
            "paired": paired(rng, ratio), "verdicts": [verdict(state, ratio, reason)]}


def usual_metrics(rng):
    """What a run on a machine without counters and sensors says of each cell: as many rows as a real page has."""
    absent = {"perf_event_open: No such file or directory": "branches branch_misses branch_miss_rate cache_misses cache_references cycles instructions"
              " instructions_per_cycle l1_hit_rate l2_hit_rate l3_hit_rate",
              "no RAPL zone under /sys/class/powercap": "energy power work_per_watt", "no sensor of a processor under /sys/class/thermal or hwmon": "temperature"}
    units = {"context_switches": "per run", "cpu": "ns", "memory": "bytes", "overhead": "of a sample", "page_faults": "per iteration", "unexplained": "of a turn",
             "variation": "of the mean", "voided_samples": "per run", "work_per_core": "op/s per core", "work_per_memory": "op/s per byte"}
    metrics = {name: {"absent": why} for why, names_of in absent.items() for name in names_of.split()}
    return metrics | {name: {"value": 1e3 * rng.random(), "unit": unit} for name, unit in units.items()}


def slower(one, factor):
    one["runs"][0]["samples_ns"] = [[ns * factor for ns in ones] for ones in one["runs"][0]["samples_ns"]]
    one["summary"] = {key: value * factor for key, value in one["summary"].items()}


def result(cells, machine="some-cpu-2c-8gib-0a1b2c3d", day=23, environment=None, notes=None, reasons=None):
    run = {"schema": 1, "kind": "gate", "complete": True, "ternmark": "0.1.0", "run_id": RUN_ID, "started_at": f"2026-11-{day:02}T02:38:35Z",
           "git": {"commit": "81a95e0c4d3b2a1908f7e6d5c4b3a29180f7e6d5", "dirty": False},
           "hardware": {"key": machine, "gpu_key": None, "fields": {"cpu": "Some CPU", "cores": 2, "smt": False}},
           "environment": environment or {"kernel": "6.1.0"}, "fitness": {"fit": True, "reasons": reasons or []}, "exit": 1, "cells": cells,
           "gate": {"base": "HEAD^", "head": "working tree", "tolerance": 0.05, "mode": "paired", "strict": False, "notes": notes or []}}
    text = json.dumps(run, sort_keys=True, separators=(",", ":"))
    run["checksum"] = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return run


def with_names(rng, plain):
    """Each name as bench, as axis value, as axis, as backend, reason, metric, unit, and in the notes and the environment."""
    rows, cells = names(), []
    for i, name in enumerate(rows):
        name = f"name{i}" if plain else name
        metrics = {name + "_p50": {"value": 1.0, "unit": "ns"}, name + "_p95": {"value": 2.0, "unit": "ns"}, name + "_p99": {"value": 3.0, "unit": "ns"},
                   "m" + name: {"value": 1.5, "unit": name}, "absent" + name: {"absent": name}}
        bench = name if name else "empty"
        for batch in (1, 8):
            cells.append(cell(rng, "suite" + (name if i % 2 else ""), bench, {"batch": batch, "axis" + name: name, "n": i}, STATES[i % len(STATES)], name, 1.1 - 0.004 * i, name, metrics))
    listed = [f"name{i}" if plain else name for i, name in enumerate(rows)]
    return result(cells, "key " + (listed[1]), environment={"e" + str(i) + name: name for i, name in enumerate(listed)}, notes=listed, reasons=listed)


def main(arguments):
    rng = random.Random(1)
    if arguments[0] == "names":
        run, target = with_names(rng, len(arguments) > 2), arguments[1]
    elif arguments[0] == "many":
        run, target = result([cell(rng, "many", "bench", {"batch": i}, STATES[i % 3], ratio=1 + 0.1 * rng.random(), metrics=usual_metrics(rng)) for i in range(int(arguments[1]))]), arguments[2]
    else:
        for day in range(1, int(arguments[1]) + 1):
            cells = [cell(rng, "series", "bench", {"batch": i}, ratio=1.0, metrics={"energy": {"value": 2.5 * i, "unit": "J"}}) for i in (1, 8)]
            if day > int(arguments[1]) // 2:  # batch 8 becomes slower by a tenth half way
                slower(cells[1], 1.1)
            run = result(cells, day=day)
            with open(os.path.join(arguments[2], f"run-{day:02}.json"), "w", encoding="ascii") as file:
                json.dump(run, file)
        return
    with open(target, "w", encoding="ascii") as file:
        json.dump(run, file)


main(sys.argv[1:])
