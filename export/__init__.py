"""From a trained checkpoint to a verified ONNX artefact."""
