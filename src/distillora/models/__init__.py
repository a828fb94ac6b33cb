"""Pretrained encoders, students made of their layers, adapters."""
