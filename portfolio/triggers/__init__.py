"""Every broker that Khata knows out of the box: one import line each fills the registry."""

from . import registry, sample  # noqa: F401
