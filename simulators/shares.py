"""What is traded in the simulated market: real NSE shares with their real ISINs, and a few contracts.

Prices here are only where the random walk of the year begins. Indexes have no ISIN; neither have contracts.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

CASH, FNO = "CASH", "FNO"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One thing with a symbol. `token` is the NSE exchange token, `bse_code` empty when it is not on BSE."""

    symbol: str
    isin: str
    name: str
    segment: str
    kind: str  # EQ, IDX, FUT, CE, PE
    token: int
    bse_code: str = ""
    lot_size: int = 1
    base_price: int = 0  # rupees
    underlying: str = ""
    expiry: date | None = None
    strike: Decimal = Decimal(0)

    @property
    def exchanges(self) -> tuple[str, ...]:
        return ("NSE", "BSE") if self.bse_code else ("NSE",)


# symbol | ISIN | NSE token | BSE code | rupees at the start of 2026, roughly | name
_SHARES = """
RELIANCE|INE002A01018|2885|500325|1400|Reliance Industries
TCS|INE467B01029|11536|532540|3050|Tata Consultancy Services
INFY|INE009A01021|1594|500209|1480|Infosys
HDFCBANK|INE040A01034|1333|500180|960|HDFC Bank
ITC|INE154A01025|1660|500875|405|ITC
SBIN|INE062A01020|3045|500112|880|State Bank of India
ICICIBANK|INE090A01021|4963|532174|1380|ICICI Bank
AXISBANK|INE238A01034|5900|532215|1180|Axis Bank
BHARTIARTL|INE397D01024|10604|532454|2010|Bharti Airtel
HINDUNILVR|INE030A01027|1394|500696|2450|Hindustan Unilever
LT|INE018A01030|11483|500510|3850|Larsen & Toubro
MARUTI|INE585B01010|10999|532500|15800|Maruti Suzuki India
SUNPHARMA|INE044A01036|3351|524715|1640|Sun Pharmaceutical Industries
TITAN|INE280A01028|3506|500114|3700|Titan Company
ASIANPAINT|INE021A01026|236|500820|2480|Asian Paints
BAJFINANCE|INE296A01032|317|500034|1030|Bajaj Finance
BAJAJFINSV|INE918I01026|16675|532978|2080|Bajaj Finserv
HCLTECH|INE860A01027|7229|532281|1490|HCL Technologies
WIPRO|INE075A01022|3787|507685|245|Wipro
TECHM|INE669C01036|13538|532755|1440|Tech Mahindra
ULTRACEMCO|INE481G01011|11532|532538|12100|UltraTech Cement
NESTLEIND|INE239A01024|17963|500790|1250|Nestle India
POWERGRID|INE752E01010|14977|532898|288|Power Grid Corporation of India
NTPC|INE733E01010|11630|532555|335|NTPC
ONGC|INE213A01029|2475|500312|246|Oil & Natural Gas Corporation
COALINDIA|INE522F01014|20374|533278|388|Coal India
TATASTEEL|INE081A01020|3499|500470|170|Tata Steel
JSWSTEEL|INE019A01038|11723|500228|1140|JSW Steel
HINDALCO|INE038A01020|1363|500440|780|Hindalco Industries
GRASIM|INE047A01021|1232|500300|2790|Grasim Industries
CIPLA|INE059A01026|694|500087|1530|Cipla
DRREDDY|INE089A01031|881|500124|1270|Dr. Reddy's Laboratories
DIVISLAB|INE361B01024|10940|532488|6250|Divi's Laboratories
APOLLOHOSP|INE437A01024|157|508869|7550|Apollo Hospitals Enterprise
BRITANNIA|INE216A01030|547|500825|5850|Britannia Industries
EICHERMOT|INE066A01021|910|505200|6950|Eicher Motors
HEROMOTOCO|INE158A01026|1348|500182|5480|Hero MotoCorp
M&M|INE101A01026|2031|500520|3480|Mahindra & Mahindra
ADANIENT|INE423A01024|25|512599|2480|Adani Enterprises
ADANIPORTS|INE742F01042|15083|532921|1430|Adani Ports and Special Economic Zone
INDUSINDBK|INE095A01012|5258|532187|750|IndusInd Bank
BPCL|INE029A01011|526|500547|345|Bharat Petroleum Corporation
IOC|INE242A01010|1624|530965|152|Indian Oil Corporation
GAIL|INE129A01019|4717|532155|178|GAIL (India)
TATAPOWER|INE245A01021|3426|500400|392|Tata Power Company
TATACONSUM|INE192A01025|3432|500800|1140|Tata Consumer Products
PIDILITIND|INE318A01026|2664|500331|1500|Pidilite Industries
DABUR|INE016A01026|772|500096|495|Dabur India
GODREJCP|INE102D01028|10099|532424|1190|Godrej Consumer Products
HAVELLS|INE176B01034|9819|517354|1480|Havells India
SHREECEM|INE070A01015|3103|500387|28900|Shree Cement
AMBUJACEM|INE079A01024|1270|500425|565|Ambuja Cements
ACC|INE012A01025|22|500410|1840|ACC
VEDL|INE205A01025|3063|500295|480|Vedanta
BANKBARODA|INE028A01039|4668|532134|265|Bank of Baroda
PNB|INE160A01022|10666|532461|116|Punjab National Bank
CANBK|INE476A01022|10794|532483|128|Canara Bank
LUPIN|INE326A01037|10440|500257|1930|Lupin
DLF|INE271C01023|14732|532868|755|DLF
SIEMENS|INE003A01024|3150|500550|3120|Siemens
BEL|INE263A01024|383|500049|405|Bharat Electronics
IRCTC|INE335Y01020|13611|542830|715|Indian Railway Catering and Tourism Corporation
HDFCLIFE|INE795G01014|467|540777|755|HDFC Life Insurance Company
SBILIFE|INE123W01016|21808|540719|1850|SBI Life Insurance Company
YESBANK|INE528G01035|11915|532648|22|Yes Bank
NMDC|INE584A01023|15332|526371|76|NMDC
SAIL|INE114A01011|2963|500113|134|Steel Authority of India
MRF|INE883A01011|2277|500290|152000|MRF
MARICO|INE196A01026|4067|531642|718|Marico
KOTAKBANK|INE237A01036|1922|500247|428|Kotak Mahindra Bank
"""

