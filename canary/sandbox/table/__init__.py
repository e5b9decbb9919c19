"""Objects as a Table, the form in which kubectl asks for what it prints.

Source: Kubernetes API concepts, "Receiving resources as Tables"; "Additional printer columns" of custom resources.
"""

from canary.sandbox.table.builtin import columns_for
from canary.sandbox.table.columns import Column, custom_columns
from canary.sandbox.table.rendering import render

__all__ = ["Column", "columns_for", "custom_columns", "render"]
