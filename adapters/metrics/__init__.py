"""Metrics for Prometheus and the host's health, over HTTP."""