# symbol | NSE token | points
_INDEXES = """
NIFTY|26000|25200
BANKNIFTY|26009|57000
"""

# underlying | expiry | lot | NSE token of the future | strikes (each as a call and a put, on the tokens that follow)
_CONTRACTS = """
NIFTY|2026-10-27|65|40001|24500 25000 25500
NIFTY|2026-11-23|65|40011|24500 25000 25500
BANKNIFTY|2026-10-27|30|40021|56000 57000
BANKNIFTY|2026-11-23|30|40031|56000 57000
RELIANCE|2026-10-27|500|40041|
RELIANCE|2026-11-23|500|40051|
SBIN|2026-11-23|750|40061|
"""


def _rows(table: str) -> list[list[str]]:
    return [line.split("|") for line in table.strip().splitlines()]


def _shares() -> list[Instrument]:
    return [
        Instrument(symbol, isin, name, CASH, "EQ", int(token), bse_code, base_price=int(price))
        for symbol, isin, token, bse_code, price, name in _rows(_SHARES)
    ]


def _indexes() -> list[Instrument]:
    return [
        Instrument(symbol, "", symbol, CASH, "IDX", int(token), base_price=int(points))
        for symbol, token, points in _rows(_INDEXES)
    ]


def _contracts() -> list[Instrument]:
    found = []
    for underlying, expiry_text, lot, token, strikes in _rows(_CONTRACTS):
        expiry = date.fromisoformat(expiry_text)
        kinds = [("FUT", "")] + [(kind, strike) for strike in strikes.split() for kind in ("CE", "PE")]
        for number, (kind, strike) in enumerate(kinds, int(token)):
            symbol = f"{underlying}{expiry:%y%b}{strike}{kind}".upper()
            found.append(
                Instrument(
                    symbol,
                    "",
                    symbol,
                    FNO,
                    kind,
                    number,
                    lot_size=int(lot),
                    underlying=underlying,
                    expiry=expiry,
                    strike=Decimal(strike or 0),
                )
            )
    return found


SHARES = _shares()
INDEXES = _indexes()
CONTRACTS = _contracts()
