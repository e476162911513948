from __future__ import annotations

import json
from typing import Any

import pytest

from visualdl_embedding.analysis import Config, ProjectionSpec, plan_projections, split_key


def keys(config: Config) -> list[str]:
    return [spec.key for spec in config.specs]


def test_without_specs_each_method_makes_one_projection_for_each_number_of_components() -> None:
    config = Config(methods=("pca", "umap"), n_components=(2, 3), random_state=7)
    assert keys(config) == ["pca", "umap", "pca_3d", "umap_3d"]
    assert {spec.random_state for spec in config.specs} == {7}
    assert Config(methods=()).specs == ()


def test_a_spec_takes_from_the_configuration_what_it_leaves_open() -> None:
    spec = ProjectionSpec("umap_n_neighbors5", "umap", parameters={"n_neighbors": 5})
    config = Config(projections=(spec,), n_neighbors=9, min_dist=0.3)
    assert keys(config) == ["umap_n_neighbors5"]
    assert config.parameters_of(spec) == {"perplexity": 30.0, "n_neighbors": 5, "min_dist": 0.3}


def test_a_spec_is_found_by_its_key_and_else_by_its_method() -> None:
    specs = plan_projections("tsne", perplexity=(5, 30))
    config = Config(projections=specs, perplexity=12.0)
    assert config.spec("tsne_perplexity5") is specs[0]
    plain = config.spec("umap_3d")
    assert (plain.method, plain.n_components) == ("umap", 3)
    with pytest.raises(ValueError, match=r"no projection 'tsne_perplexity9'; known are tsne_perplexity5"):
        config.spec("tsne_perplexity9")


def test_specs_survive_json_and_newer_fields_are_ignored() -> None:
    config = Config(projections=plan_projections(("pca", "tsne"), perplexity=(5, 30), repeats=2))
    stored = json.loads(json.dumps(config.to_dict()))
    assert Config.from_dict(stored) == config
    stored["projections"][0]["glow"] = stored["glow"] = 1
    assert Config.from_dict(stored) == config


def test_a_configuration_without_specs_is_stored_as_before() -> None:
    assert "projections" not in Config().to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key": "tnse", "method": "tnse"}, "Unknown in methods: 'tnse'; known are pca, tsne"),
        ({"key": "tsne", "method": "tsne", "n_components": 4}, "Unknown in n_components: 4; known are 2, 3"),
        ({"key": "fine", "method": "tsne"}, "must be 'tsne', or begin with 'tsne_'"),
        ({"key": "tsne", "method": "tsne", "n_components": 3}, "must be 'tsne_3d'"),
        ({"key": "tsne_a/b", "method": "tsne"}, "letters, digits"),
        ({"key": "tsne", "method": "tsne", "parameters": {"min_dist": 1}}, "takes no min_dist; .* perplexity"),
    ],
)
def test_a_wrong_spec_is_explained(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProjectionSpec(**arguments)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ((ProjectionSpec("pca", "pca"), ProjectionSpec("pca", "pca")), "Two projections have the key 'pca'"),
        ((ProjectionSpec("tsne_b", "tsne", like="tsne"),), "no earlier projection of 2 components"),
    ],
)
def test_specs_that_do_not_go_together_are_explained(specs: tuple[ProjectionSpec, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(projections=specs)


def test_keys_tell_method_and_components() -> None:
    for spec in plan_projections(("pca", "tsne", "umap"), n_components=(2, 3), n_neighbors=(5, 15), repeats=2):
        assert split_key(spec.key) == (spec.method, spec.n_components)
