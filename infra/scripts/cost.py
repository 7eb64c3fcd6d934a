#!/usr/bin/env python3
"""Prints what a deployment costs in a month, as the tables of README.md, section Cost.

    cost.py                              10, 100 and 1,000 tenants
    cost.py TENANTS PEOPLE CHANGES       so many tenants of so many people, of whom so many change a day

Prices are those of eu-west-1 in US dollars, without free tiers and taxes, as known in June 2025: check them
before you rely on them. What a sync takes is measured by the tests; what a tenant does is assumed.
"""

import sys

# What so many of each cost.
PRICES = {
    "Lambda: GB-seconds, arm64": (13.3334, 1e6),
    "Lambda: invocations": (0.20, 1e6),
    "DynamoDB: read units": (0.1415, 1e6),
    "DynamoDB: write units": (0.705, 1e6),
    "DynamoDB: GB stored and backed up": (0.283 + 0.2264, 1),
    "SQS: requests": (0.40, 1e6),
    "Secrets Manager: secrets": (0.40, 1),
    "Secrets Manager: calls": (5.00, 1e6),
    "API Gateway: calls": (1.11, 1e6),
    "CloudWatch: GB of logs, kept a month": (0.57 + 0.03, 1),
    "CloudWatch: metrics of our own": (0.30, 1),
    "CloudWatch: metrics under an alarm": (0.10, 1),
    "CloudWatch: dashboards": (3.00, 1),
    "X-Ray: traces": (5.00, 1e6),
}

MEMORY_GB = 0.25
TICKS = 60 * 24 * 365 / 12  # a month's minutes
SYNCS = TICKS / 15          # of a tenant, every 15 minutes
DAYS = 365 / 12             # a month's
CHANGES = 20                # people of a tenant who change on a day
PEOPLE = 500                # of a tenant
API_CALLS = 10_000          # of the deployment
OPERATION = 0.006           # seconds that a function waits for the table
# tests/tests/template.rs counts the same.
METRICS = 22
ALARM_METRICS = 20
# Lambda asks an empty queue by five connections, each every 20 seconds.
IDLE_POLLS = TICKS * 60 / 20 * 5

# What each takes: units of the table, requests to the queue, log lines of about 400 bytes, seconds.
TICK = {"reads": 3, "writes": 0, "queue": 0, "lines": 5, "seconds": 0.02}
# Fifty are looked at together: a query, a read, and the hints of those that are due.
TICK_OF_A_TENANT = {"reads": 3, "writes": 0, "queue": 0, "lines": 0, "seconds": 3 / 50 * OPERATION}
QUIET_SYNC = {"reads": 17, "writes": 35, "queue": 6, "lines": 12, "seconds": 1.5}
CHANGE = {"reads": 16, "writes": 22, "queue": 4, "lines": 2, "seconds": 1.0}
SECRET_CALLS = 2            # of a sync: the connection's credentials, Halo's secret


def use(tenants, people=PEOPLE, changes=CHANGES):
    """How much of each is used in a month."""
    changes *= DAYS
    parts = [(TICK, TICKS), (TICK_OF_A_TENANT, TICKS * tenants)]
    parts += [(QUIET_SYNC, SYNCS * tenants), (CHANGE, changes * tenants)]
    total = {what: sum(part[what] * times for part, times in parts) for what in TICK}
    invocations = TICKS + SYNCS * tenants * 2 + changes * tenants + API_CALLS
    return {
        "Lambda: GB-seconds, arm64": total["seconds"] * MEMORY_GB,
        "Lambda: invocations": invocations,
        "DynamoDB: read units": total["reads"],
        "DynamoDB: write units": total["writes"],
        "DynamoDB: GB stored and backed up": tenants * (people * 6 + changes * 3 * 2) / 1e6,
        "SQS: requests": total["queue"] + IDLE_POLLS,
        "Secrets Manager: secrets": tenants + 1,
        "Secrets Manager: calls": SYNCS * tenants * SECRET_CALLS,
        "API Gateway: calls": API_CALLS,
        "CloudWatch: GB of logs, kept a month": total["lines"] * 400 / 1e9,
        "CloudWatch: metrics of our own": METRICS,
        "CloudWatch: metrics under an alarm": ALARM_METRICS,
        "CloudWatch: dashboards": 1,
        "X-Ray: traces": TICKS,
    }


def shown(quantity):
    """A quantity as people read it."""
    if quantity >= 1e6:
        return f"{quantity / 1e6:,.1f} million"
    return f"{quantity:,.0f}" if quantity >= 10 else f"{quantity:,.1f}"


def main():
    asked = [int(number) for number in sys.argv[1:]]
    sizes = (asked[0],) if asked else (10, 100, 1_000)
    used = {tenants: use(tenants, *asked[1:]) for tenants in sizes}
    sums = dict.fromkeys(sizes, 0)
    print("| In a month | Price | " + " | ".join(f"{size:,} tenants" for size in sizes) + " |")
    print("|---|---|" + "---|" * len(sizes))
    for what, (price, of) in PRICES.items():
        cells = []
        for size in sizes:
            cost = used[size][what] / of * price
            sums[size] += cost
            cells.append(f"{shown(used[size][what])}: ${cost:,.2f}")
        unit = " a million" if of > 1 else ""
        print(f"| {what} | ${price:.4g}{unit} | " + " | ".join(cells) + " |")
    print("| **All** | | " + " | ".join(f"**${total:,.2f}**" for total in sums.values()) + " |")


if __name__ == "__main__":
    main()
