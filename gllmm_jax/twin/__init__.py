"""The integer twin of a trained model: its arithmetic, how it is made, and the proof of its bounds."""
