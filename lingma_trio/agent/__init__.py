"""The second role of the package: it runs Lingmas, or agents that speak ACP, for gateways on other machines."""
