"""One settings file, all from the environment and `.env`. Each setting is explained in docs/settings.md."""

import os
from pathlib import Path
from typing import Any

from .environment import database, env, env_bool, env_int, kept_key, load_dotenv, log_level, own_folder

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(BASE_DIR / ".env")

VAR_DIR = own_folder(Path(env("KHATA_VAR", str(BASE_DIR / "var"))))
DEBUG = env_bool("DEBUG")
SECRET_KEY = env("SECRET_KEY") or kept_key(VAR_DIR / "secret_key")
ALLOWED_HOSTS = [name.strip() for name in env("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")]

DATABASES = {"default": database(env("DATABASE_URL", f"sqlite:///{VAR_DIR / 'khata.sqlite3'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "portfolio_project.apps.KhataAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "portfolio",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "portfolio_project.urls"
WSGI_APPLICATION = "portfolio_project.wsgi.application"
AUTH_USER_MODEL = "portfolio.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Instants are stored in UTC; the admin shows India's time. Trading days are computed from the instant
# in Asia/Kolkata, never from this setting.
USE_TZ = True
TIME_ZONE = "Asia/Kolkata"
LANGUAGE_CODE = "en-gb"
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"  # stays empty: the files are served from where they are
WHITENOISE_USE_FINDERS = True

KHATA_CLOCK = env("KHATA_CLOCK")
KHATA_KEYS = env("KHATA_KEYS")
KHATA_SYNC_GROUP = env_int("KHATA_SYNC_GROUP", 200)
KHATA_LOOPS = env_int("KHATA_LOOPS", min(2, os.cpu_count() or 1))
KHATA_CONCURRENCY = env_int("KHATA_CONCURRENCY", 64)
KHATA_BACKUP_DAYS = env_int("KHATA_BACKUP_DAYS", 30)
KHATA_REPLY_YEARS = env_int("KHATA_REPLY_YEARS", 9)
# <BROKER>_API_URL and <BROKER>_INSTRUMENTS_URL are looked up by broker code, see `broker_url`.


def broker_url(code: str, kind: str = "API") -> str:
    """The address of a broker when it is not the broker's own: a simulator, a proxy."""
    return env(f"{code}_{kind}_URL")


CELERY_BROKER_URL = env("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
CELERY_TIMEZONE = "Asia/Kolkata"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # results are ignored, and beat needs no entry that clears them away
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 1500
CELERY_TASK_SOFT_TIME_LIMIT = 1440
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "unacked_restore_interval": 5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

PLAIN = {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": PLAIN, "without trace": {**PLAIN, "class": "portfolio_project.environment.WithoutTrace"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain"},
        "of strangers": {"class": "logging.StreamHandler", "formatter": "without trace"},
    },
    "loggers": {"django.security": {"handlers": ["of strangers"], "propagate": False}},
    "root": {"handlers": ["console"], "level": log_level(env("LOG_LEVEL", "WARNING"))},
}
