"""What SLURM says is read right, and what it could never run is refused in one line."""

import contextlib

import pytest

pytest.importorskip("yaml")

from scripts.lib.errors import UserError
from scripts.lib.runs import slurm
from scripts.lib.runs.slurm import Job, Node, Partition, check, minutes

BOX = {
    "cpu": Partition("cpu", float("inf"), (Node("cpu1", 32, 200_000, {}),)),
    "h100": Partition("h100", 2880, (Node("gpu1", 64, 500_000, {"h100": 8}),)),
    "plain": Partition("plain", 2880, (Node("gpu2", 64, 500_000, {"": 8}),)),
    "shared": Partition("shared", 2880, (Node("gpu1", 64, 500_000, {"h100": 8}),), mem_mb=250_000),
}
FITS = {
    "rule": "train_ppo",
    "partition": "h100",
    "gpus": 4,
    "model": "h100",
    "minutes": 600,
    "mem_mb": 64_000,
    "cpus": 32,
}


def test_a_job_that_fits() -> None:
    check([Job(**FITS), Job("label", "cpu", 0, "", 30, 4000, 1)], BOX)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"partition": "a100"}, "partition 'a100' does not exist; this cluster has cpu, h100, plain, shared"),
        ({"model": "a100"}, "GPU model 'a100' is not in partition h100, which has h100"),
        ({"gpus": 16}, "asks for 16 GPUs on one node, the largest of partition h100 has 8"),
        ({"gpus": 48, "nodes": 4}, "asks for 12 GPUs on one node, the largest of partition h100 has 8"),
        ({"gpus": 16, "nodes": 2}, "asks for 2 nodes of 8 GPUs, partition h100 has 1 of them"),
        ({"minutes": 3000}, "asks for 50 h, partition h100 allows 48 h"),
        ({"mem_mb": 900_000}, "asks for 900,000 MB of memory"),
        ({"cpus": 65}, "asks for 65 CPUs"),
        ({"partition": "cpu"}, "GPU model 'h100' is not in partition cpu, which has none: mend gpu_model"),
        ({"partition": "plain"}, "which has GPUs without a model: delete gpu_model in the profile"),
        ({"minutes": 2881}, "asks for 48 h 1 min, partition h100 allows 48 h: lower max_hours"),
        ({"partition": "shared", "mem_mb": 300_000}, "the largest node of partition shared has 250,000"),
    ],
)
def test_what_could_never_run_is_refused(wrong: dict, words: str) -> None:
    with pytest.raises(UserError) as refused:
        check([Job(**FITS | wrong)], BOX)
    assert words in str(refused.value)
    assert str(refused.value).startswith("rule train_ppo: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("UNLIMITED", float("inf")),
        ("30", 30),
        ("05:00", 5),
        ("1:30:00", 90),
        ("2-00:00:00", 2880),
        ("1-12", 2160),
    ],
)
def test_slurm_times(text: str, value: float) -> None:
    assert minutes(text) == value


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("gpu:h100:8(S:0-1)", {"h100": 8}),
        ("gpu:8", {"": 8}),
        ("gpu:a100:4,gpu:v100:2,lscratch:1", {"a100": 4, "v100": 2}),
        ("(null)", {}),
        ("gpu:1g.10gb:7(S:0,2-3),gpu:a100-80:2", {"1g.10gb": 7, "a100-80": 2}),
        ("gpu:3090:4,shard:3090:16", {"3090": 4}),
        ("gpu:nvidia_h100_80gb_hbm3:8", {"nvidia_h100_80gb_hbm3": 8}),
    ],
)
def test_gpus_of_a_node(gres: str, gpus: dict) -> None:
    assert slurm._gpus(gres) == gpus


