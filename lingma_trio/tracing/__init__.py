"""Traces of requests by OpenTelemetry, where somebody collects them and the extra `otel` is installed."""
