"""A Jinja sandbox with limits: a template is a program from outside, and it must end.

Jinja's own sandbox keeps a template from Python's internals; it does not keep it from taking all
memory and time. Here every render has a budget. Whatever makes a value pays for its size, whatever
repeats pays for each round, and what could make a huge value in one step pays before it is made:

- operators, calls, filters and printed values are intercepted by jinja2's own hooks;
- what jinja2 has no hook for (loops, macros, `~`, slices, literals of lists) is rewritten in the
  syntax tree into filters of ours, which a template cannot shadow;
- filters, methods and globals are those that chat templates use; all others do not exist here.

The clock is read at every round of a loop: comparisons of long texts cost time but make nothing.
"""

# jinja2 does not type its environment's tables and hooks
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnknownLambdaType=false

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from jinja2 import nodes, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from tunesmith.text.budget import BUDGET, check_operands, checked_arguments, pay_for, printable
from tunesmith.text.filters import FILTERS, GLOBALS, METHODS, SCAFFOLD
from tunesmith.text.unseen import Unseen, joined, text_of, trimmed

MAX_SOURCE_CHARACTERS = 500_000

# What these print can be read again by the template, as a value.
_CAPTURING = (nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock, nodes.Block)


class LimitedSandbox(ImmutableSandboxedEnvironment):
    """Renders templates within the `BUDGET` of the current context."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        # Without the optimizer: it would run filters while the template is compiled.
        super().__init__(optimized=False, finalize=_finalize, **options)
        self.filters = {**FILTERS, **_HOOKS, "trim": _trim}
        self.globals = dict(GLOBALS)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = _Metering().visit(super()._parse(source, name, filename))
        return tree.set_environment(self)

    def captures(self, source: str) -> bool:
        """Whether the template `source` may read what it printed."""
        tree = self.parse(source)
        recursive = any(loop.recursive for loop in tree.find_all(nodes.For))
        return recursive or any(tree.find_all(_CAPTURING))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only the attributes that chat templates use, of the kinds of values that they see."""
        for kind, allowed in METHODS:
            if isinstance(obj, kind):
                return attr in allowed
        return isinstance(obj, SCAFFOLD) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """`str.format` stays what it is, an attribute that is not allowed."""

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute `left operator right` if the result can be paid for."""
        if operator == "+" and type(left) is str and type(right) is str:  # nearly all there are
            BUDGET.get().spend(len(left) + len(right))
            return left + right
        if operator == "+" and (type(left) is Unseen or type(right) is Unseen):
            result = joined(left, right)
        else:
            check_operands(operator, left, right)
            result = super().call_binop(context, operator, left, right)
        pay_for(result)
        return result

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call `__obj` if the result can be paid for."""
        BUDGET.get().spend_round(0)
        receiver = getattr(__obj, "__self__", None)
        if isinstance(receiver, str):
            args = checked_arguments(__obj.__name__, receiver, args)
        result = super().call(__context, __obj, *args, **kwargs)
        pay_for(result)
        return result


@pass_context
def _finalize(context: Any, value: Any) -> Any:
    """Let a value be printed. That it asks for the context keeps constants from being folded."""
    if type(value) is Unseen:
        value = text_of(value)
    if type(value) is str:
        BUDGET.get().spend(len(value))
        return value
    return printable(value)


def _trim(value: Any, chars: str | None = None) -> Any:
    if type(value) is Unseen and chars is None:
        return trimmed(value)
    return FILTERS["trim"](value, chars)


# --- what the syntax tree is rewritten to ----------------------------------------------------


def _round_begins(num_characters: int) -> None:
    BUDGET.get().spend_round(num_characters)


def _each_paid(items: Iterable[Any]) -> Iterator[Any]:
    """The items of a loop with a condition, also of those rounds that it skips."""
    for item in items:
        BUDGET.get().spend_round(0)
        yield item


def _concatenated(values: Any) -> str:
    return "".join(str(printable(value)) for value in values)


def _cut(value: Any, *bounds: Any) -> Any:
    part = value[slice(*bounds)]
    pay_for(part)
    return part


def _built(value: Any) -> Any:
    pay_for(value)
    return value


_HOOKS: Mapping[str, Callable[..., Any]] = {
    "round begins": _round_begins,
    "each paid": _each_paid,
    "concatenated": _concatenated,
    "cut": _cut,
    "built": _built,
}


class _Metering(NodeTransformer):
    """Puts the hooks in. Their names have a space where a template could do harm with them."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        if node.test is not None:
            node.iter = _hook("each paid", cast(nodes.Expr, node.iter))
        return self._with_rounds(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:
        self.generic_visit(node)
        return self._with_rounds(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.CallBlock:
        self.generic_visit(node)
        return self._with_rounds(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _hook("concatenated", nodes.Tuple(node.nodes, "load", lineno=node.lineno))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        return _hook(
            "cut", node.node, *(bound or nodes.Const(None, lineno=node.lineno) for bound in bounds)
        )

    def visit_List(self, node: nodes.List) -> nodes.Expr:
        return self._built(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Expr:
        return self._built(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:
        return self._built(node) if node.ctx == "load" else node

    def _built(self, node: nodes.Expr) -> nodes.Expr:
        self.generic_visit(node)
        return _hook("built", node)

    def _with_rounds(self, node: Any) -> Any:
        num_characters = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        size = nodes.Const(num_characters, lineno=node.lineno)
        node.body = [nodes.ExprStmt(_hook("round begins", size), lineno=node.lineno), *node.body]
        return node


def _hook(name: str, node: nodes.Expr, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
