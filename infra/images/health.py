"""Exit 0 when the URL given answers with 200: the slim images have no curl."""

import sys
from urllib.request import urlopen

with urlopen(sys.argv[1], timeout=4) as answer:  # noqa: S310 (compose's own URL)
    sys.exit(answer.status != 200)
