"""Training: the loop over epochs, schedules, early stopping, history, checkpoints."""