def test_partition_by_gpus(tmp_path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm")
    file = "profiles/slurm/partitions.yaml"
    assert slurm.choose({"gpu": 0, "runtime": 100_000, "mem_mb": 10**7}, file) == "cpu"
    assert slurm.choose({"gpu": 4}, file) == "h100"
    assert slurm.choose({"gpu": 4, "slurm_partition": "own"}, file) == "own"
    with pytest.raises(UserError, match="raise max_gpu"):
        slurm.choose({"gpu": 64}, file)


def test_a_profile_is_found_on_the_command_line() -> None:
    assert slurm.is_slurm(["--profile", "slurm", "all"])
    assert slurm.is_slurm(["--profile=profiles/slurm"])
    assert slurm.is_slurm(["--executor", "slurm"])
    assert not slurm.is_slurm(["--profile", "profiles/local"])
    assert not slurm.is_slurm(["all"])


def test_no_slurm_here(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match="no SLURM on this machine: sbatch"):
        slurm.require()


ANSWERS = {
    "scontrol": "Configuration data\nMinJobAge               = {age} sec\n",
    "sbatch": "sbatch: Job 3 to start at 2026-11-27T17:07:33",
}


def asked(monkeypatch, refusal: str = "", age: int = 300) -> list[tuple[str, ...]]:
    """What SLURM is asked from here on; sbatch says `refusal`."""
    calls = []

    def answer(*command: str) -> str:
        calls.append(command)
        if command[0] == "sbatch" and refusal:
            raise UserError(f"sbatch: SLURM says {refusal!r}")
        return ANSWERS[command[0]].format(age=age)

    monkeypatch.setattr(slurm, "ask", answer)
    return calls


def test_every_kind_of_job_is_tried_out_once_and_without_a_submission(monkeypatch) -> None:
    calls = asked(monkeypatch)
    job = Job(**FITS | {"command": ("-p", "h100", "--gpus=h100:4")})
    slurm.rehearse([job, job], BOX)
    assert calls == [("sbatch", "--test-only", "-p", "h100", "--gpus=h100:4", "--wrap=true")]


@pytest.mark.parametrize(
    ("state", "nodes", "said"),
    [
        ("UP", ["IDLE", "DOWN*"], None),
        ("DOWN", ["IDLE", "IDLE"], "partition h100 is DOWN: its jobs wait until it is up"),
        ("UP", ["IDLE+DRAIN", "DOWN*"], "partition h100 has no node at work (DOWN*, IDLE+DRAIN)"),
    ],
)
def test_a_partition_that_starts_nothing_is_said(state, nodes, said) -> None:
    here = tuple(Node(str(number), 64, 1, {"h100": 8}, word) for number, word in enumerate(nodes))
    lines = slurm.closed([Job(**FITS)] * 2, {"h100": Partition("h100", 2880, here, state)})
    assert len(lines) == (said is not None) and all(line.startswith(said) for line in lines)


def test_slurm_s_own_refusal_is_told(monkeypatch) -> None:
    asked(monkeypatch, "allocation failure: Invalid qos specification")
    with pytest.raises(UserError, match="rule train_ppo: .*Invalid qos specification"):
        slurm.rehearse([Job(**FITS)], BOX)


def test_what_is_not_available_is_refused_unless_a_node_is_down_now(monkeypatch) -> None:
    asked(monkeypatch, "allocation failure: Requested node configuration is not available")
    with pytest.raises(UserError, match="rule train_ppo: .*not available"):
        slurm.rehearse([Job(**FITS)], BOX)
    down = (*BOX["h100"].nodes, Node("gpu2", 64, 500_000, {"h100": 8}, "DOWN*"))
    slurm.rehearse([Job(**FITS)], {"h100": Partition("h100", 2880, down)})


POLICY = "allocation failure: Job violates accounting/QOS policy (job submit limit, user's size and/or ...)"


@pytest.mark.parametrize(
    ("limit", "queue", "refused"),
    [
        ("QOSMaxSubmitJobPerUserLimit", "", False),
        ("AssocGrpSubmitJobsLimit", "", False),
        ("QOSMaxWallDurationPerJobLimit", "7", True),
        (None, "7", False),
        (None, "", True),
    ],
)
def test_a_full_queue_is_no_reason_to_refuse_what_it_takes_later(
    tmp_path, monkeypatch, limit, queue, refused
) -> None:
    named = f"echo 'sbatch: error: {limit}' >&2\n" if limit else ""
    for name, text in {"sbatch": f'{named}echo "{POLICY}" >&2; exit 1', "squeue": f"echo {queue}"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    words = rf"policy.*{limit and f' .{limit}' or ''}"
    with pytest.raises(UserError, match=words) if refused else contextlib.nullcontext():
        slurm.rehearse([Job(**FITS)], BOX)


def test_a_slurm_that_forgets_too_soon_is_refused(monkeypatch) -> None:
    asked(monkeypatch, age=60)
    slurm.remembers("sacct")
    with pytest.raises(UserError, match="after 60 s .*: set slurm-status-command: sacct"):
        slurm.remembers("squeue")
    asked(monkeypatch, age=300)
    slurm.remembers("squeue")


def test_whose_jobs_they_are_and_which_of_them_still_lead_here(tmp_path, monkeypatch) -> None:
    """By the folder's id; with one whose path leads elsewhere, or nowhere, nothing goes on."""
    (tmp_path / "link").symlink_to(tmp_path)
    places = {"1": tmp_path, "2": tmp_path / "link", "3": tmp_path / "gone", "4": tmp_path.parent}
    lines = [f"{number}|uuid/ours/what{number}/own|{place}" for number, place in places.items()]
    lines += [f"5|uuid/theirs/what5/own|{tmp_path}", f"6|a comment of somebody's|{tmp_path}", "7||/a|b"]
    monkeypatch.setattr(slurm, "ask", lambda *_: "\n".join(lines))
    monkeypatch.chdir(tmp_path)
    assert slurm.living("ours") == {"1": "what1", "2": "what2", "3": "", "4": ""}
