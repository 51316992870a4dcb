"""Networks: parameters and wiring, in Flax Linen. No formulas."""
