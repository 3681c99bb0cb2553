"""Where a sampling step's completions go: flags of the steps that sample a model."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from scripts.lib.errors import UserError
from scripts.lib.samples.draws import Shard


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
@dataclass(frozen=True)
class Place:
    """Where completions go, of the whole step or of one of its shards.

    The ledger tells of the requested completions, with those cut off at max_tokens, and of the distinct ones
    (two queries may have one prompt) those reused and those sampled now, with the tokens of the latter;
    total_* tokens are of all of them.
    """

    ledger: Path
    """What it cost, as JSON: completions, tokens, seconds; of a server also requests, retries,
    failures by kind, dollars."""
    output: Path | None = None
    """The completions (SAMPLES); none with --shard."""
    shard: str | None = None
    """Only fill the store with one part of the completions: 0-of-3, 1-of-3 or 2-of-3."""
    shards: tuple[Path, ...] = ()
    """Ledgers of the finished shards: generate nothing, put the completions together; the ledger adds them
    up."""
    store: Path = Path("store")
    """The sample store."""

    def part(self, remote: bool) -> Shard | None:
        """The shard that `--shard` names. Raises UserError when it does not go with the other flags.

        `remote`: a server runs the model.
        """
        if (self.shard is None) == (self.output is None):
            raise UserError("give --output, or --shard for one part of the step, not both")
        if self.shard and remote:
            raise UserError(
                "--shard would give each job a budget of its own; ask a server with more --server.concurrency"
            )
        return Shard.read(self.shard) if self.shard else None
