"""What networks are made of: convolutions, GDN, residual blocks, attention, and planes with room. Flax Linen."""
