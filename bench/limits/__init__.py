"""What the machine can do at best, whoever asks."""
