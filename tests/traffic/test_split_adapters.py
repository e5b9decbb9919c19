"""What each mesh makes of the splits that we write: every weight becomes exactly the share that was asked for.

The models follow the adapters' public sources, named at each. Those at the end show that they can fail: splits as
others write them lose or change shares.
"""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from canary.api.quantity import parse_quantity
from canary.traffic.split import new_split
from canary.traffic.versions import VERSIONS
from canary.traffic.weights import shares


def written(weight, version="v1alpha2"):
    return json.loads(
        new_split(version, "prod", "web", shares("web-primary", "web-canary", weight), labels={}, annotations={})
    )


def foreign(*weights):
    backends = [{"service": f"s{index}", "weight": weight} for index, weight in enumerate(weights)]
    return {
        "apiVersion": "split.smi-spec.io/v1alpha1",
        "metadata": {"name": "web", "namespace": "prod"},
        "spec": {"service": "web", "backends": backends},
    }


# --- linkerd-smi, pkg/adaptor/controller.go; linkerd2, controller/api/destination (weights in thousandths times 10);
# --- linkerd2-proxy, which drops targets of weight 0.


def service_profile(split):
    namespace, root = split["metadata"]["namespace"], split["spec"]["service"]
    overrides = [
        {"authority": f"{backend['service']}.{namespace}.svc.cluster.local", "weight": str(backend["weight"])}
        for backend in split["spec"]["backends"]
    ]
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": f"{root}.{namespace}.svc.cluster.local", "namespace": namespace},
        "spec": {"dstOverrides": overrides},
    }


def linkerd_shares(profile):
    weights = {
        override["authority"].split(".")[0]: int(parse_quantity(override["weight"]) * 10_000) % 2**32
        for override in profile["spec"]["dstOverrides"]
    }
    return {name: Fraction(weight, sum(weights.values())) for name, weight in weights.items() if weight}


# --- smi-adapter-istio, pkg/controller/trafficsplit: percentages are rounded, the last backend has the remainder, and
# --- a weight of 0 is left out of the JSON.


