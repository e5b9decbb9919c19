"""kubernetes_asyncio without its generated classes."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: what is imported stays imported."""
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


IMPORT = """
import sys
from canary.kube.generated import without_generated_classes
with without_generated_classes():
    import kubernetes_asyncio
    from kubernetes_asyncio import client, config
"""


def test_generated_classes_are_not_loaded_and_the_rest_is() -> None:
    done = run(IMPORT + "print(client.V1Pod is object, client.CoreV1Api is object, client.ApiClient.__name__)")
    assert (done.stdout.split(), done.stderr) == (["True", "True", "ApiClient"], "")


def test_no_file_of_a_generated_class_is_read() -> None:
    code = IMPORT + "print(sum(1 for name, m in sys.modules.items() if 'client.models' in name and m.__spec__.origin))"
    assert run(code).stdout.strip() == "0"


def test_nothing_is_left_in_the_import_system() -> None:
    code = IMPORT + "print(any(type(finder).__module__.startswith('canary') for finder in sys.meta_path))"
    assert run(code).stdout.strip() == "False"


def test_a_library_that_is_loaded_stays_as_it_is() -> None:
    done = run("import kubernetes_asyncio.client\n" + IMPORT + "print(client.V1Pod.__name__)")
    assert done.stdout.strip() == "V1Pod"
