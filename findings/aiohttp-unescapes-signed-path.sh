#!/usr/bin/env bash
# One would guess: an HTTP client puts the path on the wire as it was given, so a path that was signed stays signed.
# True: aiohttp parses a text URL with yarl, which takes back every percent-escape that the path could do without: a
#   model's ARN leaves with ":" where "%3A" was given ("%2F" stays). A service that signs what it received gets another
#   signature. yarl.URL(..., encoded=True) is sent as given.
# Why it matters here: Bedrock has the model's id or ARN in the path, and our calls are signed with SigV4 and sent by
#   aiohttp; with plain text URLs every call to an inference profile's ARN would be refused as badly signed.
# Seen with aiohttp 3.14.5, yarl 1.25.1 and botocore 1.43.106:
#   given    /model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A111122223333%3Ainference-profile%2Fexample/converse
#   text     /model/arn:aws:bedrock:eu-west-1:111122223333:inference-profile%2Fexample/converse    signature differs
#   encoded  as given                                                                              signature is the same
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    aiohttp==3.14.5 yarl==1.25.1 botocore==1.43.106

"$folder/venv/bin/python" - <<'EOF'
import asyncio
from importlib.metadata import version
from urllib.parse import quote

from aiohttp import ClientSession, web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

ARN = "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/example"
GIVEN = f"/model/{quote(ARN, safe='')}/converse"


def signature(path):
    """What botocore makes of a POST to this path at a fixed time."""
    signer = SigV4Auth(Credentials("example", "example"), "bedrock", "eu-west-1")
    request = AWSRequest("POST", f"http://127.0.0.1{path}", data=b"{}")
    request.context["timestamp"] = "20300101T000000Z"
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


async def received():
    """The paths that a server sees for the same address, given as text and as an encoded URL."""
    paths = []

    async def answer(request):
        paths.append(request.raw_path)
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}{GIVEN}"
    async with ClientSession() as session:
        for url in (address, URL(address, encoded=True)):
            async with session.post(url, data=b"{}") as response:
                assert response.status == 200
    await runner.cleanup()
    return paths


text, encoded = asyncio.run(received())
print(*(f"{name} {version(name)}" for name in ("aiohttp", "yarl", "botocore")), sep=", ")
print(f"given    {GIVEN}\ntext     {text}\nencoded  {encoded}")
assert text == GIVEN.replace("%3A", ":") != GIVEN, text
assert encoded == GIVEN, encoded
assert signature(text) != signature(GIVEN) == signature(encoded)
EOF
