"""Encoders turn items into spikes."""
