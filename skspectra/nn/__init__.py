"""Torch modules: tokens, masks, encoders, heads and losses."""
