"""What the brokers really answered: kept before it is read, encrypted under the account's key, until it is dropped."""

from django.db import models

from .account import BrokerAccount
from .base import BookRow


class RawReply(BookRow):
    """One reply whose body the account had not sent before, or of which no body was kept any more. Its leaf covers the
    digest of the ciphertext."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="+")
    request = models.TextField()
    status = models.IntegerField()
    fetched_at = models.DateTimeField()
    body_digest = models.BinaryField(max_length=32)
    ciphertext_digest = models.BinaryField(max_length=32)
    size = models.IntegerField()

    class Meta:
        db_table = "raw_replies"
        constraints = [models.UniqueConstraint(fields=["body_digest", "batch"], name="body_once_a_batch")]
        verbose_name_plural = "raw replies"

    def __str__(self) -> str:
        return self.request


class RawBody(models.Model):
    """The body itself, compressed and encrypted. It goes when the book says so: a `DroppedBody` first, see
    `portfolio/dropping.py`. The leaf of its reply still proves a copy of it."""

    guard = "until_dropped"

    reply = models.OneToOneField(RawReply, models.PROTECT, primary_key=True, related_name="body")
    ciphertext = models.BinaryField()

    class Meta:
        db_table = "raw_bodies"
        verbose_name_plural = "raw bodies"

    def __str__(self) -> str:
        return f"Body of {self.reply}"


class DroppedBody(BookRow):
    """The body of this reply was dropped: by the act of its batch, after it had been kept for long enough."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, related_name="+")
    reply = models.OneToOneField(RawReply, models.PROTECT, related_name="dropped")

    class Meta:
        db_table = "dropped_bodies"
        verbose_name_plural = "dropped bodies"

    def __str__(self) -> str:
        return f"Body of {self.reply}, dropped"
