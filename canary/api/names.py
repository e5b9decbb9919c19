"""Group, annotation, label and manager names: the words that other programs read."""

from __future__ import annotations

GROUP = "canary.delivery"
VERSION = "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "Canary"
PLURAL = "canaries"

STATE_ANNOTATION = f"{GROUP}/state"
OWNER_ANNOTATION = f"{GROUP}/owner"
CANARY_LABEL = f"{GROUP}/canary"
COMMAND_ANNOTATION = f"{GROUP}/command"
ABORT_ANNOTATION = f"{GROUP}/abort"
FINALIZER = f"{GROUP}/finalizer"

CONTROLLER_MANAGER = "canary-controller"
CLI_MANAGER = "canary-cli"
REPORTING_CONTROLLER = f"{GROUP}/controller"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
