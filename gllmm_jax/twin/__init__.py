"""The integer twin of a trained model: its arithmetic, and how it is made, bounded and proven."""
