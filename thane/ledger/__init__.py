"""What model calls cost: prices, one entry for each call, sums of them, and budgets."""
