"""What is trained: corpora, architectures, training, evaluation, calibration."""