def virtual_service(split):
    backends, name = split["spec"]["backends"], split["metadata"]["name"]
    total = sum(backend["weight"] for backend in backends)
    percents = [int(backend["weight"] / total * 100 + 0.5) for backend in backends[:-1]]
    percents.append(100 - sum(percents))
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "VirtualService",
        "metadata": {
            "name": f"{name}-vs",
            "namespace": split["metadata"]["namespace"],
            "labels": {"traffic-split": name},
            "ownerReferences": [
                {
                    "apiVersion": split["apiVersion"],
                    "kind": "TrafficSplit",
                    "name": name,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "hosts": [split["spec"]["service"]],
            "http": [
                {
                    "route": [
                        {"destination": {"host": backend["service"]}} | ({"weight": percent} if percent else {})
                        for backend, percent in zip(backends, percents, strict=True)
                    ]
                }
            ],
        },
    }


def istio_shares(service):
    routes = service["spec"]["http"][0]["route"]
    return {route["destination"]["host"]: Fraction(route["weight"], 100) for route in routes if "weight" in route}


# --- consul-smi-controller, consul/split.go; Consul refuses a splitter whose weights do not sum to 100.


class Refused(Exception): ...


def service_splitter(split):
    splits = [{"Weight": backend["weight"], "Service": backend["service"]} for backend in split["spec"]["backends"]]
    if round(sum(part["Weight"] for part in splits) * 100) != 10_000:
        raise Refused("the sum of all split weights must be 100")
    return {"Kind": "service-splitter", "Name": split["spec"]["service"], "Splits": splits}


def consul_shares(entry):
    return {part["Service"]: Fraction(part["Weight"], 100) for part in entry["Splits"] if part["Weight"]}


# --- Traefik Mesh, pkg/provider: a weighted service over one load balancer per backend.


def traefik_services(split, port=80):
    name, namespace, root = split["metadata"]["name"], split["metadata"]["namespace"], split["spec"]["service"]
    prefix = f"{namespace}-{root}-{name}-{port}"
    services = {}
    weighted = []
    for backend in split["spec"]["backends"]:
        key = f"{prefix}-{backend['service']}-traffic-split-backend"
        weighted.append({"name": key, "weight": backend["weight"]})
        url = f"http://{backend['service']}.{namespace}.traefik.mesh:{port}"
        services[key] = {"loadBalancer": {"servers": [{"url": url}], "passHostHeader": False}}
    return services | {f"{prefix}-traffic-split": {"weighted": {"services": weighted}}}


def traefik_shares(services):
    [weighted] = [service["weighted"]["services"] for service in services.values() if "weighted" in service]
    total = sum(part["weight"] for part in weighted)
    names = {
        part["name"].removeprefix("prod-web-web-80-").removesuffix("-traffic-split-backend"): part for part in weighted
    }
    return {name: Fraction(part["weight"], total) for name, part in names.items() if part["weight"]}


# --- Open Service Mesh, pkg/catalog: Envoy's weighted clusters, which must sum to total_weight.


def envoy_route(split):
    backends, namespace = split["spec"]["backends"], split["metadata"]["namespace"]
    clusters = [{"name": f"{namespace}/{backend['service']}|80", "weight": backend["weight"]} for backend in backends]
    return {"weighted_clusters": {"clusters": clusters, "total_weight": sum(part["weight"] for part in clusters)}}


def envoy_shares(route):
    parts = route["weighted_clusters"]
    return {
        part["name"].removeprefix("prod/").removesuffix("|80"): Fraction(part["weight"], parts["total_weight"])
        for part in parts["clusters"]
        if part["weight"]
    }


MESHES = {
    "linkerd-smi": lambda split: linkerd_shares(service_profile(split)),
    "smi-adapter-istio": lambda split: istio_shares(virtual_service(split)),
    "consul": lambda split: consul_shares(service_splitter(split)),
    "traefik-mesh": lambda split: traefik_shares(traefik_services(split)),
    "osm": lambda split: envoy_shares(envoy_route(split)),
}


@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_weight_is_exactly_the_share_that_the_mesh_gives(mesh, version):
    for weight in range(101):
        asked = {"web-canary": Fraction(weight, 100), "web-primary": Fraction(100 - weight, 100)}
        assert MESHES[mesh](written(weight, version)) == {name: share for name, share in asked.items() if share}


def test_the_service_profile_of_linkerd_is_golden():
    assert service_profile(written(10)) == {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": "web.prod.svc.cluster.local", "namespace": "prod"},
        "spec": {
            "dstOverrides": [
                {"authority": "web-canary.prod.svc.cluster.local", "weight": "10"},
                {"authority": "web-primary.prod.svc.cluster.local", "weight": "90"},
            ]
        },
    }


def test_the_virtual_service_of_istio_is_golden():
    service = virtual_service(written(10))
    assert service["metadata"]["name"] == "web-vs"
    assert service["metadata"]["ownerReferences"][0]["apiVersion"] == "split.smi-spec.io/v1alpha2"
    assert service["spec"] == {
        "hosts": ["web"],
        "http": [
            {
                "route": [
                    {"destination": {"host": "web-canary"}, "weight": 10},
                    {"destination": {"host": "web-primary"}, "weight": 90},
                ]
            }
        ],
    }


def test_the_virtual_service_of_istio_leaves_a_weight_of_0_out():
    assert virtual_service(written(0))["spec"]["http"][0]["route"][0] == {"destination": {"host": "web-canary"}}


def test_the_service_splitter_of_consul_is_golden():
    assert service_splitter(written(10)) == {
        "Kind": "service-splitter",
        "Name": "web",
        "Splits": [{"Weight": 10, "Service": "web-canary"}, {"Weight": 90, "Service": "web-primary"}],
    }


def test_the_weighted_services_of_traefik_are_golden():
    services = traefik_services(written(10))
    assert services["prod-web-web-80-traffic-split"] == {
        "weighted": {
            "services": [
                {"name": "prod-web-web-80-web-canary-traffic-split-backend", "weight": 10},
                {"name": "prod-web-web-80-web-primary-traffic-split-backend", "weight": 90},
            ]
        }
    }
    assert services["prod-web-web-80-web-canary-traffic-split-backend"] == {
        "loadBalancer": {"servers": [{"url": "http://web-canary.prod.traefik.mesh:80"}], "passHostHeader": False}
    }


def test_the_weighted_clusters_of_osm_are_golden():
    assert envoy_route(written(10)) == {
        "weighted_clusters": {
            "clusters": [{"name": "prod/web-canary|80", "weight": 10}, {"name": "prod/web-primary|80", "weight": 90}],
            "total_weight": 100,
        }
    }


# --- smi-sdk-go, pkg/apis/split/v1alpha1: a quantity becomes an integer by its digits, without its scale.


def converted(split):
    return [int(str(backend["weight"]).removesuffix("m")) for backend in split["spec"]["backends"]]


@pytest.mark.parametrize("weight", range(101))
def test_a_conversion_between_versions_keeps_our_weights(weight):
    assert converted(written(weight, "v1alpha1")) == [weight, 100 - weight]


def test_a_conversion_between_versions_changes_shares_of_mixed_quantities():
    assert converted(foreign("1", "500m")) == [1, 500]


def test_istio_loses_a_share_below_one_percent():
    assert istio_shares(virtual_service(foreign(999, 1))) == {"s0": 1}


def test_istio_gives_the_remainder_to_a_last_backend_of_weight_0():
    assert istio_shares(virtual_service(foreign(1, 1, 1, 0)))["s3"] == Fraction(1, 100)


def test_consul_refuses_other_sums():
    with pytest.raises(Refused):
        service_splitter(foreign(1000, 500))


def test_linkerd_overflows_on_large_weights():
    assert linkerd_shares(service_profile(foreign(429_497, 1)))["s0"] < Fraction(1, 2)
