"""Objects as a Table, the form in which kubectl asks for what it prints.

Source: Kubernetes API concepts, "Receiving resources as Tables"; "Additional printer columns" of custom resources.
"""

from canary.sandbox.apiserver.table.builtin import columns_for
from canary.sandbox.apiserver.table.columns import Column, custom_columns
from canary.sandbox.apiserver.table.rendering import render

__all__ = ["Column", "columns_for", "custom_columns", "render"]
