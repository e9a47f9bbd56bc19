"""A pretend broker in the smallest form there is: copy this file to add a broker.

API: none. Login: `token`. Time zone: none given. Units: shares and rupees.
`self.broker_account.credential.credentials` is what the account's owner entered in `manage.py connect`.
"""

from typing import Any

from .base import BaseTrigger, CredentialField, LoginMethod, LoginRequired
from .registry import register


@register("SAMPLE")
class SampleTrigger(BaseTrigger):
    name = "Sample broker"
    login_methods = (LoginMethod("token", "any token", (CredentialField("token", "Token"),)),)

    def fetch_holdings(self) -> list[dict[str, Any]]:
        credentials = self.broker_account.credential.credentials
        if not credentials.get("token"):
            raise LoginRequired("the sample broker wants a token: run manage.py connect sample")
        return [
            {"symbol": "TCS", "isin": "INE467B01029", "quantity": 10, "avg_price": 2200.0, "asset_type": "stock"},
            {"symbol": "INFY", "isin": "INE009A01021", "quantity": 25, "avg_price": 1510.35, "asset_type": "stock"},
        ]
