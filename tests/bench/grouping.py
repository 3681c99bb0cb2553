"""What a short step costs on SLURM, driver and node together: in groups, and each as a job of its own.

`python -m tests.bench.grouping` runs both on a throwaway cluster (tests/slurm), one after the other. Steps do
nothing, so that a run's seconds over its steps are the overhead of one. It takes minutes, and SLURM.
"""

import os
import tempfile
from pathlib import Path

import tyro

from tests.slurm.cluster import Cluster, missing
from tests.slurm.many import run

BAR = 1.5
"""Seconds of a grouped step."""


def main(steps: int = 200, together: int = 25, alone: int = 40) -> None:
    """`steps` of them, `together` in a job, then `alone` as jobs of their own."""
    if reason := missing():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory(prefix="bench_grouping_") as name:
        cluster = Cluster(Path(name) / "cluster")
        try:
            cluster.start()
            print("steps  in a job  seconds a step  of the driver's processor  load before")
            costs = []
            for count, size in ((steps, together), (alone, 1)):
                folder, load = Path(name) / f"run{size}", os.getloadavg()[0]
                folder.mkdir()
                many = run(cluster, folder, count, size)
                costs.append(many.seconds / count)
                print(
                    f"{count:5}  {size:8}  {costs[-1]:14.2f}  {many.driver / count:25.2f}  {load:11.1f}",
                    flush=True,
                )
        finally:
            cluster.stop()
    if costs[0] > BAR:
        raise SystemExit(f"a grouped step costs {costs[0]:.2f} s, more than {BAR}")


if __name__ == "__main__":
    tyro.cli(main)
