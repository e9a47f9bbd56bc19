"""The web process."""

import os

from django.core.wsgi import get_wsgi_application

from portfolio import orphan

if os.environ.get(orphan.MARK):
    orphan.end_with_parent()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_project.settings")
application = get_wsgi_application()
