"""The templates of deploy/aws as CloudFormation reads them, for what moto's CloudFormation does not make of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "aws"
TEMPLATES = sorted(FOLDER.glob("*.yaml"))
ACCOUNT, REGION = "123456789012", "eu-west-1"
PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::StackName": "sluice"}
NO_VALUE = object()


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, each as a mapping of one key."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{suffix}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    raise TypeError(f"!{suffix} of a mapping")


_Loader.add_multi_constructor("!", _tag)


class Template:
    """A template with values for its parameters; ``resource`` gives the properties of a resource, all resolved."""

    def __init__(self, name: str, **parameters: str) -> None:
        self.text = (FOLDER / f"{name}.yaml").read_text()
        self.document = yaml.load(self.text, _Loader)
        defaults = {key: given.get("Default") for key, given in self.document["Parameters"].items()}
        self.parameters: dict[str, Any] = defaults | parameters
        missing = [key for key, value in self.parameters.items() if value is None]
        if missing:
            raise ValueError(f"{name} wants {missing}")

    def resources(self, kind: str) -> dict[str, Any]:
        """The properties of all resources of a type that the parameters let exist, by their logical ids."""
        found = self.document["Resources"].items()
        return {
            name: self.resolve(resource["Properties"])
            for name, resource in found
            if resource["Type"] == kind and self._exists(resource.get("Condition"))
        }

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1 and next(iter(value)).startswith("!"):
            ((tag, argument),) = value.items()
            return getattr(self, f"_{tag[1:].lower()}")(argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _exists(self, condition: str | None) -> bool:
        return condition is None or bool(self.resolve(self.document["Conditions"][condition]))

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return (self.parameters | PSEUDO).get(name, f"<{name}>")

    def _sub(self, text: str) -> str:
        return re.sub(r"\$\{([\w:]+)\}", lambda found: str(self._ref(found[1])), text)

    def _getatt(self, path: str) -> str:
        return f"<{path}>"

    def _if(self, argument: list[Any]) -> Any:
        condition, yes, no = argument
        return self.resolve(yes if self._exists(condition) else no)

    def _not(self, argument: list[Any]) -> bool:
        return not self.resolve(argument[0])

    def _equals(self, argument: list[Any]) -> bool:
        return bool(self.resolve(argument[0]) == self.resolve(argument[1]))
