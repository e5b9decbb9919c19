"""Which cluster and namespace a command is about."""

from __future__ import annotations

import os

import pytest
import yaml

from canary.cli import kubeconfig as module
from canary.cli.exits import Failure
from canary.cli.kubeconfig import Place, place


def config(tmp_path, name="config", current="a", **namespaces):
    path = tmp_path / name
    contexts = [{"name": k, "context": {"namespace": v} if v else {}} for k, v in namespaces.items()]
    path.write_text(yaml.safe_dump({"current-context": current, "contexts": contexts}))
    return str(path)


def test_the_namespace_is_that_of_the_current_context(tmp_path):
    path = config(tmp_path, a="shop", b="other")
    assert place(path, None, {}) == Place(path, False, "shop")


def test_another_context_has_another_namespace(tmp_path):
    assert place(config(tmp_path, a="shop", b="other"), "b", {}).namespace == "other"


@pytest.mark.parametrize("content", ["", "[]", "{", "contexts: [1, {name: a}]", "{current-context: a}"])
def test_what_says_no_namespace_means_default(tmp_path, content):
    path = tmp_path / "config"
    path.write_text(content)
    assert place(str(path), None, {}).namespace == "default"


def test_the_first_file_of_several_wins(tmp_path):
    files = [config(tmp_path, "one", current="b", a="shop"), config(tmp_path, "two", current="a", a="no", b="other")]
    joined = os.pathsep.join(files)
    assert place(None, None, {"KUBECONFIG": joined}) == Place(joined, False, "other")


def test_a_pod_without_kubeconfig_uses_its_service_account(tmp_path, monkeypatch):
    namespace = tmp_path / "namespace"
    namespace.write_text("canary-system\n")
    monkeypatch.setattr(module, "SERVICE_ACCOUNT_NAMESPACE", namespace)
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBECONFIG": str(tmp_path / "none")}
    assert place(None, None, environ) == Place(None, True, "canary-system")


def test_a_kubeconfig_in_a_pod_is_used(tmp_path):
    path = config(tmp_path, a="shop")
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBECONFIG": path}
    assert place(None, None, environ) == Place(path, False, "shop")


def test_a_kubeconfig_that_was_asked_for_must_be_there_even_in_a_pod(tmp_path):
    with pytest.raises(Failure, match=r"there is no kubeconfig at .*none; name one with --kubeconfig"):
        place(str(tmp_path / "none"), None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


def test_a_file_of_several_may_be_missing(tmp_path):
    path = config(tmp_path, a="shop")
    assert place(None, None, {"KUBECONFIG": os.pathsep.join((str(tmp_path / "none"), path))}).kubeconfig == path
