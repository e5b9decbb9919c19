"""The horizontal pod autoscaler of the embedded cluster: started only where a simulation asks for it.

Source: Kubernetes, "Horizontal Pod Autoscaling", "Algorithm details" and "Configurable scaling behavior".
"""

from __future__ import annotations

from canary.sandbox.autoscaling.controller import AutoscalerController, Utilization

__all__ = ["AutoscalerController", "Utilization"]
