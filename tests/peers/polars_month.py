"""One month by Polars: python polars_month.py FOLDER csv|parquet

All in integers: a price times 10^8, amounts in minor units.
"""

import pathlib
import sys

import polars as pl

folder, form = pathlib.Path(sys.argv[1]), sys.argv[2]
WIDE = pl.Int128


def scaled(column):
    return (pl.col(column).cast(pl.Decimal(18, 8)) * 100_000_000).cast(pl.Int64).cast(WIDE)


def largest_remainder(frame, total, weight, whole, keys, ties):
    """Adds `amount`: `total` shared out by `weight` of `whole`, units that are left by remainder, then by `ties`."""
    exact = pl.col(total) * pl.col(weight)
    parts = frame.with_columns(part=exact // pl.col(whole), remainder=exact % pl.col(whole))
    ranked = parts.sort(["remainder", *ties], descending=[True] + [False] * len(ties)).with_columns(
        units=pl.col(total) - pl.col("part").sum().over(keys), rank=pl.int_range(pl.len()).over(keys)
    )
    return ranked.with_columns(amount=pl.col("part") + (pl.col("rank") < pl.col("units")).cast(WIDE))


def read(name):
    return pl.scan_csv(folder / name, infer_schema=False)


if form == "parquet":
    slices = pl.scan_parquet(folder / "slices.parquet")
else:
    slices = read("slices.csv").with_columns(pl.col("slice_points").cast(pl.Int64))
slices = slices.filter(pl.col("funder").is_not_null())

prices = read("prices.csv").rename({"redeemer": "line"}).with_columns(price=scaled("price"))
splits = read("splits.csv").with_columns(share=scaled("share"), part_of_rule=pl.col("part").cast(pl.Int64)).drop("part")
event = ["line", "reference", "member"]

# An event's exact amount is rounded half up once, then shared out.
rated = (
    slices.filter(pl.col("kind") == "redemption")
    .join(prices, on=["funder", "line"])
    .with_columns(exact=pl.col("slice_points").cast(WIDE) * pl.col("price"))
    .with_columns(event_exact=pl.col("exact").sum().over(event))
    .with_columns(total=(2 * pl.col("event_exact") + 1_000_000) // 2_000_000)
)
rated = largest_remainder(rated, "total", "exact", "event_exact", event, ["funder", "issued", "expires"])
owed = (
    rated.filter(pl.col("funder") != pl.col("line"))
    .group_by(payer="funder", redeemer="line")
    .agg(pl.col("amount").sum().alias("base"))
)
is_accrual = pl.col("kind") == "accrual"
points = pl.col("slice_points")
cohorts = slices.group_by("funder", "issued", "expires").agg(
    points.filter(is_accrual).sum().alias("points_issued"),
    pl.when(is_accrual).then(points).otherwise(-points).sum().alias("outstanding"),
)
owed, cohorts = pl.collect_all([owed, cohorts])

# Shares of the period's amount, in the order of the rule.
shared = owed.lazy().join(splits, on=["payer", "redeemer"]).with_columns(one=pl.lit(100_000_000).cast(WIDE))
shared = largest_remainder(shared, "base", "share", "one", ["payer", "redeemer"], ["part_of_rule"])
bilateral = (
    shared.filter(pl.col("payer") != pl.col("beneficiary"))
    .group_by("payer", payee="beneficiary")
    .agg(pl.col("amount").sum())
    .collect()
)
nets = (
    pl.concat(
        [
            bilateral.select(line="payee", amount="amount"),
            bilateral.select(line="payer", amount=0 - pl.col("amount")),
        ]
    )
    .group_by("line")
    .agg(pl.col("amount").sum())
    .filter(pl.col("amount") != 0)
)

for payer, redeemer, amount in owed.iter_rows():
    print(f"owed,{payer},{redeemer},{amount}")
for payer, payee, amount in bilateral.iter_rows():
    print(f"bilateral,{payer},{payee},{amount}")
for line, amount in nets.iter_rows():
    print(f"net,{line},{amount}")
for funder, issued, expires, points_issued, outstanding in cohorts.iter_rows():
    print(f"issued,{funder},{issued},{expires},{points_issued}")
    print(f"outstanding,{funder},{issued},{expires},{outstanding}")
