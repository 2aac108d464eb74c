from typing import Any

AlterClientQuotasRequest: Any
DescribeClientQuotasRequest: Any
