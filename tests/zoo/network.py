"""One network of the zoos: where it comes from, how it is built, and what it is called with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Network:
    """`build` makes it with random weights; `inputs` is what `netglot.convert` takes; `to` what it becomes."""

    library: str
    family: str
    variant: str
    build: Callable[[], Any]
    inputs: tuple[Any, ...]
    to: str = "keras"

    @property
    def name(self) -> str:
        """The name in the table and for `--only`: `torchvision/resnet18`."""
        return f"{self.library}/{self.variant}"


def catalogue() -> dict[str, Network]:
    """Every network by name, library after library. No framework is imported by this."""
    from tests.zoo import keras_networks, timm_networks, torchvision_networks, transformers_networks

    modules = (torchvision_networks, timm_networks, transformers_networks, keras_networks)
    return {network.name: network for module in modules for network in module.networks()}
