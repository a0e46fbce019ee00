"""Training: the loop over epochs, learning rate schedules, early stopping, history and checkpoints."""
