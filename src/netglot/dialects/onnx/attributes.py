"""Attributes of nodes, and the functions by which the standard defines operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netglot.dialects.onnx.common import ELEMENT_TYPES, decimal
from netglot.errors import InputError, Refusal, notimpl

_CODES = {name: code for code, name in ELEMENT_TYPES.items()}


def attributes_of(node: Any, given: Mapping[str, Any], protos: Any = None) -> dict[str, Any]:
    """The attributes of a node as Python values; those that refer to a function's attribute are taken from `given`."""
    found = {}
    for attribute in node.attribute if protos is None else protos:
        if attribute.ref_attr_name:
            if attribute.ref_attr_name in given:
                found[attribute.name] = given[attribute.ref_attr_name]
            continue
        found[attribute.name] = _value(attribute)
    return found


def _value(attribute: Any) -> Any:
    from onnx import AttributeProto as Kind

    from netglot.formats.onnx_tensors import array_of

    match attribute.type:
        case Kind.FLOAT:
            return decimal(attribute.f)
        case Kind.INT:
            return attribute.i
        case Kind.STRING:
            return attribute.s.decode("utf-8", "replace")
        case Kind.FLOATS:
            return [decimal(one) for one in attribute.floats]
        case Kind.INTS:
            return list(attribute.ints)
        case Kind.STRINGS:
            return [one.decode("utf-8", "replace") for one in attribute.strings]
        case Kind.TENSOR:
            return array_of(attribute.t)
        case Kind.GRAPH:
            return attribute.g
        case Kind.TYPE_PROTO:
            return attribute.tp
        case Kind.SPARSE_TENSOR:
            return attribute.sparse_tensor
    raise InputError(f"the attribute {attribute.name!r} has a kind that is not understood")


def settled(node: Any, given: Mapping[str, Any]) -> Any:
    """A node of a function with the attributes that it takes from the function's own."""
    if not any(attribute.ref_attr_name for attribute in node.attribute):
        return node
    from onnx import NodeProto, helper

    made = NodeProto()
    made.CopyFrom(node)
    del made.attribute[:]
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            made.attribute.append(attribute)
        elif attribute.ref_attr_name in given:
            made.attribute.append(helper.make_attribute(attribute.name, given[attribute.ref_attr_name]))
    return made


def schema_of(domain: str, name: str, version: int) -> Any:
    """What the standard says of an operator; None where it does not know it."""
    from onnx import defs
    from onnx.onnx_cpp2py_export.defs import SchemaError

    try:
        return defs.get_schema(name, version, domain)
    except SchemaError:
        return None


def defaults_of(domain: str, name: str, version: int) -> dict[str, Any]:
    """The attributes of an operator that have a default, by the standard."""
    schema = schema_of(domain, name, version)
    given = [one.default_value for one in schema.attributes.values()] if schema is not None else []
    return attributes_of(None, {}, [one for one in given if one.name])


def function_of(domain: str, node: Any, version: int, types: list[Any]) -> Any:
    """The function by which the standard defines an operator; None where it does not."""
    from onnx import FunctionProto, helper

    schema = schema_of(domain, node.op_type, version)
    if schema is None:
        return None
    if schema.has_context_dependent_function:
        protos = [_type_proto(kind, helper) for kind in types]
        text = schema.get_context_dependent_function_with_opset_version(
            max((v for v in schema.context_dependent_function_opset_versions if v <= version), default=version),
            node.SerializeToString(),
            [proto.SerializeToString() for proto in protos],
        )
        return FunctionProto.FromString(text) if text else None
    if schema.has_function:
        usable = max((v for v in schema.function_opset_versions if v <= version), default=None)
        if usable is None:
            return None
        return FunctionProto.FromString(schema.get_function_with_opset_version(usable))
    return None


def _type_proto(kind: Any, helper: Any) -> Any:
    from onnx import TypeProto

    if kind is None:
        return TypeProto()
    if isinstance(kind, list):
        return helper.make_sequence_type_proto(_type_proto(kind[0], helper)) if kind else TypeProto()
    if kind.dtype not in _CODES:
        raise Refusal(notimpl(f"a tensor of {kind.dtype}"))
    shape = [size if isinstance(size, int) else str(size) for size in kind.shape]
    return helper.make_tensor_type_proto(_CODES[kind.dtype], shape)


def code_of(dtype: str) -> int:
    """ONNX's code of a dtype."""
    return _CODES[dtype]
