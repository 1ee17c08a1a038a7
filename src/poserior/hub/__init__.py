"""Trained models on the Hugging Face Hub, with a model card from their own metrics."""

from poserior.hub.card import model_card
from poserior.hub.predictor import PretrainedPredictor
from poserior.hub.pretrained import from_pretrained, push_to_hub, save_pretrained

__all__ = ["PretrainedPredictor", "from_pretrained", "model_card", "push_to_hub", "save_pretrained"]
