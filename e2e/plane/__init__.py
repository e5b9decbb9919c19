"""A real Kubernetes control plane as local processes."""

from __future__ import annotations

from e2e.plane.access import User
from e2e.plane.audit import AuditEvent, AuditLog, Mark
from e2e.plane.build import build_controlplane
from e2e.plane.plane import Plane

__all__ = ["AuditEvent", "AuditLog", "Mark", "Plane", "User", "build_controlplane"]
