from typing import Any

AlterUserScramCredentialsRequest: Any
DescribeUserScramCredentialsRequest: Any
