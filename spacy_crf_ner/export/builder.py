"""Making ONNX graphs, node by node."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

# Of onnxruntime 1.17 and newer.
OPSET, IR_VERSION = 18, 9


class Builder:
    """A graph in the making. Its tensors are known by their names."""

    def __init__(self, prefix: str = "") -> None:
        """Begin a graph.

        prefix (str): Begins all names that the graph gives.
        """
        self._prefix = prefix
        self._nodes: list[NodeProto] = []
        self._constants: list[tuple[str, np.ndarray]] = []
        self._inputs: dict[str, tuple[np.dtype, Sequence[str | int]]] = {}

    def constant(self, value: Any) -> str:
        """Add a constant.

        value (Any): An array, or what makes one.
        RETURNS (str): Its name.
        """
        name = f"{self._prefix}constant_{len(self._constants)}"
        self._constants.append((name, np.array(value, order="C")))
        return name

    def input(self, name: str, *shape: str | int, dtype: str = "int64") -> str:
        """Add an input, unless there is one of this name.

        name (str): Its name.
        shape (str | int): Its dimensions.
        dtype (str): Its type.
        RETURNS (str): Its name.
        """
        self._inputs[name] = (np.dtype(dtype), shape)
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output.

        kind (str): The operator.
        inputs (str): Its inputs.
        attributes (Any): Its attributes.
        RETURNS (str): The name of its output.
        """
        (output,) = self.nodes(kind, *inputs, n_outputs=1, **attributes)
        return output

    def nodes(self, kind: str, *inputs: str, n_outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs.

        kind (str): The operator.
        inputs (str): Its inputs.
        n_outputs (int): The number of outputs.
        attributes (Any): Its attributes.
        RETURNS (list[str]): The names of its outputs.
        """
        from onnx import helper

        name = f"{self._prefix}{kind}_{len(self._nodes)}"
        outputs = [f"{name}_{i}" for i in range(n_outputs)]
        self._nodes.append(helper.make_node(kind, inputs, outputs, name, **attributes))
        return outputs

    def graph(self, name: str, outputs: dict[str, Sequence[str | int]]) -> "GraphProto":
        """Finish a graph, such as the body of a Scan.

        name (str): The name of the graph.
        outputs (dict[str, Sequence[str | int]]): The outputs, which are of float32, and their
            dimensions.
        RETURNS (GraphProto): The graph.
        """
        from onnx import helper, numpy_helper

        def describe(tensor: str, dtype: np.dtype, shape: Sequence[str | int]) -> Any:
            kind = helper.np_dtype_to_tensor_dtype(dtype)
            return helper.make_tensor_value_info(tensor, kind, shape)

        return helper.make_graph(
            self._nodes,
            name,
            [describe(tensor, *of) for tensor, of in self._inputs.items()],
            [describe(tensor, np.dtype("f4"), shape) for tensor, shape in outputs.items()],
            [numpy_helper.from_array(value, tensor) for tensor, value in self._constants],
        )

    def model(self, name: str, outputs: dict[str, Sequence[str | int]]) -> "ModelProto":
        """Finish a model. See `graph`.

        name (str): The name of the graph.
        outputs (dict[str, Sequence[str | int]]): The outputs and their dimensions.
        RETURNS (ModelProto): The model.
        """
        from onnx import helper

        opsets = [helper.make_opsetid("", OPSET)]
        graph = self.graph(name, outputs)
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="spacy-crf-ner"
        )
