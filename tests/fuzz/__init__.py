"""Random valid networks, composed from all that is mapped, each converted and proven in float64."""
