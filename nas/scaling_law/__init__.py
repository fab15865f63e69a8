"""Predict bits per byte from architecture and training length: the law, its fit and its forecasts."""
