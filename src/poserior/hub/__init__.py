"""Trained models on the Hugging Face Hub, with a model card from their own metrics."""
