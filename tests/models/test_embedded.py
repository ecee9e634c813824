from slmbench import models


def test_aliases():
    assert list(models.EMBEDDED) == [
        "smollm2-135m-int4",
        "smollm2-135m-int4-rtn",
        "smollm2-135m-int8",
        "smollm2-135m-fp32",
        "smollm2-135m-int4-1thread",
        "smollm2-135m-int4-2threads",
    ]
    assert all(v.alias == alias and v.scheme in models.SCHEMES for alias, v in models.EMBEDDED.items())


def test_default_set_is_three_qualities():
    assert [models.EMBEDDED[alias].scheme for alias in models.DEFAULT_SET] == ["int4", "int4-rtn", "int8"]
    assert all(models.EMBEDDED[alias].threads is None for alias in models.DEFAULT_SET)


def test_thread_variants_share_the_weights_of_int4():
    assert models.EMBEDDED["smollm2-135m-int4-2threads"] == models.Variant("smollm2-135m-int4-2threads", "int4", 2)
    for variant in models.EMBEDDED.values():
        base = models.EMBEDDED[variant.base]
        assert (base.scheme, base.threads) == (variant.scheme, None)
