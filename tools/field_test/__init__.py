"""Published models and tutorials under the probes: `make field-test`."""
