"""What people did to a book outside of a sync: that it was done stands in clear, who did it and why does not."""

from django.db import models

from .account import BrokerAccount
from .base import BookRow


class Act(BookRow):
    """One import, answer, correction or new reading: one a batch. `subject` names no person.

    Who and why are JSON in `act_words`, encrypted under the account's evidence key; the leaf covers the digest of
    the ciphertext, so that they can be erased and the book still holds.
    """

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, related_name="acts")
    subject = models.CharField(max_length=500)
    words_digest = models.BinaryField(max_length=32)
    ciphertext_digest = models.BinaryField(max_length=32)

    class Meta:
        db_table = "acts"

    def __str__(self) -> str:
        return self.subject


class ActWords(models.Model):
    """Who did it and why, encrypted."""

    guard = "append_only"

    act = models.OneToOneField(Act, models.PROTECT, primary_key=True, related_name="words")
    ciphertext = models.BinaryField()

    class Meta:
        db_table = "act_words"
        verbose_name_plural = "words of acts"

    def __str__(self) -> str:
        return f"Words of {self.act}"
