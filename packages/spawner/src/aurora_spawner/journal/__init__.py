"""The durable record of runs: append-only, hash-chained events and the tables that follow from them."""
