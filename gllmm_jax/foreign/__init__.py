"""Other programs: their weights are read without them, and networks are written for them."""
