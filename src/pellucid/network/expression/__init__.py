"""Functions of elements and tensors as expressions: traced, differentiated, run."""

from pellucid.network.expression import math as math
from pellucid.network.expression.codec import from_json as from_json
from pellucid.network.expression.codec import to_json as to_json
from pellucid.network.expression.derivative import conditions as conditions
from pellucid.network.expression.derivative import differentiate as differentiate
from pellucid.network.expression.evaluate import bind as bind
from pellucid.network.expression.evaluate import fold as fold
from pellucid.network.expression.nodes import Expression as Expression
from pellucid.network.expression.nodes import constant as constant
from pellucid.network.expression.nodes import variable as variable
from pellucid.network.expression.tensor_program import TensorProgram as TensorProgram
from pellucid.network.expression.tensor_program import run as run
from pellucid.network.expression.tensor_program import tensor_program as tensor_program
from pellucid.network.expression.text import Style as Style
from pellucid.network.expression.text import write as write
from pellucid.network.expression.trace import trace as trace
