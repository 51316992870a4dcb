"""A run of `evaluate` as one page that needs no network: curves, BD-rates, pictures beside each other and all rows."""
