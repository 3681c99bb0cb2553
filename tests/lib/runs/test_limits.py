"""What accounts and QoS let one job have, in the words of slurmdbd 22.05; more is refused."""

import math
from contextlib import nullcontext

import pytest

from scripts.lib.errors import UserError
from scripts.lib.runs import limits
from scripts.lib.runs.limits import Site, check
from scripts.lib.runs.slurm import Job, Partition

QOS = """\
normal|||||
day|1-00:00:00||||
two|||gres/gpu=2||
lab|||||cpu=16,mem=1.5T,node=2
unlimited|365-00:00:00||gres/gpu=64|gres/gpu=64|
"""
ACCOUNTS = """\
root|||||||
lab||root|||cpu=48|gres/gpu=4
lab|me||two|00:30:00|cpu=48|
part||lab|||||
part|me||||||
other|me||day||||
"""
PPO = Job("train_ppo", "h100", 4, "h100", 600, 64_000, 32)


@pytest.fixture
def known(monkeypatch) -> Site:
    """A site whose user "me" has two accounts, lab by default."""

    def answer(*command: str) -> str:
        if command[0] == "scontrol":
            return "ClusterName             = box\n"
        assert command[:4] == ("sacctmgr", "--noheader", "--parsable2", "show")
        assert command[4] != "assoc" or command[5] == "cluster=box"
        return {"qos": QOS, "assoc": ACCOUNTS, "user": "lab\n"}[command[4]]

    monkeypatch.setattr(limits, "ask", answer)
    monkeypatch.setattr(limits.getpass, "getuser", lambda: "me")
    return limits.site()


@pytest.mark.parametrize(
    ("flags", "own", "words"),
    [
        ("", "", "asks for 4 GPUs, QoS two lets a job have 2 GPUs"),  # the default account's default QoS
        ("--qos=normal", "", "asks for 10 h, account lab lets a job have 30 min"),
        ("--qos=day", "", None),  # a QoS counts before the account
        ("--qos=normal --qos=day", "", None),
        ("--qos=day", "two", "asks for 4 GPUs, QoS two lets"),  # the partition's before the job's
        ("--qos=lab", "day", "asks for 32 CPUs, QoS lab lets a job have 16 CPUs"),
        ("-A other", "", None),
        ("-A part --qos=unlimited", "", None),
        ("-A part --qos=elsewhere", "", None),
        ("-A nobody", "N/A", None),
    ],
)
def test_what_slurm_would_never_start_is_refused(known, flags, own, words) -> None:
    job = Job(**vars(PPO) | {"command": ("-p", "h100", *flags.split())})
    here = {"h100": Partition("h100", math.inf, (), qos=own)}
    with pytest.raises(UserError, match=f"^rule train_ppo: {words}") if words else nullcontext():
        check([job], here, known)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"gpus": 8}, "8 GPUs, account lab lets a job have 4 GPUs"),  # a parent's limit
        ({"cpus": 64}, "64 CPUs, account lab lets a job have 48 CPUs"),
    ],
)
def test_an_account_has_its_parents_limits(known, wish, words) -> None:
    job = Job(**vars(PPO) | {"command": ("-A", "part")} | wish)
    with pytest.raises(UserError, match=words):
        check([job], {"h100": Partition("h100", math.inf, ())}, known)


def test_memory_and_nodes_are_those_of_the_whole_job(known) -> None:
    job = Job("sample", "h100", 0, "", 10, 800_000, 2, ("--qos=lab",), nodes=2)
    with pytest.raises(UserError, match=r"1,600,000 MB of memory, QoS lab lets a job have 1,572,864 MB"):
        check([job], {"h100": Partition("h100", math.inf, ())}, known)


def test_a_site_without_accounts_has_no_limits(monkeypatch) -> None:
    def refuse(*command: str) -> str:
        raise UserError("sacctmgr: SLURM says 'You are not running a supported accounting_storage plugin'")

    monkeypatch.setattr(limits, "ask", refuse)
    assert limits.site() == Site()
    check([PPO], {"h100": Partition("h100", math.inf, ())}, Site())
