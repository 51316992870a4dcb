"""What makes steps of gradients, and the state that goes from one step to the next. No model's loss, no files."""
