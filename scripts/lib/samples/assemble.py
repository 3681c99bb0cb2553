"""Samples out of the store in the order of their file, some at a time: memory does not grow with them."""

import io
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import polars as pl

from scripts.lib.errors import UserError
from scripts.lib.samples.requests import stands
from scripts.lib.samples.store import HELD, KEY, ROWS, Gone, Partition

TAKEN = ("completion", "finish_reason", "num_tokens", "prompt_tokens", "reasoning", "reasoning_tokens")
MEMORY = 384 << 20
"""Bytes of rows that wait in memory; writing and reading a file for those beyond costs half of writing the
samples."""
_PLACED = {"place": pl.Int64(), "written": pl.String()} | {name: ROWS[name] for name in TAKEN}


def assemble(
    partition: Partition, keyed: pl.DataFrame, drawn: pl.DataFrame, number: int, folder: Path
) -> Iterator[pl.DataFrame]:
    """The samples of round `number`, sorted by query_id and sample_id.

    `keyed`: query_id, prompt_key; `drawn`: sample_id, temperature, index, those of each query. Yields SAMPLES
    with prompt_tokens, and `counted`: whether no query before has the same prompt, and so the same
    completion. What does not fit into memory waits in a file without a name in `folder`. Raises UserError, at
    the end, when some are missing.
    """
    keyed = keyed.sort("query_id").with_columns(
        pl.int_range(pl.len()).alias("query"), pl.col("prompt_key").is_first_distinct().alias("counted")
    )
    drawn = drawn.sort("sample_id").with_columns(pl.int_range(pl.len()).alias("draw"))
    folder.mkdir(parents=True, exist_ok=True)
    total, missing = keyed.height * drawn.height, 0
    with TemporaryFile(dir=folder) as file:
        lots = _dealt(partition, keyed, drawn, file)
        for start in range(0, total, lots.width or total):
            rows = lots.take(start)
            missing += min(lots.width or total, total - start) - rows.height
            query, draw = rows["place"] // drawn.height, rows["place"] % drawn.height
            yield rows.drop("place").with_columns(
                keyed["query_id"].gather(query),
                keyed["counted"].gather(query),
                drawn["sample_id"].gather(draw),
                drawn["temperature"].gather(draw),
                pl.lit(number, pl.Int32).alias("round"),
            )
    if missing:
        raise UserError(
            f"{missing} completions are missing from {partition.folder} after sampling; another process may "
            "have damaged it, run again"
        )


def _dealt(partition: Partition, keyed: pl.DataFrame, drawn: pl.DataFrame, file: IO[bytes]) -> "_Lots":
    """The stored rows (_PLACED) by the place of their sample: the query's number times the draws, and the
    draw's."""
    asking = keyed.group_by("prompt_key").agg("query").sort("prompt_key")
    while True:
        lots = _Lots(file)
        try:
            for rows in partition.rows([*KEY, *TAKEN, "written"]):
                found = _wanted(rows, asking, drawn)
                texts = rows.select("written", *TAKEN).select(
                    pl.all().gather(found["row"])
                )  # once: they are wide
                lots.add(pl.concat([found.select("place"), texts], how="horizontal"))
            return lots
        except Gone:
            continue


def _wanted(rows: pl.DataFrame, asking: pl.DataFrame, drawn: pl.DataFrame) -> pl.DataFrame:
    """Which of the rows (KEY) are wanted, and where: row, place; sorted by place.

    `asking`: prompt_key, sorted, and query, the list of the queries' numbers; `drawn`: temperature, index,
    draw.
    """
    prompt = pl.Series("prompt", stands(rows["prompt_key"], asking["prompt_key"]))
    known = rows.select("temperature", "index", prompt).with_row_index("row").filter(pl.col("prompt") >= 0)
    known = known.join(drawn.select("temperature", "index", "draw"), on=["temperature", "index"])
    known = known.with_columns(asking["query"].gather(known["prompt"])).explode("query")
    return known.select("row", place=pl.col("query") * drawn.height + pl.col("draw")).sort("place")


class _Lots:
    """Rows (_PLACED) dealt into lots of `width` places, each of about HELD bytes; MEMORY bytes are held
    before they are put into the file."""

    def __init__(self, file: IO[bytes]):
        self.file, self.width, self.held = file, 0, 0
        self.frames, self.pieces = defaultdict[int, list](list), defaultdict[int, list[tuple[int, int]]](list)
        file.seek(0)
        file.truncate()

    def add(self, rows: pl.DataFrame) -> None:
        """Deal rows out, sorted by place."""
        if rows.is_empty():
            return
        size = int(rows.estimated_size())
        self.width = self.width or max(1, HELD * rows.height // size)
        lots = (rows["place"] // self.width).to_numpy()
        starts = np.flatnonzero(np.diff(lots, prepend=-1)).tolist()
        for start, stop in zip(starts, [*starts[1:], rows.height], strict=True):
            self.frames[int(lots[start])].append(rows[start:stop])
        self.held += size
        if self.held >= MEMORY:
            self._put_down()

    def _put_down(self) -> None:
        for lot, frames in self.frames.items():
            begin = self.file.tell()
            pl.concat(frames).write_ipc_stream(self.file, compat_level=pl.CompatLevel.oldest())
            self.pieces[lot].append((begin, self.file.tell() - begin))
        self.frames.clear()
        self.held = 0

    def take(self, start: int) -> pl.DataFrame:
        """The lot that begins with the place `start`, by place, one row of each: the earliest written. It is
        gone then."""
        lot = start // self.width if self.width else 0
        rows = [pl.DataFrame(schema=_PLACED), *self.frames.pop(lot, [])]
        for begin, size in self.pieces.pop(lot, []):
            self.file.seek(begin)
            rows.append(pl.read_ipc_stream(io.BytesIO(self.file.read(size))))
        found = pl.concat(rows).sort("place")
        if (found["place"].diff() == 0).any():
            found = found.sort("place", "written").unique("place", keep="first", maintain_order=True)
        return found.drop("written")
