"""The rules whose breach is refused, by the API server or by the controller."""

from __future__ import annotations

from canary.lint.finding import Level
from canary.lint.rule import Rule

_CRD = "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/"
_NAMES = "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
_STRICT = "https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation"

ERRORS = (
    Rule(
        id="syntax",
        level=Level.ERROR,
        title="The document is not YAML.",
        reason="kubectl refuses the file as a whole. Other documents of the file are looked at all the same.",
        sources=("https://yaml.org/spec/1.2.2/",),
    ),
    Rule(
        id="template",
        level=Level.ERROR,
        title="The document is a template.",
        reason="It becomes YAML when it is rendered, and only then it can be looked at: "
        "`helm template … | canary lint -f -`.",
        sources=("https://helm.sh/docs/chart_template_guide/getting_started/",),
    ),
    Rule(
        id="duplicate-key",
        level=Level.ERROR,
        title="An object has a field twice.",
        reason="Only one of the two counts, and not every program takes the same one.",
        sources=("https://yaml.org/spec/1.2.2/#3212-node-comparison", _STRICT),
    ),
    Rule(
        id="identity",
        level=Level.ERROR,
        title="`apiVersion` or `kind` is not that of a Canary.",
        reason="The API server knows no such kind, or gives the object to another project's controller.",
        sources=("https://kubernetes.io/docs/concepts/overview/working-with-objects/#required-fields",),
    ),
    Rule(
        id="metadata",
        level=Level.ERROR,
        title="A name, a label or an annotation is refused.",
        reason="The API server refuses the object. The name of a Canary becomes the value of a label of what is made "
        "for it, and those have at most 63 characters.",
        sources=(_NAMES, "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"),
    ),
    Rule(
        id="unknown-field",
        level=Level.ERROR,
        title="There is no such field.",
        reason="With strict field validation, which kubectl asks for, the API server refuses the object; without, it "
        "drops the field in silence.",
        sources=(_STRICT,),
    ),
    Rule(
        id="schema",
        level=Level.ERROR,
        title="A value is not allowed.",
        reason="The API server refuses the object. It is the controller's own validation, which says everything at "
        "once: [all fields](canary.md).",
        sources=(_CRD,),
    ),
    Rule(
        id="source",
        level=Level.ERROR,
        title="The metrics source cannot carry it.",
        reason="The controller refuses the spec (`InvalidSpec`), wherever it is installed: "
        "[where the numbers come from](../metrics.md). What depends on the installation is not looked at.",
    ),
)
