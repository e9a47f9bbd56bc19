"""Every broker that Khata knows out of the box: one import line each fills the registry."""

from . import groww, registry, sample, zerodha  # noqa: F401
