"""Access to Amazon CloudWatch through boto3, which is imported only when data is sent."""

from __future__ import annotations

from collections.abc import Callable

from neuron_console.extras import requires
from neuron_monitor.cloudwatch.send import Client, NotSent
from neuron_monitor.cloudwatch.window import Datum
from runtime_core.telemetry import NeuronError

ATTEMPTS = 4
CONNECT_SECONDS = 5
READ_SECONDS = 10

_REFUSED = {
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "InvalidFormat",
    "LimitExceeded",
    "MissingParameter",
    "ValidationError",
}
"""Error codes of PutMetricData for requests that would fail again; codes that end in ``Exception`` are equivalent."""


def connect(region: str | None, endpoint_url: str | None) -> Client:
    """Return a client that tries each request up to four times, with increasing pauses.

    Args:
        region: AWS region; ``None``: that of boto3's configuration.
        endpoint_url: URL of the service; ``None``: AWS's own.

    Raises:
        NeuronError: the region or the credentials are missing.
        MissingExtraError: boto3 is not installed.
    """
    with requires("cloudwatch"):
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, NoRegionError
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    try:
        session = boto3.session.Session(region_name=region)
        client: Client = session.client("cloudwatch", endpoint_url=endpoint_url, config=config)
        credentials = session.get_credentials()
    except NoRegionError:
        raise NeuronError("the AWS region is not set", mend="give --region, or set AWS_REGION") from None
    except (BotoCoreError, ValueError) as error:
        raise NeuronError(str(error)) from None
    if credentials is None:
        raise NeuronError(
            "no AWS credentials", mend="give the instance a role, or set AWS_ACCESS_KEY_ID or AWS_PROFILE"
        )
    return client


def putter(client: Client, namespace: str) -> Callable[[list[Datum]], None]:
    """Return a function that sends a request to a namespace, and raises :class:`NotSent` if this fails."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    def put(data: list[Datum]) -> None:
        try:
            client.put_metric_data(Namespace=namespace, MetricData=data)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "")).removesuffix("Exception")
            raise NotSent(str(error), refused=code in _REFUSED) from None
        except ParamValidationError as error:
            raise NotSent(str(error), refused=True) from None
        except BotoCoreError as error:
            raise NotSent(str(error), refused=False) from None

    return put
