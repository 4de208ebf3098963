"""Gets a URL that the authority given as file must vouch for: get.py CA URL."""

import ssl
import sys
import urllib.request

context = ssl.create_default_context(cafile=sys.argv[1])
with urllib.request.urlopen(sys.argv[2], timeout=20, context=context) as response:
    print(response.status)
