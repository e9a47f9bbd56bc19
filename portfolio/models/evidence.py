"""What the brokers really answered: kept before it is read, encrypted under the account's key."""

from django.db import models

from .account import BrokerAccount
from .base import BookRow


class RawReply(BookRow):
    """One reply whose body the account had not sent before. Its leaf covers the digest of the ciphertext."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="+")
    request = models.TextField()
    status = models.IntegerField()
    fetched_at = models.DateTimeField()
    body_digest = models.BinaryField(max_length=32)
    ciphertext_digest = models.BinaryField(max_length=32)
    size = models.IntegerField()

    class Meta:
        db_table = "raw_replies"
        constraints = [models.UniqueConstraint(fields=["body_digest", "broker_account"], name="body_once_an_account")]
        verbose_name_plural = "raw replies"

    def __str__(self) -> str:
        return self.request


class RawBody(models.Model):
    """The body itself, compressed and encrypted. Droppable after retention; the reply's leaf still proves it."""

    guard = "append_only"

    reply = models.OneToOneField(RawReply, models.PROTECT, primary_key=True, related_name="body")
    ciphertext = models.BinaryField()

    class Meta:
        db_table = "raw_bodies"
        verbose_name_plural = "raw bodies"

    def __str__(self) -> str:
        return f"Body of {self.reply}"
