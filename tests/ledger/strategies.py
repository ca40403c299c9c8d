"""Any entries that there may be, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from thane.config.money import Price
from thane.ledger.entry import LedgerEntry
from thane.turn import Usage

counts = st.integers(0, 10_000_000)
names = st.sampled_from(["gpt-4o", "qwen3:4b", "claude-sonnet-4-5", "no such price"])
usages = st.builds(Usage, counts, counts, counts, counts, st.booleans(), counts)
rates = st.integers(0, 600_000).map(lambda thousandths: thousandths / 1000)
prices = st.builds(
    Price,
    input_per_million=rates,
    output_per_million=rates,
    cached_input_per_million=st.none() | rates,
    cache_write_per_million=st.none() | rates,
)
maybe_seconds = st.none() | st.integers(0, 1000).map(float)


def entries(at: float, seconds: int) -> st.SearchStrategy[LedgerEntry]:
    """Entries that begin within so many seconds after `at`."""
    return st.builds(
        LedgerEntry,
        run_id=st.sampled_from(["r_1", "r_2", "r_3", "r_4"]),
        place=st.just(0),
        at=st.integers(0, seconds - 1).map(lambda later: at + later),
        channel=st.sampled_from(["owu", "ha", "api"]),
        provider=st.sampled_from(["ollama", "cloud"]),
        model=names,
        usage=usages,
        conversation_id=st.sampled_from(["", "c_1", "c_2"]),
        profile=st.sampled_from(["thane:latest", "thane:local"]),
        role=st.sampled_from(["interactive", "auxiliary"]),
        outcome=st.sampled_from(["done", "failed", "cancelled", "interrupted"]),
        duration=st.integers(0, 1000).map(float),
        first_token=maybe_seconds,
        picodollars=st.none() | st.integers(0, 10**12),
    )
