"""Programs that measure the gateway; none of them is a test."""
