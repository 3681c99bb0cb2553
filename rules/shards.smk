"""Shards: a step that the config splits, as jobs that fill the store side by side.

The step waits for its shards, then samples nothing and needs no GPU. Each shard is the same command with
`--shard`, its output a ledger that is gone when the step is done. A shard runs only when its step has to: its
inputs are all the step's own, so they are `ancient` to the shard, and Snakemake's record of the step knows no
shards.
"""

from snakemake.persistence import PersistenceBase

from scripts.lib.workflow.costs import SHARDED
from scripts.lib.workflow.layout import is_shard


def shards(step, w):
    """The ledgers of a step's finished shards; none where it is one job"""
    ledger = str(getattr(rules, f"{step}_shard").output.ledger)
    found = dict(w.items())
    return [ledger.format(**found, shard=shard) for shard in layout.shards(found, costs.shards(step, found))]


def written(input, output):
    """What a step writes: its samples, of shards put together"""
    return f"{optional('output', output[0])} {optional('shards', input.get('shards'))}".strip()


def shard_of(w):
    """What a shard writes into the store"""
    return f"--shard {Path(w.shard).name}"


def add_shard(step):
    """Add `<step>_shard` by the calls that a literal `use rule` becomes: that takes no name from a loop"""
    whole = getattr(rules, step).rule
    chain = str(whole.log[0]).removeprefix(f"logs/{step}/").removesuffix(".log")
    own = {name: path for name, path in whole.ruleinfo.input.kwpaths.items() if name != "shards"}

    @workflow.userule(rules=[step], name_modifier=f"{step}_shard", lineno=whole.lineno)
    @workflow.docstring(f"Do one shard of {step}")
    @workflow.input(**{name: ancient(path) for name, path in own.items()})
    @workflow.output(ledger=temp(f"{Path(whole.output.ledger).parent}/shards/{{shard}}.json"))
    @workflow.log(f"logs/{step}_shard/{chain}/{{shard}}.log")
    @workflow.benchmark(f"benchmarks/{step}_shard/{chain}/{{shard}}.tsv")
    @workflow.resources(**needs(f"{step}_shard"))
    @workflow.params(code=untracked(None), written=untracked(shard_of))
    @workflow.run
    def shard():
        pass


def forget_shards():
    """Keep shards out of Snakemake's record of inputs, which leaves out pipes and services alike

    In how many jobs a step was sampled is no part of what came out: another number of them must run nothing
    again.
    """
    recorded = PersistenceBase._input
    PersistenceBase._input = lambda self, job: [path for path in recorded(self, job) if not is_shard(path)]


for step in SHARDED:
    add_shard(step)
forget_shards()
