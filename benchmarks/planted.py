"""Run every ranking method on the planted-neuron benchmark, to show what it recovers and what it misses.

``--markdown`` prints the tables of docs/benchmarks.md before the JSON line; ``--csv FILE`` writes every mean.
"""

# peers:
# what: average precision of every ranking method on planted neurons of version 1, means over 10 seeds

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import torch

import onegrain as og
from onegrain.errors import OnegrainError
from onegrain.rankings import METHODS
from onegrain.synthetic.planted.activations import LAYER

VERSION = "1"
SEEDS = int(os.environ.get("ONEGRAIN_BENCH_SEEDS", "10"))
"""Fewer for a quick look."""
OUT = {"svcca": "ranks directions, not neurons", "integrated-gradients": "needs a running model"}
BASELINES = ("mean", "std", "random")
GRID = {"evaluate": False, "lambda1": (0.0, 1e-3, 1e-2), "lambda2": (0.0, 1e-3, 1e-2)}
"""LCA's order is the same without the evaluation, and nearly so on nine pairs, in a fifth of the time of 25."""
PARAMETERS = {"lca": GRID}
"""All else is at its default."""
VARIANTS = {
    "lca, standardize": ("lca", {**GRID, "standardize": True}, ("scales", "offsets", "mixed")),
    "probeless, standardize": ("probeless", {"standardize": True}, ("scales", "offsets", "mixed")),
}
"""Also these, where not all neurons have deviation 1 and mean 0 anyway."""
HALVES = (9, 8)
"""Scenarios in each of the two tables."""
ALONE = ("copies: copy", "masked: suppressor")
"""Kinds of other scenarios than ``mixed``."""
ORDERS = ("clear", "faint", "low", "shared", "scales", "offsets", "rectified", "confounded")
RAREST = "VERB"
"""Of the scenario ``rare``: 2 % of the words."""


def names() -> list[str]:
    """Return the methods, with the baselines last."""
    chosen = [name for name in METHODS if name not in OUT]
    return [*(name for name in chosen if name not in BASELINES), *VARIANTS, *BASELINES]


def asked(name: str, scenario: str) -> tuple[str, dict] | None:
    """Return the method and parameters of a row of the tables, or None if the case leaves it out."""
    if name not in VARIANTS:
        return name, PARAMETERS.get(name, {})
    method, parameters, scenarios = VARIANTS[name]
    return (method, parameters) if scenario in scenarios else None


def run(job: tuple[str, int]) -> tuple[pd.DataFrame, Counter, list[str]]:
    """Return the scores and seconds of every method for one scenario and seed, and the methods that failed."""
    torch.set_num_threads(1)
    spent: Counter = Counter()
    failed: list[str] = []

    def rankings(case: og.PlantedCase) -> dict[str, og.Ranking]:
        results = {}
        for name in names():
            this = asked(name, case.scenario.name)
            if this is None:
                continue
            start = time.perf_counter()
            try:
                results[name] = ranking(this, case)
            except OnegrainError as error:
                failed.append(f"{name} on {case.scenario.name}, seed {case.seed}: {error}")
            spent[name] += time.perf_counter() - start
        return results

    table = og.planted_benchmark(VERSION).score(rankings, scenarios=[job[0]], seeds=[job[1]])
    return table, spent, failed


def ranking(this: tuple[str, dict], case: og.PlantedCase) -> og.Ranking:
    """Return a method's ranking of a case; it receives every part of the case that it can use."""
    name, parameters = this
    method, options = METHODS[name], {}
    if method.needs_label:
        options["label"] = LAYER
    if method.needs_others:
        options["others"] = case.others
    if method.takes_heldout:
        options["dev"] = case.dev
    return og.rank(name, case.activations, seed=case.seed, **options, **parameters)


def cell(row: pd.Series | None) -> str:
    """Format a mean and half of its 95 % interval, such as 0.93 ±.02; a half below 0.005 is left out."""
    if row is None:
        return ""
    mean = row["average_precision"]
    half = max(row["average_precision_high"] - mean, mean - row["average_precision_low"])
    return f"{mean:.2f}" + (f" ±{half:.2f}".replace("0.", ".") if half >= 0.005 else "")


