"""Which admin site is the admin."""

from django.contrib.admin.apps import AdminConfig


class KhataAdminConfig(AdminConfig):
    default_site = "portfolio.site.KhataSite"