def markdown(means: pd.DataFrame, columns: list[str], key: str) -> str:
    """Return a table of average precision: one row per ranking, one column per value of a key, and chance."""
    rows = [f"| | {' | '.join(columns)} |", "| --- " * (len(columns) + 1) + "|"]
    row_of = {(row["ranking"], row[key]): row for _, row in means.iterrows()}
    for name in [name for name in names() if any((name, column) in row_of for column in columns)]:
        rows.append(f"| {name} | {' | '.join(cell(row_of.get((name, column))) for column in columns)} |")
    chance = means.groupby(key)["chance_average_precision"].mean()
    rows.append(f"| *chance* | {' | '.join(f'{chance[column]:.2f}' for column in columns)} |")
    return "\n".join(rows)


def tables(table: pd.DataFrame, scenarios: list[str]) -> Iterator[str]:
    """Yield the tables of docs/benchmarks.md: by scenario, by kind, and for the orders of single labels."""
    overall = og.mean_recovery(table[table["scope"] == "all"])
    for columns in (scenarios[: HALVES[0]], scenarios[HALVES[0] :]):
        yield markdown(overall, columns, "scenario")
    kinds = og.mean_recovery(table[table["scope"] == "kind"])
    kinds["column"] = kinds["name"].where(
        kinds["scenario"] == "mixed", kinds["scenario"] + ": " + kinds["name"]
    )
    mixed = kinds.loc[kinds["scenario"] == "mixed", "column"]
    yield markdown(kinds, [*dict.fromkeys(mixed), *ALONE], "column")
    orders = table[table["scope"] == "label"]
    measures = [column for column in orders if column.endswith("precision")]
    mean = orders.groupby(["ranking", "scenario", "seed", "scope"], sort=False)[measures].mean().reset_index()
    rarest = orders[(orders["scenario"] == "rare") & (orders["name"] == RAREST)]
    both = pd.concat([mean.assign(name=""), rarest.assign(scenario=f"rare: {RAREST}")])
    yield markdown(og.mean_recovery(both), [*ORDERS, f"rare: {RAREST}"], "scenario")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print the tables of docs/benchmarks.md too")
    parser.add_argument("--csv", type=Path, help="write the means of every method, scenario, kind and label")
    arguments = parser.parse_args()
    scenarios = [scenario.name for scenario in og.planted_benchmark(VERSION).scenarios]
    jobs = [(scenario, seed) for scenario in scenarios[::-1] for seed in range(SEEDS)]
    start, spent, failed, rows = time.perf_counter(), Counter(), [], []
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        for number, (scored, seconds, errors) in enumerate(pool.map(run, jobs), 1):
            rows.append(scored)
            spent += seconds
            failed += errors
            sys.stderr.write(f"{number}/{len(jobs)} cases, {time.perf_counter() - start:.0f} s\n")
    table = pd.concat(rows, ignore_index=True)
    means = og.mean_recovery(table)
    overall = means[means["scope"] == "all"]
    if arguments.csv:
        means.round(3).to_csv(arguments.csv, index=False)
    if arguments.markdown:
        print("\n\n".join(tables(table, scenarios)))
    figures = {
        "version": VERSION,
        "seeds": SEEDS,
        "seconds": time.perf_counter() - start,
        "seconds_by_method": dict(spent),
        "left_out": OUT,
        "failed": failed,
        **{
            measure: {
                name: dict(zip(part["scenario"], part[measure].round(4), strict=True))
                for name, part in overall.groupby("ranking", sort=False)
            }
            for measure in ("average_precision", "precision")
        },
    }
    everywhere = overall.groupby("ranking", sort=False).filter(lambda part: len(part) == len(scenarios))
    ratios = everywhere.groupby("ranking", sort=False)["average_precision"].mean().round(4).to_dict()
    print(json.dumps({"name": "planted", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
